"""The C# client against servers that are broken or hostile: refused with a count, never a crash, never a leak."""

import os
import random
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import zmq

from tests.unity.hostile import GREETING, HostileServer, frame, message, ready
from tests.unity.mono import Peer
from toktalk_node.bridge import protocol
from toktalk_node.signals import AudioChunk, FaceChunk

pytestmark = pytest.mark.peer


def end_event(seq: int = 0) -> bytes:
    return message(b"event/default", protocol.encode(protocol.Event(seq=seq, pts_ns=0, kind="end")))


BROKEN = {
    "nothing": b"",
    "another protocol": b"HTTP/1.1 200 OK\r\n\r\n" + bytes(64),
    "ZMTP 2": b"\xff" + bytes(8) + b"\x7f\x01\x02\x00\x00" + bytes(60),
    "an unknown mechanism": GREETING.replace(b"NULL", b"GSSAPI"[:4]),
    "no READY": GREETING + message(b"event/default", b""),
    "an error": GREETING + frame(b"\x05ERROR\x04nope", 4),
    "another socket": ready(b"REP"),
    "metadata cut short": GREETING + frame(b"\x05READY\x0bSocket-Type\xff\xff\xff\xffPUB", 4),
    "a command without a name": GREETING + frame(b"", 4),
    "a name longer than its command": GREETING + frame(b"\xffREADY", 4),
    "bits that mean nothing": ready(b"PUB") + b"\xf8\x00",
    "a command with more to come": ready(b"PUB") + b"\x05\x00",
    "a frame of 16 EB": ready(b"PUB") + b"\x02" + b"\xff" * 8,
    "a frame of 5 MB": ready(b"PUB") + b"\x02" + (5 << 20).to_bytes(8, "big"),
    "parts without end": ready(b"PUB") + b"\x01\x00" * 3_000_000,
    "a ping with a context too long": ready(b"PUB") + frame(b"\x04PING\x00\x64" + bytes(17), 4),
    "half a frame": ready(b"PUB") + b"\x00\xff" + b"event/",
}


def test_servers_that_break_the_protocol_are_left_and_a_good_one_is_found(program):
    with HostileServer([*BROKEN.values(), ready(b"PUB")]) as server:
        with Peer(program, "listen", server.bridge.control_endpoint) as peer:
            server.wait(60)
            server.send(end_event())
            assert peer.expect("kind")["message"]["kind"] == "end"
            stats = peer.stats()
            assert stats["errors"] == len(BROKEN) - 2, "all but those that only close are counted"
            assert stats["memory"] < 64 << 20
            held = [os.readlink(file) for file in Path(f"/proc/{peer.pid}/fd").iterdir() if file.is_symlink()]
            assert sum(name.startswith("socket:") for name in held) < len(BROKEN) / 2, "those that were left are closed"
            assert psutil.Process(peer.pid).num_threads() < 30


def test_heartbeats_are_answered_and_subscriptions_follow_the_version(program):
    newer = ready(b"XPUB") + frame(b"\x04PING\x00\x64abc", 4)
    older = ready(b"PUB").replace(b"\x03\x01", b"\x03\x00")
    with HostileServer([newer, older]) as server:
        with Peer(program, "listen", server.bridge.control_endpoint, "robot"):
            server.wait(10)
        to_newer, to_older = server.received
    assert frame(b"\x04PONGabc", 4) in to_newer
    assert frame(b"\x09SUBSCRIBEface/robot", 4) in to_newer
    assert frame(b"\x01audio/robot") in to_older and b"SUBSCRIBE" not in to_older and b"PING" not in to_older


def test_a_frame_in_many_pieces_and_commands_between_parts_are_read(program):
    with HostileServer([ready(b"PUB")]) as server, Peer(program, "listen", server.bridge.control_endpoint) as peer:
        server.wait(10)
        event = protocol.encode(protocol.Event(seq=0, pts_ns=0, kind="end"))
        data = frame(b"event/default", 1) + frame(b"\x04PING\x00\x64", 4) + frame(event)
        for k in range(len(data)):
            server.send(data[k : k + 1])
            time.sleep(0.002)
        assert peer.expect("kind")["message"]["kind"] == "end"


