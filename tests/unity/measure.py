"""Figures of the C# client under mono, as one line of JSON: ``python -m tests.unity.measure [SECONDS]``.

load: for 1, 10 and 100 streams at 60 frames a second with sound, messages a second, milliseconds from publish_face() in
another process to the decoded message in C#, the client's share of a core and its garbage collections.
skew: milliseconds that the face shown is ahead of the sound that leaves the loudspeaker at the same instant, of a
device of 48 kHz in blocks of 1024 and pictures 90 times a second, both in real time. The content itself is measured:
sound and a weight are the same slow triangle.
scene: the same of the sample's scene, its components in stand-ins for Unity's engine: what its AudioSource sounds like
and what its mesh shows.
"""

import json
import multiprocessing
import sys
import tempfile
import time
from multiprocessing.synchronize import Event
from pathlib import Path

import numpy as np

from tests.unity.mono import HEAD, Peer, compile_peer, compile_scene
from toktalk_node.bridge.replay import replay
from toktalk_node.bridge.server import Bridge
from toktalk_node.signals import AudioChunk, Clock, FaceChunk

FPS, RATE = 60, 16_000
PERIOD = 1.0
"""Seconds of the triangle."""


def triangle(times: np.ndarray) -> np.ndarray:
    """Between 0.1 and 0.9, so that both ways of it tell the time: float32 [n]."""
    phase = np.mod(times / PERIOD, 1.0)
    return (0.1 + 0.8 * np.abs(2 * phase - 1)).astype(np.float32)


def publish_load(streams: int, seconds: float, port: "multiprocessing.Queue[int]") -> None:
    """One message of face and one of sound for each stream, 60 times a second."""
    rng = np.random.default_rng(0)
    face = FaceChunk(rng.random((1, 52), np.float32), np.zeros((1, 3), np.float32), FPS)
    sound = AudioChunk(rng.uniform(-1, 1, RATE // FPS).astype(np.float32), RATE)
    with Bridge(pub_port=0, control_port=0) as bridge:
        port.put(bridge.control_port)
        time.sleep(2.0)
        begin = time.perf_counter()
        for k in range(round(seconds * FPS)):
            time.sleep(max(0.0, begin + k / FPS - time.perf_counter()))
            for stream in range(streams):
                bridge.publish_face(face, Clock(time.time_ns()), f"s{stream}")
                bridge.publish_audio(sound, Clock(time.time_ns()), f"s{stream}")


def publish_triangle(seconds: float, port: "multiprocessing.Queue[int]", ready: Event) -> None:
    with Bridge(pub_port=0, control_port=0) as bridge:
        port.put(bridge.control_port)
        ready.wait()
        time.sleep(1.5)
        frames, samples = round(seconds * FPS), round(seconds * RATE)
        weights = np.zeros((frames, 52), np.float32)
        weights[:, 0] = triangle(np.arange(frames) / FPS)
        face = FaceChunk(weights, np.zeros((frames, 3), np.float32), FPS)
        replay(bridge, face, AudioChunk(triangle(np.arange(samples) / RATE), RATE))
        time.sleep(2.0)


def load(program: Path, streams: int, seconds: float) -> dict:
    """What the client says of `streams` streams."""
    context = multiprocessing.get_context("spawn")
    port = context.Queue()
    process = context.Process(target=publish_load, args=(streams, seconds + 2.0, port))
    process.start()
    with Peer(program, "count", f"tcp://127.0.0.1:{port.get()}", str(seconds)) as peer:
        figures = peer.expect("p99_ms", seconds + 15.0)
    process.join()
    return {"streams": streams, **figures}


def skew(program: Path, seconds: float, mode: str = "play", *more: str) -> dict:
    """Percentiles in ms of the pictures whose sound and face both tell the time.

    program: run with `mode`, endpoint, stream, seconds and `more` it says when it is ready, then prints the pictures.
    """
    context = multiprocessing.get_context("spawn")
    port, ready = context.Queue(), context.Event()
    process = context.Process(target=publish_triangle, args=(seconds, port, ready))
    process.start()
    endpoint = f"tcp://127.0.0.1:{port.get()}"
    with Peer(program, mode, endpoint, "default", str(seconds + 3.5), *more) as peer:
        peer.expect("ready", 60.0)
        ready.set()
        *pictures, counts = peer.lines(seconds + 30.0)
    process.join()
    heard, shown = (np.array([picture[name] for picture in pictures]) for name in ("heard", "shown"))
    told = (np.minimum(heard, shown) > 0.15) & (np.maximum(heard, shown) < 0.85)
    slope = 1.6 / PERIOD
    falling = np.gradient(shown) < 0
    ahead = np.where(falling, heard - shown, shown - heard)[told] / slope * 1000
    p50, p99 = np.percentile(np.abs(ahead), [50, 99])
    return {
        "pictures": int(told.sum()),
        "mean_ms": round(float(ahead.mean()), 2),
        "p50_ms": round(p50, 2),
        "p99_ms": round(p99, 2),
        "largest_ms": round(float(np.abs(ahead).max()), 2),
        **counts,
    }


if __name__ == "__main__":
    seconds = float((sys.argv[1:] or ["20"])[0])
    with tempfile.TemporaryDirectory() as folder:
        program = compile_peer(Path(folder))
        loads = [load(program, streams, seconds / 2) for streams in (1, 10, 100)]
        scene = skew(compile_scene(Path(folder)), seconds, "scene", str(HEAD))
        print(json.dumps({"load": loads, "skew": skew(program, seconds), "scene": scene}))
