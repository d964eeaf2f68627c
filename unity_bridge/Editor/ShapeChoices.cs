using System.Collections.Generic;
using UnityEngine;

namespace TokTalk.Editing
{
    /// <summary>What the popup of a rule offers: the shapes of a face's meshes, and the rule's own.</summary>
    sealed class ShapeChoices
    {
        const string ByName = "(found by its name)";
        const string Absent = " (not on this mesh)";

        readonly List<string> shapes = new List<string> { "" };

        /// <param name="face">Whose meshes are looked at, or null.</param>
        public ShapeChoices(TokTalkFace face)
        {
            if (face == null)
                return;
            foreach (SkinnedMeshRenderer renderer in face.GetComponentsInChildren<SkinnedMeshRenderer>(true))
                for (int k = 0; renderer.sharedMesh != null && k < renderer.sharedMesh.blendShapeCount; k++)
                    if (!shapes.Contains(renderer.sharedMesh.GetBlendShapeName(k)))
                        shapes.Add(renderer.sharedMesh.GetBlendShapeName(k));
        }

        /// <summary>Whether there are shapes to choose from.</summary>
        public bool Any
        {
            get { return shapes.Count > 1; }
        }

        /// <summary>The entries for a rule that drives <paramref name="shape"/>.</summary>
        public string[] Labels(string shape)
        {
            var labels = new List<string>(shapes);
            labels[0] = ByName;
            if (!shapes.Contains(shape))
                labels.Add(shape + Absent);
            return labels.ToArray();
        }

        /// <summary>The entry of <paramref name="shape"/>.</summary>
        public int IndexOf(string shape)
        {
            int index = shapes.IndexOf(shape);
            return index < 0 ? shapes.Count : index;
        }

        /// <summary>The shape that an entry stands for, to a rule that drives <paramref name="shape"/>.</summary>
        public string At(int index, string shape)
        {
            return index < shapes.Count ? shapes[index] : shape;
        }
    }
}
