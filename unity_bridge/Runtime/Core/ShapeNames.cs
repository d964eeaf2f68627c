using System;
using System.Collections.Generic;
using System.Text;

namespace TokTalk
{
    /// <summary>
    /// Which blendshape of a mesh means which ARKit name. Rigs write the same names in many ways: with a prefix
    /// (Face.M_F00_jawOpen, blendShape1.jawOpen), in other letter case (VRM perfect sync), with _L and _R for Left and
    /// Right, by MetaHuman's controls or its meshes' morphs (head_lod0_mesh__eye_blink_L), or as Character Creator 4
    /// does; simple rigs have vowels only.
    /// </summary>
    public static class ShapeNames
    {
        /// <summary>ARKit's names that a mesh must have so that its vowels are not used.</summary>
        const int FewMatches = 10;

        /// <summary>How the name of a MetaHuman's mesh ends, in front of a morph's.</summary>
        const string MeshEnd = "mesh__";

        // MetaHuman's controls, then Character Creator 4's shapes, where more differs than letter case and side
        static readonly Dictionary<string, string[]> Aliases = Table(
            @"eyeLookInLeft eyeLookRightL
            eyeLookOutLeft eyeLookLeftL
            eyeLookInRight eyeLookLeftR
            eyeLookOutRight eyeLookRightR
            eyeSquintLeft eyeSquintInnerL
            eyeSquintRight eyeSquintInnerR
            eyeWideLeft eyeWidenL
            eyeWideRight eyeWidenR
            jawForward jawFwd
            mouthClose mouthLipsTogetherUL mouthLipsTogetherUR mouthLipsTogetherDL mouthLipsTogetherDR
            mouthFunnel mouthFunnelUL mouthFunnelUR mouthFunnelDL mouthFunnelDR
            mouthPucker mouthLipsPurseUL mouthLipsPurseUR mouthLipsPurseDL mouthLipsPurseDR
            mouthSmileLeft mouthCornerPullL
            mouthSmileRight mouthCornerPullR
            mouthFrownLeft mouthCornerDepressL
            mouthFrownRight mouthCornerDepressR
            mouthRollLower mouthLowerLipRollInL mouthLowerLipRollInR
            mouthRollUpper mouthUpperLipRollInL mouthUpperLipRollInR
            mouthShrugLower jawChinRaiseDL jawChinRaiseDR
            mouthShrugUpper jawChinRaiseUL jawChinRaiseUR
            mouthPressLeft mouthPressUL mouthPressDL
            mouthPressRight mouthPressUR mouthPressDR
            mouthLowerDownLeft mouthLowerLipDepressL
            mouthLowerDownRight mouthLowerLipDepressR
            mouthUpperUpLeft mouthUpperLipRaiseL
            mouthUpperUpRight mouthUpperLipRaiseR
            browInnerUp browRaiseInL browRaiseInR
            browOuterUpLeft browRaiseOuterL
            browOuterUpRight browRaiseOuterR
            cheekPuff mouthCheekBlowL mouthCheekBlowR
            cheekSquintLeft eyeCheekRaiseL
            cheekSquintRight eyeCheekRaiseR
            noseSneerLeft noseWrinkleL
            noseSneerRight noseWrinkleR
            browDownLeft Brow_Drop_L
            browDownRight Brow_Drop_R
            browInnerUp Brow_Raise_Inner_L Brow_Raise_Inner_R
            cheekSquintLeft Cheek_Raise_L
            cheekSquintRight Cheek_Raise_R
            eyeLookDownLeft Eye_L_Look_Down
            eyeLookDownRight Eye_R_Look_Down
            eyeLookInLeft Eye_L_Look_R
            eyeLookInRight Eye_R_Look_L
            eyeLookOutLeft Eye_L_Look_L
            eyeLookOutRight Eye_R_Look_R
            eyeLookUpLeft Eye_L_Look_Up
            eyeLookUpRight Eye_R_Look_Up
            mouthFunnel Mouth_Funnel_Up_L Mouth_Funnel_Up_R Mouth_Funnel_Down_L Mouth_Funnel_Down_R
            mouthPucker Mouth_Pucker_Up_L Mouth_Pucker_Up_R Mouth_Pucker_Down_L Mouth_Pucker_Down_R
            mouthLowerDownLeft Mouth_Down_Lower_L
            mouthLowerDownRight Mouth_Down_Lower_R
            mouthUpperUpLeft Mouth_Up_Upper_L
            mouthUpperUpRight Mouth_Up_Upper_R
            mouthRollLower Mouth_Roll_In_Lower_L Mouth_Roll_In_Lower_R
            mouthRollUpper Mouth_Roll_In_Upper_L Mouth_Roll_In_Upper_R");

        // morphs of MetaHuman's meshes that must be the whole name, for others end so: Jleft_MlipsTogether_Jopen_UL
        static readonly Dictionary<string, string[]> Morphs = Table(
            @"mouthClose MlipsTogether_Jopen_UL MlipsTogether_Jopen_UR MlipsTogether_Jopen_DL MlipsTogether_Jopen_DR
            mouthShrugLower jaw_lowerChinRaise_L jaw_lowerChinRaise_R
            cheekPuff cheek_blow_left cheek_blow_right
            tongueOut tongue_out_IN tongue_out_cor");

        // and those that serve where a mesh was reduced and lacks the proper one
        static readonly Dictionary<string, string[]> SpareMorphs = Table(
            @"mouthSmileLeft mouth_cornersUp_L
            mouthSmileRight mouth_cornersUp_R
            mouthFrownLeft mouth_cornersDown_L
            mouthFrownRight mouth_cornersDown_R
            mouthPressLeft mouth_lipsPress_L
            mouthPressRight mouth_lipsPress_R
            cheekPuff cheek_blow_cor
            cheekSquintLeft EcheekRaise_EsquintInner_L
            cheekSquintRight EcheekRaise_EsquintInner_R");

        // vowels and lids of rigs without ARKit's shapes (VRoid, VRChat, Oculus), which must end a name
        static readonly Dictionary<string, string[]> Simple = Table(
            @"jawOpen Fcl_MTH_A vrc.v_aa viseme_aa mouth_a
            mouthFunnel Fcl_MTH_O vrc.v_oh viseme_O mouth_o
            mouthPucker Fcl_MTH_U vrc.v_ou viseme_U mouth_u
            mouthStretchLeft Fcl_MTH_E vrc.v_e viseme_E mouth_e
            mouthSmileLeft Fcl_MTH_I vrc.v_ih viseme_I mouth_i
            mouthClose vrc.v_pp viseme_PP
            eyeBlinkLeft Fcl_EYE_Close_L vrc.blink_left blink_L
            eyeBlinkRight Fcl_EYE_Close_R vrc.blink_right blink_R");

        /// <summary>
        /// A name without separators and letter case, its side spelt out: eyeBlink_L is eyeblinkleft.
        /// </summary>
        public static string Plain(string name)
        {
            int end = name.Length;
            string side = "";
            if (end > 1)
            {
                char last = name[end - 1], before = name[end - 2];
                bool apart = before == '_' || before == '.' || before == '-' || before == ' ';
                if ("lLrR".IndexOf(last) >= 0 && apart || (last == 'L' || last == 'R') && char.IsLower(before))
                {
                    side = char.ToLowerInvariant(last) == 'l' ? "left" : "right";
                    end--;
                }
            }
            var plain = new StringBuilder(end + side.Length);
            for (int k = 0; k < end; k++)
                if (char.IsLetterOrDigit(name[k]))
                    plain.Append(char.ToLowerInvariant(name[k]));
            return plain.Append(side).ToString();
        }

        /// <summary>For each of a mesh's shapes the index of the name that it means, -1 for none.</summary>
        /// <param name="names">ARKit's names, in the order of the weights.</param>
        public static int[] Match(IList<string> names, IList<string> shapes)
        {
            var whole = new List<Word>();
            var others = new List<Word>();
            var spare = new List<Word>();
            var simple = new List<Word>();
            for (int k = 0; k < names.Count; k++)
            {
                string plain = Plain(names[k]);
                whole.Add(new Word { Plain = plain, Name = k });
                bool ofOneSide = plain.EndsWith("left", StringComparison.Ordinal)
                    || plain.EndsWith("right", StringComparison.Ordinal);
                if (!ofOneSide)
                {
                    others.Add(new Word { Plain = plain + "left", Name = k });
                    others.Add(new Word { Plain = plain + "right", Name = k });
                }
                AddAll(others, Aliases, names[k], k, false);
                AddAll(others, Morphs, names[k], k, true);
                AddAll(spare, SpareMorphs, names[k], k, true);
                AddAll(simple, Simple, names[k], k, false);
            }
            var meant = new int[shapes.Count];
            for (int k = 0; k < meant.Length; k++)
                meant[k] = -1;
            int found = Find(whole, shapes, meant) + Find(others, shapes, meant) + Find(spare, shapes, meant);
            if (found < FewMatches)
                Find(simple, shapes, meant);
            return meant;
        }

        /// <summary>What a shape may be called: its name ends so, or is no more than that.</summary>
        struct Word
        {
            public string Plain;
            public int Name;
            public bool Alone;
        }

        /// <summary>Let shapes without a meaning mean the longest word that ends them; how many found one.</summary>
        static int Find(List<Word> words, IList<string> shapes, int[] meant)
        {
            words.Sort((a, b) => b.Plain.Length - a.Plain.Length);
            var taken = new HashSet<int>(meant);
            int count = 0;
            for (int k = 0; k < shapes.Count; k++)
            {
                if (meant[k] >= 0)
                    continue;
                if (shapes[k].StartsWith("V_", StringComparison.Ordinal))
                    continue; // a viseme of Character Creator: V_Tongue_Out
                int mesh = shapes[k].LastIndexOf(MeshEnd, StringComparison.OrdinalIgnoreCase);
                string shape = mesh < 0 ? shapes[k] : shapes[k].Substring(mesh + MeshEnd.Length);
                string plain = Plain(shape);
                int word = words.FindIndex(w => plain.EndsWith(w.Plain, StringComparison.Ordinal)
                    && (plain.Length == w.Plain.Length || !w.Alone));
                if (word < 0 || taken.Contains(words[word].Name))
                    continue;
                // jawOpen_mouthClose corrects both at once: it is neither
                int start = plain.Length - words[word].Plain.Length;
                string before = plain.Substring(0, start);
                if (words.Exists(w => w.Plain.Length > 6 && before.IndexOf(w.Plain, StringComparison.Ordinal) >= 0))
                    continue;
                if (SplitsWord(shape, start))
                    continue;
                meant[k] = words[word].Name;
                count++;
            }
            return count;
        }

        /// <summary>
        /// Whether the letter or digit number `start` follows a lone capital: cheekRaise in McornerPull_EcheekRaise_L.
        /// </summary>
        static bool SplitsWord(string shape, int start)
        {
            for (int k = 0; k < shape.Length; k++)
                if (char.IsLetterOrDigit(shape[k]) && start-- == 0)
                    return k > 0 && char.IsLower(shape[k]) && char.IsUpper(shape[k - 1]);
            return false;
        }

        static void AddAll(
            List<Word> words, Dictionary<string, string[]> table, string name, int index, bool alone)
        {
            string[] others;
            if (table.TryGetValue(name, out others))
                foreach (string other in others)
                    words.Add(new Word { Plain = Plain(other), Name = index, Alone = alone });
        }

        static Dictionary<string, string[]> Table(string lines)
        {
            var table = new Dictionary<string, string[]>();
            foreach (string line in lines.Split('\n'))
            {
                string[] words = line.Trim().Split(' ');
                string[] before;
                var others = new List<string>();
                if (table.TryGetValue(words[0], out before))
                    others.AddRange(before);
                for (int k = 1; k < words.Length; k++)
                    others.Add(words[k]);
                table[words[0]] = others.ToArray();
            }
            return table;
        }
    }
}
