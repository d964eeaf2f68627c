using System;
using System.Collections.Generic;
using NUnit.Framework;
using TokTalk.Editing;
using UnityEngine;

namespace TokTalk.Tests
{
    /// <summary>Face, head, recorder and mapping on a character made of a triangle and some bones.</summary>
    public class ComponentTests
    {
        static readonly string[] Shapes = { "x.jawOpen", "other", "x.mouthClose" };

        GameObject character;
        List<string> warnings;

        [SetUp]
        public void Begin()
        {
            warnings = new List<string>();
            Application.logMessageReceived += Listen;
            character = new GameObject("Character");
        }

        [TearDown]
        public void End()
        {
            Application.logMessageReceived -= Listen;
            UnityEngine.Object.DestroyImmediate(character);
        }

        void Listen(string condition, string stackTrace, LogType type)
        {
            if (type == LogType.Warning)
                warnings.Add(condition);
        }

        static Transform Child(Transform of, string name)
        {
            Transform child = new GameObject(name).transform;
            child.SetParent(of, false);
            return child;
        }

        SkinnedMeshRenderer Mesh(float full, params string[] shapes)
        {
            var mesh = new Mesh { vertices = new Vector3[3] };
            foreach (string shape in shapes)
                mesh.AddBlendShapeFrame(shape, full, new Vector3[3], null, null);
            var renderer = Child(character.transform, "Mesh").gameObject.AddComponent<SkinnedMeshRenderer>();
            renderer.sharedMesh = mesh;
            return renderer;
        }

        static float[] Weights(params object[] pairs)
        {
            var weights = new float[Arkit.Names.Length];
            for (int k = 0; k < pairs.Length; k += 2)
                weights[Array.IndexOf(Arkit.Names, pairs[k])] = Convert.ToSingle(pairs[k + 1]);
            return weights;
        }

        TokTalkFace Face()
        {
            var face = character.AddComponent<TokTalkFace>();
            face.Rebuild(Arkit.Names);
            return face;
        }

        static FaceMapping Mapping(params ShapeRule[] rules)
        {
            var mapping = ScriptableObject.CreateInstance<FaceMapping>();
            mapping.Rules.AddRange(rules);
            return mapping;
        }

        [Test]
        public void WeightsMoveTheShapesOfEveryMeshByItsOwnScale()
        {
            SkinnedMeshRenderer skin = Mesh(100, Shapes), teeth = Mesh(1, "jawOpen");
            TokTalkFace face = Face();
            face.Strength = 0.5f;
            face.Apply(Weights("jawOpen", 0.8f, "mouthClose", 2));
            Assert.AreEqual(40, skin.GetBlendShapeWeight(0), 1e-4);
            Assert.AreEqual(0, skin.GetBlendShapeWeight(1));
            Assert.AreEqual(100, skin.GetBlendShapeWeight(2), 1e-4);
            Assert.AreEqual(0.4f, teeth.GetBlendShapeWeight(0), 1e-6);
        }

        [Test]
        public void NamesThatNoMeshHasAreListedOnce()
        {
            Mesh(100, Shapes);
            TokTalkFace face = Face();
            face.Rebuild(Arkit.Names);
            face.Rebuild(Arkit.Names);
            Assert.AreEqual(50, face.Missing.Count);
            Assert.AreEqual(1, warnings.Count);
            StringAssert.Contains("lacks 50 blendshapes: eyeBlinkLeft, ", warnings[0]);
            StringAssert.DoesNotContain("jawOpen", warnings[0]);
        }

        [Test]
        public void AFaceWithNoneOfTheNamesListsThemAll()
        {
            Mesh(100, "smirk");
            TokTalkFace face = Face();
            face.Rebuild(Arkit.Names);
            Assert.AreEqual(1, warnings.Count);
            foreach (string name in Arkit.Names)
                StringAssert.Contains(name, warnings[0]);
        }

