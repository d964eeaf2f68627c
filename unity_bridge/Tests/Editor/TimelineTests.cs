using System;
using NUnit.Framework;

namespace TokTalk.Tests
{
    /// <summary>The parts that playout is made of.</summary>
    public class TimelineTests
    {
        const long Ms = 1000000;

        [Test]
        public void FramesOutOfOrderAreSortedAndRepeatedOnesReplaced()
        {
            var timeline = new FaceTimeline();
            foreach (int k in new[] { 2, 0, 1, 1, 3 })
            {
                int row = timeline.Insert(k * 20 * Ms, 50, 1, -1000 * Ms);
                timeline.Weights[row] = k;
            }
            Assert.AreEqual(4, timeline.Count);
            float[] weights = new float[1], head = new float[3];
            for (int ms = 0; ms <= 60; ms += 5)
            {
                Assert.IsTrue(timeline.Sample(ms * Ms, weights, head));
                Assert.AreEqual(ms / 20f, weights[0], 1e-5);
            }
        }

        [Test]
        public void ALongStreamKeepsWhatIsStillNeeded()
        {
            var timeline = new FaceTimeline();
            for (int k = 0; k < 100000; k++)
                Assert.GreaterOrEqual(timeline.Insert(k * 20 * Ms, 50, 3, (k - 1000) * 20 * Ms), 0);
            Assert.Less(timeline.Count, 1100);
            for (int k = 0; k < FaceTimeline.MaxFrames; k++)
                timeline.Insert((100000 + k) * 20 * Ms, 50, 3, 0);
            Assert.AreEqual(FaceTimeline.MaxFrames, timeline.Count);
        }

        [TestCase(16000, 48000)]
        [TestCase(24000, 48000)]
        [TestCase(48000, 44100)]
        [TestCase(22050, 48000)]
        [TestCase(48000, 48000)]
        public void ATonePlaysAtAnyRate(int rate, int device)
        {
            var sound = new SoundTimeline();
            sound.Begin(0, rate);
            var samples = new float[rate];
            for (int k = 0; k < rate; k++)
                samples[k] = (float)Math.Sin(2 * Math.PI * 1000 * k / rate);
            sound.Put(sound.Reserve(0, rate, 0), samples, rate);
            var output = new float[device / 2];
            for (int k = 0; k < output.Length; k++)
                output[k] = 1;
            sound.Render(rate / 10, rate / (double)device, output, 1);
            double error = 0;
            for (int k = 0; k < output.Length; k++)
            {
                double truth = Math.Sin(2 * Math.PI * 1000 * (0.1 + k / (double)device));
                error = Math.Max(error, Math.Abs(output[k] - truth));
            }
            Assert.Less(error, 0.002);
        }

        [Test]
        public void TheDeviceClockLooksThroughLateCallbacksAndNoticesPauses()
        {
            var clock = new DeviceClock();
            var random = new Random(3);
            double device = 7;
            long now = 1000 * Ms;
            for (int k = 0; k < 500; k++)
            {
                long block = clock.Tick(device, now + random.Next(0, 8) * Ms);
                if (k > 60)
                    Assert.AreEqual(now, block, 1 * Ms);
                device += 0.02;
                now += 20 * Ms;
            }
            now += 100 * Ms; // a glitch: the device's time stood still
            for (int k = 0; k < 150; k++)
            {
                long block = clock.Tick(device, now);
                if (k > 110)
                    Assert.AreEqual(now, block, 1 * Ms);
                device += 0.02;
                now += 20 * Ms;
            }
        }

        [Test]
        public void TheQuickestExchangeTellsTheTime()
        {
            var filter = new ClockFilter();
            filter.Add(0, 500 * Ms, 500 * Ms, 10 * Ms);
            filter.Add(2000 * Ms, 2540 * Ms, 2540 * Ms, 2090 * Ms);
            Assert.AreEqual(495 * Ms, filter.OffsetNs);
            filter.Add(long.MinValue, long.MaxValue, 0, long.MaxValue);
            filter.Add(4000 * Ms, 9503 * Ms, 9503 * Ms, 4004 * Ms);
            Assert.AreEqual(5501 * Ms, filter.OffsetNs, "the bridge's clock was set");
        }
    }
}
