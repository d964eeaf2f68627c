using System;

namespace TokTalk
{
    /// <summary>
    /// The face frames of one stream, by presentation time: what the face is at any instant. Between two frames it is
    /// interpolated; after the last one it holds for a moment and comes to rest. For one thread.
    /// </summary>
    public sealed class FaceTimeline
    {
        /// <summary>Most frames that are kept.</summary>
        public const int MaxFrames = 1 << 15;

        /// <summary>A presentation time before all others.</summary>
        public const long Never = long.MinValue / 4;

        const long Second = 1000000000;
        const long HoldNs = 120000000;
        const long SettleNs = 220000000;
        const int HeadWidth = Protocol.HeadWidth;
        const int LargestGap = 3; // frames that may be missing between two that are interpolated

        // a ring: frame k of `count` is at row (first + k) % capacity
        long[] times = new long[0];
        long[] steps = new long[0];
        float[] weights = new float[0];
        float[] heads = new float[0];
        int first;
        int count;
        float[] restWeights = new float[0];
        float[] restHead = new float[0];

        /// <summary>Weights of a frame.</summary>
        public int Width { get; private set; }

        /// <summary>Frames that are kept.</summary>
        public int Count
        {
            get { return count; }
        }

        /// <summary>Presentation time at which the last frame ends; <see cref="Never"/> without frames.</summary>
        public long EndNs
        {
            get { return count == 0 ? Never : times[LastRow] + steps[LastRow]; }
        }

        /// <summary>
        /// Make room for the frame at <paramref name="ptsNs"/> that lasts 1 / <paramref name="fps"/> seconds; one that
        /// is there already is replaced. Frames that ended before <paramref name="doneNs"/> make room.
        /// </summary>
        /// <returns>Its row, for <see cref="Weights"/> and <see cref="Heads"/>; -1 when there is no room.</returns>
        public int Insert(long ptsNs, int fps, int width, long doneNs)
        {
            if (width != Width)
                Reset(width);
            while (count > 1 && times[Row(1)] <= doneNs)
            {
                first = Row(1);
                count--;
            }
            if (count == times.Length && !Grow())
                return -1;
            long step = Second / fps;
            int at = count;
            while (at > 0 && times[Row(at - 1)] > ptsNs - step / 2)
                at--;
            bool there = at < count && times[Row(at)] < ptsNs + step / 2;
            if (!there)
            {
                for (int k = count; k > at; k--)
                    Move(Row(k - 1), Row(k));
                count++;
            }
            int row = Row(at);
            times[row] = ptsNs;
            steps[row] = step;
            return row;
        }

        /// <summary>Rows of Width weights.</summary>
        public float[] Weights
        {
            get { return weights; }
        }

        /// <summary>Rows of yaw, pitch and roll.</summary>
        public float[] Heads
        {
            get { return heads; }
        }

        /// <summary>Drop every frame at <paramref name="ptsNs"/> or later.</summary>
        public void Cut(long ptsNs)
        {
            while (count > 0 && times[Row(count - 1)] >= ptsNs)
                count--;
        }

        /// <summary>Let these be the face at rest; what they lack is 0. They are not copied.</summary>
        public void RestAt(float[] atWeights, float[] atHead)
        {
            restWeights = atWeights;
            restHead = atHead;
        }

        /// <summary>Row of the last frame in <see cref="Weights"/> and <see cref="Heads"/>; -1 for none.</summary>
        public int LastRow
        {
            get { return count == 0 ? -1 : Row(count - 1); }
        }

        /// <summary>The face at <paramref name="ptsNs"/>; false when it is at rest.</summary>
        /// <param name="intoWeights">As many weights as it has room for.</param>
        /// <param name="intoHead">Yaw, pitch, roll in radians.</param>
        public bool Sample(long ptsNs, float[] intoWeights, float[] intoHead)
        {
            int low = 0, high = count; // the first frame after ptsNs
            while (low < high)
            {
                int middle = (low + high) / 2;
                if (times[Row(middle)] > ptsNs)
                    high = middle;
                else
                    low = middle + 1;
            }
            if (low == 0)
                return Rest(intoWeights, intoHead);
            int row = Row(low - 1), next = low < count ? Row(low) : row;
            long gap = times[next] - times[row];
            if (next != row && gap <= LargestGap * steps[row])
            {
                float t = (float)(ptsNs - times[row]) / gap;
                Mix(weights, row * Width, weights, next * Width, Width, t, intoWeights);
                Mix(heads, row * HeadWidth, heads, next * HeadWidth, HeadWidth, t, intoHead);
                return true;
            }
            float settled = Math.Max(0, (float)(ptsNs - times[row] - steps[row] - HoldNs) / SettleNs);
            if (settled >= 1)
                return Rest(intoWeights, intoHead);
            settled *= settled * (3 - 2 * settled);
            Mix(weights, row * Width, restWeights, 0, Width, settled, intoWeights);
            Mix(heads, row * HeadWidth, restHead, 0, HeadWidth, settled, intoHead);
            return true;
        }

        bool Rest(float[] intoWeights, float[] intoHead)
        {
            Mix(restWeights, 0, restWeights, 0, restWeights.Length, 0, intoWeights);
            Mix(restHead, 0, restHead, 0, restHead.Length, 0, intoHead);
            return false;
        }

        /// <summary>Of `width` values each from `a` to `b`; what `b` lacks is 0, as is the rest of `into`.</summary>
        static void Mix(float[] a, int atA, float[] b, int atB, int width, float t, float[] into)
        {
            width = Math.Min(width, into.Length);
            for (int k = 0; k < width; k++)
            {
                float from = a[atA + k], to = atB + k < b.Length ? b[atB + k] : 0;
                into[k] = from + t * (to - from);
            }
            Array.Clear(into, width, into.Length - width);
        }

        int Row(int k)
        {
            return (first + k) % times.Length;
        }

        void Move(int from, int to)
        {
            times[to] = times[from];
            steps[to] = steps[from];
            Array.Copy(weights, from * Width, weights, to * Width, Width);
            Array.Copy(heads, from * HeadWidth, heads, to * HeadWidth, HeadWidth);
        }

        void Reset(int width)
        {
            Width = width;
            first = count = 0;
            times = new long[256];
            steps = new long[256];
            weights = new float[256 * width];
            heads = new float[256 * HeadWidth];
        }

        bool Grow()
        {
            int capacity = times.Length;
            if (capacity >= MaxFrames)
                return false;
            times = Unrolled(times, 1);
            steps = Unrolled(steps, 1);
            weights = Unrolled(weights, Width);
            heads = Unrolled(heads, HeadWidth);
            first = 0;
            return true;
        }

        /// <summary>A ring of rows with its first row in front, and as much room again behind.</summary>
        T[] Unrolled<T>(T[] ring, int width)
        {
            var larger = new T[2 * ring.Length];
            int tail = ring.Length - first * width;
            Array.Copy(ring, first * width, larger, 0, tail);
            Array.Copy(ring, 0, larger, tail, first * width);
            return larger;
        }
    }
}
