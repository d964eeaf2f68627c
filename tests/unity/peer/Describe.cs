using System.Collections.Generic;
using TokTalk;

/// <summary>Messages as JSON objects whose keys are the field names of the wire.</summary>
static class Describe
{
    public static string Face(FaceMessage face)
    {
        return Json.Object("v", 1, "seq", face.Seq, "pts_ns", face.PtsNs, "fps", face.Fps, "start", face.Start,
            "count", face.Count, "width", face.Width,
            "weights", Json.Floats(face.Weights, face.Count * face.Width),
            "head", Json.Floats(face.Head, face.Count * Protocol.HeadWidth));
    }

    public static string Audio(AudioMessage audio)
    {
        return Json.Object("v", 1, "seq", audio.Seq, "pts_ns", audio.PtsNs, "rate", audio.Rate, "start", audio.Start,
            "count", audio.Count, "samples", Json.Floats(audio.Samples, audio.Count));
    }

    public static string Event(EventMessage message)
    {
        var data = new List<object>();
        foreach (KeyValuePair<string, object> pair in message.Data)
        {
            data.Add(pair.Key);
            data.Add(pair.Value);
        }
        return Json.Object("v", 1, "seq", message.Seq, "pts_ns", message.PtsNs, "kind", message.Kind,
            "data", new Json.Raw { Text = Json.Object(data.ToArray()) });
    }

    public static string Reply(Reply reply)
    {
        var fields = new List<object> { "v", 1, "id", reply.Id };
        var hello = reply as HelloReply;
        var clock = reply as ClockReply;
        var interrupt = reply as InterruptReply;
        var refused = reply as Refused;
        if (hello != null)
        {
            var streams = new List<object>();
            foreach (StreamInfo stream in hello.Streams)
                streams.Add(new Json.Raw { Text = Stream(stream) });
            fields.AddRange(new object[] { "names", hello.Names, "head", hello.Head, "streams", streams,
                "pub_port", hello.PubPort, "bridge", hello.Bridge, "styles", hello.Styles });
        }
        if (clock != null)
            fields.AddRange(new object[] { "t1_ns", clock.T1Ns, "t2_ns", clock.T2Ns, "t3_ns", clock.T3Ns,
                "bridge", clock.Bridge });
        if (interrupt != null)
            fields.AddRange(new object[] { "played_frames", interrupt.PlayedFrames,
                "dropped_frames", interrupt.DroppedFrames });
        if (refused != null)
            fields.AddRange(new object[] { "error", refused.Error });
        return Json.Object(fields.ToArray());
    }

    static string Stream(StreamInfo stream)
    {
        return Json.Object("name", stream.Name, "fps", stream.Fps, "audio_rate", stream.AudioRate,
            "epoch_ns", stream.EpochNs, "speaking", stream.Speaking, "style", stream.Style,
            "face", stream.Face == null ? null : new Json.Raw { Text = Face(stream.Face) });
    }
}
