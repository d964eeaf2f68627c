using System.Collections.Generic;
using NUnit.Framework;

namespace TokTalk.Tests
{
    /// <summary>Which shape of a mesh means which name, and what a mapping changes.</summary>
    public class ShapeTests
    {
        static string Meaning(string shape, params string[] others)
        {
            var shapes = new List<string> { shape };
            shapes.AddRange(others);
            int meant = ShapeNames.Match(Arkit.Names, shapes)[0];
            return meant < 0 ? null : Arkit.Names[meant];
        }

        [TestCase("jawOpen", "jawOpen")]
        [TestCase("Face.M_F00_jawOpen", "jawOpen")]
        [TestCase("blendShape1.jawOpen", "jawOpen")]
        [TestCase("head_blendShape2.eyeBlink_L", "eyeBlinkLeft")]
        [TestCase("mouthSmile_R", "mouthSmileRight")]
        [TestCase("Mouth_Smile_L", "mouthSmileLeft")]
        [TestCase("eyeBlink.R", "eyeBlinkRight")]
        [TestCase("EyeBlinkLeft", "eyeBlinkLeft")]
        [TestCase("EYEBLINKLEFT", "eyeBlinkLeft")]
        [TestCase("mouthLeft", "mouthLeft")]
        [TestCase("mouth_L", "mouthLeft")]
        [TestCase("browInnerUp_L", "browInnerUp")]
        [TestCase("CTRL_expressions_jawOpen", "jawOpen")]
        [TestCase("CTRL_expressions_eyeBlinkL", "eyeBlinkLeft")]
        [TestCase("head_lod0_mesh__CTRL_expressions_mouthCornerPullR", "mouthSmileRight")]
        [TestCase("CTRL_expressions_eyeLookRightL", "eyeLookInLeft")]
        [TestCase("CTRL_expressions_mouthLipsTogetherDR", "mouthClose")]
        [TestCase("Jaw_Open", "jawOpen")]
        [TestCase("Brow_Raise_Inner_R", "browInnerUp")]
        [TestCase("Brow_Raise_Outer_L", "browOuterUpLeft")]
        [TestCase("Eye_L_Look_R", "eyeLookInLeft")]
        [TestCase("Mouth_Up_Upper_L", "mouthUpperUpLeft")]
        [TestCase("Mouth_L", "mouthLeft")]
        [TestCase("Mouth_Lower_L", null)]
        [TestCase("V_Tongue_Out", null)]
        [TestCase("Face.M_F00_000_00_Fcl_MTH_A", "jawOpen")]
        [TestCase("vrc.v_ou", "mouthPucker")]
        [TestCase("jawOpen_mouthClose", null)]
        [TestCase("hairLong", null)]
        [TestCase("L", null)]
        [TestCase("", null)]
        public void AShapeMeans(string shape, string name)
        {
            Assert.AreEqual(name, Meaning(shape));
        }

        [Test]
        public void EveryNameMeansItself()
        {
            int[] meant = ShapeNames.Match(Arkit.Names, Arkit.Names);
            for (int k = 0; k < meant.Length; k++)
                Assert.AreEqual(k, meant[k]);
        }

        [Test]
        public void VowelsAreLeftAloneWhereArkitIs()
        {
            var shapes = new List<string>(Arkit.Names) { "viseme_aa", "viseme_O" };
            int[] meant = ShapeNames.Match(Arkit.Names, shapes);
            Assert.AreEqual(-1, meant[52]);
            Assert.AreEqual(-1, meant[53]);
        }

        [Test]
        public void AWholeShapeIsPreferredToItsTwoSides()
        {
            Assert.AreEqual("browInnerUp", Meaning("browInnerUp", "browInnerUp_L"));
            Assert.IsNull(Meaning("browInnerUp_L", "browInnerUp"));
        }

        [Test]
        public void WeightsReachTheirShapes()
        {
            var map = new ShapeMap(Arkit.Names, new[] { "x.mouthClose", "other", "x.jawOpen" }, null);
            var weights = new float[52];
            weights[System.Array.IndexOf(Arkit.Names, "jawOpen")] = 0.5f;
            float[] values = map.Evaluate(weights);
            Assert.AreEqual(new[] { 0, 2 }, map.Shapes);
            Assert.AreEqual(0.5f, values[2]);
            Assert.AreEqual(0, values[0]);
            Assert.AreEqual(50, new List<bool>(map.Found).FindAll(found => !found).Count);
        }

        [Test]
        public void RulesReplaceMultiplyAndSwitchOff()
        {
            string[] shapes = { "jawOpen", "wide", "wider", "mouthClose", "tongueOut" };
            ShapeRule[] rules =
            {
                new ShapeRule { name = "jawOpen", shape = "wide", multiplier = 0.5f },
                new ShapeRule { name = "jawOpen", shape = "wider", multiplier = 3 },
                new ShapeRule { name = "mouthClose", multiplier = 0 },
                new ShapeRule { name = "tongueOut", shape = "no such shape" },
                new ShapeRule { name = "no such name", shape = "wide" },
            };
            var weights = new float[52];
            for (int k = 0; k < weights.Length; k++)
                weights[k] = 0.5f;
            float[] values = new ShapeMap(Arkit.Names, shapes, rules).Evaluate(weights);
            Assert.AreEqual(new[] { 0, 0.25f, 1, 0, 0.5f }, values);
        }
    }
}
