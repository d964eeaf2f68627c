"""What senders by UDP cost and how true they are: ``python tests/bridge/measure_udp.py [STREAMS] [SECONDS] [FPS]``.

A process publishes faces and sound of STREAMS speakers (default 10, 20 s, 60 fps), a second one sends them, and this
one receives. Prints a JSON line for each kind of packet: packets per second, the sending process's share of one
processor, and milliseconds from a frame's presentation time to the arrival of its last packet.
"""

import json
import multiprocessing
import selectors
import socket
import struct
import sys
import time

import numpy as np
import psutil

from toktalk_node.bridge.address import Address
from toktalk_node.bridge.livelink_udp import LiveLink
from toktalk_node.bridge.server import Bridge
from toktalk_node.bridge.udp import Encoder, UdpSender
from toktalk_node.bridge.vmc import Vmc
from toktalk_node.face.arkit import BLENDSHAPES, INDEX
from toktalk_node.signals import AudioChunk, Clock, FaceChunk

CHUNK, LEAD, RATE = 0.1, 0.1, 24_000
STEP = 1 / 16384
"""jawOpen of frame k is k times this, exact in float32: that names the frame in whatever packet it travels."""
LAST_VMC = b"/VMC/Ext/Blend/Apply"


def publish(streams: int, seconds: float, fps: int, told: "multiprocessing.Queue[int]") -> None:
    with Bridge(pub_port=0, control_port=0) as bridge:
        for stream in range(streams):
            bridge.announce(f"s{stream}", fps=fps, audio_rate=RATE)
        told.put(bridge.control_port)
        time.sleep(3.0)
        clock = Clock(time.time_ns() + 500_000_000)
        told.put(clock.epoch_ns)
        frames, samples = round(CHUNK * fps), round(CHUNK * RATE)
        for chunk in range(round(seconds / CHUNK)):
            start = chunk * frames
            weights = np.zeros((frames, len(BLENDSHAPES)), np.float32)
            weights[:, INDEX["jawOpen"]] = (start + np.arange(frames)) * STEP
            face = FaceChunk(weights, np.zeros((frames, 3), np.float32), fps, start)
            sound = AudioChunk(np.zeros(samples, np.float32), RATE, chunk * samples)
            time.sleep(max(clock.pts_ns(start, fps) / 1e9 - LEAD - time.time(), 0.0))
            for stream in range(streams):
                bridge.publish_face(face, clock, f"s{stream}")
                bridge.publish_audio(sound, clock, f"s{stream}")
        time.sleep(1.5)


def send(kind: str, streams: int, port: int, ports: list[int]) -> None:
    """All streams to one port as subjects, or each to an avatar's own."""
    bridge = f"tcp://127.0.0.1:{port}"
    targets: list[tuple[Encoder, int, str | None]] = [(LiveLink(), ports[0], None)]
    if kind == "vmc":
        targets = [(Vmc(), ports[stream], f"s{stream}") for stream in range(streams)]
    senders = [UdpSender(bridge, Address("127.0.0.1", to), what, stream=stream) for what, to, stream in targets]
    while senders:
        time.sleep(1.0)


def jaw(kind: str, packet: bytes) -> float | None:
    """jawOpen, where the packet has it."""
    if kind == "livelink":
        return struct.unpack_from(">f", packet, len(packet) - 4 * (61 - INDEX["jawOpen"]))[0]
    at = packet.find(b"JawOpen\0")
    return struct.unpack_from(">f", packet, at + 8)[0] if at >= 0 else None


def measure(kind: str, streams: int, seconds: float, fps: int) -> dict[str, float | int | str]:
    context = multiprocessing.get_context("spawn")
    told: multiprocessing.Queue[int] = context.Queue()
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(streams if kind == "vmc" else 1)]
    selector = selectors.DefaultSelector()
    for each in sockets:
        each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        each.bind(("127.0.0.1", 0))
        selector.register(each, selectors.EVENT_READ)
    publisher = context.Process(target=publish, args=(streams, seconds, fps, told), daemon=True)
    publisher.start()
    ports = [each.getsockname()[1] for each in sockets]
    sender = context.Process(target=send, args=(kind, streams, told.get(), ports), daemon=True)
    sender.start()
    epoch = told.get() / 1e9
    process = psutil.Process(sender.pid)
    begun, used = time.time(), sum(process.cpu_times()[:2])
    lags, packets, frame = [], 0, dict.fromkeys(sockets, None)
    while (now := time.time()) < epoch + seconds:
        for key, _ in selector.select(timeout=0.05):
            packet, now = key.fileobj.recv(65536), time.time()
            packets += 1
            if (found := jaw(kind, packet)) is not None:
                index = round(found / STEP)
                frame[key.fileobj] = index if index * STEP == found and now >= epoch - 0.01 else None
            shown = frame[key.fileobj]
            if shown is not None and (kind == "livelink" or LAST_VMC in packet):
                lags.append(1000 * (now - epoch - shown / fps))
    share = (sum(process.cpu_times()[:2]) - used) / (time.time() - begun)
    for child in (sender, publisher):
        child.terminate()
        child.join()
    p50, p99, worst = np.percentile(lags, [50, 99, 100])
    return {
        "kind": kind,
        "streams": streams,
        "fps": fps,
        "frames": len(lags),
        "expected": round(streams * fps * seconds),
        "packets_per_s": round(packets / (now - begun)),
        "cpu_share": round(share, 3),
        "p50_ms": round(p50, 3),
        "p99_ms": round(p99, 3),
        "max_ms": round(worst, 3),
    }


if __name__ == "__main__":
    streams, seconds, fps = (int(value) for value in (*sys.argv[1:], *("10", "20", "60")[len(sys.argv) - 1 :]))
    for kind in ("livelink", "vmc"):
        print(json.dumps(measure(kind, streams, seconds, fps)), flush=True)
