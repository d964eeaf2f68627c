using UnityEditor;
using UnityEngine;

namespace TokTalk.Editing
{
    /// <summary>
    /// Shows what a receiver does while the scene plays, and lets one interrupt it and set its style.
    /// </summary>
    [CustomEditor(typeof(TokTalkReceiver))]
    sealed class TokTalkReceiverEditor : Editor
    {
        string style = "";
        PendingReply asked;

        public override bool RequiresConstantRepaint()
        {
            return Application.isPlaying;
        }

        public override void OnInspectorGUI()
        {
            DrawDefaultInspector();
            if (!Application.isPlaying)
                return;
            var receiver = (TokTalkReceiver)target;
            EditorGUILayout.Space();
            EditorGUILayout.HelpBox(receiver.Status, MessageType.None);
            if (GUILayout.Button("Interrupt"))
                asked = receiver.Interrupt();
            EditorGUILayout.BeginHorizontal();
            style = EditorGUILayout.TextField("Style", style);
            if (GUILayout.Button("Set", GUILayout.Width(40)))
                asked = receiver.SetStyle(style);
            EditorGUILayout.EndHorizontal();
            if (asked != null && asked.Error != null)
                EditorGUILayout.HelpBox(asked.Error, MessageType.Warning);
        }
    }
}
