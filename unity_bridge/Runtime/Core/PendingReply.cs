using System.Threading;

namespace TokTalk
{
    /// <summary>The answer to a request, on its way. Any thread may look at it.</summary>
    public sealed class PendingReply
    {
        readonly object gate = new object();
        readonly string topic;
        readonly long sentNs = LocalClock.NowNs;
        Reply reply;
        string error;
        bool done;

        internal PendingReply(string topic)
        {
            this.topic = topic;
        }

        /// <summary>Whether it came, or never will.</summary>
        public bool IsDone
        {
            get { lock (gate) return done; }
        }

        /// <summary>The reply; null before it came and when the request failed.</summary>
        public Reply Reply
        {
            get { lock (gate) return reply; }
        }

        /// <summary>Why the request failed; null when it did not.</summary>
        public string Error
        {
            get { lock (gate) return error; }
        }

        /// <summary>Nanoseconds since it was asked.</summary>
        internal long Age
        {
            get { return LocalClock.NowNs - sentNs; }
        }

        /// <summary>
        /// Wait up to <paramref name="milliseconds"/>; whether it is done. Not for Unity's main thread.
        /// </summary>
        public bool Wait(int milliseconds)
        {
            long until = LocalClock.NowNs + milliseconds * 1000000L;
            lock (gate)
            {
                for (long left; !done && (left = until - LocalClock.NowNs) > 0;)
                    Monitor.Wait(gate, (int)(left / 1000000) + 1);
                return done;
            }
        }

        internal void Finish(Reply answer)
        {
            var refused = answer as Refused;
            if (refused != null)
                Finish(null, refused.Error);
            else if (answer.Topic != topic)
                Finish(null, "the bridge answered " + topic + " by " + answer.Topic);
            else
                Finish(answer, null);
        }

        internal void Fail(string reason)
        {
            Finish(null, reason);
        }

        void Finish(Reply answer, string reason)
        {
            lock (gate)
            {
                if (done)
                    return;
                reply = answer;
                error = reason;
                done = true;
                Monitor.PulseAll(gate);
            }
        }
    }
}
