namespace TokTalk
{
    /// <summary>Where a bridge's control socket is: tcp://host:port, or less of it.</summary>
    public struct Endpoint
    {
        public readonly string Host;
        public readonly int Port;

        Endpoint(string host, int port)
        {
            Host = host;
            Port = port;
        }

        /// <summary>Read tcp://host:port, host:port or host; an IPv6 address stands in brackets.</summary>
        /// <exception cref="ProtocolException">It is none of them.</exception>
        public static Endpoint Parse(string text)
        {
            string rest = (text ?? "").Trim();
            if (rest.StartsWith("tcp://", System.StringComparison.OrdinalIgnoreCase))
                rest = rest.Substring(6);
            int colon = rest.LastIndexOf(':');
            int port = Protocol.ControlPort;
            if (colon > rest.LastIndexOf(']'))
            {
                if (!int.TryParse(rest.Substring(colon + 1), out port) || port < 1 || port > 65535)
                    port = 0;
                rest = rest.Substring(0, colon);
            }
            string host = rest.TrimStart('[').TrimEnd(']');
            if (host.Length == 0 || port == 0 || rest.IndexOf('/') >= 0)
                throw new ProtocolException("endpoint '" + text + "': write it as tcp://127.0.0.1:5591");
            return new Endpoint(host, port);
        }

        public override string ToString()
        {
            return "tcp://" + (Host.IndexOf(':') < 0 ? Host : "[" + Host + "]") + ":" + Port;
        }
    }
}
