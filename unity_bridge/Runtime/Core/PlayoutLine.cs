using System.Threading;

namespace TokTalk
{
    /// <summary>
    /// Which presentation time is heard at which local time, written by the thread that renders the sound and read by
    /// others without a lock (a sequence counter tells a reader that it must look again).
    /// </summary>
    sealed class PlayoutLine
    {
        int version; // odd while it is written
        long pts, local; // the line now
        long from; // the local time at which it begins to hold
        long oldPts, oldLocal; // the line before that
        long until; // the local time at which it ends

        /// <summary>
        /// For the thread that writes: from `localNs` on, `ptsNs` is heard there and all else in step.
        /// </summary>
        /// <param name="jump">The line does not go on from where it was.</param>
        /// <param name="validNs">Local time until which it holds unless it is written again.</param>
        public void Write(long ptsNs, long localNs, bool jump, long validNs)
        {
            Interlocked.Increment(ref version);
            if (jump)
            {
                oldPts = pts;
                oldLocal = local;
                from = localNs;
            }
            pts = ptsNs;
            local = localNs;
            until = validNs;
            Interlocked.Increment(ref version);
        }

        /// <summary>For the thread that writes: nothing is heard from now on.</summary>
        public void End()
        {
            Interlocked.Increment(ref version);
            until = long.MinValue;
            local = oldLocal = 0;
            Interlocked.Increment(ref version);
        }

        /// <summary>The presentation time heard at `localNs`; false when no sound is played then.</summary>
        public bool At(long localNs, out long ptsNs)
        {
            while (true)
            {
                int before = Volatile.Read(ref version);
                bool valid = localNs < Volatile.Read(ref until);
                bool old = localNs < Volatile.Read(ref from) && Volatile.Read(ref oldLocal) != 0;
                ptsNs = old ? Volatile.Read(ref oldPts) + localNs - Volatile.Read(ref oldLocal)
                    : Volatile.Read(ref pts) + localNs - Volatile.Read(ref local);
                Thread.MemoryBarrier();
                if ((before & 1) == 0 && before == Volatile.Read(ref version))
                    return valid;
            }
        }
    }
}
