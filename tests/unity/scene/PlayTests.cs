using System;
using System.Collections.Generic;
using System.Reflection;
using System.Threading;
using NUnit.Framework;
using StandIn;
using UnityEditor;
using UnityEngine;

namespace TokTalk.Tests
{
    /// <summary>
    /// The components in play mode, and the inspectors, in the stand-ins for Unity's engine (tests/unity/engine): what
    /// EditMode tests cannot do. The receiver has no bridge; the test gives it messages.
    /// </summary>
    public class PlayTests
    {
        const long Ms = 1000000;
        const float Picture = 0.01f;

        static readonly string[] Names =
            { "jawOpen", "mouthClose", "mouthSmileLeft", "eyeBlinkLeft", "eyeBlinkRight", "eyeLookUpLeft" };

        GameObject character;
        SkinnedMeshRenderer skin;
        TokTalkReceiver receiver;
        TokTalkFace face;
        List<string> warnings;

        [SetUp]
        public void Begin()
        {
            warnings = new List<string>();
            Application.logMessageReceived += Listen;
            Loop.Play(true);
            character = new GameObject("Character");
            character.SetActive(false);
            var mesh = new Mesh { vertices = new Vector3[3] };
            foreach (string shape in Names)
                mesh.AddBlendShapeFrame(shape, 100, new Vector3[3], null, null);
            skin = character.AddComponent<SkinnedMeshRenderer>();
            skin.sharedMesh = mesh;
            receiver = character.AddComponent<TokTalkReceiver>();
            receiver.IdleMotion = false;
            receiver.Endpoint = "tcp://127.0.0.1:1";
            receiver.Stream = "";
            face = character.AddComponent<TokTalkFace>();
        }

        [TearDown]
        public void End()
        {
            Loop.Play(false);
            Application.logMessageReceived -= Listen;
        }

        void Listen(string condition, string stackTrace, LogType type)
        {
            warnings.Add(condition);
        }

        IBridgeListener Client
        {
            get { return receiver; }
        }

        static FaceMessage Frames(string stream, long ptsNs, int count, params float[] weights)
        {
            var message = new FaceMessage
            {
                Stream = stream, PtsNs = ptsNs, Fps = 50, Count = count, Width = Names.Length,
                Weights = new float[count * Names.Length], Head = new float[3 * count],
            };
            for (int k = 0; k < count; k++)
                Array.Copy(weights, 0, message.Weights, k * Names.Length, weights.Length);
            return message;
        }

        void Meet(params StreamInfo[] streams)
        {
            if (!receiver.isActiveAndEnabled)
                character.SetActive(true);
            Client.OnHello(new HelloReply { Names = Names, Streams = streams });
        }

        void Speak(string stream, int milliseconds, params float[] weights)
        {
            Client.OnFace(Frames(stream, LocalClock.NowNs, milliseconds / 20, weights));
        }

        void Happen(string stream, string kind)
        {
            Client.OnEvent(new EventMessage { Stream = stream, Kind = kind, PtsNs = LocalClock.NowNs });
        }

        /// <summary>Pictures in real time.</summary>
        void Show(int milliseconds, Action animate = null)
        {
            for (long end = LocalClock.NowNs + milliseconds * Ms; LocalClock.NowNs < end; Thread.Sleep(10))
                Loop.Frame(Picture, animate);
        }

        [Test]
        public void WhatComesIsShownAndAtRestTheMeshIsAsItWas()
        {
            skin.SetBlendShapeWeight(2, 30);
            Meet();
            Speak("s", 1000, 0.5f);
            Show(300);
            Assert.IsTrue(receiver.IsMoving);
            Assert.AreEqual(50, skin.GetBlendShapeWeight(0), 0.01);
            Assert.AreEqual(0, skin.GetBlendShapeWeight(2));
            character.SetActive(false);
            Assert.AreEqual(0, skin.GetBlendShapeWeight(0));
            Assert.AreEqual(30, skin.GetBlendShapeWeight(2));
        }

