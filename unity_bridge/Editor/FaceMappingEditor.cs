using System;
using System.Collections.Generic;
using UnityEditor;
using UnityEngine;

namespace TokTalk.Editing
{
    /// <summary>
    /// Edits a mapping: every ARKit name with the shape that it drives and by how much, searchable; with a face of the
    /// scene chosen, its shapes are offered and sliders move it.
    /// </summary>
    [CustomEditor(typeof(FaceMapping))]
    sealed class FaceMappingEditor : Editor
    {
        readonly ShapeSliders sliders = new ShapeSliders();
        TokTalkFace face;
        string search = "";
        bool onlyRules;
        Action edit; // done after drawing, for the layout must not change meanwhile

        public override void OnInspectorGUI()
        {
            var mapping = (FaceMapping)target;
            face = (TokTalkFace)EditorGUILayout.ObjectField("Try on", face, typeof(TokTalkFace), true);
            search = EditorGUILayout.TextField("Search", search);
            onlyRules = EditorGUILayout.Toggle("Only my rules", onlyRules);
            var shapes = new ShapeChoices(face);
            EditorGUI.BeginChangeCheck();
            Undo.RecordObject(mapping, "Edit face mapping");
            foreach (string name in Arkit.Names)
                DrawName(mapping.Rules, name, shapes);
            if (EditorGUI.EndChangeCheck() || edit != null)
            {
                if (edit != null)
                    edit();
                edit = null;
                mapping.Changed();
                EditorUtility.SetDirty(mapping);
                if (face != null && !Application.isPlaying)
                    sliders.Show(face);
            }
            sliders.Draw(face);
        }

        void OnDisable()
        {
            sliders.Rest(face);
        }

        void DrawName(List<ShapeRule> rules, string name, ShapeChoices shapes)
        {
            List<ShapeRule> own = rules.FindAll(rule => rule.name == name);
            bool wanted = name.IndexOf(search, StringComparison.OrdinalIgnoreCase) >= 0
                || own.Exists(rule => rule.shape.IndexOf(search, StringComparison.OrdinalIgnoreCase) >= 0);
            if (!wanted || onlyRules && own.Count == 0)
                return;
            foreach (ShapeRule rule in own)
            {
                EditorGUILayout.BeginHorizontal();
                EditorGUILayout.PrefixLabel(name);
                EditorGUI.BeginChangeCheck();
                string shape = DrawShape(rule.shape, shapes);
                if (EditorGUI.EndChangeCheck())
                    rule.shape = shape;
                EditorGUI.BeginChangeCheck();
                float multiplier = EditorGUILayout.Slider(rule.multiplier, 0, 3);
                if (EditorGUI.EndChangeCheck())
                    rule.multiplier = multiplier;
                if (GUILayout.Button("-", GUILayout.Width(22)))
                    edit = () => rules.Remove(rule);
                EditorGUILayout.EndHorizontal();
            }
            EditorGUILayout.BeginHorizontal();
            EditorGUILayout.PrefixLabel(own.Count == 0 ? name : " ");
            if (own.Count == 0)
                EditorGUILayout.LabelField("found by its name");
            if (GUILayout.Button("+", GUILayout.Width(22)))
                edit = () => rules.Add(new ShapeRule { name = name });
            EditorGUILayout.EndHorizontal();
        }

        static string DrawShape(string shape, ShapeChoices shapes)
        {
            if (!shapes.Any)
                return EditorGUILayout.TextField(shape);
            return shapes.At(EditorGUILayout.Popup(shapes.IndexOf(shape), shapes.Labels(shape)), shape);
        }
    }
}
