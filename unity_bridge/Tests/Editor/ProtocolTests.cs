using System;
using NUnit.Framework;

namespace TokTalk.Tests
{
    /// <summary>The wire: what is read, what is written, what is refused.</summary>
    public class ProtocolTests
    {
        // tests/bridge/golden/face.msgpack
        const string Face =
            "89a17601a373657103a67074735f6e73cf186cc6acedb8b100a366707332a5737461727415a5636f756e7402a5776964"
            + "746804a777656967687473c420000000000000803e0000003f0000803f0000803f0000403f0000003e00000000a46865"
            + "6164c418cdcccc3dcdcc4cbecdcc4c3d000000000000000000000000";

        static byte[] Bytes(string hex)
        {
            var bytes = new byte[hex.Length / 2];
            for (int k = 0; k < bytes.Length; k++)
                bytes[k] = Convert.ToByte(hex.Substring(2 * k, 2), 16);
            return bytes;
        }

        [Test]
        public void AFaceIsRead()
        {
            var face = new FaceMessage();
            byte[] body = Bytes(Face);
            Protocol.DecodeFace(body, 0, body.Length, face);
            Assert.AreEqual(1760000000420000000L, face.PtsNs);
            Assert.AreEqual(3, face.Seq);
            Assert.AreEqual(50, face.Fps);
            Assert.AreEqual(21, face.Start);
            Assert.AreEqual(2, face.Count);
            Assert.AreEqual(0.25f, face.Weights[1]);
            Assert.AreEqual(-0.2f, face.Head[1]);
        }

        [Test]
        public void EveryCutOfAFaceIsRefused()
        {
            var face = new FaceMessage();
            byte[] body = Bytes(Face);
            for (int count = 0; count < body.Length; count++)
                Assert.Throws<ProtocolException>(() => Protocol.DecodeFace(body, 0, count, face));
        }

        [Test]
        public void DamageIsRefusedOrReadButNothingElse()
        {
            var random = new Random(1);
            var face = new FaceMessage();
            for (int round = 0; round < 20000; round++)
            {
                byte[] body = Bytes(Face);
                for (int k = random.Next(1, 5); k > 0; k--)
                    body[random.Next(body.Length)] = (byte)random.Next(256);
                try
                {
                    Protocol.DecodeFace(body, 0, body.Length, face);
                }
                catch (ProtocolException)
                {
                }
            }
        }

        [Test]
        public void ARequestIsWritten()
        {
            var writer = new MessagePackWriter();
            Protocol.BeginRequest(writer, 3, 2);
            writer.Pair("stream", "default");
            writer.Pair("played_ns", 2000000000L);
            Assert.AreEqual(
                "84A17601A2696403A673747265616DA764656661756C74A9706C617965645F6E73CE77359400",
                BitConverter.ToString(writer.Buffer, 0, writer.Count).Replace("-", ""));
        }

        [TestCase("tcp://127.0.0.1:5591", "127.0.0.1", 5591)]
        [TestCase("robot.local", "robot.local", 5591)]
        [TestCase("robot:6000", "robot", 6000)]
        [TestCase(" tcp://[::1]:7 ", "::1", 7)]
        [TestCase("[fe80::1]", "fe80::1", 5591)]
        public void EndpointsAreRead(string text, string host, int port)
        {
            Endpoint endpoint = Endpoint.Parse(text);
            Assert.AreEqual(host, endpoint.Host);
            Assert.AreEqual(port, endpoint.Port);
        }

        [TestCase("")]
        [TestCase("tcp://")]
        [TestCase("tcp://robot:0")]
        [TestCase("tcp://robot:port")]
        [TestCase("http://robot:80")]
        public void WhatIsNoEndpointIsRefused(string text)
        {
            Assert.Throws<ProtocolException>(() => Endpoint.Parse(text));
        }

        [TestCase("")]
        [TestCase("a b")]
        [TestCase("new\nline")]
        public void WhatIsNoStreamIsRefused(string name)
        {
            Assert.Throws<ProtocolException>(() => Protocol.StreamName(name));
        }
    }
}
