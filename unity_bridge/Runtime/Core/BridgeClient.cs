using System;
using System.Collections.Generic;
using System.IO;
using System.Threading;

namespace TokTalk
{
    /// <summary>
    /// What a client does with what it receives. Called by one thread of the client at a time; a message is valid
    /// during the call only, for its arrays are used again.
    /// </summary>
    public interface IBridgeListener
    {
        /// <summary>The bridge was found, or found again: the names of the weights, the streams.</summary>
        void OnHello(HelloReply hello);
        void OnFace(FaceMessage face);
        void OnAudio(AudioMessage audio);
        void OnEvent(EventMessage message);
    }

    public enum BridgeState
    {
        /// <summary>No bridge was found yet, or it was lost; it is looked for.</summary>
        Searching,
        Connected,
        Closed,
    }

    /// <summary>
    /// A connection to a bridge: hello, clock, streams, requests. It works in two threads of its own, finds a bridge
    /// again that went away, and never throws at its user for what comes from the network: see <see cref="Problem"/>.
    /// </summary>
    /// <example>
    /// using (var client = new BridgeClient("tcp://127.0.0.1:5591", "default", listener))
    /// {
    ///     client.Start();
    ///     Console.ReadLine();
    /// }
    /// </example>
    public sealed partial class BridgeClient : IDisposable
    {
        const int FirstExchanges = 8;
        const long ClockIntervalNs = 2000000000;
        const long ReplyTimeNs = 3000000000;
        const int SilentClocks = 3;
        const int FirstPause = 250, LongestPause = 5000; // ms
        const int MaxPending = 64;
        const int Step = 50; // ms

        readonly Endpoint endpoint;
        readonly string stream;
        readonly string clientName;
        readonly IBridgeListener listener;
        readonly Thread thread;
        readonly object gate = new object();
        readonly Dictionary<long, PendingReply> pending = new Dictionary<long, PendingReply>();
        readonly MessagePackWriter writer = new MessagePackWriter();
        readonly ClockFilter clock = new ClockFilter();
        readonly Subscriptions subscriptions = new Subscriptions();
        readonly FaceMessage face = new FaceMessage();
        readonly AudioMessage audio = new AudioMessage();
        ZmtpConnection control;
        volatile HelloReply hello;
        bool met;
        volatile Exception publishedEnd;
        volatile bool closing;
        volatile bool sessionOver;
        volatile BridgeState state;
        volatile string problem = "";
        int pause = FirstPause;
        long nextId = 1;
        long clockAnsweredNs;
        long offsetNs;
        long delayNs;
        int messages, lost, errors, reconnects;

        /// <param name="endpoint">The bridge's control socket, as tcp://127.0.0.1:5591.</param>
        /// <param name="stream">The stream to follow; null or empty for all.</param>
        /// <param name="clientName">What this client is, for people.</param>
        /// <exception cref="ProtocolException">The endpoint or the stream's name cannot be.</exception>
        public BridgeClient(string endpoint, string stream, IBridgeListener listener, string clientName = "toktalk c#")
        {
            this.endpoint = Endpoint.Parse(endpoint);
            this.stream = string.IsNullOrEmpty(stream) ? null : Protocol.StreamName(stream);
            this.listener = listener;
            this.clientName = clientName;
            thread = new Thread(Run) { Name = "toktalk control", IsBackground = true };
        }

        /// <summary>Begin to look for the bridge.</summary>
        public void Start()
        {
            thread.Start();
        }

        public BridgeState State
        {
            get { return state; }
        }

        /// <summary>Why there is no connection, or what was wrong with the last message that was refused.</summary>
        public string Problem
        {
            get { return problem; }
        }

        /// <summary>Messages that were received.</summary>
        public int Messages
        {
            get { return messages; }
        }

        /// <summary>Messages that were lost on the way: gaps of the sequence numbers.</summary>
        public int LostMessages
        {
            get { return lost; }
        }

        /// <summary>
        /// Messages that were refused, connections that broke the protocol, and errors of the listener.
        /// </summary>
        public int Errors
        {
            get { return errors; }
        }

        /// <summary>Times that the bridge was found again.</summary>
        public int Reconnects
        {
            get { return reconnects; }
        }

        /// <summary>Names of styles that can be asked for; null where the bridge does not tell.</summary>
        public string[] Styles
        {
            get { return hello == null ? null : hello.Styles; }
        }

        /// <summary>The bridge's clock minus <see cref="LocalClock"/>, in nanoseconds.</summary>
        public long ClockOffsetNs
        {
            get { return Interlocked.Read(ref offsetNs); }
        }

        /// <summary>
        /// Round trip in nanoseconds of the exchange that gave the offset: it is right to half of this.
        /// </summary>
        public long ClockDelayNs
        {
            get { return Interlocked.Read(ref delayNs); }
        }

        /// <summary>Disconnect, and wait for the threads to end. Closing twice is fine.</summary>
        public void Dispose()
        {
            lock (gate)
            {
                closing = true;
                Monitor.PulseAll(gate);
            }
            if (thread.IsAlive && Thread.CurrentThread != thread)
                thread.Join(5000);
            state = BridgeState.Closed;
        }

