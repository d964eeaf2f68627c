"""Garbage at every socket: refused with a count, and the other side goes on as before."""

import contextlib
import json
import random
import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import psutil
import pytest
import zmq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from toktalk_node.bridge import keys, protocol
from toktalk_node.bridge.client import Client
from toktalk_node.bridge.playout import Playout
from toktalk_node.bridge.server import Bridge
from toktalk_node.face.arkit import BLENDSHAPES, HEAD
from toktalk_node.signals import Clock, FaceChunk

GOLDEN = Path(__file__).parent / "golden"
REFUSED = json.loads((GOLDEN / "refused.json").read_text())
BODIES = [(case["topic"].encode(), (GOLDEN / case["file"]).read_bytes())
          for case in json.loads((GOLDEN / "golden.json").read_text())]  # fmt: skip
FACE = FaceChunk(np.full((1, 52), 0.5, np.float32), np.zeros((1, 3), np.float32), 50)
GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
MB = 1 << 20

scalars = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=40) | st.binary()
)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)
fields = st.sampled_from(["v", "id", "stream", "style", "played_ns", "t1_ns", "client", "seq", "pts_ns", "fps", "start",
                          "count", "width", "weights", "head", "rate", "samples", "kind", "data"])  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn) -> list[bytes]:
    """A good message with bytes changed, cut, added, or with other values in its fields; or nothing of the kind."""
    topic, body = draw(st.sampled_from(BODIES))
    what = draw(st.sampled_from(["bytes", "cut", "fields", "msgpack", "noise", "parts"]))
    if what == "bytes":
        changed = bytearray(body)
        for _ in range(draw(st.integers(1, 4))):
            changed[draw(st.integers(0, len(body) - 1))] = draw(st.integers(0, 255))
        return [topic, bytes(changed)]
    if what == "cut":
        return [topic, body[: draw(st.integers(0, len(body) - 1))]]
    if what == "fields":
        other = draw(st.dictionaries(fields, anything, min_size=1, max_size=3))
        return [topic, msgspec.msgpack.encode(msgspec.msgpack.decode(body) | other)]
    if what == "msgpack":
        return [topic, msgspec.msgpack.encode(draw(anything))]
    if what == "noise":
        return [draw(st.binary(max_size=80)), draw(st.binary(max_size=300))]
    return draw(st.lists(st.binary(max_size=20), min_size=1, max_size=6))


@pytest.fixture(scope="module", params=["plain", "encrypted"])
def served(request, tmp_path_factory) -> Iterator[tuple[Bridge, Path | None]]:
    """(a bridge, the keys of a receiver)."""
    mine = None
    if request.param == "encrypted":
        folder = tmp_path_factory.mktemp("keys")
        keys.create_bridge(folder / "bridge.json")
        keys.add_client(folder / "bridge.json", "me", folder / "me.json")
        mine = folder / "me.json"
    with Bridge(pub_port=0, control_port=0, keys=mine and folder / "bridge.json") as bridge:
        yield bridge, mine


@pytest.fixture(scope="module")
def dealer(served) -> Iterator[zmq.Socket]:
    """A receiver's bare control socket."""
    bridge, mine = served
    context = zmq.Context()
    dealer = context.socket(zmq.DEALER)
    if mine:
        keys.load(mine, keys.ClientKeys).apply(dealer)
    dealer.connect(bridge.control_endpoint)
    yield dealer
    context.destroy(linger=0)


def still_well(bridge: Bridge, mine: Path | None) -> None:
    """A new receiver is answered at once and gets what is published."""
    with Client(bridge.control_endpoint, keys=mine) as client:
        assert client.ping() < 2.0
        for _ in range(200):
            bridge.publish_face(FACE, Clock(time.time_ns()))
            if client.receive(0.02):
                return
    raise AssertionError("nothing is published any more")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=damaged())
def test_every_request_is_answered_and_every_bad_one_counted(served, dealer, parts):
    bridge, _ = served
    before = bridge.stats.errors
    dealer.send_multipart(parts)
    assert dealer.poll(3000), parts
    topic, body = dealer.recv_multipart()[-2:]
    if topic == b"error":
        assert protocol.decode(body, protocol.Refused).error
    assert bridge.stats.errors - before == (topic == b"error")


