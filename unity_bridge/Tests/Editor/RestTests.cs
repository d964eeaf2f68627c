using System;
using System.Collections.Generic;
using NUnit.Framework;

namespace TokTalk.Tests
{
    /// <summary>The face of a stream that does not speak, on a clock that the test turns.</summary>
    public class RestTests
    {
        const long Ms = 1000000, Second = 1000 * Ms;
        const long Offset = 500 * Second; // the bridge's clock is ahead by this

        static readonly string[] Names =
            { "jawOpen", "mouthClose", "mouthSmileLeft", "eyeBlinkLeft", "eyeBlinkRight", "eyeLookUpLeft" };

        long now;
        Playout playout;
        readonly float[] weights = new float[Names.Length];
        readonly float[] head = new float[3];

        [SetUp]
        public void Begin()
        {
            now = 100 * Second;
            playout = new Playout(() => Offset, () => now) { Names = Names };
        }

        static FaceMessage Face(long ptsNs, int count, params float[] weights)
        {
            var face = new FaceMessage { PtsNs = ptsNs, Fps = 50, Count = count, Width = Names.Length };
            face.Weights = new float[count * Names.Length];
            face.Head = new float[3 * count];
            for (int k = 0; k < count; k++)
            {
                Array.Copy(weights, 0, face.Weights, k * Names.Length, weights.Length);
                face.Head[3 * k] = 0.1f;
            }
            return face;
        }

        /// <summary>The stream ends in this face, a second from now.</summary>
        void SpeakAndEnd(params float[] last)
        {
            long begin = now + Offset;
            playout.Add(new EventMessage { Kind = EventMessage.Start, PtsNs = begin });
            playout.Add(Face(begin, 49, 0.8f));
            playout.Add(Face(begin + 980 * Ms, 1, last));
            playout.Add(new EventMessage { Kind = EventMessage.End, PtsNs = begin + 1000 * Ms });
        }

        /// <summary>Pictures for so long; whether the last moved.</summary>
        bool Show(int milliseconds)
        {
            bool moving = false;
            for (int shown = 0; shown < milliseconds; shown += 10)
            {
                now += 10 * Ms;
                moving = playout.ReadFace(now, weights, head);
            }
            return moving;
        }

        [Test]
        public void TheFaceOfAHelloIsShownUntilTheFirstLiveOneAndSetsNoTime()
        {
            long heard = playout.HeardNs(now);
            playout.Add(new StreamInfo { Name = "s", Face = Face(now + Offset - 10 * Second, 1, 0.5f, 0, 0.25f) });
            Assert.IsFalse(playout.ReadFace(now, weights, head), "a still face does not move");
            Assert.AreEqual(0.5f, weights[0]);
            Show(5000);
            Assert.AreEqual(0.5f, weights[0]);
            Assert.AreEqual(0.25f, weights[2]);
            Assert.AreEqual(0.1f, head[0]);
            Assert.AreEqual(heard + 5 * Second, playout.HeardNs(now), "it is no late frame");
            Assert.AreEqual(15 * Second, playout.MediaNs(now), 1 * Ms);
            Assert.AreEqual(0, playout.Frames + playout.LateFrames);

            playout.Add(Face(now + Offset + 100 * Ms, 25, 0.9f));
            Show(90);
            Assert.AreEqual(0.5f, weights[0], "the live frame is not due yet");
            Assert.IsTrue(Show(20));
            Assert.AreEqual(0.9f, weights[0]);
            Assert.IsFalse(Show(2000));
            Assert.AreEqual(0, weights[0], "and once it was, the old one does not come back");
        }

        [Test]
        public void AFaceOfAHelloThatIsNotAsWideAsTheNamesIsRefused()
        {
            playout.Names = new[] { "jawOpen" };
            playout.Add(new StreamInfo { Name = "s", Face = Face(now + Offset, 1, 0.5f) });
            Show(100);
            Assert.AreEqual(0, weights[0]);
            Assert.AreEqual(1, playout.Refused);
        }

