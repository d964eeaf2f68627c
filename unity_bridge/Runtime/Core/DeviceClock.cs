using System;

namespace TokTalk
{
    /// <summary>
    /// When, on <see cref="LocalClock"/>, a sound device comes to a time of its own clock (Unity's dspTime). Its
    /// callbacks come late by chance and never early, so the earliest of the last seconds tells. For one thread.
    /// </summary>
    public sealed class DeviceClock
    {
        const double Window = 1; // s; the earliest of this window and of the one before counts
        const double Jump = 0.25; // s that only a pause or another device explains

        // local minus device, s
        double earliest = double.MaxValue;
        double earliestBefore = double.MaxValue;
        double windowEnd;

        /// <summary>
        /// Note that the device asks for the block that begins at <paramref name="deviceTime"/> (s), and say at which
        /// local time in nanoseconds that block begins.
        /// </summary>
        public long Tick(double deviceTime, long nowNs)
        {
            double now = nowNs / 1e9;
            double seen = now - deviceTime;
            if (seen > Math.Min(earliest, earliestBefore) + Jump)
                earliest = earliestBefore = double.MaxValue;
            if (now >= windowEnd)
            {
                earliestBefore = earliest;
                earliest = double.MaxValue;
                windowEnd = now + Window;
            }
            earliest = Math.Min(earliest, seen);
            return (long)((deviceTime + Math.Min(earliest, earliestBefore)) * 1e9);
        }
    }
}
