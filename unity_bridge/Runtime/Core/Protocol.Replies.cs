using System;

namespace TokTalk
{
    // Requests and their replies.
    public static partial class Protocol
    {
        /// <summary>The reply of the bridge with this topic and body.</summary>
        public static Reply DecodeReply(string topic, byte[] data, int offset, int count)
        {
            var reader = Begin(data, offset, count);
            Reply reply;
            switch (topic)
            {
                case "hello": reply = ReadReply<HelloReply>(ref reader, HelloFields, 6, HelloField); break;
                case "clock": reply = ReadReply<ClockReply>(ref reader, ClockFields, 5, ClockField); break;
                case "interrupt":
                    reply = ReadReply<InterruptReply>(ref reader, InterruptFields, 4, InterruptField);
                    break;
                case "set_style":
                case "ping": reply = ReadReply<Reply>(ref reader, DoneFields, 2, null); break;
                case "error": reply = ReadReply<Refused>(ref reader, RefusedFields, 3, RefusedField); break;
                default: throw new ProtocolException("unknown reply " + topic);
            }
            End(reader);
            reply.Topic = topic;
            return reply;
        }

        /// <summary>Write the beginning of a request: a map of v, id and `fields` more pairs.</summary>
        public static void BeginRequest(MessagePackWriter writer, long id, int fields)
        {
            writer.Clear();
            writer.Map(2 + fields);
            writer.Pair("v", Version);
            writer.Pair("id", id);
        }

        static string[] ReadNames(ref MessagePackReader reader, int most, int longest)
        {
            var names = new string[Bounded("length of a list of names", reader.ReadArray(), 0, most)];
            for (int k = 0; k < names.Length; k++)
                names[k] = reader.ReadText(longest);
            return names;
        }

        static StreamInfo ReadStream(ref MessagePackReader reader)
        {
            var stream = new StreamInfo();
            int found = 0;
            for (int left = reader.ReadMap(); left > 0; left--)
            {
                int field = reader.ReadName(StreamFields);
                switch (field)
                {
                    case 0: stream.Name = reader.ReadText(MaxStreamName); break;
                    case 1:
                        if (!reader.ReadNull())
                            stream.Fps = (int)Bounded("fps", reader.ReadInteger(), 1, 1000);
                        break;
                    case 2:
                        if (!reader.ReadNull())
                            stream.AudioRate = (int)Bounded("audio_rate", reader.ReadInteger(), 1000, 384000);
                        break;
                    case 3:
                        if (!reader.ReadNull())
                            stream.EpochNs = reader.ReadInteger();
                        break;
                    case 4: stream.Speaking = reader.ReadBoolean(); break;
                    case 5: stream.Style = reader.ReadText(MaxText); break;
                    case 6:
                        stream.Face = new FaceMessage();
                        ReadFace(ref reader, stream.Face);
                        break;
                    default: reader.Skip(); break;
                }
                Note(ref found, field);
            }
            Complete(found, 1, StreamFields);
            if (stream.Face != null)
                stream.Face.Stream = stream.Name;
            return stream;
        }

        delegate void FieldReader<T>(T message, int field, ref MessagePackReader reader);

        /// <summary>
        /// A reply's map: v and id here, the other fields by `read`; the first `required` must be there.
        /// </summary>
        static T ReadReply<T>(ref MessagePackReader reader, string[] fields, int required, FieldReader<T> read)
            where T : Reply, new()
        {
            var reply = new T();
            int found = 0;
            for (int left = reader.ReadMap(); left > 0; left--)
            {
                int field = reader.ReadName(fields);
                if (field < 0)
                    reader.Skip();
                else if (field == 0)
                    Versioned(ref reader);
                else if (field == 1)
                    reply.Id = Bounded("id", reader.ReadInteger(), 0, long.MaxValue);
                else
                    read(reply, field, ref reader);
                Note(ref found, field);
            }
            Complete(found, required, fields);
            return reply;
        }

        static void HelloField(HelloReply hello, int field, ref MessagePackReader reader)
        {
            switch (field)
            {
                case 2: hello.Names = ReadNames(ref reader, MaxWidth, MaxStreamName); break;
                case 3: hello.Head = ReadNames(ref reader, HeadWidth, MaxStreamName); break;
                case 4:
                    hello.Streams = new StreamInfo[Bounded("streams", reader.ReadArray(), 0, MaxStreams)];
                    for (int k = 0; k < hello.Streams.Length; k++)
                        hello.Streams[k] = ReadStream(ref reader);
                    break;
                case 5: hello.PubPort = (int)Bounded("pub_port", reader.ReadInteger(), 1, 65535); break;
                case 6: hello.Bridge = reader.ReadText(MaxText); break;
                case 7: hello.Styles = ReadNames(ref reader, MaxStyles, MaxText); break;
            }
        }

        static void ClockField(ClockReply clock, int field, ref MessagePackReader reader)
        {
            switch (field)
            {
                case 2: clock.T1Ns = reader.ReadInteger(); break;
                case 3: clock.T2Ns = reader.ReadInteger(); break;
                case 4: clock.T3Ns = reader.ReadInteger(); break;
                case 5: clock.Bridge = reader.ReadText(MaxText); break;
            }
        }

        static void InterruptField(InterruptReply reply, int field, ref MessagePackReader reader)
        {
            long frames = Bounded(InterruptFields[field], reader.ReadInteger(), 0, long.MaxValue);
            if (field == 2)
                reply.PlayedFrames = frames;
            else
                reply.DroppedFrames = frames;
        }

        static void RefusedField(Refused refused, int field, ref MessagePackReader reader)
        {
            refused.Error = reader.ReadText(MaxText);
        }
    }
}
