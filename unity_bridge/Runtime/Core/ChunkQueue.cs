using System;
using System.Threading;

namespace TokTalk
{
    enum ChunkKind
    {
        /// <summary>Face frames or sound.</summary>
        Media,

        /// <summary>What is planned for this time and later is void.</summary>
        Cut,

        /// <summary>An utterance begins.</summary>
        Start,

        /// <summary>An utterance ends.</summary>
        End,

        /// <summary>The one frame that a hello names.</summary>
        Still,
    }

    /// <summary>What waits in a <see cref="ChunkQueue"/>.</summary>
    struct Chunk
    {
        public ChunkKind Kind;

        /// <summary>Presentation time: of media that of its first frame or sample.</summary>
        public long PtsNs;

        /// <summary>Local time of its arrival.</summary>
        public long ArrivedNs;

        /// <summary>Frames or samples per second.</summary>
        public int Rate;

        /// <summary>Frames or samples.</summary>
        public int Count;

        /// <summary>Values in the queue: of all frames first the weights, then the heads.</summary>
        public int Values;
    }

    /// <summary>
    /// A queue from one thread to another without locks and without allocation: chunks in one ring, their values in
    /// another. When it is full, what comes is refused, but there is always room for a few cuts and marks.
    /// </summary>
    sealed class ChunkQueue
    {
        const int Reserved = 16;

        readonly Chunk[] chunks;
        readonly float[] values;
        long written, read; // chunks, since the beginning
        long valuesWritten, valuesRead;

        public ChunkQueue(int chunkCapacity, int valueCapacity)
        {
            chunks = new Chunk[chunkCapacity];
            values = new float[valueCapacity];
        }

        /// <summary>Append; false when there is no room. For the one thread that writes.</summary>
        public bool TryWrite(Chunk chunk, float[] first, int firstCount, float[] second, int secondCount)
        {
            int free = chunks.Length - (int)(written - Volatile.Read(ref read));
            if (free <= (chunk.Kind == ChunkKind.Media ? Reserved : 0))
                return false;
            chunk.Values = firstCount + secondCount;
            if (chunk.Values > values.Length - (valuesWritten - Volatile.Read(ref valuesRead)))
                return false;
            Put(first, firstCount);
            Put(second, secondCount);
            chunks[(int)(written % chunks.Length)] = chunk;
            Volatile.Write(ref written, written + 1);
            return true;
        }

        /// <summary>The next chunk, which stays; false when there is none. For the one thread that reads.</summary>
        public bool TryPeek(out Chunk chunk)
        {
            bool any = Volatile.Read(ref written) > read;
            chunk = any ? chunks[(int)(read % chunks.Length)] : default(Chunk);
            return any;
        }

        /// <summary>Copy values of the next chunk, from its <paramref name="from"/>th on.</summary>
        public void Copy(int from, float[] to, int at, int count)
        {
            int begin = (int)((valuesRead + from) % values.Length);
            int part = Math.Min(count, values.Length - begin);
            Array.Copy(values, begin, to, at, part);
            Array.Copy(values, 0, to, at + part, count - part);
        }

        /// <summary>Drop the next chunk.</summary>
        public void Pop()
        {
            Volatile.Write(ref valuesRead, valuesRead + chunks[(int)(read % chunks.Length)].Values);
            Volatile.Write(ref read, read + 1);
        }

        void Put(float[] from, int count)
        {
            int begin = (int)(valuesWritten % values.Length);
            int part = Math.Min(count, values.Length - begin);
            Array.Copy(from, 0, values, begin, part);
            Array.Copy(from, part, values, 0, count - part);
            valuesWritten += count;
        }
    }
}
