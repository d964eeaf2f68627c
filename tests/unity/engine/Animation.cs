// Stand-ins for Unity's engine, see Objects.cs: curves and clips.
using System;
using System.Collections.Generic;

namespace UnityEngine
{
    public struct Keyframe
    {
        public float time, value, inTangent, outTangent;

        public Keyframe(float time, float value, float inTangent, float outTangent)
        {
            this.time = time;
            this.value = value;
            this.inTangent = inTangent;
            this.outTangent = outTangent;
        }
    }

    public class AnimationCurve
    {
        public Keyframe[] keys { get; private set; }
        public AnimationCurve(params Keyframe[] keys) { this.keys = keys; }
        public int length { get { return keys.Length; } }

        /// <summary>Cubic Hermite between two keys, their values beyond the first and the last.</summary>
        public float Evaluate(float time)
        {
            int next = Array.FindIndex(keys, key => key.time > time);
            if (next <= 0)
                return keys[next < 0 ? keys.Length - 1 : 0].value;
            Keyframe a = keys[next - 1], b = keys[next];
            float length = b.time - a.time, t = (time - a.time) / length, left = 1 - t;
            return a.value * (1 + 2 * t) * left * left + b.value * (1 + 2 * left) * t * t
                + length * (a.outTangent * t * left * left - b.inTangent * left * t * t);
        }
    }

    public class Motion : Object { }

    public sealed class AnimationClip : Motion
    {
        internal readonly List<KeyValuePair<string, Action<GameObject, float>>> Curves =
            new List<KeyValuePair<string, Action<GameObject, float>>>();

        public bool legacy { get; set; }
        public bool empty { get { return Curves.Count == 0; } }

        public void SetCurve(string relativePath, Type type, string propertyName, AnimationCurve curve)
        {
            string key = relativePath + " " + type.Name + " " + propertyName;
            Curves.RemoveAll(there => there.Key == key);
            Curves.Add(new KeyValuePair<string, Action<GameObject, float>>(key, (root, time) =>
            {
                Transform target = root.transform.Find(relativePath);
                if (target != null)
                    Put(target, type, propertyName, curve.Evaluate(time));
            }));
        }

        public void SampleAnimation(GameObject go, float time)
        {
            foreach (KeyValuePair<string, Action<GameObject, float>> curve in Curves)
                curve.Value(go, time);
        }

        static void Put(Transform target, Type type, string property, float value)
        {
            string[] parts = property.Split(new[] { '.' }, 2);
            if (type == typeof(SkinnedMeshRenderer) && parts[0] == "blendShape")
            {
                var renderer = target.GetComponent<SkinnedMeshRenderer>();
                renderer.SetBlendShapeWeight(renderer.sharedMesh.GetBlendShapeIndex(parts[1]), value);
            }
            else if (type == typeof(Transform) && (parts[0] == "localRotation" || parts[0] == "m_LocalRotation"))
            {
                Quaternion q = target.localRotation;
                float[] all = { q.x, q.y, q.z, q.w };
                all["xyzw".IndexOf(parts[1], StringComparison.Ordinal)] = value;
                target.localRotation = new Quaternion(all[0], all[1], all[2], all[3]);
            }
            else
                throw new ArgumentException("no property " + property + " of " + type.Name);
        }
    }

    public enum HumanBodyBones { Neck = 9, Head = 10, LeftEye = 21, RightEye = 22 }

    public class Animator : Behaviour
    {
        internal readonly Dictionary<HumanBodyBones, Transform> Human = new Dictionary<HumanBodyBones, Transform>();
        public bool isHuman { get { return Human.Count > 0; } }

        public Transform GetBoneTransform(HumanBodyBones humanBoneId)
        {
            Transform bone;
            return Human.TryGetValue(humanBoneId, out bone) ? bone : null;
        }
    }
}
