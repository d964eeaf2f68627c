// Signatures of Unity's editor API (2021.3) that unity_bridge uses, for type checking where no Unity is installed. They
// do nothing, and no test runs them. Written from docs.unity3d.com/2021.3/Documentation/ScriptReference
using System;
using UnityEngine;

namespace UnityEditor
{
    public class Editor : ScriptableObject
    {
        public UnityEngine.Object target { get; set; }
        public virtual void OnInspectorGUI() { }
        public bool DrawDefaultInspector() { return false; }
        public virtual bool RequiresConstantRepaint() { return false; }
        public void Repaint() { }
    }

    public class CustomEditor : Attribute
    {
        public CustomEditor(Type inspectedType) { }
    }

    [AttributeUsage(AttributeTargets.Method, AllowMultiple = true)]
    public sealed class MenuItem : Attribute
    {
        public MenuItem(string itemName, bool isValidateFunction) { }
        public MenuItem(string itemName, bool isValidateFunction, int priority) { }
    }

    public sealed class Selection
    {
        public static GameObject activeGameObject { get; set; }
    }

    public class Undo
    {
        public static void SetCurrentGroupName(string name) { }
        public static void RecordObject(UnityEngine.Object objectToUndo, string name) { }
        public static T AddComponent<T>(GameObject gameObject) where T : Component { return null; }
    }

    public enum MessageType { None, Info, Warning, Error }

    public sealed class EditorGUI
    {
        public static void BeginDisabledGroup(bool disabled) { }
        public static void EndDisabledGroup() { }
        public static void BeginChangeCheck() { }
        public static bool EndChangeCheck() { return false; }
    }

    public sealed class EditorGUILayout
    {
        public static void Space() { }
        public static bool Foldout(bool foldout, string content, bool toggleOnLabelClick) { return false; }
        public static void HelpBox(string message, MessageType type) { }
        public static void PrefixLabel(string label) { }
        public static void LabelField(string label, params GUILayoutOption[] options) { }
        public static string TextField(string text, params GUILayoutOption[] options) { return text; }
        public static string TextField(string label, string text, params GUILayoutOption[] options) { return text; }
        public static bool Toggle(string label, bool value, params GUILayoutOption[] options) { return value; }
        public static float Slider(float value, float leftValue, float rightValue, params GUILayoutOption[] options)
        {
            return value;
        }
        public static float Slider(
            string label, float value, float leftValue, float rightValue, params GUILayoutOption[] options)
        {
            return value;
        }
        public static int Popup(int selectedIndex, string[] displayedOptions, params GUILayoutOption[] options)
        {
            return 0;
        }
        public static UnityEngine.Object ObjectField(
            string label, UnityEngine.Object obj, Type objType, bool allowSceneObjects,
            params GUILayoutOption[] options)
        {
            return obj;
        }
        public static Rect BeginHorizontal(params GUILayoutOption[] options) { return default(Rect); }
        public static void EndHorizontal() { }
    }

    public sealed class EditorUtility
    {
        public static void SetDirty(UnityEngine.Object target) { }
        public static string SaveFilePanelInProject(string title, string defaultName, string extension, string message)
        {
            return "";
        }
    }

    public sealed class AssetDatabase
    {
        public static void CreateAsset(UnityEngine.Object asset, string path) { }
    }

    public struct EditorCurveBinding
    {
        public static EditorCurveBinding FloatCurve(string inPath, Type inType, string inPropertyName)
        {
            return default(EditorCurveBinding);
        }
    }

    public class AnimationUtility
    {
        public static void SetEditorCurve(AnimationClip clip, EditorCurveBinding binding, AnimationCurve curve) { }
    }

    public class EditorWindow : ScriptableObject { }

    public class SearchableEditorWindow : EditorWindow { }

    public class SceneView : SearchableEditorWindow
    {
        public static void RepaintAll() { }
    }
}
