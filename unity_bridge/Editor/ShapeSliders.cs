using System;
using System.Collections.Generic;
using UnityEditor;
using UnityEngine;

namespace TokTalk.Editing
{
    /// <summary>A searchable list of sliders, one for each ARKit name, that moves a face in the scene.</summary>
    sealed class ShapeSliders
    {
        readonly float[] weights = new float[Arkit.Names.Length];
        string search = "";
        bool open;

        /// <summary>Draw them for <paramref name="face"/>, marking the names that no mesh has.</summary>
        public void Draw(TokTalkFace face)
        {
            open = EditorGUILayout.Foldout(open, "Test sliders", true);
            if (!open || face == null)
                return;
            if (Application.isPlaying)
            {
                EditorGUILayout.HelpBox("The bridge moves the face while the scene plays.", MessageType.Info);
                return;
            }
            search = EditorGUILayout.TextField("Search", search);
            bool changed = false;
            for (int k = 0; k < weights.Length; k++)
            {
                string name = Arkit.Names[k];
                if (name.IndexOf(search, StringComparison.OrdinalIgnoreCase) < 0)
                    continue;
                EditorGUI.BeginDisabledGroup(Contains(face.Missing, name));
                float value = EditorGUILayout.Slider(name, weights[k], 0, 1);
                EditorGUI.EndDisabledGroup();
                changed |= value != weights[k];
                weights[k] = value;
            }
            if (GUILayout.Button("Rest"))
            {
                Array.Clear(weights, 0, weights.Length);
                changed = true;
            }
            if (changed)
                Show(face);
        }

        /// <summary>Find the face's shapes anew, and show the sliders on it.</summary>
        public void Show(TokTalkFace face)
        {
            face.Rebuild(Arkit.Names);
            face.Apply(weights);
            SceneView.RepaintAll();
        }

        /// <summary>Let the face rest, if it was moved.</summary>
        public void Rest(TokTalkFace face)
        {
            if (face == null || Application.isPlaying || !Array.Exists(weights, value => value != 0))
                return;
            Array.Clear(weights, 0, weights.Length);
            face.Restore();
        }

        static bool Contains(IList<string> names, string name)
        {
            return names.IndexOf(name) >= 0;
        }
    }
}
