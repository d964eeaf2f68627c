using System;
using System.Collections.Generic;

namespace TokTalk
{
    /// <summary>
    /// What is known of each topic that PUB sent: its kind, its stream and the next sequence number, found by the
    /// topic's bytes without making a text of them. For one thread.
    /// </summary>
    sealed class Subscriptions
    {
        const int MaxTopics = 3 * Protocol.MaxStreams;

        public sealed class Topic
        {
            public byte[] Raw;
            public string Kind;
            public string Stream;
            public long NextSeq = -1;

            /// <summary>Messages lost before the one that carries <paramref name="seq"/>.</summary>
            public long Count(long seq)
            {
                long lost = NextSeq >= 0 && seq > NextSeq ? seq - NextSeq : 0;
                NextSeq = seq == long.MaxValue ? -1 : seq + 1;
                return lost;
            }
        }

        readonly Dictionary<uint, Topic> topics = new Dictionary<uint, Topic>();

        /// <summary>The topic with these bytes.</summary>
        /// <exception cref="ProtocolException">It is no topic of the wire, or one too many.</exception>
        public Topic Find(ArraySegment<byte> raw)
        {
            uint hash = 2166136261; // FNV-1a
            for (int k = 0; k < raw.Count; k++)
                hash = (hash ^ raw.Array[raw.Offset + k]) * 16777619;
            Topic topic;
            if (topics.TryGetValue(hash, out topic) && Same(topic.Raw, raw))
                return topic;
            KeyValuePair<string, string> parts = Protocol.SplitTopic(raw.Array, raw.Offset, raw.Count);
            if (topics.Count >= MaxTopics)
                throw new ProtocolException("stream '" + parts.Value + "' is one more than a bridge may have");
            topic = new Topic { Raw = new byte[raw.Count], Kind = parts.Key, Stream = parts.Value };
            Buffer.BlockCopy(raw.Array, raw.Offset, topic.Raw, 0, raw.Count);
            topics[hash] = topic;
            return topic;
        }

        /// <summary>Forget a stream, which begins again with sequence number 0 if it ever does.</summary>
        public void Forget(string stream)
        {
            foreach (uint hash in new List<uint>(topics.Keys))
                if (topics[hash].Stream == stream)
                    topics.Remove(hash);
        }

        /// <summary>Forget every stream: it is another run of the bridge.</summary>
        public void Clear()
        {
            topics.Clear();
        }

        static bool Same(byte[] a, ArraySegment<byte> b)
        {
            if (a.Length != b.Count)
                return false;
            for (int k = 0; k < a.Length; k++)
                if (a[k] != b.Array[b.Offset + k])
                    return false;
            return true;
        }
    }
}
