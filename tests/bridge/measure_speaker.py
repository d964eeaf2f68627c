"""Face against sound as a receiver in Python applies them: ``python -m tests.bridge.measure_speaker [SECONDS]``.

A bridge publishes a face and a sound that both tell their time. A receiver in another process plays the sound by a
Speaker, on a real sound server whose loudspeaker is recorded, and takes each frame from a Client. Prints one line of
JSON: how far the sound that leaves the loudspeaker is from a frame at the instant when the frame is given, in ms.

The loudspeaker is PulseAudio's null sink. It takes a block from its clients when the block before it was played, and
its monitor has the block at once; with blocks of a millisecond the record tells what is played to a millisecond.
"""

import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from tests.speech.pulse import PulseServer
from toktalk_node.bridge.client import Client
from toktalk_node.bridge.replay import replay
from toktalk_node.bridge.server import Bridge
from toktalk_node.bridge.speaker import Speaker
from toktalk_node.signals import NANOSECONDS, AudioChunk, FaceChunk

FPS, RATE, RECORDED = 60, 24_000, 48_000
PERIOD, LOUD = 2.0, 0.9
"""The sound rises from -LOUD to LOUD in each PERIOD of seconds: its value is its time."""
EDGE = 0.1
"""Seconds about the end of a period that are left out."""


class Monitor:
    """Records what leaves the loudspeaker."""

    def __init__(self) -> None:
        command = ["parec", "--device=loudspeaker.monitor", "--raw", "--format=float32le", "--channels=1"]
        command += [f"--rate={RECORDED}", "--latency-msec=1", "--process-time-msec=1"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=0)
        self._blocks: list[tuple[int, bytes]] = []
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        while data := self._process.stdout.read(1 << 16):
            self._blocks.append((time.time_ns(), data))

    def at(self, times_ns: list[int]) -> np.ndarray:
        """The values, float32, that left at these times; to be asked at the end.

        No block comes before it is played, and some come at once: the earliest of those near tell the time of all. The
        null sink counts in whole microseconds, so that its seconds are not quite ours: near is half a second.
        """
        self._process.terminate()
        self._thread.join()
        self._process.wait()
        self._process.stdout.close()
        before = np.cumsum([0, *(len(data) // 4 for _, data in self._blocks)])[:-1]
        came = np.array([at for at, _ in self._blocks])
        begins = came - before * (NANOSECONDS / RECORDED)
        heard = np.frombuffer(b"".join(data for _, data in self._blocks), "<f4")
        first = [begins[np.abs(came - at) < NANOSECONDS // 2].min() for at in times_ns]
        return heard[np.round((np.array(times_ns) - first) * (RECORDED / NANOSECONDS)).astype(int)]


def receive(endpoint: str) -> dict[str, float | int]:
    """Play and apply what the bridge at `endpoint` says, and tell how well."""
    monitor, given = Monitor(), []
    with Speaker(endpoint) as speaker, Client(endpoint) as client:
        print("ready", flush=True)
        for frame in client.frames(timeout=3.0):
            given.append((time.time_ns(), frame))
        late, stats = client.stats.late_frames, vars(speaker.stats)
    off, silent = [], 0
    for value, (_, frame) in zip(monitor.at([at_ns for at_ns, _ in given]), given, strict=True):
        silent += value == 0
        sound, face = (value + LOUD) / (2 * LOUD) * PERIOD, frame.time % PERIOD
        if value != 0 and min(sound, face) > EDGE and max(sound, face) < PERIOD - EDGE:
            off.append(1000 * (face - sound))
    figures = {"frames": len(given), "late": late, "silent": int(silent), "compared": len(off), **stats}
    figures["face_late_p50_ms"] = round(float(np.median([at_ns - frame.pts_ns for at_ns, frame in given])) / 1e6, 2)
    if off:
        p50, p99 = np.percentile(np.abs(off), [50, 99])
        figures |= {"mean_ms": round(float(np.mean(off)), 2), "p50_ms": round(p50, 2), "p99_ms": round(p99, 2)}
    return figures


def measure(seconds: float) -> dict[str, float | int]:
    """The figures of `seconds` of speech."""
    moments = np.arange(round(seconds * RATE)) / RATE
    sound = AudioChunk((LOUD * (2 * (moments % PERIOD) / PERIOD - 1)).astype(np.float32), RATE)
    frames = round(seconds * FPS)
    face = FaceChunk(np.zeros((frames, 52), np.float32), np.zeros((frames, 3), np.float32), FPS)
    with tempfile.TemporaryDirectory() as folder, PulseServer(Path(folder)) as pulse:
        with Bridge(pub_port=0, control_port=0) as bridge:
            bridge.announce(fps=FPS, audio_rate=RATE)
            command = [sys.executable, "-m", "tests.bridge.measure_speaker", bridge.control_endpoint]
            root = Path(__file__).parents[2]
            env = {name: value for name, value in pulse.env.items() if name != "PULSE_LATENCY_MSEC"}
            with subprocess.Popen(command, env=env, cwd=root, stdout=subprocess.PIPE, text=True) as process:
                process.stdout.readline()
                time.sleep(1.0)
                replay(bridge, face, sound)
                return json.loads(process.communicate(timeout=60)[0])


if __name__ == "__main__":
    what = sys.argv[1] if sys.argv[1:] else "20"
    print(json.dumps(receive(what) if what.startswith("tcp:") else measure(float(what))))
