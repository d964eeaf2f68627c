using System;
using System.Collections.Concurrent;
using UnityEngine;

namespace TokTalk
{
    /// <summary>
    /// Receives one stream of a TokTalk bridge. Put it on the character, and beside it what uses it: TokTalkFace,
    /// TokTalkAudio, TokTalkHead. Works in threads of its own; the bridge may come, go and come back.
    /// </summary>
    [AddComponentMenu("TokTalk/TokTalk Receiver")]
    [DefaultExecutionOrder(-100)]
    [DisallowMultipleComponent]
    public sealed class TokTalkReceiver : MonoBehaviour, IBridgeListener
    {
        const int MostEvents = 256;

        [Tooltip("The bridge's control socket.")]
        [SerializeField] string endpoint = "tcp://127.0.0.1:5591";

        [Tooltip("The stream to follow; empty: the first that the bridge has.")]
        [SerializeField] string stream = "default";

        [Tooltip("Milliseconds that everything is played later than the bridge asks for: for slow networks.")]
        [Range(0, 2000)]
        [SerializeField] int playoutDelay;

        [Tooltip("Milliseconds between this frame's Update and its picture on the screen.")]
        [Range(0, 100)]
        [SerializeField] int pictureLatency = 16;

        [Tooltip("Blink and look around a little while nobody speaks.")]
        [SerializeField] bool idleMotion = true;

        readonly ConcurrentQueue<EventMessage> events = new ConcurrentQueue<EventMessage>();
        BridgeClient client;
        volatile Playout playout;
        volatile HelloReply hello;
        volatile string followed; // null: the first stream that comes
        string playing; // the stream of `playout`
        HelloReply shown;
        Idle idle;

        /// <summary>
        /// Something happened to the stream (start, end, interrupted, style, ...), in Unity's main thread.
        /// </summary>
        public event Action<EventMessage> Happened;

        /// <summary>The names of the weights became known, or are others now.</summary>
        public event Action NamesChanged;

        /// <summary>ARKit's names, in the order of <see cref="Weights"/>; empty before a bridge was found.</summary>
        public string[] Names { get; private set; } = new string[0];

        /// <summary>The weights of this frame, in [0, 1].</summary>
        public float[] Weights { get; private set; } = new float[0];

        /// <summary>The head of this frame: yaw, pitch, roll in radians; left, up, left positive.</summary>
        public float[] Head { get; } = new float[Protocol.HeadWidth];

        /// <summary>Whether the face moves; else it is at rest.</summary>
        public bool IsMoving { get; private set; }

        /// <summary>The connection; null while this component is off.</summary>
        public BridgeClient Client
        {
            get { return client; }
        }

        /// <summary>
        /// What is heard and shown when; null while this component is off, another one for another stream. Any thread
        /// may take it.
        /// </summary>
        public Playout Playout
        {
            get { return playout; }
        }

        /// <summary>What the bridge said of itself, or null.</summary>
        public HelloReply Hello
        {
            get { return hello; }
        }

        /// <summary>The bridge's control socket. Another one is connected to at once.</summary>
        public string Endpoint
        {
            get { return endpoint; }
            set
            {
                endpoint = value;
                Restart();
            }
        }

        /// <summary>The stream to follow, empty for the first. Another one is followed at once.</summary>
        public string Stream
        {
            get { return stream; }
            set
            {
                stream = value;
                Restart();
            }
        }

        /// <summary>Milliseconds that everything is played later than the bridge asks for.</summary>
        public int PlayoutDelay
        {
            get { return playoutDelay; }
            set { playoutDelay = Mathf.Clamp(value, 0, 2000); }
        }

        /// <summary>Whether the face blinks and looks around a little while nobody speaks.</summary>
        public bool IdleMotion
        {
            get { return idleMotion; }
            set { idleMotion = value; }
        }

        /// <summary>What is going on, for people.</summary>
        public string Status
        {
            get
            {
                if (client == null)
                    return "off";
                if (client.State != BridgeState.Connected)
                    return client.Problem.Length > 0 ? client.Problem : "looking for " + endpoint;
                return (IsMoving ? "speaking" : "connected") + ", network " + (client.ClockDelayNs / 1e6).ToString("F1")
                    + " ms, lost " + client.LostMessages + ", late frames " + playout.LateFrames
                    + ", sound underruns " + playout.Underruns;
            }
        }