        [Test]
        public void AMappingChangesWhatANameMovesAndItsFaultsAreListedOnce()
        {
            SkinnedMeshRenderer skin = Mesh(100, Shapes);
            FaceMapping mapping = Mapping(
                new ShapeRule { name = "jawOpen", shape = "other", multiplier = 0.5f },
                new ShapeRule { name = "tongueOut", shape = "tongue" }, new ShapeRule { name = "jawOpn" });
            var face = character.AddComponent<TokTalkFace>();
            face.Mapping = mapping;
            face.Rebuild(Arkit.Names);
            face.Rebuild(Arkit.Names);
            face.Apply(Weights("jawOpen", 1));
            Assert.AreEqual(0, skin.GetBlendShapeWeight(0));
            Assert.AreEqual(50, skin.GetBlendShapeWeight(1), 1e-4);
            List<string> faults = warnings.FindAll(text => text.Contains("Face Mapping"));
            Assert.AreEqual(1, faults.Count);
            StringAssert.Contains("no mesh has 'tongue' for tongueOut", faults[0]);
            StringAssert.Contains("the name 'jawOpn' is not sent", faults[0]);
            UnityEngine.Object.DestroyImmediate(mapping);
        }

        [Test]
        public void AnimationKeepsItsShareOfTheShapesAndGetsThemBack()
        {
            SkinnedMeshRenderer skin = Mesh(100, Shapes);
            skin.SetBlendShapeWeight(0, 40);
            skin.SetBlendShapeWeight(1, 7);
            TokTalkFace face = Face();
            face.Weight = 0.25f;
            face.Apply(Weights("jawOpen", 1));
            Assert.AreEqual(55, skin.GetBlendShapeWeight(0), 1e-4);
            face.Apply(Weights("jawOpen", 1));
            Assert.AreEqual(55, skin.GetBlendShapeWeight(0), 1e-4, "it is not added up");
            skin.SetBlendShapeWeight(0, 60); // the next picture of an animation
            face.Apply(Weights("jawOpen", 0));
            Assert.AreEqual(45, skin.GetBlendShapeWeight(0), 1e-4);
            face.Restore();
            Assert.AreEqual(60, skin.GetBlendShapeWeight(0));
            Assert.AreEqual(7, skin.GetBlendShapeWeight(1), "no name means it: it was never touched");
        }

        [Test]
        public void AnExchangedMeshAndADestroyedOneAreSurvived()
        {
            SkinnedMeshRenderer skin = Mesh(100, Shapes), second = Mesh(100, Shapes);
            TokTalkFace face = Face();
            skin.sharedMesh = null;
            UnityEngine.Object.DestroyImmediate(second.gameObject);
            face.Apply(Weights("jawOpen", 1));
            face.Restore();
            face.Rebuild(Arkit.Names);
            Assert.AreEqual(52, face.Missing.Count);
        }

        // ---- head ----

        /// <summary>Neck, head and eyes, whose own axes are turned in odd ways.</summary>
        TokTalkHead Head()
        {
            Transform neck = Child(Child(character.transform, "Hips"), "J_Bip_C_Neck");
            Transform skull = Child(neck, "mixamorig:Head");
            Child(skull, "LeftEye").localRotation = Quaternion.Euler(-90, 0, 30);
            Child(skull, "eye_R").localRotation = Quaternion.Euler(0, 180, 0);
            neck.localRotation = Quaternion.Euler(10, 20, 30);
            skull.localRotation = Quaternion.Euler(90, -40, 0);
            Child(character.transform, "Forehead");
            var head = character.AddComponent<TokTalkHead>();
            head.FindBones();
            return head;
        }

        Transform Bone(string path)
        {
            return character.transform.Find("Hips/J_Bip_C_Neck" + path);
        }

        const string Skull = "/mixamorig:Head", LeftEye = "/mixamorig:Head/LeftEye", RightEye = "/mixamorig:Head/eye_R";

