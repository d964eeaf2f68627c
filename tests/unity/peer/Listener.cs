using System;
using System.Linq;
using System.Threading;
using TokTalk;

/// <summary>Prints every message that arrives, and does what standard input says.</summary>
sealed class Listener : IBridgeListener
{
    static readonly DateTime Epoch = new DateTime(1970, 1, 1, 0, 0, 0, DateTimeKind.Utc);
    volatile int slow;

    public static void Run(string endpoint, string stream)
    {
        var listener = new Listener();
        using (var client = new BridgeClient(endpoint, stream, listener, "toktalk test"))
        {
            client.Start();
            for (string line; (line = Console.In.ReadLine()) != null && line != "quit";)
            {
                string[] words = line.Split(' ');
                if (words[0] == "beside") // what follows waits for its answer while other lines are done
                    new Thread(() => listener.Do(client, words.Skip(1).ToArray())) { IsBackground = true }.Start();
                else
                    listener.Do(client, words);
            }
        }
    }

    public void OnHello(HelloReply hello)
    {
        Console.WriteLine(Json.Object("hello", new Json.Raw { Text = Describe.Reply(hello) }));
    }

    public void OnFace(FaceMessage face)
    {
        Say("face", face, Describe.Face(face));
    }

    public void OnAudio(AudioMessage audio)
    {
        Say("audio", audio, Describe.Audio(audio));
    }

    public void OnEvent(EventMessage message)
    {
        if (message.Kind == "throw")
            throw new InvalidOperationException("the listener failed");
        Say("event", message, Describe.Event(message));
    }

    void Say(string kind, PublishedMessage message, string text)
    {
        long unixNs = (DateTime.UtcNow - Epoch).Ticks * 100;
        Console.WriteLine(Json.Object("kind", kind, "stream", message.Stream, "at_ns", unixNs,
            "message", new Json.Raw { Text = text }));
        if (slow > 0)
            Thread.Sleep(slow);
    }

    void Do(BridgeClient client, string[] words)
    {
        PendingReply reply = null;
        switch (words[0])
        {
            case "interrupt": reply = client.Interrupt(words[1], long.Parse(words[2])); break;
            case "style": reply = client.SetStyle(words[1], words[2]); break;
            case "ping": reply = client.Ping(); break;
            case "slow": slow = int.Parse(words[1]); break;
            case "stats":
                Console.WriteLine(Json.Object("state", client.State.ToString(), "problem", client.Problem,
                    "messages", client.Messages, "lost", client.LostMessages, "errors", client.Errors,
                    "reconnects", client.Reconnects, "offset_ns", client.ClockOffsetNs, "delay_ns", client.ClockDelayNs,
                    "local_ns", LocalClock.NowNs, "unix_ns", (DateTime.UtcNow - Epoch).Ticks * 100,
                    "styles", client.Styles, "memory", GC.GetTotalMemory(true)));
                return;
        }
        if (reply == null)
            return;
        reply.Wait(5000);
        var answer = reply.Reply == null ? null : new Json.Raw { Text = Describe.Reply(reply.Reply) };
        Console.WriteLine(Json.Object("reply", answer, "error", reply.Error));
    }
}