def test_golden_refusals_and_many_parts_and_large_ones_leave_the_bridge_well(served, dealer):
    bridge, mine = served
    for case in (case for case in REFUSED if case["socket"] == "request"):
        dealer.send_multipart([bytes.fromhex(part) for part in case["parts"]])
        assert dealer.poll(3000)
        assert dealer.recv_multipart()[0] == b"error", case["why"]
    dealer.send_multipart([b"ping"] + [b"x"] * 20_000)
    assert dealer.poll(3000)
    assert b"20001 parts" in dealer.recv_multipart()[1]
    dealer.send_multipart([b"ping", bytes(protocol.MAX_CONTROL + 1)])
    still_well(bridge, mine)


def raw(seed: int) -> bytes:
    """What somebody sends who does not speak ZeroMQ, or speaks it in order to harm."""
    chance = random.Random(seed)
    noise = chance.randbytes(chance.randrange(1, 3000))
    ready = b"\x04\x1c\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER"
    return chance.choice([
        noise,
        b"GET / HTTP/1.1\r\nHost: toktalk\r\n\r\n",
        GREETING[: chance.randrange(1, 64)],
        GREETING + noise,
        GREETING.replace(b"NULL", b"PLAIN") + noise,
        GREETING + ready + noise,
        GREETING + ready + b"\x02" + struct.pack(">Q", 2**62) + noise,
        GREETING + ready + b"\x06" + struct.pack(">Q", 2**40) + noise,
        GREETING + b"\x04\xff" + bytes(255),
        GREETING + ready.replace(b"DEALER", b"SUB\0\0\0") + b"\x00\x7f" + noise,
        b"\xff" + bytes(8) + b"\x7f\x01",
    ])  # fmt: skip


def test_strangers_at_both_ports_are_cut_counted_and_leave_no_memory_behind(served):
    bridge, mine = served
    process = psutil.Process()

    def storm(first: int, count: int) -> None:
        for seed in range(first, first + count):
            for port in (bridge.pub_port, bridge.control_port):
                with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
                    with contextlib.suppress(OSError):
                        connection.sendall(raw(seed))
                        if seed % 3 == 0:
                            connection.settimeout(0.02)
                            while connection.recv(4096):
                                pass

    storm(0, 100)
    still_well(bridge, mine)
    before, threads = process.memory_info().rss, process.num_threads()
    storm(100, 300)
    still_well(bridge, mine)
    assert process.memory_info().rss - before < 20 * MB
    assert process.num_threads() <= threads + 1
    assert bridge.stats.refused > 100


def test_a_million_bytes_of_subscriptions_and_nonsense_at_pub_harm_no_other_receiver(served):
    bridge, mine = served
    context = zmq.Context()
    subscriber = context.socket(zmq.XSUB)
    if mine:
        keys.load(mine, keys.ClientKeys).apply(subscriber)
    subscriber.connect(f"tcp://127.0.0.1:{bridge.pub_port}")
    for k in range(3000):
        subscriber.send(b"\x01" + random.Random(k).randbytes(300))
        subscriber.send(random.Random(-k).randbytes(20))
    subscriber.send(b"\x01" + bytes(5000))
    still_well(bridge, mine)
    context.destroy(linger=0)
    still_well(bridge, mine)


class Hostile:
    """A bridge that answers properly when it likes, and publishes whatever it is given."""

    def __init__(self) -> None:
        self.context = zmq.Context()
        self.context.setsockopt(zmq.LINGER, 0)
        self.router, self.pub = self.context.socket(zmq.ROUTER), self.context.socket(zmq.PUB)
        self.port = self.router.bind_to_random_port("tcp://127.0.0.1")
        self.pub_port = self.pub.bind_to_random_port("tcp://127.0.0.1")
        self.pub.setsockopt(zmq.SNDHWM, 100_000)
        self.answers = True
        self.junk: list[list[bytes]] = []
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while not self._done.is_set():
            if not self.router.poll(20):
                continue
            identity, topic, body = self.router.recv_multipart()
            name, request = protocol.decode_request([topic, body])
            for parts in self.junk:
                self.router.send_multipart([identity, *parts])
            if not self.answers:
                continue
            self.router.send_multipart([identity, topic, protocol.encode(self._reply(name, request))])

    def _reply(self, name: str, request: protocol.Request) -> protocol.Request:
        now = time.time_ns()
        if name == "hello":
            names, head = list(BLENDSHAPES), list(HEAD)
            return protocol.HelloReply(id=request.id, names=names, head=head, streams=[], pub_port=self.pub_port)
        if name == "clock":
            return protocol.ClockReply(id=request.id, t1_ns=request.t1_ns, t2_ns=now, t3_ns=now)
        return protocol.Done(id=request.id)

    def publish(self, parts: list[bytes]) -> None:
        self.pub.send_multipart(parts)

    def good(self, pts_ns: int = 0) -> list[bytes]:
        return [b"face/default", protocol.encode(protocol.face_message(FACE, pts_ns))]

    def __enter__(self) -> "Hostile":
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self.context.destroy(linger=0)


