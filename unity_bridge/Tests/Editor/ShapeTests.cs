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
        [TestCase("head_lod0_mesh__eye_blink_L", "eyeBlinkLeft")]
        [TestCase("head_lod0_mesh__eye_lookLeft_L", "eyeLookOutLeft")]
        [TestCase("head_lod0_mesh__jaw_fwd", "jawForward")]
        [TestCase("head_lod0_mesh__jaw_lowerChinRaise_R", "mouthShrugLower")]
        [TestCase("head_lod0_mesh__mouth_lipsPurse_UR", "mouthPucker")]
        [TestCase("head_lod0_mesh__MlipsTogether_Jopen_DL", "mouthClose")]
        [TestCase("head_lod0_mesh__cheek_blow_left", "cheekPuff")]
        [TestCase("teeth_lod0_mesh__tongue_out_cor", "tongueOut")]
        [TestCase("tongue_out_IN", "tongueOut")]
        [TestCase("mouth_lipsPress_L", "mouthPressLeft")]
        [TestCase("mouth_cornersUp_R", "mouthSmileRight")]
        [TestCase("mouth_cornersDown_L", "mouthFrownLeft")]
        [TestCase("cheek_blow_cor", "cheekPuff")]
        [TestCase("EcheekRaise_EsquintInner_L", "cheekSquintLeft")]
        [TestCase("McornerPull_EcheekRaise_L", null)]
        [TestCase("head_lod0_mesh__Jleft_MlipsTogether_Jopen_UL", null)]
        [TestCase("EcheekRaise_EsquintInner_Eblink_L", null)]
        [TestCase("mouth_cornerPull_cor", null)]
        [TestCase("mouth_sharpCornerPull_L", null)]
        [TestCase("mouth_upperLipShiftLeft", null)]
        [TestCase("tongue_dartingOut_IN", null)]
        [TestCase("head_turnLeft_U", null)]
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
        public void WhatServesOnAReducedMeshIsLeftAloneWhereTheProperShapeIs()
        {
            Assert.IsNull(Meaning("mouth_lipsPress_L", "mouth_press_UL"));
            Assert.IsNull(Meaning("mouth_cornersUp_L", "mouth_cornerPull_left"));
            Assert.IsNull(Meaning("cheek_blow_cor", "cheek_blow_left"));
            Assert.IsNull(Meaning("EcheekRaise_EsquintInner_L", "eye_cheekRaise_L"));
        }

        [Test]
        public void TheMorphsOfAMetaHumanMoveAllThatTheyCan()
        {
            string[] morphs =
                ("eye_blink_L eye_blink_R eye_lookUp_L eye_lookUp_R eye_lookDown_L eye_lookDown_R "
                + "eye_lookLeft_L eye_lookLeft_R eye_lookRight_L eye_lookRight_R eye_squintInner_L "
                + "eye_squintInner_R eye_widen_L eye_widen_R eye_cheekRaise_L eye_cheekRaise_R jaw_open "
                + "jaw_fwd jaw_left jaw_right jaw_lowerChinRaise_L jaw_lowerChinRaise_R "
                + "MlipsTogether_Jopen_UL MlipsTogether_Jopen_UR MlipsTogether_Jopen_DL "
                + "MlipsTogether_Jopen_DR mouth_left mouth_right mouth_funnel_UL mouth_funnel_UR "
                + "mouth_funnel_DL mouth_funnel_DR mouth_lipsPurse_UL mouth_lipsPurse_UR mouth_lipsPurse_DL "
                + "mouth_lipsPurse_DR mouth_cornerPull_left mouth_cornerPull_right mouth_cornerDepress_L "
                + "mouth_cornerDepress_R mouth_dimple_left mouth_dimple_right mouth_stretch_left "
                + "mouth_stretch_right mouth_lowerLipRollIn_L mouth_lowerLipRollIn_R mouth_upperLipRollIn_L "
                + "mouth_upperLipRollIn_R mouth_press_UL mouth_press_UR mouth_press_DL mouth_press_DR "
                + "mouth_lowerLipDepress_left mouth_lowerLipDepress_right mouth_upperLipRaise_left "
                + "mouth_upperLipRaise_right brow_down_L brow_down_R brow_raiseIn_L brow_raiseIn_R "
                + "brow_raiseOuter_left brow_raiseOuter_right cheek_blow_left cheek_blow_right "
                + "nose_wrinkle_left nose_wrinkle_right tongue_out_IN").Split(' ');
            morphs = System.Array.ConvertAll(morphs, morph => "head_lod0_mesh__" + morph);
            Assert.IsFalse(System.Array.Exists(ShapeNames.Match(Arkit.Names, morphs), meant => meant < 0));
            bool[] found = new ShapeMap(Arkit.Names, morphs, null).Found;
            string[] missing = System.Array.FindAll(Arkit.Names, n => !found[System.Array.IndexOf(Arkit.Names, n)]);
            Assert.AreEqual(new[] { "mouthShrugUpper" }, missing, "which it does by two morphs at once");
        }

        [Test]
        public void RulesThatNameWhatIsNotThereAreTold()
        {
            ShapeRule[] rules =
            {
                new ShapeRule { name = "jawOpen", shape = "wide" },
                new ShapeRule { name = "jawOpen", shape = "wider" },
                new ShapeRule { name = "jawOpn", shape = "wide" },
                new ShapeRule { name = "jawOpn", shape = "wide" },
                new ShapeRule { name = "mouthClose" },
            };
            Assert.AreEqual(
                new[] { "no mesh has 'wider' for jawOpen", "the name 'jawOpn' is not sent" },
                ShapeMap.Faults(Arkit.Names, new[] { "wide" }, rules));
            Assert.IsEmpty(ShapeMap.Faults(Arkit.Names, new string[0], null));
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
