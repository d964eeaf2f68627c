using UnityEditor;
using UnityEngine;

namespace TokTalk.Editing
{
    /// <summary>Buttons that record, and save the recording as an animation clip.</summary>
    [CustomEditor(typeof(TokTalkRecorder))]
    sealed class TokTalkRecorderEditor : Editor
    {
        public override bool RequiresConstantRepaint()
        {
            return ((TokTalkRecorder)target).IsRecording;
        }

        public override void OnInspectorGUI()
        {
            DrawDefaultInspector();
            var recorder = (TokTalkRecorder)target;
            EditorGUILayout.Space();
            if (!Application.isPlaying)
                EditorGUILayout.HelpBox("Press Play to record.", MessageType.Info);
            else if (!recorder.IsRecording && GUILayout.Button("Record"))
                recorder.StartRecording();
            else if (recorder.IsRecording
                && GUILayout.Button("Stop and save (" + recorder.Seconds.ToString("F1") + " s)"))
                Save(recorder);
        }

        static void Save(TokTalkRecorder recorder)
        {
            var clip = new AnimationClip { name = recorder.name + " face" };
            foreach (TokTalkRecorder.Track track in recorder.Tracks())
                AnimationUtility.SetEditorCurve(
                    clip, EditorCurveBinding.FloatCurve(track.Path, track.Type, track.Property), track.Curve);
            string path = EditorUtility.SaveFilePanelInProject("Animation clip", clip.name, "anim", "");
            if (!string.IsNullOrEmpty(path))
                AssetDatabase.CreateAsset(clip, path);
        }
    }
}
