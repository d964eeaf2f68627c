using System;
using System.Collections.Generic;
using System.Globalization;
using System.Threading;
using TokTalk;

/// <summary>
/// A sound device and a screen, as Unity has them, in real time: blocks of sound are asked for ahead of the
/// loudspeaker, pictures are drawn 90 times a second. Prints what left the loudspeaker at the instant of each picture,
/// and the picture.
/// </summary>
static class Player
{
    const int Rate = 48000, Block = 1024, Buffers = 3, Channels = 2, PicturesPerSecond = 90;
    static readonly float[] Heard = new float[Rate * 64]; // what each frame of the device is
    static long rendered;
    static volatile bool over;

    sealed class Sink : IBridgeListener
    {
        public Playout Playout;
        public string Stream;

        public void OnHello(HelloReply hello)
        {
            Playout.Names = hello.Names;
            foreach (StreamInfo info in hello.Streams)
                if (info.Name == Stream)
                    Playout.Add(info);
        }

        public void OnFace(FaceMessage face)
        {
            Playout.Add(face);
        }

        public void OnAudio(AudioMessage audio)
        {
            Playout.Add(audio);
        }

        public void OnEvent(EventMessage message)
        {
            Playout.Add(message);
        }
    }

    public static void Run(string endpoint, string stream, double seconds)
    {
        var sink = new Sink { Stream = stream };
        BridgeClient client = null;
        var playout = new Playout(() => client.ClockOffsetNs, () => LocalClock.NowNs);
        sink.Playout = playout;
        client = new BridgeClient(endpoint, stream, sink, "toktalk test");
        client.Start();
        Console.WriteLine(Json.Object("ready", true));
        long beginNs = LocalClock.NowNs; // the device's frame 0 leaves the loudspeaker at beginNs + latency
        var device = new Thread(() => Device(playout, beginNs)) { Priority = ThreadPriority.Highest };
        device.Start();
        Screen(playout, beginNs, seconds);
        over = true;
        device.Join();
        Console.WriteLine(Json.Object("underruns", playout.Underruns, "late_frames", playout.LateFrames,
            "frames", playout.Frames, "skips", playout.Skips, "refused", playout.Refused,
            "lost", client.LostMessages, "errors", client.Errors, "collections", GC.CollectionCount(0)));
        client.Dispose();
    }

    /// <summary>Asks for each block when the one that is Buffers before it has left the loudspeaker.</summary>
    static void Device(Playout playout, long beginNs)
    {
        var clock = new DeviceClock();
        var output = new float[Block * Channels];
        long latencyNs = Buffers * Block * 1000000000L / Rate;
        for (long frame = 0; !over && frame + Block <= Heard.Length; frame += Block)
        {
            long wait = beginNs + frame * 1000000000L / Rate - LocalClock.NowNs;
            if (wait > 0)
                Thread.Sleep((int)((wait + 999999) / 1000000));
            long blockNs = clock.Tick(frame / (double)Rate, LocalClock.NowNs);
            for (int k = 0; k < output.Length; k++)
                output[k] = 1;
            playout.ReadAudio(output, Channels, Rate, blockNs + latencyNs);
            for (int k = 0; k < Block; k++)
                Heard[frame + k] = output[Channels * k];
            Volatile.Write(ref rendered, frame + Block);
        }
    }

    static void Screen(Playout playout, long beginNs, double seconds)
    {
        var weights = new float[52];
        var head = new float[3];
        var lines = new List<string>();
        long latencyNs = Buffers * Block * 1000000000L / Rate;
        for (long picture = 0; picture < seconds * PicturesPerSecond; picture++)
        {
            long wait = beginNs + picture * 1000000000L / PicturesPerSecond - LocalClock.NowNs;
            if (wait > 0)
                Thread.Sleep((int)((wait + 999999) / 1000000));
            long now = LocalClock.NowNs;
            bool moving = playout.ReadFace(now, weights, head);
            double frame = (now - beginNs - latencyNs) / 1e9 * Rate; // that leaves the loudspeaker at this instant
            bool audible = frame >= 0 && frame < Volatile.Read(ref rendered) - 1;
            double part = frame - Math.Floor(frame);
            double heard = audible ? Heard[(long)frame] * (1 - part) + Heard[(long)frame + 1] * part : 0;
            lines.Add(string.Format(CultureInfo.InvariantCulture,
                "{{\"local_ns\": {0}, \"heard\": {1:R}, \"shown\": {2:R}, \"moving\": {3}, \"pts_ns\": {4}}}",
                now - beginNs, heard, weights[0], moving ? "true" : "false", playout.HeardNs(now)));
        }
        foreach (string line in lines)
            Console.WriteLine(line);
    }
}
