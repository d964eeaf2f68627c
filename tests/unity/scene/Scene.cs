using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Reflection;
using System.Threading;
using StandIn;
using TokTalk;
using TokTalk.Samples;
using UnityEngine;

/// <summary>
/// The sample's scene in the stand-ins for Unity's engine, in real time: scene ENDPOINT STREAM SECONDS HEAD [CLICK].
/// Says that it is ready, then prints of each picture what leaves the loudspeaker when it is shown, what its mesh
/// shows (eyeBlinkLeft), and where its head points; CLICK is the second at which the button is pressed.
/// </summary>
static class Scene
{
    const int PicturesPerSecond = 90;
    const double PictureLatency = 0.016; // the receiver's own
    static readonly float[] Heard = new float[Loop.Rate * 64]; // what each frame of the device is
    static long rendered;
    static volatile bool over;

    static int Main(string[] arguments)
    {
        Loop.Play(true);
        var stage = new GameObject("TokTalk");
        stage.SetActive(false);
        var sample = stage.AddComponent<TalkingHead>();
        FieldInfo head = typeof(TalkingHead).GetField("head", BindingFlags.Instance | BindingFlags.NonPublic);
        head.SetValue(sample, Loop.Text(File.ReadAllBytes(arguments[4])));
        stage.SetActive(true);
        var receiver = stage.GetComponent<TokTalkReceiver>();
        receiver.Stream = arguments[2];
        receiver.Endpoint = arguments[1];
        double seconds = double.Parse(arguments[3], CultureInfo.InvariantCulture);
        double click = arguments.Length > 5 ? double.Parse(arguments[5], CultureInfo.InvariantCulture) : -1;
        Console.WriteLine("{\"ready\": true}");
        long beginNs = LocalClock.NowNs;
        var device = new Thread(() => Device(beginNs)) { Priority = System.Threading.ThreadPriority.Highest };
        device.Start();
        List<string> lines = Film(stage, beginNs, seconds, click);
        over = true;
        device.Join();
        foreach (string line in lines)
            Console.WriteLine(line);
        Playout playout = receiver.Playout;
        Console.WriteLine(string.Format(CultureInfo.InvariantCulture,
            "{{\"underruns\": {0}, \"late_frames\": {1}, \"refused\": {2}, \"lost\": {3}, \"errors\": {4}}}",
            playout.Underruns, playout.LateFrames, playout.Refused, receiver.Client.LostMessages,
            receiver.Client.Errors));
        Loop.Play(false);
        return 0;
    }

    /// <summary>Asks for each block when the one that is Buffers before it has left the loudspeaker.</summary>
    static void Device(long beginNs)
    {
        var block = new float[Loop.Block];
        for (long frame = 0; !over && frame + Loop.Block <= Heard.Length; frame += Loop.Block)
        {
            Wait(beginNs + frame * 1000000000L / Loop.Rate);
            Loop.Mix(block);
            Array.Copy(block, 0, Heard, frame, Loop.Block);
            Volatile.Write(ref rendered, frame + Loop.Block);
        }
    }

    static List<string> Film(GameObject stage, long beginNs, double seconds, double click)
    {
        var lines = new List<string>();
        SkinnedMeshRenderer skin = Array.Find(
            stage.GetComponent<TalkingHead>().GetComponentsInChildren<SkinnedMeshRenderer>(true),
            each => each.sharedMesh.GetBlendShapeIndex("eyeBlinkLeft") >= 0);
        int shape = skin.sharedMesh.GetBlendShapeIndex("eyeBlinkLeft");
        Transform bone = stage.GetComponent<TokTalkHead>().Head;
        Quaternion rest = Quaternion.Inverse(bone.rotation);
        for (long picture = 0; picture < seconds * PicturesPerSecond; picture++)
        {
            Wait(beginNs + picture * 1000000000L / PicturesPerSecond);
            if (Math.Abs(picture - click * PicturesPerSecond) < 0.5)
                Hand.Click("Interrupt");
            double now = (LocalClock.NowNs - beginNs) / 1e9;
            Loop.Frame(1f / PicturesPerSecond);
            Vector3 nose = bone.rotation * rest * new Vector3(0, 0, 1);
            double frame = (now + PictureLatency) * Loop.Rate - Loop.Buffers * Loop.Block;
            bool audible = frame >= 0 && frame < Volatile.Read(ref rendered) - 1;
            double part = frame - Math.Floor(frame);
            double heard = audible ? Heard[(long)frame] * (1 - part) + Heard[(long)frame + 1] * part : 0;
            lines.Add(string.Format(CultureInfo.InvariantCulture,
                "{{\"at\": {0:R}, \"heard\": {1:R}, \"shown\": {2:R}, \"nose\": [{3:R}, {4:R}, {5:R}]}}",
                now, heard, skin.GetBlendShapeWeight(shape) / 100, nose.x, nose.y, nose.z));
        }
        return lines;
    }

    static void Wait(long untilNs)
    {
        long wait = untilNs - LocalClock.NowNs;
        if (wait > 0)
            Thread.Sleep((int)((wait + 999999) / 1000000));
    }
}
