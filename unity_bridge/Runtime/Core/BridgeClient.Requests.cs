using System;
using System.Collections.Generic;
using System.IO;
using System.Text;
using System.Threading;

namespace TokTalk
{
    // What is asked of the bridge, and its answers.
    public sealed partial class BridgeClient
    {
        /// <summary>
        /// Stop speaking. <paramref name="playedNs"/>: media time that was heard, below 0 when unknown.
        /// </summary>
        public PendingReply Interrupt(string ofStream, long playedNs)
        {
            return Ask("interrupt", "stream", ofStream, "played_ns", playedNs);
        }

        /// <summary>Let a stream speak in another style.</summary>
        public PendingReply SetStyle(string ofStream, string style)
        {
            return Ask("set_style", "stream", ofStream, "style", style);
        }

        /// <summary>Ask for a sign of life.</summary>
        public PendingReply Ping()
        {
            return Ask("ping");
        }

        PendingReply SayHello()
        {
            return Ask("hello", "client", clientName);
        }

        PendingReply AskClock()
        {
            return Ask("clock", "t1_ns", LocalClock.NowNs);
        }

        /// <summary>Wait for an answer in the control thread, which is the one that receives it.</summary>
        void Await(PendingReply reply)
        {
            int before = errors;
            while (!reply.IsDone)
            {
                if (reply.Age > ReplyTimeNs)
                    throw new IOException(
                        errors > before ? problem : "no bridge answers at " + endpoint + ": is it the control port?");
                if (control.Receive(Step))
                    Answered();
            }
            if (reply.Error != null)
                throw new ProtocolException(reply.Error);
        }

        PendingReply Ask(string topic, params object[] fields)
        {
            var reply = new PendingReply(topic);
            lock (gate)
            {
                string obstacle = control == null ? "there is no connection: " + problem
                    : pending.Count >= MaxPending ? "the bridge answers too slowly" : null;
                if (obstacle != null)
                {
                    reply.Fail(obstacle);
                    return reply;
                }
                long id = nextId++;
                Protocol.BeginRequest(writer, id, fields.Length / 2);
                for (int k = 0; k < fields.Length; k += 2)
                    if (fields[k + 1] is long)
                        writer.Pair((string)fields[k], (long)fields[k + 1]);
                    else
                        writer.Pair((string)fields[k], (string)fields[k + 1]);
                pending[id] = reply;
                try
                {
                    control.Send(Encoding.ASCII.GetBytes(topic), writer.Buffer, writer.Count);
                }
                catch (IOException error)
                {
                    pending.Remove(id);
                    reply.Fail(error.Message);
                }
            }
            return reply;
        }

        /// <summary>Take in the reply that the control connection holds; one that cannot be read is counted.</summary>
        void Answered()
        {
            long arrivedNs = LocalClock.NowNs;
            try
            {
                if (control.PartCount != 2)
                    throw new ProtocolException("a reply of " + control.PartCount + " parts, expected topic and body");
                ArraySegment<byte> topic = control.Part(0), body = control.Part(1);
                Reply reply = Protocol.DecodeReply(
                    Encoding.ASCII.GetString(topic.Array, topic.Offset, Math.Min(topic.Count, 40)),
                    body.Array, body.Offset, body.Count);
                if (reply is Refused && reply.Id == 0)
                    EndRequests(((Refused)reply).Error); // it could not even read the request's number
                PendingReply asked;
                lock (gate)
                {
                    if (!pending.TryGetValue(reply.Id, out asked))
                        return; // nobody waits for it any more
                    pending.Remove(reply.Id);
                }
                asked.Finish(reply);
                if (asked.Reply is HelloReply)
                    Welcome((HelloReply)reply);
                else if (asked.Reply is ClockReply)
                    Exchanged((ClockReply)reply, arrivedNs);
            }
            catch (ProtocolException error)
            {
                Refuse(error);
            }
        }

        /// <summary>
        /// Take in what a bridge says of itself; of another run of it nothing counts that was before.
        /// </summary>
        void Welcome(HelloReply reply)
        {
            if (hello == null || reply.Bridge == null || reply.Bridge != hello.Bridge)
            {
                subscriptions.Clear();
                clock.Clear();
            }
            hello = reply;
        }

        void Exchanged(ClockReply reply, long arrivedNs)
        {
            clockAnsweredNs = arrivedNs;
            clock.Add(reply.T1Ns, reply.T2Ns, reply.T3Ns, arrivedNs);
            Interlocked.Exchange(ref offsetNs, clock.OffsetNs);
            Interlocked.Exchange(ref delayNs, clock.DelayNs);
            if (reply.Bridge != null && reply.Bridge != hello.Bridge)
                throw new IOException("the bridge was started again");
        }

        void ExpireRequests()
        {
            lock (gate)
                foreach (long id in new List<long>(pending.Keys))
                    if (pending[id].Age > ReplyTimeNs)
                    {
                        pending[id].Fail("no answer within " + ReplyTimeNs / 1000000000 + " s");
                        pending.Remove(id);
                    }
        }

        void EndRequests(string reason)
        {
            lock (gate)
            {
                foreach (PendingReply reply in pending.Values)
                    reply.Fail(reason);
                pending.Clear();
            }
        }
    }
}