def test_a_server_that_falls_silent_is_left(program):
    """ZMTP 3.1 heartbeats: a peer that answers none for six seconds is taken for gone."""
    with HostileServer([ready(b"PUB")]) as server, Peer(program, "listen", server.bridge.control_endpoint) as peer:
        server.wait(10)
        peer.expect("hello")
        for _ in range(60):
            if "no sign of life" in (stats := peer.stats())["problem"]:
                return
            time.sleep(0.2)
        raise AssertionError(stats)


def test_noise_and_damaged_messages_never_stop_the_client(program):
    rng = random.Random(4)
    chunk = FaceChunk(np.random.default_rng(0).random((3, 52), np.float32), np.zeros((3, 3), np.float32), 50)
    good = [
        (b"face/default", protocol.encode(protocol.face_message(chunk, 10**18))),
        (b"audio/default", protocol.encode(protocol.audio_message(AudioChunk(np.zeros(64, np.float32), 16000), 0))),
        (b"event/default", protocol.encode(protocol.Event(seq=0, pts_ns=0, kind="start", data={"text": "hi"}))),
    ]
    with HostileServer([ready(b"PUB")]) as server, Peer(program, "listen", server.bridge.control_endpoint) as peer:
        server.wait(10)
        for k in range(3000):
            topic, body = (bytearray(part) for part in good[k % 3])
            target = topic if rng.random() < 0.2 else body
            for _ in range(rng.randint(1, 4)):
                target[rng.randrange(len(target))] = rng.randrange(256)
            if rng.random() < 0.3:
                del target[rng.randrange(len(target)) :]
            server.send(message(bytes(topic), bytes(body)))
        server.send(message(*(rng.randbytes(rng.randrange(40)) for _ in range(5))))
        server.send(end_event(10**6))
        for line in peer.lines(10):
            if line.get("message", {}).get("seq") == 10**6:
                break
        else:
            raise AssertionError("the last message never came")
        stats = peer.stats()
        assert stats["errors"] > 1000 and stats["reconnects"] == 0
        assert stats["memory"] < 64 << 20


@pytest.mark.parametrize(
    "kind", ["noise", "the wrong reply", "another version", "names without end", "a refusal", "silence"]
)
def test_a_control_socket_that_answers_wrongly_is_said_and_asked_again(program, kind):
    rng = random.Random(1)
    context = zmq.Context()
    router = context.socket(zmq.ROUTER)
    port = router.bind_to_random_port("tcp://127.0.0.1")
    try:
        with Peer(program, "listen", f"tcp://127.0.0.1:{port}") as peer:
            for _ in range(2):
                assert router.poll(10_000), "the client asks again"
                sender, topic, _body = router.recv_multipart()
                assert topic == b"hello"
                if kind == "noise":
                    for _ in range(50):
                        router.send_multipart(
                            [sender, *(rng.randbytes(rng.randrange(60)) for _ in range(rng.randrange(1, 4)))]
                        )
                elif kind == "the wrong reply":
                    router.send_multipart([sender, b"ping", protocol.encode(protocol.Done(id=1))])
                elif kind == "another version":
                    router.send_multipart([sender, b"hello", b"\x82\xa1v\x02\xa2id\x01"])
                elif kind == "names without end":
                    router.send_multipart([sender, b"hello", b"\x83\xa1v\x01\xa2id\x01\xa5names\xdd\x7f\xff\xff\xff"])
                elif kind == "a refusal":
                    refused = protocol.Refused(id=0, error="message of version 1, this side speaks 2")
                    router.send_multipart([sender, b"error", protocol.encode(refused)])
            stats = peer.stats()
            said = {"a refusal": "this side speaks 2", "another version": "this side speaks 1: update the older one"}
            assert said.get(kind, "") in stats["problem"]
            assert stats["state"] == "Searching" and stats["memory"] < 64 << 20
            assert stats["errors"] >= (0 if kind == "silence" else 1)
    finally:
        context.destroy(linger=0)