        /// <summary>Where a bone's axis points that pointed forward (or up) in the character, in its axes.</summary>
        Vector3 Points(Transform bone, Quaternion rest, Vector3 axis)
        {
            Quaternion own = character.transform.rotation;
            return Quaternion.Inverse(own) * (bone.rotation * (Quaternion.Inverse(rest) * (own * axis)));
        }

        static readonly Vector3 Forward = new Vector3(0, 0, 1), Up = new Vector3(0, 1, 0);

        [TestCase(0f)]
        [TestCase(130f)]
        public void TheHeadTurnsTheRightWayWhateverItsBonesAxes(float facing)
        {
            character.transform.localRotation = Quaternion.Euler(0, facing, 0);
            TokTalkHead head = Head();
            Transform skull = Bone(Skull);
            Quaternion rest = skull.rotation;
            head.Apply(new[] { 0.4f, 0, 0 }, Arkit.Names, Weights());
            Vector3 nose = Points(skull, rest, Forward);
            Assert.AreEqual(-Math.Sin(0.4), nose.x, 1e-4, "to its left, which is -X");
            Assert.AreEqual(0, nose.y, 1e-4);
            head.Apply(new[] { 0, 0.3f, 0 }, Arkit.Names, Weights());
            nose = Points(skull, rest, Forward);
            Assert.AreEqual(0, nose.x, 1e-4);
            Assert.AreEqual(Math.Sin(0.3), nose.y, 1e-4, "up");
            head.Apply(new[] { 0, 0, 0.2f }, Arkit.Names, Weights());
            Assert.AreEqual(-Math.Sin(0.2), Points(skull, rest, Up).x, 1e-4, "the crown goes to its left");
            head.Apply(new float[3], Arkit.Names, Weights());
            Assert.Less(Quaternion.Angle(rest, skull.rotation), 0.1f);
        }

        [Test]
        public void TheNeckTakesItsShareAndTheLimitsHold()
        {
            TokTalkHead head = Head();
            Quaternion neck = Bone("").rotation, skull = Bone(Skull).rotation;
            head.Apply(new[] { 0.5f, 0, 0 }, Arkit.Names, Weights());
            Assert.AreEqual(0.15f * Mathf.Rad2Deg, Quaternion.Angle(neck, Bone("").rotation), 0.1);
            Assert.AreEqual(0.5f * Mathf.Rad2Deg, Quaternion.Angle(skull, Bone(Skull).rotation), 0.1);
            head.Apply(new[] { 1.5f, 0, 0 }, Arkit.Names, Weights());
            Assert.AreEqual(50, Quaternion.Angle(skull, Bone(Skull).rotation), 0.1);
        }

        [Test]
        public void TheEyesTurnInTheHeadByTheirWeights()
        {
            TokTalkHead head = Head();
            Transform left = Bone(LeftEye), right = Bone(RightEye);
            Quaternion leftRest = left.rotation, rightRest = right.rotation;
            head.Apply(new float[3], Arkit.Names, Weights("eyeLookOutLeft", 1, "eyeLookInRight", 0.5f));
            Assert.AreEqual(-Math.Sin(30 * Mathf.Deg2Rad), Points(left, leftRest, Forward).x, 1e-4);
            Assert.AreEqual(-Math.Sin(15 * Mathf.Deg2Rad), Points(right, rightRest, Forward).x, 1e-4);
            head.Apply(new float[3], Arkit.Names, Weights("eyeLookDownLeft", 1, "eyeLookUpRight", 1));
            Assert.AreEqual(-Math.Sin(20 * Mathf.Deg2Rad), Points(left, leftRest, Forward).y, 1e-4);
            Assert.AreEqual(Math.Sin(20 * Mathf.Deg2Rad), Points(right, rightRest, Forward).y, 1e-4);
            head.Apply(new[] { 0, 0.3f, 0 }, Arkit.Names, Weights("eyeLookOutLeft", 1));
            double up = Math.Cos(30 * Mathf.Deg2Rad) * Math.Sin(0.3);
            Assert.AreEqual(up, Points(left, leftRest, Forward).y, 1e-4, "sideways in the head that looks up");
        }

