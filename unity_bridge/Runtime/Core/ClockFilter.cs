using System;
using System.Diagnostics;

namespace TokTalk
{
    /// <summary>This machine's time for everything here: nanoseconds since any instant, never set back.</summary>
    public static class LocalClock
    {
        public static long NowNs
        {
            get
            {
                long ticks = Stopwatch.GetTimestamp(), frequency = Stopwatch.Frequency;
                return ticks / frequency * 1000000000 + ticks % frequency * 1000000000 / frequency;
            }
        }
    }

    /// <summary>
    /// The bridge's clock minus this machine's, from exchanges of four stamps over a network that delays (RFC 5905,
    /// sections 8 and 10). The true offset of an exchange lies within half its delay, so the quickest counts, less the
    /// older it is; one that contradicts it shows that a clock was set, and what was before is forgotten.
    /// </summary>
    public sealed class ClockFilter
    {
        const int Kept = 16;
        const long Drift = 20000; // clocks drift apart by at most 1 ns in this many

        readonly long[] at = new long[Kept];
        readonly long[] delays = new long[Kept];
        readonly long[] offsets = new long[Kept];
        int count;
        int next;

        /// <summary>Bridge minus local, in nanoseconds.</summary>
        public long OffsetNs { get; private set; }

        /// <summary>Round trip in nanoseconds of the exchange that gave the offset.</summary>
        public long DelayNs { get; private set; }

        /// <summary>Take in an exchange: sent, received there, answered there, arrived.</summary>
        public void Add(long t1, long t2, long t3, long t4)
        {
            long delay = t4 - t1 - (t3 - t2);
            if (delay < 0 || t4 < t1)
                return;
            long offset = (t2 - t1 + (t3 - t4)) >> 1;
            if (count > 0)
            {
                int best = Best(t4);
                if (Distance(offset, offsets[best]) > (delay + delays[best]) / 2 + Distance(t4, at[best]) / Drift)
                    Clear();
            }
            at[next] = t4;
            delays[next] = delay;
            offsets[next] = offset;
            next = (next + 1) % Kept;
            count = Math.Min(count + 1, Kept);
            int kept = Best(t4);
            OffsetNs = offsets[kept];
            DelayNs = delays[kept];
        }

        /// <summary>Forget every exchange: it is another bridge's clock from now on.</summary>
        public void Clear()
        {
            count = next = 0;
        }

        int Best(long now)
        {
            int best = 0;
            for (int k = 1; k < count; k++)
                if (Badness(k, now) < Badness(best, now))
                    best = k;
            return best;
        }

        long Badness(int k, long now)
        {
            return delays[k] / 2 + Distance(now, at[k]) / Drift;
        }

        /// <summary>How far apart two times are; those that no clock shows count as very far.</summary>
        static long Distance(long a, long b)
        {
            long difference = a - b;
            return difference == long.MinValue ? long.MaxValue : Math.Abs(difference);
        }
    }
}