@pytest.fixture(scope="module")
def hostile() -> Iterator[Hostile]:
    with Hostile() as hostile:
        yield hostile


@pytest.fixture(scope="module")
def victim(hostile) -> Iterator[Client]:
    with Client(f"tcp://127.0.0.1:{hostile.port}") as client:
        for _ in range(200):
            hostile.publish(hostile.good())
            if client.receive(0.02):
                break
        while client.receive(0.1):
            pass
        yield client


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=damaged())
def test_a_client_counts_what_is_bad_and_takes_what_is_good_behind_it(hostile, victim, parts):
    errors, seen = victim.stats.errors, victim.stats.messages
    hostile.publish(parts)
    hostile.publish(hostile.good(pts_ns=7))
    while (item := victim.receive(2.0)) and item[1].pts_ns != 7:
        pass
    assert item is not None
    subscribed = parts[0].startswith((b"face/", b"audio/", b"event/"))
    assert (victim.stats.errors - errors) + (victim.stats.messages - seen) == 1 + subscribed


def test_a_client_refuses_all_that_golden_refuses(hostile, victim):
    for case in REFUSED:
        errors, parts = victim.stats.errors, [bytes.fromhex(part) for part in case["parts"]]
        if case["socket"] == "reply":
            hostile.junk = [parts]
            assert victim.ping() < 2.0
            hostile.junk = []
            assert victim.stats.errors == errors + 1, case["why"]
        elif parts[0].startswith((b"face/", b"audio/", b"event/")):
            hostile.publish(parts)
            hostile.publish(hostile.good())
            assert victim.receive(2.0)
            assert victim.stats.errors == errors + 1, case["why"]


def test_a_client_keeps_its_memory_and_its_time_whatever_it_is_sent():
    """Names without end, times far ahead, faces that never come due, replies that nobody asked for."""
    process = psutil.Process()
    far = protocol.face_message(FaceChunk(np.zeros((1024, 52), np.float32), np.zeros((1024, 3), np.float32), 1), 0)
    with Hostile() as hostile, Client(f"tcp://127.0.0.1:{hostile.port}") as client:
        playout = Playout(client.stats)

        def storm(first: int, count: int) -> None:
            for k in range(first, first + count):
                face = protocol.face_message(FACE, 2**62)
                hostile.publish([f"face/stranger-{k}".encode(), protocol.encode(face)])
                far.pts_ns = time.time_ns() + 10**9
                hostile.publish([b"face/default", protocol.encode(far)])
                if k % 20 == 19:
                    while item := client.receive(0.1):
                        playout.add(*item, client.names, client.now_ns())

        storm(0, 200)
        before = process.memory_info().rss
        storm(200, 200)
        assert process.memory_info().rss - before < 10 * MB
        assert len(client.streams) <= protocol.MAX_STREAMS
        assert client.stats.errors > 100
        begin = time.monotonic()
        list(client.messages(timeout=0.2))
        for _ in client.frames(timeout=0.2):
            break
        assert time.monotonic() - begin < 10
        hostile.junk = [[b"clock", b"\xc1"], [b"nope", b""], [b"x"]] * 20
        assert client.ping() < 3
        hostile.junk = []


def test_a_bridge_that_never_answers_or_answers_nonsense_is_left_in_time():
    with Hostile() as mute:
        mute.answers = False
        for junk in ([], [[b"hello", msgspec.msgpack.encode({"v": 2, "id": 1})]] * 3):
            mute.junk = junk
            begin = time.monotonic()
            with pytest.raises((ConnectionError, protocol.ProtocolError)):
                Client(f"tcp://127.0.0.1:{mute.port}", timeout=0.4)
            assert time.monotonic() - begin < 3


@pytest.mark.parametrize("says", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", GREETING, GREETING + b"\x02" + b"\x7f" * 8])
def test_a_port_of_something_else_is_left_in_time(says):
    door = socket.create_server(("127.0.0.1", 0))
    done = threading.Event()

    def serve() -> None:
        door.settimeout(0.1)
        open_ends = []
        while not done.is_set():
            with contextlib.suppress(OSError):
                end = door.accept()[0]
                open_ends.append(end)
                end.sendall(says)
        for end in open_ends:
            end.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with pytest.raises(ConnectionError):
            Client(f"tcp://127.0.0.1:{door.getsockname()[1]}", timeout=0.4)
    finally:
        done.set()
        thread.join()
        door.close()
