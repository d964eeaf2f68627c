"""Bridge and Client over real sockets."""

import textwrap
import threading
import time

import numpy as np
import pytest
import zmq

from toktalk_node.bridge import client as client_module
from toktalk_node.bridge import protocol
from toktalk_node.bridge import server as server_module
from toktalk_node.bridge.client import BridgeError, Client
from toktalk_node.bridge.server import Bridge
from toktalk_node.face.arkit import BLENDSHAPES
from toktalk_node.signals import AudioChunk, Clock, FaceChunk


def face(n: int, start: int = 0, value: float | None = None) -> FaceChunk:
    weights = np.random.default_rng(start).random((n, 52), np.float32)
    if value is not None:
        weights[:] = value
    return FaceChunk(weights, np.zeros((n, 3), np.float32), 50, start)


def subscribed(bridge: Bridge, client: Client) -> None:
    """Publish markers until the client's subscription has reached the server."""
    for _ in range(200):
        bridge.publish_event("marker", 0)
        if client.receive(0.02) is not None:
            while client.receive(0.02) is not None:
                pass
            return
    raise AssertionError("the subscription never arrived")


@pytest.fixture
def bridge():
    with Bridge(pub_port=0, control_port=0) as bridge:
        yield bridge


@pytest.fixture
def client(bridge):
    with Client(bridge.control_endpoint) as client:
        subscribed(bridge, client)
        yield client


def test_hello_tells_names_and_streams(bridge):
    bridge.announce("robot", fps=50, audio_rate=24000)
    with Client(bridge.control_endpoint) as client:
        assert client.names == BLENDSHAPES
        info = client.streams["robot"]
        assert (info.fps, info.audio_rate, info.epoch_ns) == (50, 24000, None)
        bridge.publish_audio(AudioChunk(np.zeros(10, np.float32), 16000), Clock(5), "robot")
    with Client(bridge.control_endpoint) as client:
        assert (client.streams["robot"].audio_rate, client.streams["robot"].epoch_ns) == (16000, 5)


def test_frames_come_at_their_time_with_names_and_exact_values(bridge, client):
    chunk = face(20)
    clock = Clock(time.time_ns() + 100_000_000)
    bridge.publish_face(chunk, clock)
    lag = []
    frames = []
    for frame in client.frames(timeout=0.3):
        lag.append((time.time_ns() - frame.pts_ns) / 1e6)
        frames.append(frame)
    np.testing.assert_array_equal([f.weights for f in frames], chunk.weights)
    assert frames[3]["jawOpen"] == chunk.weights[3, BLENDSHAPES.index("jawOpen")]
    assert frames[3].as_dict()["tongueOut"] == chunk.weights[3, -1]
    assert [f.time for f in frames[:3]] == [0.0, 0.02, 0.04]
    assert min(lag) > -2
    assert np.median(lag) < 10
    with pytest.raises(KeyError, match="no blendshape 'smile'"):
        frames[0]["smile"]


def test_late_frames_are_counted_and_the_newest_is_given(bridge, client):
    bridge.publish_face(face(10), Clock(time.time_ns() - 1_000_000_000))
    frames = list(client.frames(timeout=0.2))
    assert [f.index for f in frames] == [9]
    assert client.stats.late_frames == 9


def test_an_interruption_drops_the_frames_that_wait(bridge, client):
    bridge.publish_face(face(50), Clock(time.time_ns() + 30_000_000_000))
    bridge.publish_event("interrupted", time.time_ns(), played_ns=0)
    assert list(client.frames(timeout=0.2)) == []


def test_face_and_sound_of_the_same_instant_carry_the_same_time(bridge, client):
    clock = Clock(time.time_ns())
    bridge.publish_face(face(5, start=150), clock)
    bridge.publish_audio(AudioChunk(np.linspace(-1, 1, 1600, dtype=np.float32), 16000, 3 * 16000), clock)
    (_, a), (_, b) = client.messages(timeout=0.5).__next__(), client.messages(timeout=0.5).__next__()
    assert isinstance(a, protocol.Face) and isinstance(b, protocol.Audio)
    assert a.pts_ns == b.pts_ns == clock.epoch_ns + 3_000_000_000
    np.testing.assert_array_equal(b.array(), np.linspace(-1, 1, 1600, dtype=np.float32))


