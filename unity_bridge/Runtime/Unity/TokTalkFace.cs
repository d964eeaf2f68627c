using System;
using System.Collections.Generic;
using UnityEngine;

namespace TokTalk
{
    /// <summary>
    /// Shows a receiver's weights on the blendshapes of any meshes. Shapes are found by ARKit's names in all their
    /// spellings; a <see cref="FaceMapping"/> changes what you want otherwise. Names that no mesh has are listed once.
    /// </summary>
    [AddComponentMenu("TokTalk/TokTalk Face")]
    [DefaultExecutionOrder(100)]
    public sealed class TokTalkFace : MonoBehaviour
    {
        [Tooltip("Where the weights come from; empty: the receiver on this object or above.")]
        [SerializeField] TokTalkReceiver receiver;

        [Tooltip("The meshes that move; empty: all below this object that have blendshapes.")]
        [SerializeField] SkinnedMeshRenderer[] renderers = new SkinnedMeshRenderer[0];

        [Tooltip("Rules for single names; may be empty.")]
        [SerializeField] FaceMapping mapping;

        [Tooltip("What every weight is multiplied by.")]
        [Range(0, 2)]
        [SerializeField] float strength = 1;

        sealed class Target
        {
            public SkinnedMeshRenderer Renderer;
            public Mesh Mesh;
            public string[] ShapeNames;
            public float[] FullWeights; // at which each shape is fully shown: 100, or 1 from some importers
            public ShapeMap Map;
        }

        readonly List<Target> targets = new List<Target>();
        string[] names = new string[0];
        float[] scaled = new float[0];
        string listed = "";
        FaceMapping builtMapping;
        int builtVersion;

        /// <summary>Names that no mesh has.</summary>
        public IList<string> Missing { get; private set; } = new string[0];

        /// <summary>Where the weights come from.</summary>
        public TokTalkReceiver Receiver
        {
            get { return receiver; }
            set { receiver = value; }
        }

        /// <summary>Rules for single names, or null.</summary>
        public FaceMapping Mapping
        {
            get { return mapping; }
            set { mapping = value; }
        }

        /// <summary>What every weight is multiplied by.</summary>
        public float Strength
        {
            get { return strength; }
            set { strength = Mathf.Max(0, value); }
        }

        /// <summary>The meshes that move. After meshes were added or exchanged call <see cref="Rebuild"/>.</summary>
        public IEnumerable<SkinnedMeshRenderer> Renderers
        {
            get
            {
                foreach (Target target in targets)
                    yield return target.Renderer;
            }
        }

        /// <summary>Find the shapes of all meshes for these names anew.</summary>
        public void Rebuild(string[] forNames)
        {
            names = forNames;
            scaled = new float[names.Length];
            builtMapping = mapping;
            builtVersion = VersionOf(mapping);
            targets.Clear();
            var found = new bool[names.Length];
            SkinnedMeshRenderer[] candidates =
                renderers.Length > 0 ? renderers : GetComponentsInChildren<SkinnedMeshRenderer>(true);
            foreach (SkinnedMeshRenderer candidate in candidates)
            {
                Target target = candidate == null || candidate.sharedMesh == null ? null : Find(candidate);
                if (target == null)
                    continue;
                targets.Add(target);
                for (int k = 0; k < found.Length; k++)
                    found[k] |= target.Map.Found[k];
            }
            ListMissing(found);
        }

        /// <summary>Show these weights, in the order of the names of the last <see cref="Rebuild"/>.</summary>
        public void Apply(float[] weights)
        {
            int count = Math.Min(weights.Length, scaled.Length);
            for (int k = 0; k < count; k++)
                scaled[k] = strength * weights[k];
            foreach (Target target in targets)
            {
                if (target.Renderer == null)
                    continue;
                float[] values = target.Map.Evaluate(scaled);
                foreach (int shape in target.Map.Shapes)
                    target.Renderer.SetBlendShapeWeight(shape, values[shape] * target.FullWeights[shape]);
            }
        }

        void OnEnable()
        {
            if (receiver == null)
                receiver = GetComponentInParent<TokTalkReceiver>();
            if (receiver == null)
                Debug.LogWarning("TokTalk: '" + name + "' has no receiver: add a TokTalk Receiver to it.", this);
        }

        void LateUpdate()
        {
            if (receiver == null || receiver.Names.Length == 0)
                return;
            if (receiver.Names != names || mapping != builtMapping || VersionOf(mapping) != builtVersion || Exchanged())
                Rebuild(receiver.Names);
            Apply(receiver.Weights);
        }

        void OnDisable()
        {
            Array.Clear(scaled, 0, scaled.Length);
            Apply(scaled);
        }

        static int VersionOf(FaceMapping rules)
        {
            return rules == null ? 0 : rules.Version;
        }

        void ListMissing(bool[] found)
        {
            var missing = new List<string>();
            for (int k = 0; k < found.Length; k++)
                if (!found[k])
                    missing.Add(names[k]);
            Missing = missing;
            string text = string.Join(", ", missing.ToArray());
            if (text == listed)
                return;
            listed = text;
            if (missing.Count == names.Length)
                Debug.LogWarning(
                    "TokTalk: no mesh below '" + name + "' has ARKit's blendshapes, and no rule names others.", this);
            else if (missing.Count > 0)
                Debug.LogWarning("TokTalk: '" + name + "' lacks " + missing.Count + " blendshapes: " + text, this);
        }

        /// <summary>Whether a mesh was exchanged, as avatar loaders do.</summary>
        bool Exchanged()
        {
            foreach (Target target in targets)
                if (target.Renderer != null && target.Renderer.sharedMesh != target.Mesh)
                    return true;
            return false;
        }

        Target Find(SkinnedMeshRenderer candidate)
        {
            Mesh mesh = candidate.sharedMesh;
            var target = new Target
            {
                Renderer = candidate,
                Mesh = mesh,
                ShapeNames = new string[mesh.blendShapeCount],
                FullWeights = new float[mesh.blendShapeCount],
            };
            for (int k = 0; k < mesh.blendShapeCount; k++)
            {
                target.ShapeNames[k] = mesh.GetBlendShapeName(k);
                target.FullWeights[k] = mesh.GetBlendShapeFrameWeight(k, mesh.GetBlendShapeFrameCount(k) - 1);
            }
            target.Map = new ShapeMap(names, target.ShapeNames, mapping == null ? null : mapping.Rules);
            return target.Map.Shapes.Length > 0 ? target : null;
        }
    }
}
