using System;
using System.Globalization;
using System.IO;
using System.Text;
using TokTalk;

/// <summary>
/// The C# client as a program, for tests/unity: what it is asked comes on standard input, a line each, and what it
/// sees goes to standard output as a line of JSON each.
///   peer vectors                       decode, encode and clock, of the golden vectors
///   peer listen ENDPOINT [STREAM]      every message; commands: interrupt, style, ping, stats, slow, quit
///   peer count ENDPOINT SECONDS        messages a second, their age, and what they cost
///   peer play ENDPOINT STREAM SECONDS  a sound device and a screen in real time: what is heard, what is shown
///   peer idle PICTURES MS              a face at rest, a picture every so many milliseconds, that speaks in between
/// </summary>
static class Peer
{
    static int Main(string[] arguments)
    {
        var output = new StreamWriter(Console.OpenStandardOutput(), new UTF8Encoding(false)) { AutoFlush = true };
        Console.SetOut(TextWriter.Synchronized(output));
        switch (arguments.Length > 0 ? arguments[0] : "")
        {
            case "vectors":
                Vectors();
                return 0;
            case "listen":
                Listener.Run(arguments[1], arguments.Length > 2 ? arguments[2] : null);
                return 0;
            case "count":
                Counter.Run(arguments[1], double.Parse(arguments[2], CultureInfo.InvariantCulture));
                return 0;
            case "play":
                Player.Run(arguments[1], arguments[2], double.Parse(arguments[3], CultureInfo.InvariantCulture));
                return 0;
            case "idle":
                Rest(int.Parse(arguments[1]), int.Parse(arguments[2]));
                return 0;
            default:
                Console.Error.WriteLine("usage: peer vectors | listen | count | play | idle, see above");
                return 2;
        }
    }

    /// <summary>All weights of all pictures; of every 3,000 pictures the last 500 are of somebody who speaks.</summary>
    static void Rest(int pictures, int ms)
    {
        var idle = new Idle(Arkit.Names, 0);
        int width = Arkit.Names.Length;
        var all = new float[pictures * width];
        var face = new float[width];
        for (int k = 0; k < pictures; k++)
        {
            Array.Clear(face, 0, width);
            if (k % 3000 >= 2500)
                idle.Rouse(k * ms * 1000000L);
            else
                idle.Apply(k * ms * 1000000L, face);
            Array.Copy(face, 0, all, k * width, width);
        }
        Console.WriteLine(Json.Object("weights", Json.Floats(all, all.Length)));
    }

    /// <summary>
    /// Each line a case: pub TOPIC BODY, reply TOPIC BODY, request ID NAME VALUE..., clock T1 T2 T3 T4, forget.
    /// </summary>
    static void Vectors()
    {
        var clock = new ClockFilter();
        var writer = new MessagePackWriter();
        var subscriptions = new Subscriptions();
        for (string line; (line = Console.In.ReadLine()) != null;)
        {
            string[] words = line.Split(' ');
            try
            {
                switch (words[0])
                {
                    case "pub":
                        Console.WriteLine(Published(words, subscriptions));
                        break;
                    case "reply":
                        if (words.Length != 3)
                            throw new ProtocolException("not two parts");
                        byte[] body = Bytes(words[2]);
                        string topic = Encoding.ASCII.GetString(Bytes(words[1]));
                        Console.WriteLine(Describe.Reply(Protocol.DecodeReply(topic, body, 0, body.Length)));
                        break;
                    case "request":
                        Protocol.BeginRequest(writer, long.Parse(words[1]), (words.Length - 2) / 2);
                        for (int k = 2; k < words.Length; k += 2)
                        {
                            string text = Encoding.UTF8.GetString(Bytes(words[k + 1]));
                            if (words[k].EndsWith("_ns"))
                                writer.Pair(words[k], long.Parse(text));
                            else
                                writer.Pair(words[k], text);
                        }
                        string hex = BitConverter.ToString(writer.Buffer, 0, writer.Count);
                        Console.WriteLine(Json.Of(hex.Replace("-", "")));
                        break;
                    case "clock":
                        long[] t = Array.ConvertAll(words, word => word == "clock" ? 0 : long.Parse(word));
                        clock.Add(t[1], t[2], t[3], t[4]);
                        Console.WriteLine(Json.Object("offset", clock.OffsetNs, "delay", clock.DelayNs));
                        break;
                    case "forget":
                        clock = new ClockFilter();
                        break;
                }
            }
            catch (ProtocolException error)
            {
                Console.WriteLine(Json.Object("refused", error.Message));
            }
        }
    }

    static string Published(string[] words, Subscriptions subscriptions)
    {
        if (words.Length != 3)
            throw new ProtocolException("not two parts");
        byte[] body = Bytes(words[2]);
        Subscriptions.Topic topic = subscriptions.Find(new ArraySegment<byte>(Bytes(words[1])));
        if (topic.Kind == "event")
            return Describe.Event(Protocol.DecodeEvent(body, 0, body.Length));
        if (topic.Kind == "audio")
        {
            var audio = new AudioMessage();
            Protocol.DecodeAudio(body, 0, body.Length, audio);
            return Describe.Audio(audio);
        }
        var face = new FaceMessage();
        Protocol.DecodeFace(body, 0, body.Length, face);
        return Describe.Face(face);
    }

    static byte[] Bytes(string hex)
    {
        var bytes = new byte[hex.Length / 2];
        for (int k = 0; k < bytes.Length; k++)
            bytes[k] = Convert.ToByte(hex.Substring(2 * k, 2), 16);
        return bytes;
    }
}