        [Test]
        public void TheTurnIsOnTopOfAnAnimationHoweverSlow()
        {
            TokTalkHead head = Head();
            Transform skull = Bone(Skull);
            for (int k = 0; k < 50; k++)
            {
                skull.localRotation = Quaternion.Euler(0.02f * k, 0, 0);
                head.Apply(new float[3], Arkit.Names, Weights());
                Assert.AreEqual(Quaternion.Euler(0.02f * k, 0, 0).x, skull.localRotation.x, 1e-5);
            }
        }

        [Test]
        public void TheBonesAreThoseThatTheNamesSay()
        {
            TokTalkHead head = Head();
            Assert.AreSame(Bone(Skull), head.Head);
            Assert.AreEqual(new[] { Bone(Skull), Bone(""), Bone(LeftEye), Bone(RightEye) },
                new List<Transform>(head.Bones).ToArray());
        }

        // ---- recorder ----

        [Test]
        public void ARecordingPlaysWhatWasRecorded()
        {
            SkinnedMeshRenderer skin = Mesh(100, Shapes);
            TokTalkFace face = Face();
            TokTalkHead head = Head();
            Transform skull = Bone(Skull);
            var recorder = character.AddComponent<TokTalkRecorder>();
            recorder.StartRecording();
            var jaw = new List<float>();
            var turns = new List<Quaternion>();
            for (int k = 0; k <= 30; k++)
            {
                face.Apply(Weights("jawOpen", Math.Min(1, k / 20f)));
                head.Apply(new[] { 0.01f * k, 0, 0 }, Arkit.Names, Weights());
                recorder.Capture(k / 60f);
                recorder.Capture(k / 60f - 0.001f); // a time that does not go on is left out
                jaw.Add(skin.GetBlendShapeWeight(0));
                turns.Add(skull.localRotation);
            }
            Assert.AreEqual(0.5f, recorder.Seconds, 1e-5);
            List<TokTalkRecorder.Track> tracks = recorder.Tracks();
            Assert.AreEqual(1 + 4 * 4, tracks.Count, "jawOpen, and the head's bones without being told");
            TokTalkRecorder.Track track = tracks[0];
            Assert.AreEqual("Mesh blendShape.x.jawOpen", track.Path + " " + track.Property);
            Assert.Less(track.Curve.length, 27, "no keys where nothing changes");
            AnimationClip clip = recorder.StopRecording();
            Assert.IsTrue(clip.legacy);
            for (int k = 0; k <= 30; k++)
            {
                clip.SampleAnimation(character, k / 60f);
                Assert.AreEqual(jaw[k], skin.GetBlendShapeWeight(0), 0.01);
                Assert.Less(Quaternion.Angle(turns[k], skull.localRotation), 0.1f);
            }
            clip.SampleAnimation(character, 10.5f / 60);
            Assert.AreEqual((jaw[10] + jaw[11]) / 2, skin.GetBlendShapeWeight(0), 0.1, "in straight lines");
        }

        // ---- inspector ----

        [Test]
        public void ARuleKeepsAShapeThatTheMeshLacks()
        {
            Mesh(100, Shapes);
            var choices = new ShapeChoices(Face());
            Assert.IsTrue(choices.Any);
            string[] expected =
                { "(found by its name)", "x.jawOpen", "other", "x.mouthClose", "wide (not on this mesh)" };
            Assert.AreEqual(expected, choices.Labels("wide"));
            Assert.AreEqual("wide", choices.At(choices.IndexOf("wide"), "wide"));
            Assert.AreEqual("other", choices.At(2, "wide"));
            Assert.AreEqual("", choices.At(0, "wide"));
            Assert.AreEqual(4, choices.Labels("other").Length);
            Assert.AreEqual("other", choices.At(choices.IndexOf("other"), "other"));
            Assert.AreEqual(0, choices.IndexOf(""));
            Assert.IsFalse(new ShapeChoices(null).Any);
        }
    }
}
