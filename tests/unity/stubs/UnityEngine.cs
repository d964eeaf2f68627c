// Signatures of Unity's API (2021.3) that unity_bridge uses, for type checking where no Unity is installed. They do
// nothing, and no test runs them. Written from docs.unity3d.com/2021.3/Documentation/ScriptReference
using System;
using System.Collections.Generic;

namespace UnityEngine
{
    public class Object
    {
        public string name { get; set; }
        public static implicit operator bool(Object exists) { return exists != null; }
        public static bool operator ==(Object x, Object y) { return ReferenceEquals(x, y); }
        public static bool operator !=(Object x, Object y) { return !ReferenceEquals(x, y); }
        public override bool Equals(object other) { return ReferenceEquals(this, other); }
        public override int GetHashCode() { return 0; }
        public static void Destroy(Object obj) { }
    }

    public class Component : Object
    {
        public Transform transform { get { return null; } }
        public GameObject gameObject { get { return null; } }
        public T GetComponent<T>() { return default(T); }
        public T GetComponentInParent<T>() { return default(T); }
        public T GetComponentInChildren<T>() { return default(T); }
        public T[] GetComponentsInChildren<T>(bool includeInactive) { return null; }
    }

    public class Behaviour : Component
    {
        public bool enabled { get; set; }
        public bool isActiveAndEnabled { get { return false; } }
    }

    public class MonoBehaviour : Behaviour { }

    public class ScriptableObject : Object
    {
        public static T CreateInstance<T>() where T : ScriptableObject { return null; }
    }

    public sealed class GameObject : Object
    {
        public GameObject(string name) { }
        public Transform transform { get { return null; } }
        public T AddComponent<T>() where T : Component { return null; }
        public T GetComponent<T>() { return default(T); }
        public T GetComponentInChildren<T>(bool includeInactive) { return default(T); }
    }

    public class Transform : Component, System.Collections.IEnumerable
    {
        public Transform parent { get; set; }
        public Vector3 localPosition { get; set; }
        public Vector3 localScale { get; set; }
        public Quaternion rotation { get; set; }
        public Quaternion localRotation { get; set; }
        public void SetParent(Transform parent, bool worldPositionStays) { }
        public System.Collections.IEnumerator GetEnumerator() { return null; }
    }

    public struct Vector2
    {
        public float x, y;
        public Vector2(float x, float y) { this.x = x; this.y = y; }
    }

    public struct Vector3
    {
        public float x, y, z;
        public Vector3(float x, float y, float z) { this.x = x; this.y = y; this.z = z; }
        public static Vector3 one { get { return default(Vector3); } }
        public static Vector3 operator *(Vector3 a, float d) { return a; }
    }

    public struct Quaternion
    {
        public float x, y, z, w;
        public Quaternion(float x, float y, float z, float w) { this.x = x; this.y = y; this.z = z; this.w = w; }
        public float this[int index] { get { return 0; } set { } }
        public static Quaternion identity { get { return default(Quaternion); } }
        public static Quaternion Euler(float x, float y, float z) { return default(Quaternion); }
        public static Quaternion Inverse(Quaternion rotation) { return rotation; }
        public static float Dot(Quaternion a, Quaternion b) { return 0; }
        public static Quaternion operator *(Quaternion lhs, Quaternion rhs) { return lhs; }
        public static bool operator ==(Quaternion lhs, Quaternion rhs) { return false; }
        public static bool operator !=(Quaternion lhs, Quaternion rhs) { return false; }
        public override bool Equals(object other) { return false; }
        public override int GetHashCode() { return 0; }
    }

    public struct Color
    {
        public float r, g, b, a;
        public Color(float r, float g, float b, float a) { this.r = r; this.g = g; this.b = b; this.a = a; }
    }

    public struct Rect
    {
        public Rect(float x, float y, float width, float height) { }
    }

    public struct Bounds
    {
        public Bounds(Vector3 center, Vector3 size) { }
    }

    public struct Mathf
    {
        public const float Deg2Rad = 0.0174532924f, Rad2Deg = 57.29578f;
        public static float Clamp(float value, float min, float max) { return value; }
        public static int Clamp(int value, int min, int max) { return value; }
        public static float Max(float a, float b) { return a; }
    }

    public sealed class Time
    {
        public static float time { get { return 0; } }
    }

    public sealed class Application
    {
        public static string unityVersion { get { return ""; } }
        public static bool isPlaying { get { return false; } }
        public static bool runInBackground { get; set; }
    }

    public class Debug
    {
        public static void LogWarning(object message, Object context) { }
        public static void LogError(object message, Object context) { }
    }

    // meshes

    public sealed class Mesh : Object
    {
        public int blendShapeCount { get { return 0; } }
        public Rendering.IndexFormat indexFormat { get; set; }
        public Vector3[] vertices { get; set; }
        public Vector3[] normals { get; set; }
        public Color[] colors { get; set; }
        public int[] triangles { get; set; }
        public Bounds bounds { get; set; }
        public string GetBlendShapeName(int shapeIndex) { return ""; }
        public int GetBlendShapeFrameCount(int shapeIndex) { return 0; }
        public float GetBlendShapeFrameWeight(int shapeIndex, int frameIndex) { return 0; }
        public void AddBlendShapeFrame(
            string shapeName, float frameWeight, Vector3[] deltaVertices, Vector3[] deltaNormals,
            Vector3[] deltaTangents)
        {
        }
        public void RecalculateBounds() { }
    }

