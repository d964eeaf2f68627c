using System;
using NUnit.Framework;

namespace TokTalk.Tests
{
    /// <summary>When what is heard and shown, on a clock that the test turns.</summary>
    public class PlayoutTests
    {
        const long Ms = 1000000, Second = 1000 * Ms;
        const long Offset = 500 * Second; // the bridge's clock is ahead by this
        const int Rate = 16000, Device = 48000, Block = 480;
        const long Latency = 30 * Ms;

        long now;
        Playout playout;
        readonly float[] weights = new float[2];
        readonly float[] head = new float[3];
        readonly float[] block = new float[Block];

        [SetUp]
        public void Begin()
        {
            now = 100 * Second;
            playout = new Playout(() => Offset, () => now);
        }

        /// <summary>
        /// Frames at 50 Hz whose weight 0 is their time in seconds, from `ptsNs` on the bridge's clock.
        /// </summary>
        void SendFace(long ptsNs, int count)
        {
            var face = new FaceMessage { PtsNs = ptsNs, Fps = 50, Count = count, Width = 2 };
            face.Weights = new float[2 * count];
            face.Head = new float[3 * count];
            for (int k = 0; k < count; k++)
                face.Weights[2 * k] = (ptsNs + k * 20 * Ms - 600 * Second) / (float)Second;
            playout.Add(face);
        }

        /// <summary>Sound whose samples are their time in seconds.</summary>
        void SendSound(long ptsNs, int milliseconds)
        {
            int count = Rate * milliseconds / 1000;
            var audio = new AudioMessage { PtsNs = ptsNs, Rate = Rate, Count = count, Samples = new float[count] };
            for (int k = 0; k < count; k++)
                audio.Samples[k] = (ptsNs - 600 * Second) / (float)Second + k / (float)Rate;
            playout.Add(audio);
        }

        /// <summary>
        /// Let the device play and the clock go on; the last sample, which is heard at `now` + Latency.
        /// </summary>
        float Play(int milliseconds)
        {
            for (int played = 0; played < milliseconds; played += 10)
            {
                for (int k = 0; k < Block; k++)
                    block[k] = 1;
                playout.ReadAudio(block, 1, Device, now + Latency);
                now += 10 * Ms;
            }
            return block[Block - 1];
        }

        float Shown()
        {
            playout.ReadFace(now, weights, head);
            return weights[0];
        }

        [Test]
        public void WithoutSoundTheFaceGoesByTheBridgesClock()
        {
            SendFace(600 * Second + 200 * Ms, 50);
            Assert.AreEqual(0, Shown());
            now += 500 * Ms;
            Assert.AreEqual(0.5, Shown(), 0.001);
            now += 5 * Ms;
            Assert.AreEqual(0.505, Shown(), 0.001, "between two frames");
            playout.DelayNs = 100 * Ms;
            Assert.AreEqual(0.405, Shown(), 0.001, "the delay counts");
        }

        [Test]
        public void SoundIsHeardWhenItIsDueAndTheFaceWithIt()
        {
            SendSound(600 * Second + 200 * Ms, 1000);
            SendFace(600 * Second + 200 * Ms, 50);
            Assert.AreEqual(0, Play(100));
            // the last sample of the block was played at now, to be heard Latency later
            Assert.AreEqual((now + Latency - 100 * Second) / (double)Second, Play(400) - 0.4, 0.002);
            Assert.AreEqual((now - 100 * Second) / (double)Second, Shown(), 0.002);
            Assert.AreEqual(0, playout.Underruns);
        }

        [Test]
        public void LateSoundIsPlayedLateAndTheFaceFollowsIt()
        {
            Play(50);
            SendSound(600 * Second - 300 * Ms, 2000);
            SendFace(600 * Second - 300 * Ms, 100);
            float heard = Play(500);
            now -= 10 * Ms;
            Assert.Less(heard, (now + Latency - 100 * Second) / (double)Second - 0.3);
            now += 10 * Ms + Latency; // when the last sample leaves the loudspeaker
            Assert.AreEqual(heard, Shown(), 0.002);
        }

