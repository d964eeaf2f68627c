using System;
using System.Text;

namespace TokTalk
{
    /// <summary>
    /// Reads one MessagePack value after another from a byte array, without copying it.
    /// Every length is checked against what is left, so that no input makes it read or allocate beyond its bytes.
    /// Format: https://github.com/msgpack/msgpack/blob/master/spec.md
    /// </summary>
    public struct MessagePackReader
    {
        const int MaxDepth = 32;
        static readonly Encoding Utf8 = new UTF8Encoding(false, true);

        readonly byte[] data;
        readonly int end;
        int at;

        public MessagePackReader(byte[] data, int offset, int count)
        {
            this.data = data;
            at = offset;
            end = offset + count;
        }

        /// <summary>Bytes that were not read yet.</summary>
        public int Left
        {
            get { return end - at; }
        }

        /// <summary>Number of pairs of the map that begins here.</summary>
        public int ReadMap()
        {
            int head = Byte("a map");
            if (head >= 0x80 && head <= 0x8f)
                return head & 15;
            if (head == 0xde)
                return Length(2, 2);
            if (head == 0xdf)
                return Length(4, 2);
            throw Unexpected("a map", head);
        }

        /// <summary>Number of values of the array that begins here.</summary>
        public int ReadArray()
        {
            int head = Byte("an array");
            if (head >= 0x90 && head <= 0x9f)
                return head & 15;
            if (head == 0xdc)
                return Length(2, 1);
            if (head == 0xdd)
                return Length(4, 1);
            throw Unexpected("an array", head);
        }

        /// <summary>
        /// Index of the text that begins here in <paramref name="known"/>, -1 when it is none of them.
        /// </summary>
        public int ReadName(string[] known)
        {
            int count = TextLength(Byte("a name"));
            int from = Take(count);
            for (int k = 0; k < known.Length; k++)
                if (Same(known[k], from, count))
                    return k;
            return -1;
        }

        /// <summary>The text that begins here, at most <paramref name="most"/> characters.</summary>
        public string ReadText(int most)
        {
            int count = TextLength(Byte("a text"));
            int from = Take(count);
            if (count > 4L * most)
                throw new ProtocolException("a text of " + count + " bytes, allowed are " + most + " characters");
            string text;
            try
            {
                text = Utf8.GetString(data, from, count);
            }
            catch (ArgumentException)
            {
                throw new ProtocolException("a text is not UTF-8");
            }
            int characters = Characters(text);
            if (characters > most)
                throw new ProtocolException("a text of " + characters + " characters, allowed are " + most);
            return text;
        }

        /// <summary>Unicode characters of <paramref name="text"/>, of which some take two of .NET's chars.</summary>
        public static int Characters(string text)
        {
            int count = text.Length;
            for (int k = 0; k < text.Length; k++)
                if (char.IsLowSurrogate(text[k]))
                    count--;
            return count;
        }

        /// <summary>An integer of up to 64 bits.</summary>
        public long ReadInteger()
        {
            int head = Byte("an integer");
            if (head <= 0x7f)
                return head;
            if (head >= 0xe0)
                return (sbyte)head;
            switch (head)
            {
                case 0xcc: return (long)Big(1);
                case 0xcd: return (long)Big(2);
                case 0xce: return (long)Big(4);
                case 0xcf:
                    ulong large = Big(8);
                    if (large > long.MaxValue)
                        throw new ProtocolException("the integer " + large + " is too large");
                    return (long)large;
                case 0xd0: return (sbyte)Big(1);
                case 0xd1: return (short)Big(2);
                case 0xd2: return (int)Big(4);
                case 0xd3: return (long)Big(8);
                default: throw Unexpected("an integer", head);
            }
        }

        /// <summary>Whether null is here; then it is passed over.</summary>
        public bool ReadNull()
        {
            if (at >= end || data[at] != 0xc0)
                return false;
            at++;
            return true;
        }

        /// <summary>true or false.</summary>
        public bool ReadBoolean()
        {
            int head = Byte("true or false");
            if (head != 0xc2 && head != 0xc3)
                throw Unexpected("true or false", head);
            return head == 0xc3;
        }

        /// <summary>Where the bytes of the bin that begins here are; they are not copied.</summary>
        public ArraySegment<byte> ReadBytes()
        {
            int head = Byte("bytes");
            if (head < 0xc4 || head > 0xc6)
                throw Unexpected("bytes", head);
            int count = Length(1 << (head - 0xc4), 0);
            return new ArraySegment<byte>(data, Take(count), count);
        }

