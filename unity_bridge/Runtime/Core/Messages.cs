using System.Collections.Generic;

namespace TokTalk
{
    /// <summary>
    /// A message, or bytes on their way to one, that the wire does not allow; the text says what was wrong.
    /// </summary>
    public sealed class ProtocolException : System.Exception
    {
        public ProtocolException(string message) : base(message)
        {
        }
    }

    /// <summary>What a bridge publishes: the stream it belongs to, its place in the topic, its time.</summary>
    public abstract class PublishedMessage
    {
        /// <summary>Name of the stream, from the topic.</summary>
        public string Stream;

        /// <summary>Counts the messages of its topic: a gap is a loss.</summary>
        public long Seq;

        /// <summary>Presentation time in nanoseconds since the Unix epoch, on the bridge's clock.</summary>
        public long PtsNs;
    }

    /// <summary>Face frames. Frame `Start + k` begins at `PtsNs` + k / `Fps` seconds.</summary>
    public sealed class FaceMessage : PublishedMessage
    {
        public int Fps;
        public long Start;
        public int Count;
        public int Width;

        /// <summary>[Count, Width], row by row, in [0, 1]; the array may be longer.</summary>
        public float[] Weights = new float[0];

        /// <summary>
        /// [Count, 3] yaw, pitch, roll in radians (left, up, left positive); the array may be longer.
        /// </summary>
        public float[] Head = new float[0];
    }

    /// <summary>Mono sound. Sample `Start` is heard at `PtsNs`.</summary>
    public sealed class AudioMessage : PublishedMessage
    {
        /// <summary>Hz.</summary>
        public int Rate;
        public long Start;
        public int Count;

        /// <summary>[Count] in [-1, 1]; the array may be longer.</summary>
        public float[] Samples = new float[0];
    }

    /// <summary>
    /// Something that happened at `PtsNs`: start, end, style, interrupted, stream, gone, ... `interrupted` voids all
    /// that was published before it and belongs to `PtsNs` or later. Kinds that a receiver does not know it ignores.
    /// </summary>
    public sealed class EventMessage : PublishedMessage
    {
        public const string Start = "start";
        public const string End = "end";
        public const string Interrupted = "interrupted";
        public const string Gone = "gone";
        public const string Styles = "styles";

        public string Kind;

        /// <summary>Values are null, bool, long, double or string.</summary>
        public Dictionary<string, object> Data;
    }

    /// <summary>A reply of the bridge: to the request that carried the same <see cref="Id"/>.</summary>
    public class Reply
    {
        public string Topic;

        /// <summary>Of the request; 0 when the bridge could not read it.</summary>
        public long Id;
    }

    /// <summary>One speaker's stream, as it is when a receiver joins. What is not known is null.</summary>
    public sealed class StreamInfo
    {
        public string Name;
        public int? Fps;

        /// <summary>Hz.</summary>
        public int? AudioRate;

        /// <summary>Presentation time of frame 0 and sample 0.</summary>
        public long? EpochNs;
        public bool? Speaking;
        public string Style;

        /// <summary>The newest frame: the face until the next.</summary>
        public FaceMessage Face;
    }

    /// <summary>All that a receiver needs, whenever it joins.</summary>
    public sealed class HelloReply : Reply
    {
        /// <summary>Blendshapes, in the order of the weights.</summary>
        public string[] Names;

        /// <summary>Angles, in the order of a frame's head.</summary>
        public string[] Head;
        public StreamInfo[] Streams;

        /// <summary>TCP port of PUB, on the host of the control socket.</summary>
        public int PubPort;

        /// <summary>Names this run of the bridge; null when an older bridge does not say.</summary>
        public string Bridge;

        /// <summary>Names of styles that can be asked for; null where the bridge does not tell.</summary>
        public string[] Styles;
    }

    /// <summary>The client's time of asking (t1), the bridge's times of receiving (t2) and answering (t3).</summary>
    public sealed class ClockReply : Reply
    {
        public long T1Ns;
        public long T2Ns;
        public long T3Ns;

        /// <summary>Names this run of the bridge, or null.</summary>
        public string Bridge;
    }

    /// <summary>Face frames that had been played and that were dropped.</summary>
    public sealed class InterruptReply : Reply
    {
        public long PlayedFrames;
        public long DroppedFrames;
    }

    /// <summary>The bridge did not do it; <see cref="Error"/> says why.</summary>
    public sealed class Refused : Reply
    {
        public string Error;
    }
}
