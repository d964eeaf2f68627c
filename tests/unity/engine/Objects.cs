// Stand-ins for Unity's engine (API of 2021.3), so that the package's components run under mono. They do what Unity's
// documentation says of the parts that unity_bridge uses, and no more; Unity itself is not here.
// Written from docs.unity3d.com/2021.3/Documentation/ScriptReference
using System;
using System.Collections;
using System.Collections.Generic;
using System.Reflection;

namespace UnityEngine
{
    public class Object
    {
        internal bool destroyed;

        public virtual string name { get; set; }
        public static implicit operator bool(Object exists) { return exists != null; }
        public static bool operator ==(Object x, Object y) { return ReferenceEquals(Living(x), Living(y)); }
        public static bool operator !=(Object x, Object y) { return !(x == y); }
        public override bool Equals(object other) { return this == other as Object; }
        public override int GetHashCode() { return System.Runtime.CompilerServices.RuntimeHelpers.GetHashCode(this); }
        public static void Destroy(Object obj) { DestroyImmediate(obj); }

        public static void DestroyImmediate(Object obj)
        {
            if (obj == null)
                return;
            obj.Ending();
            obj.destroyed = true;
        }

        internal virtual void Ending() { }

        /// <summary>What was destroyed is null to Unity.</summary>
        static Object Living(Object any)
        {
            return ReferenceEquals(any, null) || any.destroyed ? null : any;
        }
    }

    public class ScriptableObject : Object
    {
        public static T CreateInstance<T>() where T : ScriptableObject { return Activator.CreateInstance<T>(); }
    }

    public class TextAsset : Object
    {
        readonly byte[] content;
        public TextAsset() { }
        internal TextAsset(byte[] content) { this.content = content; }
        public byte[] bytes { get { return content; } }
    }

    public sealed class GameObject : Object
    {
        internal static readonly List<GameObject> All = new List<GameObject>();
        internal readonly List<Component> components = new List<Component>();
        bool active = true;

        public GameObject(string name)
        {
            this.name = name;
            All.Add(this);
            Add(new Transform());
        }

        public Transform transform { get { return (Transform)components[0]; } }

        public bool activeInHierarchy
        {
            get { return active && (transform.parent == null || transform.parent.gameObject.activeInHierarchy); }
        }

        public void SetActive(bool value)
        {
            active = value;
            foreach (Component component in new List<Component>(components))
                if (component is MonoBehaviour)
                    ((MonoBehaviour)component).Follow();
        }

        public T AddComponent<T>() where T : Component { return (T)AddComponent(typeof(T)); }

        public Component AddComponent(Type type)
        {
            foreach (RequireComponent required in type.GetCustomAttributes(typeof(RequireComponent), true))
                if (!components.Exists(there => required.Type.IsInstanceOfType(there)))
                    AddComponent(required.Type);
            var component = (Component)Activator.CreateInstance(type);
            Add(component);
            if (component is MonoBehaviour)
                ((MonoBehaviour)component).Follow();
            return component;
        }

        void Add(Component component)
        {
            component.owner = this;
            components.Add(component);
        }

        public T GetComponent<T>() { return First<T>(components); }

        public T GetComponentInChildren<T>(bool includeInactive)
        {
            return First<T>(Below(this, includeInactive));
        }

        internal static IEnumerable<Component> Below(GameObject from, bool includeInactive)
        {
            if (!includeInactive && !from.activeInHierarchy)
                yield break;
            foreach (Component component in from.components)
                yield return component;
            foreach (Transform child in from.transform)
                foreach (Component component in Below(child.gameObject, includeInactive))
                    yield return component;
        }

        internal static T First<T>(IEnumerable<Component> among)
        {
            foreach (Component component in among)
                if (component is T && component != null)
                    return (T)(object)component;
            return default(T);
        }

        internal override void Ending()
        {
            foreach (Transform child in new List<Transform>(transform.children))
                DestroyImmediate(child.gameObject);
            foreach (Component component in components)
            {
                component.Ending();
                component.destroyed = true;
            }
            if (transform.parent != null)
                transform.parent.children.Remove(transform);
            All.Remove(this);
        }
    }

    public class Component : Object
    {
        internal GameObject owner;

        public override string name
        {
            get { return owner.name; }
            set { owner.name = value; }
        }

        public Transform transform { get { return owner.transform; } }
        public GameObject gameObject { get { return owner; } }
        public T GetComponent<T>() { return owner.GetComponent<T>(); }
        public T GetComponentInChildren<T>() { return owner.GetComponentInChildren<T>(false); }

        public T GetComponentInParent<T>()
        {
            for (Transform at = transform; at != null; at = at.parent)
            {
                T found = at.GetComponent<T>();
                if (found != null)
                    return found;
            }
            return default(T);
        }

        public T[] GetComponentsInChildren<T>(bool includeInactive)
        {
            var found = new List<T>();
            foreach (Component component in GameObject.Below(owner, includeInactive))
                if (component is T && component != null)
                    found.Add((T)(object)component);
            return found.ToArray();
        }
    }

    public class Behaviour : Component
    {
        bool on = true;

        public bool enabled
        {
            get { return on; }
            set
            {
                on = value;
                if (this is MonoBehaviour)
                    ((MonoBehaviour)this).Follow();
            }
        }

        public bool isActiveAndEnabled { get { return on && owner.activeInHierarchy && !destroyed; } }
    }

    /// <summary>Gets its messages only while the scene plays, as Unity's do that are not ExecuteAlways.</summary>
    public class MonoBehaviour : Behaviour
    {
        bool awake, running;

        internal void Follow()
        {
            if (!Application.isPlaying || isActiveAndEnabled == running)
                return;
            running = !running;
            if (!awake)
                Send("Awake");
            awake = true;
            if (isActiveAndEnabled == running)
                Send(running ? "OnEnable" : "OnDisable");
        }

        internal override void Ending()
        {
            if (running)
                Send("OnDisable");
            running = false;
        }

        internal void Send(string message, params object[] arguments)
        {
            const BindingFlags any = BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic;
            MethodInfo method = GetType().GetMethod(message, any);
            if (method != null)
                method.Invoke(this, arguments);
        }
    }

    public class Transform : Component, IEnumerable
    {
        internal readonly List<Transform> children = new List<Transform>();
        Transform above;

        public Vector3 localPosition { get; set; }
        public Vector3 localScale { get; set; }
        public Quaternion localRotation { get; set; }

        public Transform()
        {
            localScale = Vector3.one;
            localRotation = Quaternion.identity;
        }

        public Transform parent
        {
            get { return above; }
            set { SetParent(value, true); }
        }

        public Quaternion rotation
        {
            get { return above == null ? localRotation : above.rotation * localRotation; }
            set { localRotation = above == null ? value : Quaternion.Inverse(above.rotation) * value; }
        }

        public Vector3 forward { get { return rotation * new Vector3(0, 0, 1); } }
        public Vector3 right { get { return rotation * new Vector3(1, 0, 0); } }

        public void SetParent(Transform parent, bool worldPositionStays)
        {
            Quaternion world = rotation;
            if (above != null)
                above.children.Remove(this);
            above = parent;
            if (above != null)
                above.children.Add(this);
            if (worldPositionStays)
                rotation = world;
        }

        public Transform Find(string path)
        {
            Transform at = this;
            foreach (string part in path.Split('/'))
                at = part == "" || at == null ? at : at.children.Find(child => child.name == part);
            return at;
        }

        public IEnumerator GetEnumerator() { return children.GetEnumerator(); }
    }
}
