using System;
using System.IO;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace TokTalk
{
    // Connecting: greeting, READY, and the commands of the peer.
    public sealed partial class ZmtpConnection
    {
        /// <summary>Connect and shake hands.</summary>
        /// <param name="socketType">SUB or DEALER.</param>
        /// <param name="stop">Asked every 50 ms; when true, every wait ends by OperationCanceledException.</param>
        /// <exception cref="IOException">Nobody answers there, or not in time.</exception>
        /// <exception cref="ProtocolException">The peer is no ZeroMQ socket that this one can speak with.</exception>
        public static ZmtpConnection Open(string host, int port, string socketType, Func<bool> stop)
        {
            string reason = "no such host";
            foreach (IPAddress address in Addresses(host))
            {
                var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
                try
                {
                    Connect(socket, new IPEndPoint(address, port), stop);
                    socket.NoDelay = true;
                    socket.SendTimeout = SendTime;
                    var connection = new ZmtpConnection(socket, socketType, stop);
                    connection.ShakeHands();
                    return connection;
                }
                catch (SocketException error)
                {
                    socket.Close();
                    reason = error.Message;
                }
                catch
                {
                    socket.Close();
                    throw;
                }
            }
            throw new IOException(
                "nobody answers at " + host + ":" + port + " (" + reason + "): is TokTalk running there?");
        }

        static IPAddress[] Addresses(string host)
        {
            IPAddress literal;
            if (IPAddress.TryParse(host, out literal))
                return new[] { literal };
            try
            {
                return Dns.GetHostAddresses(host);
            }
            catch (SocketException)
            {
                return new IPAddress[0];
            }
        }

        static void Connect(Socket socket, EndPoint peer, Func<bool> stop)
        {
            IAsyncResult pending = socket.BeginConnect(peer, null, null);
            for (int waited = 0; !pending.AsyncWaitHandle.WaitOne(Step); waited += Step)
            {
                if (stop())
                    throw new OperationCanceledException();
                if (waited >= ConnectTime)
                    throw new SocketException((int)SocketError.TimedOut);
            }
            socket.EndConnect(pending);
        }

        void ShakeHands()
        {
            var greeting = new byte[Greeting];
            greeting[0] = 0xff;
            greeting[9] = 0x7f;
            greeting[10] = 3;
            greeting[11] = 1;
            Encoding.ASCII.GetBytes("NULL").CopyTo(greeting, 12);
            long until = watch.ElapsedMilliseconds + HandshakeTime;
            lock (sending)
            {
                greeting.CopyTo(outgoing, 0);
                Write(Greeting);
            }
            while (filled < Greeting)
            {
                // a peer that is no ZeroMQ socket shows it by its first byte, and may never send all 64
                if (filled > 0 && (buffer[0] != 0xff || filled > 9 && (buffer[9] & 1) == 0))
                    throw new ProtocolException("what answers there does not speak ZeroMQ");
                InTime(until);
            }
            if (buffer[10] < 3)
                throw new ProtocolException("the peer speaks ZMTP " + buffer[10] + ", at least 3 is needed");
            int nul = Array.IndexOf(buffer, (byte)0, 12, 20);
            string mechanism = Encoding.ASCII.GetString(buffer, 12, (nul < 0 ? 32 : nul) - 12);
            if (mechanism != "NULL")
                throw new ProtocolException(
                    "the bridge asks for " + mechanism + " encryption, which this client does not speak: start it "
                    + "without keys, or reach it through a tunnel");
            minor = buffer[10] > 3 ? 1 : buffer[11];
            begin = parsed = Greeting;
            byte[] metadata = Property("Socket-Type", socketType);
            SendCommand("READY", metadata, metadata.Length);
            while (!Parse() && !ready)
                InTime(until);
        }

        void InTime(long until)
        {
            if (!Fill((int)(until - watch.ElapsedMilliseconds)) && watch.ElapsedMilliseconds >= until)
                throw new IOException("no ZeroMQ handshake within " + HandshakeTime / 1000 + " s");
        }

        /// <summary>Do what a command says. Its body is the name's length, the name, and data.</summary>
        void Obey(int at, int size)
        {
            int end = at + size;
            string name = Short(ref at, end);
            if (!ready)
                switch (name)
                {
                    case "READY":
                        Meet(at, end);
                        ready = true;
                        heardAt = watch.ElapsedMilliseconds;
                        return;
                    case "ERROR":
                        throw new ProtocolException("the peer refuses the connection: " + Short(ref at, end));
                    default:
                        throw new ProtocolException("the command " + name + " before the handshake's end");
                }
            if (name == "PING")
            {
                int context = end - at - 2;
                if (context < 0 || context > MaxContext)
                    throw new ProtocolException("a PING of " + size + " bytes");
                var data = new byte[context];
                Buffer.BlockCopy(buffer, at + 2, data, 0, context);
                SendCommand("PONG", data, context);
            }
            else if (name == "ERROR")
                throw new ProtocolException("the peer ends the connection: " + Short(ref at, end));
        }

        /// <summary>Read the peer's metadata: its socket must be one that ours may speak with.</summary>
        void Meet(int at, int end)
        {
            while (at < end)
            {
                string property = Short(ref at, end);
                if (end - at < 4)
                    throw new ProtocolException("metadata cut short");
                uint count = (uint)(buffer[at] << 24 | buffer[at + 1] << 16 | buffer[at + 2] << 8 | buffer[at + 3]);
                at += 4;
                if (count > end - at)
                    throw new ProtocolException("metadata cut short");
                string value = Encoding.ASCII.GetString(buffer, at, (int)count);
                at += (int)count;
                if (string.Equals(property, "Socket-Type", StringComparison.OrdinalIgnoreCase))
                {
                    bool good = socketType == "SUB" ? value == "PUB" || value == "XPUB" : value == "ROUTER";
                    if (!good)
                        throw new ProtocolException(
                            "a " + value + " socket answers there, not the one that a " + socketType
                            + " speaks with: is it the bridge's control port?");
                }
            }
        }

        /// <summary>A text with its length in one octet before it.</summary>
        string Short(ref int at, int end)
        {
            if (at >= end || buffer[at] > end - at - 1)
                throw new ProtocolException("a command cut short");
            int count = buffer[at];
            at += 1 + count;
            return Encoding.ASCII.GetString(buffer, at - count, count);
        }

        static byte[] Property(string name, string value)
        {
            var data = new byte[1 + name.Length + 4 + value.Length];
            data[0] = (byte)name.Length;
            Encoding.ASCII.GetBytes(name).CopyTo(data, 1);
            data[1 + name.Length + 3] = (byte)value.Length;
            Encoding.ASCII.GetBytes(value).CopyTo(data, 1 + name.Length + 4);
            return data;
        }
    }
}