        [Test]
        public void WhoJoinsLateSeesTheFaceOfTheHello()
        {
            FaceMessage old = Frames("s", LocalClock.NowNs - 10000 * Ms, 1, 0, 0, 0.4f);
            Meet(new StreamInfo { Name = "s", Face = old });
            Show(700);
            Assert.AreEqual(40, skin.GetBlendShapeWeight(2), 0.01);
            Assert.IsFalse(receiver.IsMoving);
            Speak("s", 1000, 0.5f);
            Show(100);
            Assert.AreEqual(50, skin.GetBlendShapeWeight(0), 0.01);
        }

        [Test]
        public void AtRestItBlinksIfItShould()
        {
            Meet();
            float before = Shut(3000);
            receiver.IdleMotion = true;
            Assert.AreEqual(0, before);
            Assert.Greater(Shut(7000), 80);
        }

        /// <summary>The most that the eye is shut, until it is.</summary>
        float Shut(int milliseconds)
        {
            float most = 0;
            for (int k = 0; k < milliseconds && most <= 80; k += 10)
            {
                Show(10);
                most = Math.Max(most, skin.GetBlendShapeWeight(3));
            }
            return most;
        }

        [Test]
        public void OnlyWhileSpeakingLeavesSilenceToTheAnimation()
        {
            face.OnlyWhileSpeaking = true;
            float smile = 20;
            Action animate = () => skin.SetBlendShapeWeight(2, smile += 0.1f);
            Meet();
            Show(100, animate);
            Assert.AreEqual(smile, skin.GetBlendShapeWeight(2));
            Speak("s", 1000, 0.5f);
            Show(300, animate);
            Assert.AreEqual(50, skin.GetBlendShapeWeight(0), 0.01);
            Assert.AreEqual(0, skin.GetBlendShapeWeight(2), 0.01);
            Show(2000, animate);
            Assert.AreEqual(smile, skin.GetBlendShapeWeight(2));
            Assert.AreEqual(0, skin.GetBlendShapeWeight(0));
        }

        [Test]
        public void AnotherStreamIsFollowedWhenTheOneIsGoneAndNoneWasAskedFor()
        {
            Meet();
            Speak("first", 1000, 0.5f);
            Speak("second", 1000, 0.9f);
            Show(100);
            Assert.AreEqual(50, skin.GetBlendShapeWeight(0), 0.01, "the first that came");
            Playout before = receiver.Playout;
            Happen("first", EventMessage.Gone);
            Speak("second", 1000, 0.9f);
            Show(200);
            Assert.AreEqual(90, skin.GetBlendShapeWeight(0), 0.01);
            Assert.AreNotSame(before, receiver.Playout, "nothing is left of the other's rest and times");
            // the bridge begins again with another stream
            Meet(new StreamInfo { Name = "third" });
            Speak("third", 1000, 0.2f);
            Show(200);
            Assert.AreEqual(20, skin.GetBlendShapeWeight(0), 0.01);
            Meet(new StreamInfo { Name = "other" }, new StreamInfo { Name = "third" });
            Speak("third", 1000, 0.3f);
            Show(200);
            Assert.AreEqual(30, skin.GetBlendShapeWeight(0), 0.01, "it is still there");
        }

        [Test]
        public void AStreamThatWasAskedForIsWaitedFor()
        {
            receiver.Stream = "mine";
            Meet(new StreamInfo { Name = "other" });
            Happen("mine", EventMessage.Gone);
            Speak("other", 1000, 0.9f);
            Show(200);
            Assert.AreEqual(0, skin.GetBlendShapeWeight(0));
            Speak("mine", 1000, 0.5f);
            Show(200);
            Assert.AreEqual(50, skin.GetBlendShapeWeight(0), 0.01);
        }

        [Test]
        public void EventsReachTheMainThreadAndNamesAreTold()
        {
            var happened = new List<string>();
            receiver.Happened += message => happened.Add(message.Kind);
            receiver.NamesChanged += () => happened.Add("names");
            Meet();
            Happen("s", "start");
            Assert.IsEmpty(happened);
            Show(20);
            Assert.AreEqual(new[] { "names", "start" }, happened);
            Assert.AreEqual(0, warnings.Count, "the mesh has all that is sent");
        }

