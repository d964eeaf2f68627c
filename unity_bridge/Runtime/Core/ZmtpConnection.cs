using System;
using System.Diagnostics;
using System.IO;
using System.Net.Sockets;
using System.Text;

namespace TokTalk
{
    /// <summary>
    /// One ZeroMQ connection: ZMTP 3.0 or 3.1 over TCP with the NULL mechanism (https://rfc.zeromq.org/spec/23/ and
    /// https://rfc.zeromq.org/spec/37/), as a SUB or DEALER that connects. One thread receives; any thread may send.
    /// </summary>
    public sealed partial class ZmtpConnection : IDisposable
    {
        /// <summary>Milliseconds between the questions for a sign of life.</summary>
        public const int PingEvery = 2000;

        /// <summary>Milliseconds of silence after which the peer is taken for gone.</summary>
        public const int GoneAfter = 6000;

        const int ConnectTime = 3000;
        const int HandshakeTime = 5000;
        const int SendTime = 2000;
        const int Step = 50;
        const int Greeting = 64;
        const int MaxMessage = Protocol.MaxBody + 4096;
        const int MaxContext = 16;
        const int PeerPatience = 300; // tenths of a second
        const int More = 1, Long = 2, Command = 4;

        readonly Socket socket;
        readonly string socketType;
        readonly Func<bool> stop;
        readonly object sending = new object();
        readonly Stopwatch watch = Stopwatch.StartNew();
        readonly int[] partAt = new int[2];
        readonly int[] partSize = new int[2];
        byte[] buffer = new byte[16 << 10];
        byte[] outgoing = new byte[512];

        // buffer: [begin, parsed) is the message so far, [parsed, filled) was received and not looked at
        int begin;
        int parsed;
        int filled;
        bool delivered;
        bool ready;
        int minor;
        long heardAt;
        long pingedAt;

        ZmtpConnection(Socket socket, string socketType, Func<bool> stop)
        {
            this.socket = socket;
            this.socketType = socketType;
            this.stop = stop;
        }

        /// <summary>How many parts the received message has.</summary>
        public int PartCount { get; private set; }

        /// <summary>Receive what is published under topics that begin with <paramref name="prefix"/>.</summary>
        public void Subscribe(string prefix)
        {
            byte[] topic = Encoding.UTF8.GetBytes(prefix);
            if (minor > 0)
            {
                SendCommand("SUBSCRIBE", topic, topic.Length);
                return;
            }
            // ZMTP 3.0: a message of one octet 1 and the prefix
            var message = new byte[1 + topic.Length];
            message[0] = 1;
            topic.CopyTo(message, 1);
            lock (sending)
                Write(Frame(0, 0, message, message.Length));
        }

        /// <summary>Send a message of two parts.</summary>
        /// <exception cref="IOException">The connection ended, or the peer takes nothing.</exception>
        public void Send(byte[] topic, byte[] body, int bodyCount)
        {
            lock (sending)
                Write(Frame(Frame(0, More, topic, topic.Length), 0, body, bodyCount));
        }

        /// <summary>
        /// Part <paramref name="index"/> (0 or 1) of the message, valid until the next <see cref="Receive"/>.
        /// </summary>
        public ArraySegment<byte> Part(int index)
        {
            return new ArraySegment<byte>(buffer, begin + partAt[index], partSize[index]);
        }

        /// <summary>Wait up to <paramref name="milliseconds"/> for a whole message; whether one came.</summary>
        /// <exception cref="IOException">The connection ended.</exception>
        /// <exception cref="ProtocolException">The peer broke the protocol: there is no going on.</exception>
        public bool Receive(int milliseconds)
        {
            if (delivered)
            {
                delivered = false;
                begin = parsed;
                PartCount = 0;
            }
            long until = watch.ElapsedMilliseconds + milliseconds;
            while (!Parse())
                if (!Fill((int)(until - watch.ElapsedMilliseconds)) && watch.ElapsedMilliseconds >= until)
                    return false;
            delivered = true;
            return true;
        }

        public void Dispose()
        {
            socket.Close();
        }