        [Test]
        public void AnOldFaceOfAHelloDoesNotReplaceALaterOne()
        {
            playout.Add(Face(now + Offset, 50, 0.8f));
            playout.ReadFace(now, weights, head);
            playout.Add(new StreamInfo { Name = "s", Face = Face(now + Offset - 10 * Second, 1, 0.5f) });
            Show(2000);
            Assert.AreEqual(0, weights[0]);
        }

        [Test]
        public void AnInterruptionBeforeTheFirstLiveFrameLeavesNoStillFace()
        {
            playout.Add(new StreamInfo { Name = "s", Face = Face(now + Offset - 10 * Second, 1, 0.5f) });
            Show(100);
            playout.Add(Face(now + Offset + 200 * Ms, 50, 0.9f));
            playout.Add(new EventMessage { Kind = EventMessage.Interrupted, PtsNs = now + Offset + 100 * Ms });
            Show(1000);
            Assert.AreEqual(0, weights[0]);
        }

        [Test]
        public void AStreamThatEndsRestsAsItsStyleDoes()
        {
            SpeakAndEnd(0, 0, 0.3f, 0.1f, 0.1f, 0.6f);
            Assert.IsTrue(Show(500));
            Assert.AreEqual(0.8f, weights[0], 1e-5);
            Assert.IsFalse(Show(3000));
            Assert.AreEqual(new[] { 0, 0, 0.3f, 0, 0, 0 }, weights, "its smile, but not its blink and gaze");
            Assert.AreEqual(0.1f, head[0]);
        }

        [TestCase(0.5f, 0f, 0f, TestName = "an open mouth")]
        [TestCase(0f, 0f, 0.9f, TestName = "a shut eye")]
        public void AFaceThatIsNotAtEaseIsNotKept(float jaw, float close, float blink)
        {
            SpeakAndEnd(jaw, close, 0.3f, 0, blink);
            Show(3000);
            Assert.AreEqual(new float[Names.Length], weights);
        }

        [Test]
        public void AnOpenJawBehindClosedLipsIsAtEase()
        {
            SpeakAndEnd(0.5f, 0.45f, 0.3f);
            Show(3000);
            Assert.AreEqual(0.5f, weights[0]);
        }

        [Test]
        public void AStreamThatBreaksOffGoesBackToTheRestOfBefore()
        {
            SpeakAndEnd(0, 0, 0.3f);
            Show(3000);
            playout.Add(new EventMessage { Kind = EventMessage.Start, PtsNs = now + Offset });
            playout.Add(Face(now + Offset, 20, 0.9f));
            Show(200);
            Assert.AreEqual(0.9f, weights[0]);
            Show(3000);
            Assert.AreEqual(0, weights[0]);
            Assert.AreEqual(0.3f, weights[2]);
        }

        [Test]
        public void WhatFollowsAnInterruptionIsTheRest()
        {
            SpeakAndEnd(0.8f);
            Show(300);
            long cut = now + Offset + 20 * Ms;
            playout.Add(new EventMessage { Kind = EventMessage.Interrupted, PtsNs = cut });
            playout.Add(Face(cut, 10, 0, 0, 0.2f));
            Show(3000);
            Assert.AreEqual(new[] { 0, 0, 0.2f, 0, 0, 0 }, weights);
        }

        [Test]
        public void AnInterruptionVoidsWhatWouldHaveBegun()
        {
            playout.Add(new EventMessage { Kind = EventMessage.Start, PtsNs = now + Offset + 500 * Ms });
            playout.Add(new EventMessage { Kind = EventMessage.Interrupted, PtsNs = now + Offset + 100 * Ms });
            Show(700);
            playout.Add(Face(now + Offset, 10, 0, 0, 0.2f));
            Show(3000);
            Assert.AreEqual(0.2f, weights[2], "it rests, for nobody speaks");
        }