        /// <summary>The control thread: one session after another.</summary>
        void Run()
        {
            while (!closing)
            {
                try
                {
                    Session();
                }
                catch (OperationCanceledException)
                {
                    // closing
                }
                catch (IOException error)
                {
                    problem = error.Message;
                }
                catch (Exception error)
                {
                    Refuse(error);
                }
                EndRequests("the connection was lost: " + problem);
                lock (gate)
                    if (!closing)
                        Monitor.Wait(gate, pause);
                pause = Math.Min(2 * pause, LongestPause);
            }
        }

        void Session()
        {
            sessionOver = false;
            publishedEnd = null;
            Thread subscriber = null;
            try
            {
                ZmtpConnection connection = ZmtpConnection.Open(endpoint.Host, endpoint.Port, "DEALER", () => closing);
                lock (gate)
                    control = connection;
                Await(SayHello());
                for (int k = 0; k < FirstExchanges; k++)
                    Await(AskClock());
                Met();
                int pubPort = hello.PubPort;
                subscriber = new Thread(() => Listen(pubPort)) { Name = "toktalk stream", IsBackground = true };
                subscriber.Start();
                long clockAskedNs = LocalClock.NowNs;
                while (!closing)
                {
                    if (control.Receive(Step))
                        Answered();
                    if (publishedEnd != null)
                        throw publishedEnd;
                    long now = LocalClock.NowNs;
                    if (now - clockAskedNs < ClockIntervalNs)
                        continue;
                    if (now - clockAnsweredNs > SilentClocks * ClockIntervalNs)
                        throw new IOException("the bridge does not answer");
                    clockAskedNs = now;
                    AskClock();
                    ExpireRequests();
                }
            }
            finally
            {
                sessionOver = true;
                if (state == BridgeState.Connected)
                    pause = FirstPause;
                state = BridgeState.Searching;
                lock (gate)
                {
                    if (control != null)
                        control.Dispose();
                    control = null;
                }
                if (subscriber != null)
                    subscriber.Join();
            }
        }

        /// <summary>Tell the listener, now that the clock is known.</summary>
        void Met()
        {
            if (met)
                reconnects++;
            met = true;
            state = BridgeState.Connected;
            problem = "";
            listener.OnHello(hello);
        }

        /// <summary>The other thread: receives what is published until the session is over.</summary>
        void Listen(int port)
        {
            try
            {
                using (var published = ZmtpConnection.Open(endpoint.Host, port, "SUB", () => closing || sessionOver))
                {
                    foreach (string kind in new[] { "face/", "audio/", "event/" })
                        published.Subscribe(kind + stream);
                    while (true)
                        if (published.Receive(int.MaxValue))
                            Published(published);
                }
            }
            catch (OperationCanceledException)
            {
                // the session is over
            }
            catch (Exception error)
            {
                publishedEnd = error;
            }
        }

        void Published(ZmtpConnection connection)
        {
            try
            {
                if (connection.PartCount != 2)
                    throw new ProtocolException(
                        "a message of " + connection.PartCount + " parts, expected topic and body");
                Subscriptions.Topic topic = subscriptions.Find(connection.Part(0));
                // a subscription is a prefix: it also matches streams whose names only begin like the one followed
                if (stream == null || topic.Stream == stream)
                    Deliver(topic, connection.Part(1));
            }
            catch (Exception error)
            {
                Refuse(error);
            }
        }

        void Deliver(Subscriptions.Topic topic, ArraySegment<byte> body)
        {
            PublishedMessage message;
            if (topic.Kind == "face")
            {
                Protocol.DecodeFace(body.Array, body.Offset, body.Count, face);
                if (face.Width != hello.Names.Length)
                    throw new ProtocolException(
                        "a face of " + face.Width + " weights, the bridge has " + hello.Names.Length + " names");
                message = face;
            }
            else if (topic.Kind == "audio")
            {
                Protocol.DecodeAudio(body.Array, body.Offset, body.Count, audio);
                message = audio;
            }
            else
                message = Protocol.DecodeEvent(body.Array, body.Offset, body.Count);
            message.Stream = topic.Stream;
            messages++;
            lost = (int)Math.Min(int.MaxValue, lost + topic.Count(message.Seq));
            if (message == face)
                listener.OnFace(face);
            else if (message == audio)
                listener.OnAudio(audio);
            else
            {
                var happened = (EventMessage)message;
                if (happened.Kind == EventMessage.Gone)
                    subscriptions.Forget(topic.Stream);
                else if (happened.Kind == EventMessage.Styles)
                    SayHello();
                listener.OnEvent(happened);
            }
        }

        /// <summary>Count what the network or the listener did wrong, and go on.</summary>
        void Refuse(Exception error)
        {
            Interlocked.Increment(ref errors);
            problem = error is ProtocolException ? error.Message : error.ToString();
        }
    }
}