        /// <summary>Stop speaking: barge-in. The bridge is told how much was heard.</summary>
        public PendingReply Interrupt()
        {
            return client == null ? null : client.Interrupt(followed ?? "", playout.MediaNs(LocalClock.NowNs));
        }

        /// <summary>Speak in another style.</summary>
        public PendingReply SetStyle(string style)
        {
            return client == null ? null : client.SetStyle(followed ?? "", style);
        }

        /// <summary>The weight of a name in this frame; 0 for one that the bridge does not send.</summary>
        public float Weight(string name)
        {
            int index = Array.IndexOf(Names, name);
            return index < 0 || index >= Weights.Length ? 0 : Weights[index];
        }

        void OnEnable()
        {
            Connect();
        }

        void OnDisable()
        {
            Disconnect();
        }

        void Restart()
        {
            if (!isActiveAndEnabled)
                return;
            Disconnect();
            Connect();
        }

        void Connect()
        {
#if UNITY_WEBGL && !UNITY_EDITOR
            Debug.LogError("TokTalk: a browser has no TCP sockets; show TokTalk's own web page beside Unity's.", this);
            enabled = false;
#else
            try
            {
                client = new BridgeClient(endpoint, stream, this, "unity " + Application.unityVersion);
                followed = playing = Asked ? stream : null;
                playout = NewPlayout(client);
                client.Start();
            }
            catch (ProtocolException error)
            {
                Debug.LogError("TokTalk: " + error.Message, this);
                enabled = false;
            }
#endif
        }

        static Playout NewPlayout(BridgeClient of)
        {
            return new Playout(() => of.ClockOffsetNs, () => LocalClock.NowNs);
        }

        void Disconnect()
        {
            if (client != null)
                client.Dispose();
            client = null;
            playout = null;
            hello = null;
            IsMoving = false;
            Array.Clear(Weights, 0, Weights.Length);
            Array.Clear(Head, 0, Head.Length);
        }

        void Update()
        {
            Playout current = playout;
            if (current == null)
                return;
            HelloReply now = hello;
            if (now != shown)
            {
                shown = now;
                if (now != null)
                    TakeNames(now.Names);
            }
            current.DelayNs = playoutDelay * 1000000L;
            long pictureNs = LocalClock.NowNs + pictureLatency * 1000000L;
            IsMoving = current.ReadFace(pictureNs, Weights, Head);
            if (idle != null && IsMoving)
                idle.Rouse(pictureNs);
            else if (idle != null && idleMotion)
                idle.Apply(pictureNs, Weights);
            for (EventMessage message; events.TryDequeue(out message);)
                if (Happened != null)
                    Happened(message);
        }

        void TakeNames(string[] names)
        {
            if (string.Join(" ", Names) == string.Join(" ", names))
                return;
            Names = names;
            Weights = new float[names.Length];
            idle = new Idle(names, LocalClock.NowNs);
            if (NamesChanged != null)
                NamesChanged();
        }

        // called by the client's threads

        void IBridgeListener.OnHello(HelloReply reply)
        {
            hello = reply;
            playout.Names = reply.Names;
            if (!Asked && !Array.Exists(reply.Streams, info => info.Name == followed))
                followed = null;
            foreach (StreamInfo info in reply.Streams)
                if (Follows(info.Name))
                    playout.Add(info);
        }

        void IBridgeListener.OnFace(FaceMessage face)
        {
            if (Follows(face.Stream))
                playout.Add(face);
        }

        void IBridgeListener.OnAudio(AudioMessage audio)
        {
            if (Follows(audio.Stream))
                playout.Add(audio);
        }

        void IBridgeListener.OnEvent(EventMessage message)
        {
            if (!Follows(message.Stream))
                return;
            playout.Add(message);
            if (events.Count < MostEvents)
                events.Enqueue(message);
            if (message.Kind == EventMessage.Gone && !Asked)
                followed = null;
        }

        /// <summary>Whether a stream's name was asked for.</summary>
        bool Asked
        {
            get { return !string.IsNullOrEmpty(stream); }
        }

        bool Follows(string name)
        {
            if (followed == null)
                Follow(name);
            return followed == name;
        }

        void Follow(string name)
        {
            if (playing != null && playing != name)
                playout = NewPlayout(client);
            if (hello != null)
                playout.Names = hello.Names;
            followed = playing = name;
        }
    }
}