        [Test]
        public void WhoJoinsAfterTheEndSeesTheRest()
        {
            playout.Add(new StreamInfo
            {
                Name = "s", Speaking = false, Face = Face(now + Offset - 3600 * Second, 1, 0, 0, 0.3f),
            });
            Show(100);
            Assert.AreEqual(0.3f, weights[2]);
            playout.Add(new EventMessage { Kind = EventMessage.Start, PtsNs = now + Offset });
            playout.Add(Face(now + Offset, 10, 0.9f));
            Show(100);
            Assert.AreEqual(new[] { 0.9f, 0, 0, 0, 0, 0 }, weights);
            Show(3000);
            Assert.AreEqual(new[] { 0, 0, 0.3f, 0, 0, 0 }, weights);
        }

        [Test]
        public void ManyMarksAndStrangeTimesAreSurvived()
        {
            var random = new Random(4);
            string[] kinds = { EventMessage.Start, EventMessage.End, EventMessage.Interrupted };
            for (int k = 0; k < 5000; k++)
            {
                long pts = k % 50 == 0 ? long.MaxValue : now + Offset + random.Next(-2000, 2000) * Ms;
                playout.Add(new EventMessage { Kind = kinds[random.Next(3)], PtsNs = pts });
                if (k % 7 == 0)
                    playout.Add(Face(now + Offset, 2, 0.5f));
                if (k % 100 == 0)
                    Show(10);
            }
            Show(4000);
            Assert.AreEqual(0, weights[3]);
        }

        [Test]
        public void AnIdleFaceBlinksAndLooksAround()
        {
            var idle = new Idle(Arkit.Names, 0);
            var face = new float[Arkit.Names.Length];
            int blink = Array.IndexOf(Arkit.Names, "eyeBlinkLeft"), right = Array.IndexOf(Arkit.Names, "eyeBlinkRight");
            int smile = Array.IndexOf(Arkit.Names, "mouthSmileLeft");
            face[smile] = 0.3f;
            int blinks = 0;
            float before = 0, farthest = 0;
            for (long ms = 0; ms < 600000; ms += 10)
            {
                idle.Apply(ms * Ms, face);
                blinks += before < 0.5f && face[blink] >= 0.5f ? 1 : 0;
                before = face[blink];
                Assert.AreEqual(face[blink], face[right]);
                foreach (string name in new[] { "eyeLookOutLeft", "eyeLookInLeft", "eyeLookUpLeft", "eyeLookDownLeft" })
                    farthest = Math.Max(farthest, face[Array.IndexOf(Arkit.Names, name)]);
            }
            Assert.AreEqual(0.3f, face[smile], "nothing but the eyes");
            Assert.AreEqual(600 / 3.6, blinks, 30, "a blink every 3.6 s or so");
            Assert.Greater(farthest, 0.1f);
            Assert.LessOrEqual(farthest, 0.22f);
        }

        [Test]
        public void AnIdleFaceMovesOnlyWhatIsThere()
        {
            var idle = new Idle(new[] { "jawOpen", "eyeBlinkLeft" }, 0);
            var face = new float[2];
            var shut = new List<float>();
            for (long ms = 0; ms < 10000; ms += 10)
            {
                idle.Apply(ms * Ms, face);
                shut.Add(face[1]);
            }
            Assert.AreEqual(0, face[0]);
            Assert.IsTrue(shut.Exists(value => value > 0.9f));
            idle.Apply(0, new float[0]);
        }

        [Test]
        public void WhoHasJustSpokenDoesNotBlinkAtOnce()
        {
            var idle = new Idle(new[] { "eyeBlinkLeft" }, 0);
            var face = new float[1];
            idle.Rouse(2450 * Ms);
            for (long ms = 2450; ms < 3440; ms += 10)
            {
                idle.Apply(ms * Ms, face);
                Assert.AreEqual(0, face[0]);
            }
            idle.Apply(3530 * Ms, face);
            Assert.Greater(face[0], 0.9f);
        }
    }
}