        [Test]
        public void BonesOfAHumanoidComeFromItsAnimator()
        {
            Transform odd = new GameObject("Kopf").transform;
            odd.SetParent(character.transform, false);
            Loop.SetBone(character.AddComponent<Animator>(), HumanBodyBones.Head, odd);
            var head = character.AddComponent<TokTalkHead>();
            character.SetActive(true);
            Assert.AreSame(odd, head.Head);
        }

        [Test]
        public void AHeadThatIsNotThereIsTold()
        {
            character.AddComponent<TokTalkHead>();
            character.SetActive(true);
            StringAssert.Contains("no bone called head", string.Join(" ", warnings));
        }

        [Test]
        public void AnEndpointThatCannotBeTurnsTheReceiverOff()
        {
            receiver.Endpoint = "http://127.0.0.1";
            character.SetActive(true);
            Assert.IsFalse(receiver.enabled);
            StringAssert.Contains("TokTalk: ", warnings[0]);
            Show(20);
        }

        // ---- inspectors ----

        Editor Draw(UnityEngine.Object of, int times = 1)
        {
            Editor editor = Editor.CreateEditor(of);
            for (int k = 0; k < times; k++)
                editor.OnInspectorGUI();
            return editor;
        }

        [Test]
        public void DrawingAMappingChangesNothingInIt()
        {
            var rule = new ShapeRule { name = "jawOpen", shape = "wide", multiplier = 5 };
            var mapping = ScriptableObject.CreateInstance<FaceMapping>();
            mapping.Rules.Add(rule);
            Draw(mapping, 2);
            Hand.Objects["Try on"] = face;
            Draw(mapping, 2);
            Assert.AreEqual("wide (not on this mesh)", Hand.Popups[0]);
            Assert.AreEqual("wide", rule.shape);
            Assert.AreEqual(5, rule.multiplier);
            Assert.AreEqual(0, mapping.Version);
        }

        [Test]
        public void AMappingIsEditedByHand()
        {
            var rule = new ShapeRule { name = "jawOpen", shape = "wide" };
            var mapping = ScriptableObject.CreateInstance<FaceMapping>();
            mapping.Rules.Add(rule);
            Hand.Objects["Try on"] = face;
            Hand.Choices.Add("mouthSmileLeft");
            Draw(mapping);
            Assert.AreEqual("mouthSmileLeft", rule.shape);
            Assert.AreEqual(1, mapping.Version);
            Hand.Presses.Add("+");
            Draw(mapping);
            Assert.AreEqual(2, mapping.Rules.Count);
            Hand.Presses.Add("-");
            Hand.Presses.Add("-");
            Draw(mapping, 2);
            Assert.AreEqual(1, mapping.Rules.Count);
        }

        [Test]
        public void EveryInspectorDraws()
        {
            var recorder = character.AddComponent<TokTalkRecorder>();
            Meet();
            foreach (UnityEngine.Object each in new UnityEngine.Object[] { face, receiver, recorder })
                Assert.IsNotNull(Draw(each), each.GetType().Name);
            Show(20);
            Hand.Presses.Add("Record");
            Draw(recorder);
            Assert.IsTrue(recorder.IsRecording);
        }

        [Test]
        public void TheMenuSetsUpACharacter()
        {
            Loop.Play(false);
            var bare = new GameObject("Bare");
            Selection.activeGameObject = bare;
            Assert.IsFalse((bool)Menu("MaySetUp"), "it has no mesh");
            bare.AddComponent<SkinnedMeshRenderer>();
            Assert.IsTrue((bool)Menu("MaySetUp"));
            Menu("SetUp");
            Menu("SetUp");
            Assert.AreEqual(1, bare.GetComponent<TokTalkFace>().GetComponentsInChildren<TokTalkFace>(true).Length);
            Assert.IsNotNull(bare.GetComponent<TokTalkReceiver>());
            Assert.IsNotNull(bare.GetComponent<TokTalkHead>());
            Assert.IsNotNull(bare.GetComponent<AudioSource>(), "TokTalk Audio brings it");
        }

        static object Menu(string method)
        {
            Type setup = typeof(Editing.ShapeChoices).Assembly.GetType("TokTalk.Editing.CharacterSetup");
            return setup.GetMethod(method, BindingFlags.Static | BindingFlags.NonPublic).Invoke(null, null);
        }
    }
}