        [Test]
        public void AFaceThatIsLateForItsSoundCatchesUp()
        {
            SendSound(600 * Second + 100 * Ms, 1000);
            Play(400);
            Assert.AreEqual(0, Shown());
            SendFace(600 * Second + 100 * Ms, 50);
            Assert.AreEqual((now - 100 * Second) / (double)Second, Shown(), 0.002);
            Assert.Greater(playout.LateFrames, 10);
        }

        [Test]
        public void AnInterruptionCutsSoundAndFace()
        {
            SendSound(600 * Second + 100 * Ms, 1000);
            SendFace(600 * Second + 100 * Ms, 50);
            Play(300);
            Assert.Greater(Shown(), 0.2f);
            playout.Add(new EventMessage { Kind = EventMessage.Interrupted, PtsNs = 600 * Second + 300 * Ms });
            Assert.AreEqual(0, Play(50));
            Assert.AreEqual(0.28, Shown(), 0.001, "the last frame before the cut holds");
            now += 400 * Ms;
            Assert.IsFalse(playout.ReadFace(now, weights, head));
            Assert.AreEqual(0, weights[0]);
        }

        [Test]
        public void WhatWasHeardIsKnownInMediaTime()
        {
            Assert.AreEqual(-1, playout.MediaNs(now));
            SendSound(600 * Second + 200 * Ms, 1000);
            Assert.AreEqual(-1, playout.MediaNs(now), "not yet");
            Play(500);
            Assert.AreEqual(300 * Ms, playout.MediaNs(now), 1 * Ms);
        }

        [Test]
        public void AGapIsSilentAndAnUnderrunMovesTheRest()
        {
            SendSound(600 * Second + 100 * Ms, 200);
            Play(400);
            SendSound(600 * Second + 300 * Ms, 200);
            Assert.AreEqual(0, Play(20));
            Assert.AreEqual(1, playout.Underruns);
            Assert.Greater(Play(100), 0.3f);
        }

        [Test]
        public void ADeviceThatPausedGoesOnInThePresent()
        {
            SendSound(600 * Second + 100 * Ms, 5000);
            Play(300);
            now += 2 * Second;
            Assert.AreEqual((now + Latency - 100 * Second) / (double)Second, Play(20) - 0.02, 0.005);
            Assert.AreEqual(1, playout.Skips);
        }

        [Test]
        public void TwoClocksThatDriftApartAreKeptTogether()
        {
            SendSound(600 * Second + 200 * Ms, 60000);
            for (int k = 0; k < 500; k++)
            {
                Play(100);
                now += 20000; // 200 ppm
            }
            double due = (now + Latency - 100 * Second) / (double)Second;
            Assert.AreEqual(due, Play(10) - 0.01, 0.007);
            Assert.AreEqual(0, playout.Skips);
        }

        [Test]
        public void TimesThatCannotBeAreRefused()
        {
            SendFace(600 * Second + 700 * Second, 1);
            SendFace(long.MaxValue - 100 * Second, 1);
            SendFace(long.MinValue + 700 * Second, 1);
            Assert.AreEqual(3, playout.Refused);
            playout.Add(new EventMessage { Kind = EventMessage.Interrupted, PtsNs = long.MinValue });
            Play(20);
            Assert.AreEqual(0, Shown());
        }

        [Test]
        public void WhatNobodyReadsDoesNotPileUp()
        {
            now += 20 * Second;
            for (int k = 0; k < 5000; k++)
                SendSound(now + Offset, 20);
            Assert.AreEqual(0, playout.Refused);
        }

        [Test]
        public void ManyWidthsAndOverfullQueuesAreSurvived()
        {
            var random = new Random(2);
            for (int k = 0; k < 3000; k++)
            {
                int width = random.Next(1, 5), count = random.Next(0, 4);
                playout.Add(new FaceMessage
                {
                    PtsNs = now + Offset + random.Next(-2000, 2000) * Ms, Fps = random.Next(1, 1001), Count = count,
                    Width = width, Weights = new float[width * count], Head = new float[3 * count],
                });
                if (random.Next(100) == 0)
                    Shown();
            }
            Shown();
            Assert.AreEqual(0, playout.Refused);
        }
    }
}
