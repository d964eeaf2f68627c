"""Senders and loudspeakers beside a bridge that means harm: what is bad is counted, what is good goes on."""

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from tests.bridge.test_fuzz import BODIES, MB, REFUSED, Hostile
from tests.bridge.udp_peer import Receiver
from tests.speech.pulse import PulseServer, available
from toktalk_node.bridge import protocol
from toktalk_node.bridge.address import Address
from toktalk_node.bridge.livelink_udp import LiveLink
from toktalk_node.bridge.udp import MAX_SUBJECTS, UdpSender
from toktalk_node.bridge.vmc import Vmc
from toktalk_node.signals import AudioChunk, FaceChunk

RATE = 24_000
BAD = [[bytes.fromhex(part) for part in case["parts"]] for case in REFUSED if case["socket"] == "pub"]
BAD = [parts for parts in BAD if parts[0].startswith((b"face/", b"audio/", b"event/"))]
EXTREMES = (2**62, -(2**62), 2**63 - 1, -(2**63), 0)


def storm(seed: int, count: int) -> Iterator[list[bytes]]:
    """Messages that no bridge sends: refused ones, damaged ones, and good ones of impossible times and streams."""
    chance = random.Random(seed)
    published = [(topic, body) for topic, body in BODIES if b"/" in topic]
    for k in range(count):
        yield chance.choice(BAD)
        topic, body = chance.choice(published)
        changed = bytearray(body)
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
        yield [topic, bytes(changed[: chance.randrange(len(changed) + 1)])]
        pts_ns, start = chance.choice(EXTREMES), chance.choice(EXTREMES)
        stream = f"stranger-{k}" if chance.random() < 0.5 else "default"
        frames, fps = chance.randrange(4), 1 + chance.randrange(1000)
        face = FaceChunk(np.full((frames, 52), 2.0), np.full((frames, 3), 9.0), fps, start)
        yield [f"face/{stream}".encode(), protocol.encode(protocol.face_message(face, pts_ns))]
        rate = chance.choice((1000, 16_000, RATE, 384_000))
        sound = AudioChunk(np.full(chance.randrange(2000), 5.0, np.float32), rate, start)
        yield [f"audio/{stream}".encode(), protocol.encode(protocol.audio_message(sound, pts_ns))]
        event = protocol.Event(seq=0, pts_ns=pts_ns, kind=chance.choice(("interrupted", "gone", "start", "end")))
        yield [f"event/{stream}".encode(), protocol.encode(event)]


@pytest.mark.parametrize("encoder", [LiveLink(), Vmc()], ids=["livelink", "vmc"])
def test_a_sender_refuses_what_is_bad_with_a_count_and_sends_what_is_good(encoder):
    process = psutil.Process()
    with Hostile() as hostile, Receiver() as receiver:
        address = Address("127.0.0.1", receiver.port)
        with UdpSender(f"tcp://127.0.0.1:{hostile.port}", address, encoder) as sender:

            def shown() -> bool:
                """Whether a good face, published now, is sent within a few seconds."""
                before, deadline = sender.stats.frames, time.monotonic() + 5
                while sender.stats.frames == before and time.monotonic() < deadline:
                    hostile.publish(hostile.good(time.time_ns()))
                    time.sleep(0.02)
                return sender.stats.frames > before

            assert shown()
            for parts in storm(0, 150):
                hostile.publish(parts)
            assert shown()
            memory, threads = process.memory_info().rss, process.num_threads()
            for parts in storm(1, 400):
                hostile.publish(parts)
            hostile.junk = [[b"clock", b"\xc1"], [b"nope", b""], [b"x"]] * 20
            assert shown()
            hostile.junk = []
            assert shown()
            assert sender.stats.errors > 500
            assert len(sender.subjects) <= MAX_SUBJECTS
            assert process.memory_info().rss - memory < 20 * MB and process.num_threads() <= threads
            packets = receiver.listen(0.5)
    assert packets and all(len(packet) < 4096 for _, packet in packets)


CHILD = """
import json, sys
from toktalk_node.bridge.speaker import Speaker
with Speaker(sys.argv[1]) as speaker:
    print("ready", flush=True)
    for _ in sys.stdin:
        print(json.dumps(vars(speaker.stats)), flush=True)
"""


@pytest.mark.peer
@pytest.mark.skipif(not available(), reason="needs pulseaudio, pulseaudio-utils and libasound2-plugins")
def test_a_speaker_refuses_what_is_bad_with_a_count_and_plays_what_is_good(tmp_path: Path):
    tone = (0.1 * np.sin(np.arange(RATE // 10) * 0.1)).astype(np.float32)
    with PulseServer(tmp_path) as pulse, Hostile() as hostile:
        command = [sys.executable, "-c", CHILD, f"tcp://127.0.0.1:{hostile.port}"]
        with subprocess.Popen(
            command, env=pulse.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as child:

            def stats() -> dict[str, int]:
                child.stdin.write("\n")
                child.stdin.flush()
                return json.loads(child.stdout.readline())

            def heard() -> bool:
                """Whether good sound, published now, is played within some seconds."""
                before, deadline = stats()["samples"], time.monotonic() + 30
                while stats()["samples"] == before and time.monotonic() < deadline:
                    sound = protocol.audio_message(AudioChunk(tone, RATE), time.time_ns() + 300_000_000)
                    hostile.publish([b"audio/good", protocol.encode(sound)])
                    time.sleep(0.1)
                return stats()["samples"] > before

            try:
                child.stdout.readline()
                assert heard()
                for parts in storm(2, 100):
                    hostile.publish(parts)
                assert heard()
                memory = psutil.Process(child.pid).memory_info().rss
                for parts in storm(3, 300):
                    hostile.publish(parts)
                assert heard()
                figures, grown = stats(), psutil.Process(child.pid).memory_info().rss - memory
            finally:
                child.stdin.close()
            assert child.wait(20) == 0, child.stderr.read()[-2000:]
            complaints = child.stderr.read()
    assert figures["errors"] > 300 and grown < 40 * MB
    assert "Traceback" not in complaints, complaints[-2000:]
