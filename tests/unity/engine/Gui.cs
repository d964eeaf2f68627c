// Stand-ins for Unity's engine, see Objects.cs: attributes, what is said, what is pressed.
using System;
using System.Collections.Generic;

namespace UnityEngine
{
    public enum LogType { Error, Assert, Warning, Log, Exception }

    public sealed class Application
    {
        public delegate void LogCallback(string condition, string stackTrace, LogType type);
        public static event LogCallback logMessageReceived;
        public static string unityVersion { get { return "2021.3"; } }
        public static bool isPlaying { get; internal set; }
        public static bool runInBackground { get; set; }

        internal static void Say(object message, LogType type)
        {
            if (logMessageReceived != null)
                logMessageReceived(message.ToString(), "", type);
        }
    }

    public class Debug
    {
        public static void LogWarning(object message, Object context) { Application.Say(message, LogType.Warning); }
        public static void LogError(object message, Object context) { Application.Say(message, LogType.Error); }
    }

    public sealed class Time
    {
        public static float time { get; internal set; }
        public static float deltaTime { get; internal set; }
    }

    public sealed class Screen
    {
        public static int height { get { return 720; } }
    }

    public class Input
    {
        internal static bool Pressed;
        internal static Vector3 At;
        public static Vector3 mousePosition { get { return At; } }
        public static bool GetMouseButtonDown(int button) { return Pressed; }
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
        public int order { get; private set; }
        public DefaultExecutionOrder(int order) { this.order = order; }
    }

    [AttributeUsage(AttributeTargets.Class)]
    public sealed class DisallowMultipleComponent : Attribute { }

    [AttributeUsage(AttributeTargets.Class, AllowMultiple = true)]
    public sealed class RequireComponent : Attribute
    {
        internal readonly Type Type;
        public RequireComponent(Type requiredComponent) { Type = requiredComponent; }
    }

    [AttributeUsage(AttributeTargets.Class)]
    public sealed class CreateAssetMenuAttribute : Attribute
    {
        public string menuName { get; set; }
        public string fileName { get; set; }
    }

    // immediate GUI: StandIn.Hand presses and chooses

    public class GUILayoutOption { }

    public sealed class GUIStyle
    {
        public static implicit operator GUIStyle(string name) { return new GUIStyle(); }
    }

    public class GUI
    {
        public static bool changed { get; set; }
        public static void Label(Rect position, string text) { StandIn.Hand.Shown[text] = position; }
        public static void Label(Rect position, string text, GUIStyle style) { Label(position, text); }
    }

    public class GUILayout
    {
        public static bool Button(string text, params GUILayoutOption[] options)
        {
            bool pressed = StandIn.Hand.Presses.Remove(text);
            GUI.changed |= pressed;
            return pressed;
        }

        public static GUILayoutOption Width(float width) { return null; }
    }
}

namespace UnityEngine.InputSystem
{
    public sealed class ButtonControl
    {
        public bool wasPressedThisFrame { get { return Input.Pressed; } }
    }

    public sealed class Vector2Control
    {
        public Vector2 ReadValue() { return Input.At; }
    }

    public class Pointer
    {
        public static Pointer current { get { return new Pointer(); } }
        public ButtonControl press { get { return new ButtonControl(); } }
        public Vector2Control position { get { return new Vector2Control(); } }
    }
}