        /// <summary>null, bool, long, double or string of at most <paramref name="most"/> characters.</summary>
        public object ReadScalar(int most)
        {
            if (at >= end)
                throw Truncated("a value");
            int head = data[at];
            switch (head)
            {
                case 0xc0: at++; return null;
                case 0xc2: at++; return false;
                case 0xc3: at++; return true;
                case 0xca:
                    at++;
                    return (double)BitConverter.ToSingle(BitConverter.GetBytes((uint)Big(4)), 0);
                case 0xcb:
                    at++;
                    return BitConverter.Int64BitsToDouble((long)Big(8));
            }
            if ((head >= 0xa0 && head <= 0xbf) || (head >= 0xd9 && head <= 0xdb))
                return ReadText(most);
            return ReadInteger();
        }

        /// <summary>Pass over one value of any kind.</summary>
        public void Skip()
        {
            Skip(0);
        }

        void Skip(int depth)
        {
            if (depth > MaxDepth)
                throw new ProtocolException("values are nested more than " + MaxDepth + " deep");
            int head = Byte("a value");
            if (head <= 0x7f || head >= 0xe0 || head == 0xc0 || head == 0xc2 || head == 0xc3)
                return;
            if (head <= 0x8f)
                SkipMany(2 * (head & 15), depth);
            else if (head <= 0x9f)
                SkipMany(head & 15, depth);
            else if (head <= 0xbf)
                Take(head & 31);
            else
                switch (head)
                {
                    case 0xc4: case 0xc5: case 0xc6: Take(Length(1 << (head - 0xc4), 0)); break;
                    case 0xc7: case 0xc8: case 0xc9: Take(1 + Length(1 << (head - 0xc7), 0)); break;
                    case 0xca: Take(4); break;
                    case 0xcb: Take(8); break;
                    case 0xcc: case 0xcd: case 0xce: case 0xcf: Take(1 << (head - 0xcc)); break;
                    case 0xd0: case 0xd1: case 0xd2: case 0xd3: Take(1 << (head - 0xd0)); break;
                    case 0xd4: case 0xd5: case 0xd6: case 0xd7: case 0xd8: Take(1 + (1 << (head - 0xd4))); break;
                    case 0xd9: case 0xda: case 0xdb: Take(Length(1 << (head - 0xd9), 0)); break;
                    case 0xdc: SkipMany(Length(2, 1), depth); break;
                    case 0xdd: SkipMany(Length(4, 1), depth); break;
                    case 0xde: SkipMany(2 * Length(2, 2), depth); break;
                    case 0xdf: SkipMany(2 * Length(4, 2), depth); break;
                    default: throw Unexpected("a value", head);
                }
        }

        void SkipMany(int count, int depth)
        {
            for (int k = 0; k < count; k++)
                Skip(depth + 1);
        }

        int TextLength(int head)
        {
            if (head >= 0xa0 && head <= 0xbf)
                return head & 31;
            if (head >= 0xd9 && head <= 0xdb)
                return Length(1 << (head - 0xd9), 0);
            throw Unexpected("a text", head);
        }

        /// <summary>A length of `size` bytes; each thing that it counts needs at least `each` bytes more.</summary>
        int Length(int size, int each)
        {
            ulong count = Big(size);
            if (count * (ulong)each > (ulong)Left || count > int.MaxValue / 2)
                throw Truncated(count + " values");
            return (int)count;
        }

        ulong Big(int size)
        {
            int from = Take(size);
            ulong value = 0;
            for (int k = 0; k < size; k++)
                value = value << 8 | data[from + k];
            return value;
        }

        int Byte(string expected)
        {
            if (at >= end)
                throw Truncated(expected);
            return data[at++];
        }

        int Take(int count)
        {
            if (count > end - at)
                throw Truncated(count + " bytes");
            at += count;
            return at - count;
        }

        bool Same(string name, int from, int count)
        {
            if (name.Length != count)
                return false;
            for (int k = 0; k < count; k++)
                if (data[from + k] != name[k])
                    return false;
            return true;
        }

        static ProtocolException Truncated(string expected)
        {
            return new ProtocolException("the message ends where " + expected + " should be");
        }

        static ProtocolException Unexpected(string expected, int head)
        {
            return new ProtocolException("expected " + expected + ", found MessagePack byte 0x" + head.ToString("x2"));
        }
    }
}
