"""Joining late, streams that come and go, and bridges and receivers that die and come back, over real sockets."""

import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import zmq

from toktalk_node.bridge import protocol
from toktalk_node.bridge.client import Client
from toktalk_node.bridge.replay import replay
from toktalk_node.bridge.server import Bridge
from toktalk_node.face.arkit import BLENDSHAPES
from toktalk_node.signals import AudioChunk, Clock, FaceChunk


def face(n: int, start: int = 0, value: float = 0.5) -> FaceChunk:
    return FaceChunk(np.full((n, 52), value, np.float32), np.full((n, 3), 0.25, np.float32), 50, start)


def joined(bridge: Bridge, client: Client) -> None:
    """Publish markers until one arrives, and read them all: the subscription is there."""
    for _ in range(200):
        bridge.publish_event("marker", 0)
        if list(client.messages(timeout=0.05)):
            return
    raise AssertionError("the subscription never arrived")


class Publisher:
    """Frames in real time on fixed ports, in a thread, until closed: a bridge that one may kill and start again."""

    def __init__(self, pub_port: int = 0, control_port: int = 0, value: float = 0.5) -> None:
        self.bridge = Bridge(pub_port=pub_port, control_port=control_port)
        self._value, self._done = value, threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        clock, k = Clock(time.time_ns() + 50_000_000), 0
        while not self._done.wait(0.02):
            self.bridge.publish_face(face(1, k, self._value), clock)
            k += 1

    def close(self) -> None:
        self._done.set()
        self._thread.join()
        self.bridge.close()


def test_a_late_joiner_learns_style_speech_epoch_and_face():
    with Bridge(pub_port=0, control_port=0, on_style=lambda stream, style: None) as bridge:
        clock = Clock(time.time_ns())
        bridge.announce("robot", fps=50, audio_rate=16000)
        bridge.publish_event("start", clock.epoch_ns, text="hello")
        bridge.publish_audio(AudioChunk(np.zeros(320, np.float32), 16000), clock)
        bridge.publish_face(face(10), clock)
        with Client(bridge.control_endpoint) as early:
            early.set_style("calm")
        with Client(bridge.control_endpoint) as client:
            info = client.streams["default"]
            assert (info.speaking, info.style, info.epoch_ns) == (True, "calm", clock.epoch_ns)
            assert (info.face.start, info.face.pts_ns) == (9, clock.pts_ns(9, 50))
            assert info.face.arrays()[0].tolist() == [[0.5] * 52]
            assert client.streams["robot"].face is protocol.UNSET
        bridge.publish_event("interrupted", clock.pts_ns(5, 50))
        bridge.publish_event("style", 0, detail="warm")
        with Client(bridge.control_endpoint) as client:
            info = client.streams["default"]
            assert (info.speaking, info.style, info.face) == (False, "warm", protocol.UNSET)


def test_a_late_joiner_is_given_the_newest_face_once_and_then_what_is_live():
    with Bridge(pub_port=0, control_port=0) as bridge:
        clock = Clock(time.time_ns() - 10_000_000_000)
        bridge.publish_face(face(10, value=0.25), clock)
        bridge.publish_face(face(10, value=0.75), clock, "robot")
        with Client(bridge.control_endpoint) as client:
            still = list(client.frames(timeout=0.2))
            assert {(f.stream, f.index, f["jawOpen"], f.live) for f in still} == {
                ("default", 9, 0.25, False),
                ("robot", 9, 0.75, False),
            }
            assert len(still) == 2 and client.stats.late_frames == 0
            joined(bridge, client)
            bridge.publish_face(face(1, 600), clock)
            assert [(f.index, f.live) for f in client.frames(timeout=0.2)] == [(600, True)]
            assert list(client.frames(timeout=0.1)) == [], "what was given is not given again"
        with Client(bridge.control_endpoint, stream="robot") as client:
            assert [(f.stream, f.live) for f in client.frames(timeout=0.1)] == [("robot", False)]
        bridge.publish_event("interrupted", clock.epoch_ns)
        bridge.remove("robot")
        with Client(bridge.control_endpoint) as client:
            assert list(client.frames(timeout=0.1)) == [], "what is void is no face"


def test_joining_in_mid_speech_gives_frames_in_time_at_once():
    seconds = 2.0
    sound = AudioChunk(np.zeros(round(16000 * seconds), np.float32), 16000)
    with Bridge(pub_port=0, control_port=0) as bridge:
        thread = threading.Thread(target=replay, args=(bridge, face(round(50 * seconds)), sound))
        thread.start()
        time.sleep(0.8)
        with Client(bridge.control_endpoint) as client:
            assert client.streams["default"].speaking
            frames = list(client.frames(timeout=0.5))
        thread.join()
    assert 0.6 < frames[0].time < 1.6
    assert [b.index - a.index for a, b in zip(frames[1:], frames[2:], strict=False)].count(1) > 10
    assert frames[-1].index == 99