    public class Renderer : Component
    {
        public Material sharedMaterial { get; set; }
    }

    public class SkinnedMeshRenderer : Renderer
    {
        public Mesh sharedMesh { get; set; }
        public Bounds localBounds { get; set; }
        public float GetBlendShapeWeight(int index) { return 0; }
        public void SetBlendShapeWeight(int index, float value) { }
    }

    public class Material : Object
    {
        public Material(Shader shader) { }
        public void SetFloat(string name, float value) { }
    }

    public sealed class Shader : Object
    {
        public static Shader Find(string name) { return null; }
    }

    public class TextAsset : Object
    {
        public byte[] bytes { get { return null; } }
    }

    public enum CameraClearFlags { Skybox = 1, Color = 2, SolidColor = 2, Depth = 3, Nothing = 4 }

    public sealed class Camera : Behaviour
    {
        public static Camera main { get { return null; } }
        public float fieldOfView { get; set; }
        public float nearClipPlane { get; set; }
        public CameraClearFlags clearFlags { get; set; }
        public Color backgroundColor { get; set; }
    }

    // sound

    public sealed class AudioClip : Object
    {
        public static AudioClip Create(string name, int lengthSamples, int channels, int frequency, bool stream)
        {
            return null;
        }
        public bool SetData(float[] data, int offsetSamples) { return false; }
    }

    public class AudioBehaviour : Behaviour { }

    public sealed class AudioListener : AudioBehaviour { }

    public sealed class AudioSource : AudioBehaviour
    {
        public AudioClip clip { get; set; }
        public bool loop { get; set; }
        public float pitch { get; set; }
        public float dopplerLevel { get; set; }
        public void Play() { }
        public void Stop() { }
    }

    public sealed class AudioSettings
    {
        public delegate void AudioConfigurationChangeHandler(bool deviceWasChanged);
        public static event AudioConfigurationChangeHandler OnAudioConfigurationChanged { add { } remove { } }
        public static double dspTime { get { return 0; } }
        public static int outputSampleRate { get; set; }
        public static void GetDSPBufferSize(out int bufferLength, out int numBuffers) { bufferLength = numBuffers = 0; }
    }

    // animation

    public struct Keyframe
    {
        public Keyframe(float time, float value, float inTangent, float outTangent) { }
    }

    public class AnimationCurve
    {
        public AnimationCurve(params Keyframe[] keys) { }
    }

    public class Motion : Object { }

    public sealed class AnimationClip : Motion
    {
        public bool legacy { get; set; }
        public void SetCurve(string relativePath, Type type, string propertyName, AnimationCurve curve) { }
    }

    public enum HumanBodyBones { Neck = 9, Head = 10, LeftEye = 21, RightEye = 22 }

    public class Animator : Behaviour
    {
        public bool isHuman { get { return false; } }
        public Transform GetBoneTransform(HumanBodyBones humanBoneId) { return null; }
    }

    // attributes

    public sealed class SerializeField : Attribute { }

    public class PropertyAttribute : Attribute { }

    [AttributeUsage(AttributeTargets.Field)]
    public sealed class RangeAttribute : PropertyAttribute
    {
        public RangeAttribute(float min, float max) { }
    }

    [AttributeUsage(AttributeTargets.Field)]
    public class TooltipAttribute : PropertyAttribute
    {
        public TooltipAttribute(string tooltip) { }
    }

    public sealed class AddComponentMenu : Attribute
    {
        public AddComponentMenu(string menuName) { }
    }

    [AttributeUsage(AttributeTargets.Class)]
    public class DefaultExecutionOrder : Attribute
    {
        public DefaultExecutionOrder(int order) { }
    }

    [AttributeUsage(AttributeTargets.Class)]
    public sealed class DisallowMultipleComponent : Attribute { }

    [AttributeUsage(AttributeTargets.Class, AllowMultiple = true)]
    public sealed class RequireComponent : Attribute
    {
        public RequireComponent(Type requiredComponent) { }
    }

    [AttributeUsage(AttributeTargets.Class)]
    public sealed class CreateAssetMenuAttribute : Attribute
    {
        public string menuName { get; set; }
        public string fileName { get; set; }
    }

    // immediate GUI

    public class GUILayoutOption { }

    public class GUILayout
    {
        public static bool Button(string text, params GUILayoutOption[] options) { return false; }
        public static void Label(string text, params GUILayoutOption[] options) { }
        public static void BeginArea(Rect screenRect) { }
        public static void EndArea() { }
        public static GUILayoutOption Width(float width) { return null; }
    }
}

namespace UnityEngine.Rendering
{
    public enum IndexFormat { UInt16, UInt32 }
}
