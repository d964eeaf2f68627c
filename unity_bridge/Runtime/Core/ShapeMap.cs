using System;
using System.Collections.Generic;

namespace TokTalk
{
    /// <summary>What a user says of one ARKit name; everything else is found by <see cref="ShapeNames"/>.</summary>
    [Serializable]
    public sealed class ShapeRule
    {
        /// <summary>ARKit's name, as jawOpen.</summary>
        public string name = "";

        /// <summary>The mesh's shape that it drives; empty: the one that is found by its name.</summary>
        public string shape = "";

        /// <summary>What its weight is multiplied by; 0 switches it off.</summary>
        public float multiplier = 1;
    }

    /// <summary>The shapes of one mesh and what drives them.</summary>
    public sealed class ShapeMap
    {
        struct Drive
        {
            public int Source;
            public int Shape;
            public float Multiplier;
        }

        readonly Drive[] drives;
        readonly float[] values;

        /// <summary>Indices of the shapes that are driven, each once.</summary>
        public readonly int[] Shapes;

        /// <summary>Whether each name drives a shape of this mesh.</summary>
        public readonly bool[] Found;

        /// <param name="names">ARKit's names, in the order of the weights.</param>
        /// <param name="shapes">The mesh's shapes, in its order.</param>
        /// <param name="rules">Of several rules for one name all count; null: none.</param>
        public ShapeMap(IList<string> names, IList<string> shapes, IEnumerable<ShapeRule> rules)
        {
            var multipliers = new float[names.Count];
            var ruled = new bool[names.Count];
            var found = new List<Drive>();
            for (int k = 0; k < names.Count; k++)
                multipliers[k] = 1;
            foreach (ShapeRule rule in rules ?? new ShapeRule[0])
            {
                int source = names.IndexOf(rule.name);
                if (source < 0)
                    continue;
                if (string.IsNullOrEmpty(rule.shape))
                {
                    multipliers[source] = rule.multiplier;
                    continue;
                }
                int shape = shapes.IndexOf(rule.shape);
                if (shape < 0)
                    continue;
                ruled[source] = true;
                found.Add(new Drive { Source = source, Shape = shape, Multiplier = rule.multiplier });
            }
            int[] meant = ShapeNames.Match(names, shapes);
            for (int k = 0; k < meant.Length; k++)
                if (meant[k] >= 0 && !ruled[meant[k]])
                    found.Add(new Drive { Source = meant[k], Shape = k, Multiplier = multipliers[meant[k]] });
            drives = found.ToArray();
            Found = new bool[names.Count];
            values = new float[shapes.Count];
            var driven = new SortedSet<int>();
            foreach (Drive drive in drives)
            {
                Found[drive.Source] = true;
                driven.Add(drive.Shape);
            }
            Shapes = new int[driven.Count];
            driven.CopyTo(Shapes);
        }

        /// <summary>
        /// What is wrong with rules, for people: names that nobody sends, shapes that none of a face's meshes has.
        /// </summary>
        /// <param name="shapes">Those of all meshes together.</param>
        public static List<string> Faults(
            ICollection<string> names, ICollection<string> shapes, IEnumerable<ShapeRule> rules)
        {
            var faults = new List<string>();
            foreach (ShapeRule rule in rules ?? new ShapeRule[0])
            {
                string fault = !names.Contains(rule.name) ? "the name '" + rule.name + "' is not sent"
                    : !string.IsNullOrEmpty(rule.shape) && !shapes.Contains(rule.shape)
                    ? "no mesh has '" + rule.shape + "' for " + rule.name : null;
                if (fault != null && !faults.Contains(fault))
                    faults.Add(fault);
            }
            return faults;
        }

        /// <summary>Values in [0, 1] of all the mesh's shapes, of which <see cref="Shapes"/> are driven.</summary>
        public float[] Evaluate(float[] weights)
        {
            foreach (int shape in Shapes)
                values[shape] = 0;
            foreach (Drive drive in drives)
                if (drive.Source < weights.Length)
                    values[drive.Shape] += drive.Multiplier * weights[drive.Source];
            foreach (int shape in Shapes)
                values[shape] = Math.Max(0, Math.Min(1, values[shape]));
            return values;
        }
    }
}