def test_streams_that_appear_later_are_announced_and_those_that_go_are_forgotten():
    with Bridge(pub_port=0, control_port=0) as bridge, Client(bridge.control_endpoint) as client:
        joined(bridge, client)
        bridge.announce("robot", fps=60, audio_rate=24000, style="calm")
        stream, event = next(client.messages(timeout=1))
        assert (stream, event.kind, event.data) == (
            "robot",
            "stream",
            {"fps": 60, "audio_rate": 24000, "style": "calm"},
        )
        assert set(client.streams) == {"default", "robot"}
        bridge.publish_face(face(1), Clock(0), "robot")
        bridge.remove("robot")
        assert [message.seq for _, message in client.messages(timeout=0.3)] == [0, 1]
        assert set(client.streams) == {"default"}
        bridge.announce("robot")
        assert next(client.messages(timeout=1))[1].seq == 0
        assert client.stats.lost_messages == 0
        with pytest.raises(protocol.ProtocolError, match="at most 256"):
            for k in range(protocol.MAX_STREAMS):
                bridge.announce(f"s{k}")


def test_a_hello_of_every_stream_that_there_may_be_is_taken():
    with Bridge(pub_port=0, control_port=0) as bridge:
        for k in range(protocol.MAX_STREAMS):
            bridge.publish_face(face(1), Clock(0), f"speaker-{k}" + "x" * 50)
        with Client(bridge.control_endpoint) as client:
            assert len(client.streams) == protocol.MAX_STREAMS


def test_one_stream_is_not_taken_for_another_that_begins_alike():
    with Bridge(pub_port=0, control_port=0) as bridge, Client(bridge.control_endpoint, stream="robot") as client:
        for _ in range(20):
            bridge.publish_face(face(1), Clock(0), "robot2")
            bridge.publish_face(face(1), Clock(0), "robot")
            time.sleep(0.01)
        got = [stream for stream, _ in client.messages(timeout=0.3)]
        assert set(got) == {"robot"}


def test_a_bridge_that_dies_and_comes_back_is_found_with_its_new_ports_streams_and_numbers():
    """The second run has another PUB port, other numbers and another face; the frames simply go on."""
    first = Publisher(value=0.25)
    with Client(first.bridge.control_endpoint) as client:
        seen = []
        frames = client.frames()
        while len(seen) < 10:
            seen.append(next(frames))
        control_port, old_pub = first.bridge.control_port, first.bridge.pub_port
        first.close()
        for frame in client.frames(timeout=0.3):
            assert frame["jawOpen"] == 0.25
        assert not client.connected
        with pytest.raises(ConnectionError):
            client._timeout = 0.2
            client.interrupt()
        client._timeout = 3.0
        second = Publisher(control_port=control_port, value=0.75)
        try:
            assert second.bridge.pub_port != old_pub
            begin = time.monotonic()
            frame = next(frame for frame in client.frames(timeout=10) if frame["jawOpen"] == 0.75)
            assert time.monotonic() - begin < 3
            assert abs(client.now_ns() - frame.pts_ns) < 100_000_000
            assert client.connected and client.stats.reconnects == 1
            assert client.stats.lost_messages == 0
            assert client.ping() < 1
            assert second.bridge.stats.errors == 0, "the interrupt of before was not done afterwards"
        finally:
            second.close()


def test_a_receiver_that_is_killed_comes_back_and_the_bridge_keeps_nothing_of_it():
    publisher = Publisher()
    try:
        script = f"""
from toktalk_node.bridge.client import Client
with Client({publisher.bridge.control_endpoint!r}) as client:
    for frame in client:
        print(frame.index, flush=True)
"""
        last = -1
        for _ in range(2):
            receiver = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
            numbers = [int(receiver.stdout.readline()) for _ in range(5)]
            receiver.send_signal(signal.SIGKILL)
            receiver.wait()
            receiver.stdout.close()
            assert numbers[0] > last and numbers == sorted(numbers)
            last = numbers[-1]
        assert publisher.bridge.stats.stalls == 0
    finally:
        publisher.close()


def test_another_run_is_noticed_behind_a_relay_that_keeps_the_connection():
    """A client whose TCP peer stays (a relay, a web server) sees a new run by the id in the clock's reply."""
    context = zmq.Context()
    router, pub = context.socket(zmq.ROUTER), context.socket(zmq.PUB)
    port, pub_port = router.bind_to_random_port("tcp://127.0.0.1"), pub.bind_to_random_port("tcp://127.0.0.1")
    run, hellos, done = ["first"], [], threading.Event()

    def serve() -> None:
        while not done.is_set():
            if not router.poll(20):
                continue
            identity, topic, body = router.recv_multipart()
            name, request = protocol.decode_request([topic, body])
            now = time.time_ns()
            if name == "hello":
                hellos.append(run[0])
                reply = protocol.HelloReply(id=request.id, names=list(BLENDSHAPES[:2]), head=["a", "b", "c"],
                                            streams=[], pub_port=pub_port, bridge=run[0])  # fmt: skip
            else:
                reply = protocol.ClockReply(id=request.id, t1_ns=request.t1_ns, t2_ns=now, t3_ns=now, bridge=run[0])
            router.send_multipart([identity, topic, protocol.encode(reply)])

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with Client(f"tcp://127.0.0.1:{port}") as client:
            run[0] = "second"
            for _ in client.messages(timeout=0.5):
                pass
            assert hellos == ["first", "second"]
    finally:
        done.set()
        thread.join()
        context.destroy(linger=0)