        /// <summary>Look at the frames that are there; whether a message is whole.</summary>
        bool Parse()
        {
            while (filled - parsed >= 2)
            {
                int flags = buffer[parsed];
                if ((flags & ~(More | Long | Command)) != 0 || (flags & (More | Command)) == (More | Command))
                    throw new ProtocolException("a frame with flags 0x" + flags.ToString("x2"));
                int header = 2;
                ulong size = buffer[parsed + 1];
                if ((flags & Long) != 0)
                {
                    header = 9;
                    if (filled - parsed < header)
                        return false;
                    for (int k = 2; k < header; k++)
                        size = size << 8 | buffer[parsed + k];
                }
                if (size > MaxMessage || parsed - begin + header + (int)size > MaxMessage)
                    throw new ProtocolException("a message of more than " + MaxMessage + " bytes");
                if (filled - parsed < header + (int)size)
                    return false;
                int at = parsed + header;
                parsed = at + (int)size;
                if ((flags & Command) != 0)
                {
                    bool before = ready;
                    Obey(at, (int)size);
                    if (PartCount == 0)
                        begin = parsed;
                    if (!before)
                        return false;
                    continue;
                }
                if (!ready)
                    throw new ProtocolException("a message before the handshake's end");
                if (PartCount < 2)
                {
                    partAt[PartCount] = at - begin;
                    partSize[PartCount] = (int)size;
                }
                PartCount++;
                if ((flags & More) == 0)
                    return true;
            }
            return false;
        }

        /// <summary>Wait up to `milliseconds` for bytes; whether some came.</summary>
        bool Fill(int milliseconds)
        {
            if (filled == buffer.Length)
                MakeRoom();
            long until = watch.ElapsedMilliseconds + milliseconds;
            try
            {
                while (true)
                {
                    long now = watch.ElapsedMilliseconds;
                    int wait = (int)Math.Min(Math.Max(until - now, 0), Step);
                    if (socket.Poll(1000 * wait, SelectMode.SelectRead))
                        break;
                    if (stop())
                        throw new OperationCanceledException();
                    if (ready && minor > 0 && now - heardAt >= GoneAfter)
                        throw new IOException("the bridge gave no sign of life for " + GoneAfter / 1000 + " s");
                    Ping(now);
                    if (watch.ElapsedMilliseconds >= until)
                        return false;
                }
                int count = socket.Receive(buffer, filled, buffer.Length - filled, SocketFlags.None);
                if (count == 0)
                    throw new IOException(ready || filled == 0 ? "the bridge closed the connection"
                        : "somebody is there and refuses the connection: a bridge with keys (toktalk keys) asks for "
                        + "encryption, which this client does not speak");
                filled += count;
                heardAt = watch.ElapsedMilliseconds;
                Ping(heardAt);
                return true;
            }
            catch (SocketException error)
            {
                throw new IOException("the connection broke: " + error.Message, error);
            }
            catch (ObjectDisposedException error)
            {
                throw new IOException("the connection was closed", error);
            }
        }

        void MakeRoom()
        {
            if (begin == 0)
            {
                Array.Resize(ref buffer, 2 * buffer.Length);
                return;
            }
            Buffer.BlockCopy(buffer, begin, buffer, 0, filled - begin);
            parsed -= begin;
            filled -= begin;
            begin = 0;
        }

        /// <summary>Ask a peer of ZMTP 3.1 for a sign of life now and then, which is one of ours as well.</summary>
        void Ping(long now)
        {
            if (!ready || minor == 0 || now - pingedAt < PingEvery)
                return;
            pingedAt = now;
            SendCommand("PING", new byte[] { PeerPatience >> 8, PeerPatience & 255 }, 2);
        }

        void SendCommand(string name, byte[] data, int count)
        {
            var body = new byte[1 + name.Length + count];
            body[0] = (byte)name.Length;
            Encoding.ASCII.GetBytes(name).CopyTo(body, 1);
            Buffer.BlockCopy(data, 0, body, 1 + name.Length, count);
            lock (sending)
                Write(Frame(0, Command, body, body.Length));
        }

        /// <summary>Put a frame at `at` of what goes out; where the next one begins.</summary>
        int Frame(int at, int flags, byte[] body, int count)
        {
            if (outgoing.Length < at + 9 + count)
                Array.Resize(ref outgoing, Math.Max(2 * outgoing.Length, at + 9 + count));
            outgoing[at++] = (byte)(count > 255 ? flags | Long : flags);
            for (int shift = count > 255 ? 56 : 0; shift >= 0; shift -= 8)
                outgoing[at++] = (byte)((ulong)count >> shift);
            Buffer.BlockCopy(body, 0, outgoing, at, count);
            return at + count;
        }

        void Write(int count)
        {
            try
            {
                for (int sent = 0; sent < count;)
                    sent += socket.Send(outgoing, sent, count - sent, SocketFlags.None);
            }
            catch (SocketException error)
            {
                socket.Close(); // half a frame may be out: nothing can follow it
                throw new IOException("the connection broke: " + error.Message, error);
            }
            catch (ObjectDisposedException error)
            {
                throw new IOException("the connection was closed", error);
            }
        }
    }
}
