using System;
using System.Collections.Generic;
using System.Globalization;
using System.Text;

namespace TokTalk
{
    /// <summary>
    /// The wire of toktalk_node/bridge/protocol.py, version 1: the limits, and messages from and to their bytes.
    /// Everything that is not allowed throws <see cref="ProtocolException"/>; unknown fields are passed over.
    /// </summary>
    public static partial class Protocol
    {
        public const int Version = 1;
        public const int ControlPort = 5591;

        /// <summary>Largest body in bytes that is decoded.</summary>
        public const int MaxBody = 4 << 20;

        /// <summary>Most face frames in one message.</summary>
        public const int MaxFrames = 1024;

        /// <summary>Most audio samples in one message.</summary>
        public const int MaxSamples = 192000;

        /// <summary>Most weights in one frame.</summary>
        public const int MaxWidth = 512;

        /// <summary>Most characters of a text.</summary>
        public const int MaxText = 256;

        /// <summary>Most characters of a text in the data of an event.</summary>
        public const int MaxDataText = 64 << 10;

        /// <summary>Most entries in the data of an event.</summary>
        public const int MaxData = 64;
        public const int MaxStreamName = 64;
        public const int MaxStreams = 256;
        public const int MaxStyles = 256;

        /// <summary>Yaw, pitch, roll.</summary>
        public const int HeadWidth = 3;

        const int MaxTopic = 8 + 4 * MaxStreamName;

        static readonly string[] FaceFields =
            { "v", "seq", "pts_ns", "fps", "start", "count", "width", "weights", "head" };
        static readonly string[] AudioFields = { "v", "seq", "pts_ns", "rate", "start", "count", "samples" };
        static readonly string[] EventFields = { "v", "seq", "pts_ns", "kind", "data" };
        static readonly string[] HelloFields =
            { "v", "id", "names", "head", "streams", "pub_port", "bridge", "styles" };
        static readonly string[] StreamFields =
            { "name", "fps", "audio_rate", "epoch_ns", "speaking", "style", "face" };
        static readonly string[] ClockFields = { "v", "id", "t1_ns", "t2_ns", "t3_ns", "bridge" };
        static readonly string[] InterruptFields = { "v", "id", "played_frames", "dropped_frames" };
        static readonly string[] RefusedFields = { "v", "id", "error" };
        static readonly string[] DoneFields = { "v", "id" };

        /// <summary>Kind (face, audio, event) and stream of a topic on PUB.</summary>
        public static KeyValuePair<string, string> SplitTopic(byte[] data, int offset, int count)
        {
            if (count > MaxTopic)
                throw new ProtocolException("a topic of " + count + " bytes, at most " + MaxTopic + " are allowed");
            string topic;
            try
            {
                topic = new UTF8Encoding(false, true).GetString(data, offset, count);
            }
            catch (ArgumentException)
            {
                throw new ProtocolException("a topic is not UTF-8");
            }
            int slash = topic.IndexOf('/');
            string kind = slash < 0 ? topic : topic.Substring(0, slash);
            if (kind != "face" && kind != "audio" && kind != "event")
                throw new ProtocolException("unknown topic " + kind + ", expected face, audio or event");
            return new KeyValuePair<string, string>(kind, StreamName(slash < 0 ? "" : topic.Substring(slash + 1)));
        }

        /// <summary><paramref name="stream"/> itself, when it is 1 to 64 printable characters without spaces.</summary>
        public static string StreamName(string stream)
        {
            bool good = stream.Length > 0 && MessagePackReader.Characters(stream) <= MaxStreamName;
            for (int k = 0; good && k < stream.Length; k += char.IsSurrogatePair(stream, k) ? 2 : 1)
                switch (CharUnicodeInfo.GetUnicodeCategory(stream, k))
                {
                    case UnicodeCategory.Control:
                    case UnicodeCategory.Format:
                    case UnicodeCategory.Surrogate:
                    case UnicodeCategory.PrivateUse:
                    case UnicodeCategory.OtherNotAssigned:
                    case UnicodeCategory.SpaceSeparator:
                    case UnicodeCategory.LineSeparator:
                    case UnicodeCategory.ParagraphSeparator:
                        good = false;
                        break;
                }
            if (!good)
                throw new ProtocolException(
                    "stream name '" + stream + "': use 1 to " + MaxStreamName + " printable characters without spaces");
            return stream;
        }

        /// <summary>Decode a face into <paramref name="face"/>, whose arrays are used again.</summary>
        public static void DecodeFace(byte[] data, int offset, int count, FaceMessage face)
        {
            var reader = Begin(data, offset, count);
            ReadFace(ref reader, face);
            End(reader);
        }

