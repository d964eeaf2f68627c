using System.Collections.Generic;
using UnityEngine;

namespace TokTalk
{
    /// <summary>
    /// What you want of single ARKit names: another shape of the mesh, or more or less of it. Names without a rule find
    /// their shape by themselves. Make one by Assets > Create > TokTalk > Face Mapping.
    /// </summary>
    [CreateAssetMenu(menuName = "TokTalk/Face Mapping", fileName = "FaceMapping")]
    public sealed class FaceMapping : ScriptableObject
    {
        [SerializeField] List<ShapeRule> rules = new List<ShapeRule>();

        /// <summary>The rules; call <see cref="Changed"/> after changing them.</summary>
        public List<ShapeRule> Rules
        {
            get { return rules; }
        }

        /// <summary>Counts the changes.</summary>
        public int Version { get; private set; }

        /// <summary>Let the faces that use this mapping take it in anew.</summary>
        public void Changed()
        {
            Version++;
        }

        void OnValidate()
        {
            Version++;
        }
    }
}
