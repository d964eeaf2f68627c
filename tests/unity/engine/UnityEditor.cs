// Stand-ins for Unity's editor, see Objects.cs: inspectors draw nothing, and StandIn.Hand works their controls.
using System;
using System.Collections.Generic;
using System.Reflection;
using UnityEngine;

namespace UnityEditor
{
    public class Editor : ScriptableObject
    {
        public UnityEngine.Object target { get; private set; }
        public virtual void OnInspectorGUI() { }

        /// <summary>The custom inspector of an object, of any assembly that is loaded.</summary>
        public static Editor CreateEditor(UnityEngine.Object of)
        {
            foreach (Assembly assembly in AppDomain.CurrentDomain.GetAssemblies())
                foreach (Type type in assembly.GetTypes())
                    foreach (CustomEditor custom in type.GetCustomAttributes(typeof(CustomEditor), false))
                        if (custom.Inspected == of.GetType())
                        {
                            var editor = (Editor)Activator.CreateInstance(type);
                            editor.target = of;
                            return editor;
                        }
            return null;
        }

        public bool DrawDefaultInspector() { return false; }
        public virtual bool RequiresConstantRepaint() { return false; }
        public void Repaint() { }
    }

    public class CustomEditor : Attribute
    {
        internal readonly Type Inspected;
        public CustomEditor(Type inspectedType) { Inspected = inspectedType; }
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
        public static T AddComponent<T>(GameObject gameObject) where T : Component
        {
            return gameObject.AddComponent<T>();
        }
    }

    public enum MessageType { None, Info, Warning, Error }

    public sealed class EditorGUI
    {
        public static void BeginDisabledGroup(bool disabled) { }
        public static void EndDisabledGroup() { }
        static readonly Stack<bool> before = new Stack<bool>();

        public static void BeginChangeCheck()
        {
            before.Push(GUI.changed);
            GUI.changed = false;
        }

        public static bool EndChangeCheck()
        {
            bool changed = GUI.changed;
            GUI.changed |= before.Pop();
            return changed;
        }
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
            StandIn.Hand.Popups.Add(displayedOptions[selectedIndex]);
            int chosen = Array.FindIndex(displayedOptions, StandIn.Hand.Choices.Contains);
            if (chosen < 0)
                return selectedIndex;
            StandIn.Hand.Choices.Remove(displayedOptions[chosen]);
            GUI.changed |= chosen != selectedIndex;
            return chosen;
        }
        public static UnityEngine.Object ObjectField(
            string label, UnityEngine.Object obj, Type objType, bool allowSceneObjects,
            params GUILayoutOption[] options)
        {
            UnityEngine.Object held;
            return StandIn.Hand.Objects.TryGetValue(label, out held) ? held : obj;
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
