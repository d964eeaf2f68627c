using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Threading;
using TokTalk;

/// <summary>
/// Receives for some seconds and prints figures: messages, their age in ms where the publisher stamps them with the
/// present, and what it took. Fits `toktalk bench bridge --client "mono peer.exe count {endpoint} {seconds}"`.
/// </summary>
sealed class Counter : IBridgeListener
{
    static readonly DateTime Epoch = new DateTime(1970, 1, 1, 0, 0, 0, DateTimeKind.Utc);
    readonly List<long> ages = new List<long>(1 << 20);
    readonly ManualResetEvent begun = new ManualResetEvent(false);

    public static void Run(string endpoint, double seconds)
    {
        var counter = new Counter();
        using (var client = new BridgeClient(endpoint, null, counter, "toktalk bench"))
        {
            client.Start();
            counter.begun.WaitOne(30000);
            var process = Process.GetCurrentProcess();
            TimeSpan before = process.TotalProcessorTime;
            int collections = GC.CollectionCount(0), messages = client.Messages;
            Thread.Sleep((int)(1000 * seconds));
            process.Refresh();
            double cpu = (process.TotalProcessorTime - before).TotalSeconds / seconds;
            messages = client.Messages - messages;
            collections = GC.CollectionCount(0) - collections;
            List<long> sorted;
            lock (counter.ages)
                sorted = new List<long>(counter.ages);
            sorted.Sort();
            Console.WriteLine(Json.Object("messages_per_s", Math.Round(messages / seconds),
                "p50_ms", At(sorted, 0.5), "p99_ms", At(sorted, 0.99), "cpu", Math.Round(cpu, 3),
                "collections", collections, "lost", client.LostMessages, "errors", client.Errors));
        }
    }

    static double At(List<long> sorted, double share)
    {
        return sorted.Count == 0 ? -1 : Math.Round(sorted[(int)(share * (sorted.Count - 1))] / 1e6, 3);
    }

    public void OnHello(HelloReply hello)
    {
    }

    public void OnFace(FaceMessage face)
    {
        Note(face);
    }

    public void OnAudio(AudioMessage audio)
    {
        Note(audio);
    }

    public void OnEvent(EventMessage message)
    {
    }

    void Note(PublishedMessage message)
    {
        long age = (DateTime.UtcNow - Epoch).Ticks * 100 - message.PtsNs;
        lock (ages)
            if (ages.Count < ages.Capacity)
                ages.Add(age);
        begun.Set();
    }
}
