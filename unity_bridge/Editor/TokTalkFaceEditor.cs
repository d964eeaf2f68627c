using UnityEditor;
using UnityEngine;

namespace TokTalk.Editing
{
    /// <summary>Shows which names a face has, makes a mapping for it, and tests it by sliders.</summary>
    [CustomEditor(typeof(TokTalkFace))]
    sealed class TokTalkFaceEditor : Editor
    {
        readonly ShapeSliders sliders = new ShapeSliders();

        public override void OnInspectorGUI()
        {
            DrawDefaultInspector();
            var face = (TokTalkFace)target;
            EditorGUILayout.Space();
            if (!Application.isPlaying && GUILayout.Button("Find blendshapes"))
                face.Rebuild(Arkit.Names);
            int missing = face.Missing.Count;
            if (missing > 0)
                EditorGUILayout.HelpBox(
                    "No mesh has: " + string.Join(", ", face.Missing)
                    + ". A Face Mapping can name other shapes for them.", MessageType.Warning);
            if (face.Faults.Count > 0)
                EditorGUILayout.HelpBox("Face Mapping: " + string.Join("; ", face.Faults), MessageType.Warning);
            if (face.Mapping == null && GUILayout.Button("Create mapping..."))
                CreateMapping(face);
            sliders.Draw(face);
        }

        void OnEnable()
        {
            if (!Application.isPlaying)
                ((TokTalkFace)target).Rebuild(Arkit.Names);
        }

        void OnDisable()
        {
            sliders.Rest(target as TokTalkFace);
        }

        void CreateMapping(TokTalkFace face)
        {
            string path = EditorUtility.SaveFilePanelInProject("Face Mapping", face.name + " Mapping", "asset", "");
            if (string.IsNullOrEmpty(path))
                return;
            var mapping = CreateInstance<FaceMapping>();
            AssetDatabase.CreateAsset(mapping, path);
            Undo.RecordObject(face, "Create mapping");
            face.Mapping = mapping;
            EditorUtility.SetDirty(face);
        }
    }
}