        /// <summary>Decode sound into <paramref name="audio"/>, whose array is used again.</summary>
        public static void DecodeAudio(byte[] data, int offset, int count, AudioMessage audio)
        {
            var reader = Begin(data, offset, count);
            var samples = new ArraySegment<byte>();
            int found = 0;
            for (int left = reader.ReadMap(); left > 0; left--)
            {
                int field = reader.ReadName(AudioFields);
                switch (field)
                {
                    case 0: Versioned(ref reader); break;
                    case 1: audio.Seq = Bounded("seq", reader.ReadInteger(), 0, long.MaxValue); break;
                    case 2: audio.PtsNs = reader.ReadInteger(); break;
                    case 3: audio.Rate = (int)Bounded("rate", reader.ReadInteger(), 1000, 384000); break;
                    case 4: audio.Start = reader.ReadInteger(); break;
                    case 5: audio.Count = (int)Bounded("count", reader.ReadInteger(), 0, MaxSamples); break;
                    case 6: samples = reader.ReadBytes(); break;
                    default: reader.Skip(); break;
                }
                Note(ref found, field);
            }
            Complete(found, 7, AudioFields);
            Floats("samples", samples, audio.Count, ref audio.Samples);
            End(reader);
        }

        /// <summary>The event in a body.</summary>
        public static EventMessage DecodeEvent(byte[] data, int offset, int count)
        {
            var reader = Begin(data, offset, count);
            var message = new EventMessage { Data = new Dictionary<string, object>() };
            int found = 0;
            for (int left = reader.ReadMap(); left > 0; left--)
            {
                int field = reader.ReadName(EventFields);
                switch (field)
                {
                    case 0: Versioned(ref reader); break;
                    case 1: message.Seq = Bounded("seq", reader.ReadInteger(), 0, long.MaxValue); break;
                    case 2: message.PtsNs = reader.ReadInteger(); break;
                    case 3: message.Kind = reader.ReadText(MaxText); break;
                    case 4:
                        int entries = (int)Bounded("length of data", reader.ReadMap(), 0, MaxData);
                        for (; entries > 0; entries--)
                        {
                            string key = reader.ReadText(MaxText);
                            message.Data[key] = reader.ReadScalar(MaxDataText);
                        }
                        break;
                    default: reader.Skip(); break;
                }
                Note(ref found, field);
            }
            Complete(found, 4, EventFields);
            End(reader);
            return message;
        }

        static void ReadFace(ref MessagePackReader reader, FaceMessage face)
        {
            var weights = new ArraySegment<byte>();
            var head = new ArraySegment<byte>();
            int found = 0;
            for (int left = reader.ReadMap(); left > 0; left--)
            {
                int field = reader.ReadName(FaceFields);
                switch (field)
                {
                    case 0: Versioned(ref reader); break;
                    case 1: face.Seq = Bounded("seq", reader.ReadInteger(), 0, long.MaxValue); break;
                    case 2: face.PtsNs = reader.ReadInteger(); break;
                    case 3: face.Fps = (int)Bounded("fps", reader.ReadInteger(), 1, 1000); break;
                    case 4: face.Start = reader.ReadInteger(); break;
                    case 5: face.Count = (int)Bounded("count", reader.ReadInteger(), 0, MaxFrames); break;
                    case 6: face.Width = (int)Bounded("width", reader.ReadInteger(), 1, MaxWidth); break;
                    case 7: weights = reader.ReadBytes(); break;
                    case 8: head = reader.ReadBytes(); break;
                    default: reader.Skip(); break;
                }
                Note(ref found, field);
            }
            Complete(found, 9, FaceFields);
            Floats("weights", weights, face.Count * face.Width, ref face.Weights);
            Floats("head", head, face.Count * HeadWidth, ref face.Head);
        }

        static MessagePackReader Begin(byte[] data, int offset, int count)
        {
            if (count > MaxBody)
                throw new ProtocolException("a message of " + count + " bytes, at most " + MaxBody + " are allowed");
            return new MessagePackReader(data, offset, count);
        }

        static void End(MessagePackReader reader)
        {
            if (reader.Left > 0)
                throw new ProtocolException(reader.Left + " bytes after the message");
        }

        static void Versioned(ref MessagePackReader reader)
        {
            long version = reader.ReadInteger();
            if (version != Version)
                throw new ProtocolException(
                    "message of version " + version + ", this side speaks " + Version + ": update the older one");
        }

        static void Note(ref int found, int field)
        {
            if (field >= 0)
                found |= 1 << field;
        }

        /// <summary>Throw unless the first `required` of `fields` were found.</summary>
        static void Complete(int found, int required, string[] fields)
        {
            for (int k = 0; k < required; k++)
                if ((found & 1 << k) == 0)
                    throw new ProtocolException("a message without " + fields[k]);
        }

        static long Bounded(string name, long value, long low, long high)
        {
            if (value < low || value > high)
                throw new ProtocolException(name + " is " + value + ", allowed are " + low + " to " + high);
            return value;
        }

        /// <summary>
        /// Copy `count` little-endian float32 values, all finite, into `values`, which grows when it must.
        /// </summary>
        static void Floats(string name, ArraySegment<byte> bytes, int count, ref float[] values)
        {
            if (bytes.Count != 4 * count)
                throw new ProtocolException(
                    name + " has " + bytes.Count + " bytes, expected " + 4 * count + " for " + count + " values");
            if (count == 0)
                return;
            if (values.Length < count)
                values = new float[count];
            Buffer.BlockCopy(bytes.Array, bytes.Offset, values, 0, bytes.Count);
            for (int k = 0; k < count; k++)
                if (float.IsNaN(values[k]) || float.IsInfinity(values[k]))
                    throw new ProtocolException(name + " holds values that are not finite");
        }
    }
}
