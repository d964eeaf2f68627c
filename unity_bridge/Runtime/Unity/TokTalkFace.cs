using System;
using System.Collections.Generic;
using UnityEngine;

namespace TokTalk
{
    /// <summary>
    /// Shows a receiver's weights on the blendshapes of any meshes. Shapes are found by ARKit's names in all their
    /// spellings; a <see cref="FaceMapping"/> changes what you want otherwise. Names that no mesh has are listed once.
    /// What animation puts on the same shapes comes back where these weights do not count.
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

        [Tooltip("Layer weight beside what animation puts on the same shapes: 1 replaces it, 0 leaves it alone.")]
        [Range(0, 1)]
        [SerializeField] float weight = 1;

        [Tooltip("Leave the shapes to animation and other scripts while nobody speaks.")]
        [SerializeField] bool onlyWhileSpeaking;

        /// <summary>The shapes of one mesh, which animation may move too: their weights without ours.</summary>
        sealed class Target
        {
            public readonly SkinnedMeshRenderer Renderer;
            public readonly Mesh Mesh;
            public readonly string[] ShapeNames;
            public ShapeMap Map;
            readonly float[] full; // at which each shape is fully shown: 100, or 1 from some importers
            readonly float[] below;
            readonly float[] written;

            public Target(SkinnedMeshRenderer renderer)
            {
                Renderer = renderer;
                Mesh = renderer.sharedMesh;
                int count = Mesh.blendShapeCount;
                ShapeNames = new string[count];
                full = new float[count];
                below = new float[count];
                written = new float[count];
                for (int k = 0; k < count; k++)
                {
                    ShapeNames[k] = Mesh.GetBlendShapeName(k);
                    full[k] = Mesh.GetBlendShapeFrameWeight(k, Mesh.GetBlendShapeFrameCount(k) - 1);
                    below[k] = written[k] = renderer.GetBlendShapeWeight(k);
                }
            }

            public bool Alive
            {
                get { return Renderer != null && Renderer.sharedMesh == Mesh; }
            }

            public void Show(float[] weights, float share)
            {
                float[] values = Map.Evaluate(weights);
                foreach (int shape in Map.Shapes)
                {
                    float now = Renderer.GetBlendShapeWeight(shape);
                    if (now != written[shape])
                        below[shape] = now; // animated since
                    Write(shape, Mathf.Lerp(below[shape], values[shape] * full[shape], share));
                }
            }

            public void Restore()
            {
                foreach (int shape in Map.Shapes)
                    if (Renderer.GetBlendShapeWeight(shape) == written[shape])
                        Write(shape, below[shape]);
            }

            void Write(int shape, float value)
            {
                Renderer.SetBlendShapeWeight(shape, value);
                written[shape] = value;
            }
        }

        const float FadeSeconds = 0.15f;

        readonly List<Target> targets = new List<Target>();
        readonly HashSet<string> listed = new HashSet<string>();
        string[] names = new string[0];
        float[] scaled = new float[0];
        float presence; // 1 while somebody speaks, and always when that does not matter
        bool shown;
        FaceMapping builtMapping;
        int builtVersion;

        /// <summary>Names that no mesh has.</summary>
        public IList<string> Missing { get; private set; } = new string[0];

        /// <summary>What is wrong with the mapping's rules, for people.</summary>
        public IList<string> Faults { get; private set; } = new string[0];

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

        /// <summary>How much these weights count beside what animation puts on the same shapes, in [0, 1].</summary>
        public float Weight
        {
            get { return weight; }
            set { weight = Mathf.Clamp(value, 0, 1); }
        }

        /// <summary>Whether the shapes are left to animation and other scripts while nobody speaks.</summary>
        public bool OnlyWhileSpeaking
        {
            get { return onlyWhileSpeaking; }
            set { onlyWhileSpeaking = value; }
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
            Restore();
            names = forNames;
            scaled = new float[names.Length];
            builtMapping = mapping;
            builtVersion = VersionOf(mapping);
            targets.Clear();
            List<ShapeRule> rules = mapping == null ? null : mapping.Rules;
            var found = new bool[names.Length];
            var shapes = new HashSet<string>();
            SkinnedMeshRenderer[] candidates =
                renderers.Length > 0 ? renderers : GetComponentsInChildren<SkinnedMeshRenderer>(true);
            foreach (SkinnedMeshRenderer candidate in candidates)
            {
                if (candidate == null || candidate.sharedMesh == null)
                    continue;
                var target = new Target(candidate);
                shapes.UnionWith(target.ShapeNames);
                target.Map = new ShapeMap(names, target.ShapeNames, rules);
                if (target.Map.Shapes.Length > 0)
                    targets.Add(target);
                for (int k = 0; k < found.Length; k++)
                    found[k] |= target.Map.Found[k];
            }
            Missing = Array.FindAll(names, name => !found[Array.IndexOf(names, name)]);
            Faults = ShapeMap.Faults(names, shapes, rules);
            ListMissing();
        }

        /// <summary>Show these weights, in the order of the names of the last <see cref="Rebuild"/>.</summary>
        public void Apply(float[] weights)
        {
            Apply(weights, weight);
        }

        /// <summary>Give the shapes back as they were without this component.</summary>
        public void Restore()
        {
            foreach (Target target in targets)
                if (target.Alive)
                    target.Restore();
            shown = false;
        }

        void Apply(float[] weights, float share)
        {
            int count = Math.Min(weights.Length, scaled.Length);
            for (int k = 0; k < count; k++)
                scaled[k] = strength * weights[k];
            foreach (Target target in targets)
                if (target.Alive)
                    target.Show(scaled, share);
        }

        void OnEnable()
        {
            presence = 0;
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
            presence = onlyWhileSpeaking
                ? Mathf.MoveTowards(presence, receiver.IsMoving ? 1 : 0, Time.deltaTime / FadeSeconds) : 1;
            float share = weight * presence;
            if (share > 0)
                Apply(receiver.Weights, share);
            else if (shown)
                Restore();
            shown = share > 0;
        }

        void OnDisable()
        {
            Restore();
        }

        static int VersionOf(FaceMapping rules)
        {
            return rules == null ? 0 : rules.Version;
        }

        void ListMissing()
        {
            string lacking = string.Join(", ", Missing);
            if (Missing.Count > 0 && Missing.Count == names.Length)
                Say("no mesh below '" + name + "' has ARKit's blendshapes, and no rule names others; it lacks "
                    + lacking);
            else if (Missing.Count > 0)
                Say("'" + name + "' lacks " + Missing.Count + " blendshapes: " + lacking);
            if (Faults.Count > 0)
                Say("the Face Mapping of '" + name + "': " + string.Join("; ", Faults));
        }

        /// <summary>Warn, once.</summary>
        void Say(string what)
        {
            if (listed.Add(what))
                Debug.LogWarning("TokTalk: " + what, this);
        }

        /// <summary>Whether a mesh was exchanged, as avatar loaders do.</summary>
        bool Exchanged()
        {
            return targets.Exists(target => target.Renderer != null && !target.Alive);
        }
    }
}