def test_long_chunks_are_cut_into_bounded_messages(bridge, client):
    chunk = face(2500, start=7)
    bridge.publish_face(chunk, Clock(0))
    bridge.publish_audio(AudioChunk(np.zeros(400_000, np.float32), 48000), Clock(0))
    messages = [m for _, m in client.messages(timeout=0.5)]
    faces = [m for m in messages if isinstance(m, protocol.Face)]
    assert [(m.start, m.count) for m in faces] == [(7, 1024), (1031, 1024), (2055, 452)]
    np.testing.assert_array_equal(np.concatenate([m.arrays()[0] for m in faces]), chunk.weights)
    assert sum(m.count for m in messages if isinstance(m, protocol.Audio)) == 400_000
    assert client.stats.lost_messages == 0


def test_the_clock_offset_is_small_on_one_machine(client):
    assert abs(client.clock_offset_ns) <= max(client.clock_delay_ns, 1) < 50_000_000
    assert client.ping() < 1.0


def test_interrupt_and_style_reach_their_owner_and_errors_come_back():
    heard: list = []

    def style(stream: str, name: str) -> None:
        if name != "calm":
            raise ValueError(f"no style {name!r}, there is: calm")
        heard.append((stream, name))

    with Bridge(pub_port=0, control_port=0, on_style=style) as bridge, Client(bridge.control_endpoint) as client:
        with pytest.raises(BridgeError, match="cannot be interrupted"):
            client.interrupt()
        with pytest.raises(BridgeError, match="no stream 'default'"):
            client.set_style("calm")
        bridge.announce()
        bridge.on_interrupt = lambda stream, played_ns: (played_ns // 20_000_000, 31)
        reply = client.interrupt(played_ns=2_000_000_000)
        assert (reply.played_frames, reply.dropped_frames) == (100, 31)
        client.set_style("calm")
        assert heard == [("default", "calm")]
        with pytest.raises(BridgeError, match="no style 'loud'"):
            client.set_style("loud")
        bridge.on_interrupt = lambda stream, played_ns: 1 / 0
        with pytest.raises(BridgeError, match="ZeroDivisionError"):
            client.interrupt()
        bridge.on_interrupt = lambda stream, played_ns: ("all", None)
        with pytest.raises(BridgeError, match="ValueError"):
            client.interrupt()
        bridge.on_interrupt = lambda stream, played_ns: (np.int64(7), np.int64(1))
        assert client.interrupt().played_frames == 7
        assert client.ping() < 1.0
        assert bridge.stats.errors == 5


def test_an_owner_who_takes_his_time_keeps_no_clock_waiting():
    """While an interrupt lasts, clocks, pings and hellos are answered at once, also to who asked for it."""
    begun, release = threading.Event(), threading.Event()

    def on_interrupt(stream: str, played_ns: int) -> tuple[int, int]:
        begun.set()
        assert release.wait(5)
        return 1, 2

    with (
        Bridge(pub_port=0, control_port=0, on_interrupt=on_interrupt) as bridge,
        Client(bridge.control_endpoint) as other,
        zmq.Context() as context,
        context.socket(zmq.DEALER) as dealer,
    ):
        bridge.announce()
        dealer.connect(bridge.control_endpoint)
        dealer.send_multipart([b"interrupt", protocol.encode(protocol.Interrupt(id=1, stream="default", played_ns=-1))])
        assert begun.wait(5)
        slowest = max(other.ping() for _ in range(20))
        dealer.send_multipart([b"clock", protocol.encode(protocol.ClockAsk(id=2, t1_ns=0))])
        dealer.send_multipart([b"hello", protocol.encode(protocol.Hello(id=3))])
        first = [protocol.decode_reply(dealer.recv_multipart()) for _ in range(2) if dealer.poll(2000)]
        time.sleep(0.3)
        assert not dealer.poll(0)
        release.set()
        assert dealer.poll(2000)
        name, reply = protocol.decode_reply(dealer.recv_multipart())
    assert slowest < 0.2
    assert [(name, reply.id) for name, reply in first] == [("clock", 2), ("hello", 3)]
    assert (name, reply.id, reply.played_frames, reply.dropped_frames) == ("interrupt", 1, 1, 2)


def test_what_the_owner_does_is_answered_in_order_and_too_much_of_it_refused():
    release, done = threading.Event(), []

    def on_style(stream: str, style: str) -> None:
        assert release.wait(5)
        done.append(style)
        if style == "s3":
            raise ValueError("no s3")

    with (
        Bridge(pub_port=0, control_port=0, on_style=on_style) as bridge,
        zmq.Context() as context,
        context.socket(zmq.DEALER) as dealer,
    ):
        bridge.announce()
        dealer.connect(bridge.control_endpoint)
        asked = server_module.WAITING + 20
        for k in range(asked):
            body = protocol.encode(protocol.SetStyle(id=k, stream="default", style=f"s{k}"))
            dealer.send_multipart([b"set_style", body])
        refused = []
        while dealer.poll(500):
            refused.append(protocol.decode_reply(dealer.recv_multipart()))
        release.set()
        answered = []
        while len(answered) + len(refused) < asked and dealer.poll(2000):
            answered.append(protocol.decode_reply(dealer.recv_multipart()))
        assert bridge.stats.errors == len(refused) + 1
    assert len(refused) in (19, 20), "one is being done"
    assert all("ask again later" in reply.error for _, reply in refused)
    ids, left_out = [reply.id for _, reply in answered], [reply.id for _, reply in refused]
    assert ids == sorted(ids) and ids[: server_module.WAITING] == list(range(server_module.WAITING))
    assert sorted(ids + left_out) == list(range(asked))
    assert [name for name, _ in answered].count("error") == 1 and answered[3][1].error == "ValueError: no s3"
    assert done == [f"s{k}" for k in ids]


def test_a_bridge_that_closes_lets_its_owner_end_and_does_no_more():
    begun, done = threading.Event(), []

    def on_style(stream: str, style: str) -> None:
        begun.set()
        time.sleep(0.3)
        done.append(style)

    with zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
        dealer.linger = 0
        with Bridge(pub_port=0, control_port=0, on_style=on_style) as bridge:
            bridge.announce()
            dealer.connect(bridge.control_endpoint)
            for k in range(3):
                body = protocol.encode(protocol.SetStyle(id=k, stream="default", style=f"s{k}"))
                dealer.send_multipart([b"set_style", body])
            assert begun.wait(5)
            time.sleep(0.05)
        assert done == ["s0"]
    assert not [t for t in threading.enumerate() if t.name.startswith("toktalk-bridge")]


def test_the_hello_offers_the_styles_that_there_are():
    with Bridge(pub_port=0, control_port=0, on_style=lambda stream, style: None) as bridge:
        with Client(bridge.control_endpoint) as client:
            assert client.styles == ()
        bridge.styles = ("neutral", "warm", "x" * 300)
        with Client(bridge.control_endpoint) as client:
            assert client.styles == ("neutral", "warm"), "no other can be asked for"


def test_who_is_there_before_the_styles_learns_of_them():
    with Bridge(pub_port=0, control_port=0) as bridge, Client(bridge.control_endpoint) as client:
        bridge.styles = ("neutral", "warm")
        deadline = time.monotonic() + 5
        while client.styles != ("neutral", "warm"):
            assert time.monotonic() < deadline, "no styles"
            bridge.publish_event("styles", time.time_ns())
            for _ in client.messages(timeout=0.05):
                pass
        assert client.stats.reconnects == client.stats.errors == client.stats.lost_messages == 0


def test_a_receiver_that_stops_reading_harms_nobody(monkeypatch):
    """One reads, one sleeps: publishing stays quick, the reader gets all, the sleeper's loss is counted."""
    monkeypatch.setattr(client_module, "QUEUE", 256)
    chunk = face(200)
    with (
        Bridge(pub_port=0, control_port=0, queue=256) as bridge,
        Client(bridge.control_endpoint) as sleeper,
        Client(bridge.control_endpoint) as reader,
    ):
        subscribed(bridge, sleeper)
        subscribed(bridge, reader)
        got = []
        thread = threading.Thread(target=lambda: got.extend(m.start for _, m in reader.messages(timeout=1.0)))
        thread.start()
        slowest = 0.0
        total = 900
        for k in range(total):
            begin = time.perf_counter()
            bridge.publish_face(FaceChunk(chunk.weights, chunk.head, 50, k), Clock(0))
            slowest = max(slowest, time.perf_counter() - begin)
            if k % 10 == 0:
                time.sleep(0.01)
        thread.join()
        assert got == list(range(total))
        assert slowest < 0.5
        assert bridge.stats.stalls >= 1
        received = sum(isinstance(m, protocol.Face) for _, m in sleeper.messages(timeout=0.5))
        bridge.publish_face(face(1), Clock(0))
        assert next(sleeper.messages(timeout=2))
        assert received < total
        assert sleeper.stats.lost_messages == total - received


def test_garbage_on_either_socket_is_answered_or_counted(bridge, client):
    context = zmq.Context()
    raw = context.socket(zmq.DEALER)
    raw.connect(bridge.control_endpoint)
    for parts in ([b"x"], [b"ping", b"\xc1"], [b"nope", b"\x80"], [b"ping", b"\x80", b""], [b"\xff\xfe", bytes(1000)]):
        raw.send_multipart(parts)
        assert raw.poll(2000)
        topic, body = raw.recv_multipart()
        assert topic == b"error"
        assert protocol.decode(body, protocol.Refused).error
    raw.send_multipart([b"ping", bytes(protocol.MAX_CONTROL + 1)])  # over the limit: this connection is cut
    req = context.socket(zmq.REQ)
    req.connect(bridge.control_endpoint)
    req.send_multipart([b"ping", protocol.encode(protocol.Ping(id=9))])
    assert req.poll(2000)
    assert protocol.decode_reply(req.recv_multipart()) == ("ping", protocol.Done(id=9))
    context.destroy(linger=0)
    assert client.ping() < 1.0
    bridge._pub.send_multipart([b"face/default", b"\x93"])
    bridge.publish_face(face(1), Clock(0))
    _, message = next(client.messages(timeout=2))
    assert message.count == 1
    assert client.stats.errors == 1


def test_the_bridge_also_speaks_ipv6():
    try:
        bridge = Bridge("::1", pub_port=0, control_port=0)
    except OSError as error:
        pytest.skip(f"no IPv6 on this machine: {error}")
    with bridge, Client(bridge.control_endpoint) as client:
        assert bridge.control_endpoint.startswith("tcp://[::1]:")
        subscribed(bridge, client)


def test_nobody_at_home_is_said_within_the_time_asked():
    begin = time.monotonic()
    with pytest.raises(ConnectionError, match="is TokTalk running there"):
        Client("tcp://127.0.0.1:1", timeout=0.3)
    assert time.monotonic() - begin < 2


def test_what_cannot_be_meant_is_said_at_once():
    for wrong in ({"endpoint": "localhost"}, {"endpoint": "tcp://localhost"}, {"stream": "two words"}):
        with pytest.raises(ValueError, match="is no endpoint|stream name"):
            Client(**wrong)


def test_a_taken_port_is_named_and_closing_leaves_nothing(bridge):
    with pytest.raises(OSError, match=f"127.0.0.1:{bridge.control_port}.*another TokTalk"):
        Bridge(pub_port=0, control_port=bridge.control_port)
    ports = bridge.pub_port, bridge.control_port
    bridge.close()
    bridge.close()
    with pytest.raises(RuntimeError, match="closed"):
        bridge.publish_face(face(1), Clock(0))
    assert not [t for t in threading.enumerate() if t.name.startswith("toktalk-bridge")]
    with Bridge(pub_port=ports[0], control_port=ports[1]) as again:
        assert again.control_port == ports[1]


def test_the_example_of_the_client_runs_as_printed(capsys):
    example = textwrap.dedent(client_module.__doc__.split("\n\n", 1)[1])
    assert len([line for line in example.splitlines() if line.strip()]) <= 9
    interrupted = threading.Event()

    def on_interrupt(stream: str, played_ns: int) -> tuple[int, int]:
        interrupted.set()
        return played_ns // 20_000_000, 0

    with Bridge(pub_port=0, control_port=0, on_interrupt=on_interrupt) as bridge:
        bridge.announce(fps=50)
        done = threading.Event()

        def publish() -> None:
            clock = Clock(time.time_ns() - 10_000_000_000)
            index = 490
            while not done.is_set():
                bridge.publish_face(face(6, start=index, value=0.5), clock)
                index += 6
                time.sleep(0.05)

        thread = threading.Thread(target=publish)
        thread.start()
        try:
            exec(example.replace("tcp://127.0.0.1:5591", bridge.control_endpoint), {})
        finally:
            done.set()
            thread.join()
    printed = capsys.readouterr().out
    assert "jawOpen 0.50" in printed and "streams:" in printed
    assert interrupted.is_set()
