using System;
using System.Text;

namespace TokTalk
{
    /// <summary>
    /// Writes the MessagePack values that requests are made of, each in its shortest form.
    /// Format: https://github.com/msgpack/msgpack/blob/master/spec.md
    /// </summary>
    public sealed class MessagePackWriter
    {
        byte[] buffer = new byte[256];

        /// <summary>The bytes so far; valid until the next call.</summary>
        public byte[] Buffer
        {
            get { return buffer; }
        }

        /// <summary>How many of <see cref="Buffer"/> are written.</summary>
        public int Count { get; private set; }

        /// <summary>Begin anew.</summary>
        public void Clear()
        {
            Count = 0;
        }

        /// <summary>The beginning of a map of at most 15 pairs.</summary>
        public void Map(int pairs)
        {
            if (pairs < 0 || pairs > 15)
                throw new ArgumentOutOfRangeException("pairs");
            Big((ulong)(0x80 | pairs), 1);
        }

        /// <summary>A name and its integer.</summary>
        public void Pair(string name, long value)
        {
            Text(name);
            Integer(value);
        }

        /// <summary>A name and its text.</summary>
        public void Pair(string name, string value)
        {
            Text(name);
            Text(value);
        }

        void Integer(long value)
        {
            if (value >= -32 && value <= 127)
                Big((ulong)value, 1);
            else if (value >= 0)
                Sized(0xcc, value <= 0xff ? 0 : value <= 0xffff ? 1 : value <= 0xffffffff ? 2 : 3, value);
            else
                Sized(0xd0, value >= -0x80 ? 0 : value >= -0x8000 ? 1 : value >= -0x80000000L ? 2 : 3, value);
        }

        void Sized(int head, int power, long value)
        {
            Big((ulong)(head + power), 1);
            Big((ulong)value, 1 << power);
        }

        void Text(string text)
        {
            int count = Encoding.UTF8.GetByteCount(text);
            if (count > ushort.MaxValue)
                throw new ProtocolException("a text of " + count + " bytes is too long");
            if (count < 32)
                Big((ulong)(0xa0 | count), 1);
            else if (count <= byte.MaxValue)
                Sized(0xd9, 0, count);
            else
                Sized(0xd9, 1, count);
            Reserve(count);
            Count += Encoding.UTF8.GetBytes(text, 0, text.Length, buffer, Count);
        }

        /// <summary>The lowest `size` bytes of `value`, highest first.</summary>
        void Big(ulong value, int size)
        {
            Reserve(size);
            for (int shift = 8 * (size - 1); shift >= 0; shift -= 8)
                buffer[Count++] = (byte)(value >> shift);
        }

        void Reserve(int more)
        {
            if (Count + more > buffer.Length)
                Array.Resize(ref buffer, Math.Max(2 * buffer.Length, Count + more));
        }
    }
}
