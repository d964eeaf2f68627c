"""Measures the wire between two processes: latency, load, what a slow receiver costs the others, and punctuality.

    figures = measure(streams=(1, 10, 100), seconds=5.0)

A publisher in a process of its own sends, for each stream, a face frame and its sound 60 times a second, the streams
spread evenly in time. Without `lead` every message carries the time at which it is published, so that its age on
arrival is the latency; with it, a frame's presentation time lies ahead as in a live stream.
"""

import contextlib
import json
import multiprocessing
import os
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection

import numpy as np
import zmq

from toktalk_node.bridge.client import Client
from toktalk_node.bridge.protocol import Event
from toktalk_node.bridge.server import Bridge
from toktalk_node.signals import NANOSECONDS, AudioChunk, Clock, FaceChunk

FPS = 60
RATE = 24_000
LEAD = 0.2
"""Seconds ahead of presentation time that a live stream is published."""
GRACE = 30.0
"""Seconds that another client gets beyond the measured ones."""


@dataclass(frozen=True)
class Load:
    """What the publisher sends: `streams` for `seconds`, `lead` seconds ahead of presentation time, 0: at it."""

    streams: int
    seconds: float
    lead: float = 0.0


def measure(streams: tuple[int, ...], seconds: float, command: str = "") -> dict:
    """Every figure, as plain data for JSON. Milliseconds where a name ends in `_ms`, CPU in shares of one core."""
    figures = {
        "machine": {"cores": os.cpu_count(), "load": [round(load, 2) for load in os.getloadavg()]},
        "fps": FPS,
        "audio_rate": RATE,
        "streams": [latency(count, seconds) for count in streams],
        "slow_client": slow_client(10, seconds),
        "punctuality": punctuality(seconds),
    }
    if command:
        figures["client"] = [other_client(command, count, seconds) for count in streams]
    return figures


def latency(streams: int, seconds: float) -> dict:
    """Age on arrival, messages per second and CPU of both sides."""
    with _publisher(Load(streams, seconds)) as (client, tell, result):
        tell("start")
        begin, cpu, ages = time.perf_counter(), time.process_time(), []
        for _, message in client.messages(timeout=1.0):
            if not isinstance(message, Event):
                ages.append(time.time_ns() - message.pts_ns)
                last, spent = time.perf_counter(), time.process_time() - cpu
        sent = result()
        return {
            "streams": streams,
            "messages_per_s": round(len(ages) / (last - begin)),
            "publisher_cpu": round(sent["cpu"], 3),
            "client_cpu": round(spent / (last - begin), 3),
            **_percentiles(ages),
            "lost": sent["messages"] - len(ages),
        }


def slow_client(streams: int, seconds: float) -> dict:
    """A reader's latency, and the publisher's time for one message, before and after a receiver that never reads."""
    with _publisher(Load(streams, 2 * seconds)) as (client, tell, result), _sleeper() as sleeper:
        tell("start")
        begin, ages, sleeps = time.time_ns(), [], False
        turn = begin + round(seconds * NANOSECONDS)
        for _, message in client.messages(timeout=1.0):
            now = time.time_ns()
            if not isinstance(message, Event):
                ages.append((now, now - message.pts_ns))
            if not sleeps and now >= turn:
                sleeper.connect(client.pub_endpoint)
                sleeps = True
        sent = result()
        taken = np.array(sent["taken"]) / 1e6

        def half(late: bool) -> dict:
            times = taken[taken.shape[0] // 2 :] if late else taken[: taken.shape[0] // 2]
            return {
                **_percentiles([age for at, age in ages if (at >= turn) == late]),
                "publish_p99_ms": round(float(np.percentile(times, 99)), 3),
                "publish_worst_ms": round(float(times.max()), 3),
            }

        lost = sent["messages"] - len(ages)
        return {
            "streams": streams,
            "alone": half(False),
            "beside_it": half(True),
            "lost": lost,
            "stalls": sent["stalls"],
        }


def punctuality(seconds: float) -> dict:
    """How far from its presentation time the client gives each frame; late ones counted.

    No sound is played here: tests/bridge/measure_speaker.py compares with what leaves a loudspeaker.
    """
    with _publisher(Load(1, seconds, LEAD)) as (client, tell, result):
        tell("start")
        off = [abs(time.time_ns() - frame.pts_ns) for frame in client.frames(timeout=1.0)]
        result()
        return {"frames": len(off), "late": client.stats.late_frames, **_percentiles(off)}


def other_client(command: str, streams: int, seconds: float) -> dict:
    """What another client's program says of the same load, the JSON in its last line, and the publisher's CPU.

    `{endpoint}`, `{pub}` and `{seconds}` in `command` are replaced. Raises ValueError when it fails or says no JSON.
    """
    with _publisher(Load(streams, seconds + GRACE)) as (client, tell, result):
        values = {"endpoint": client.endpoint, "pub": client.pub_endpoint, "seconds": f"{seconds:g}"}
        words = [_filled(word, values) for word in shlex.split(command)]
        client.close()  # one that does not read would be in the publisher's way
        try:
            with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
                tell("start")
                try:
                    output, _ = process.communicate(timeout=seconds + GRACE)
                except subprocess.TimeoutExpired as error:
                    process.kill()
                    raise ValueError(f"{words[0]} did not end in {seconds + GRACE:g} s") from error
        except OSError as error:
            raise ValueError(f"{words[0]} does not start: {error.strerror}") from error
        tell("stop")
        sent = result()
    try:
        told = json.loads(output.strip().splitlines()[-1])
    except (IndexError, ValueError) as error:
        raise ValueError(
            f"{words[0]} ended with {process.returncode} and no line of JSON: {output[-200:]!r}"
        ) from error
    return {"command": command, "streams": streams, "publisher_cpu": round(sent["cpu"], 3), "told": told}


def _filled(word: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        word = word.replace(f"{{{name}}}", value)
    return word


@contextlib.contextmanager
def _publisher(load: Load) -> Iterator[tuple[Client, Callable[[str], None], Callable[[], dict]]]:
    """(a client whose subscription is there, tell("start" or "stop"), result()) of a publisher in another process."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_publish, args=(load, there), daemon=True)
    process.start()
    there.close()
    try:
        with Client(f"tcp://127.0.0.1:{here.recv()}") as client:
            if client.receive(10.0) is None:
                raise RuntimeError("the publisher's messages do not come")
            yield client, here.send, here.recv
    finally:
        here.close()
        process.join(5.0)
        process.kill()


def _publish(load: Load, parent: Connection) -> None:
    """The publisher's process, which ends when the parent closes the pipe."""
    with contextlib.suppress(EOFError), Bridge(pub_port=0, control_port=0) as bridge:
        parent.send(bridge.control_port)
        while not parent.poll(0.02):
            bridge.publish_event("ready", time.time_ns())
        parent.recv()
        before = bridge.stats.messages
        names = [f"speaker-{k}" if k else "default" for k in range(load.streams)]
        for name in names:
            bridge.announce(name, fps=FPS, audio_rate=RATE)
        announced = bridge.stats.messages - before
        random = np.random.default_rng(0)
        weights, sound = random.random((1, 52), np.float32), random.random(RATE // FPS, np.float32) - 0.5
        taken: list[int] = []
        begin, cpu = time.perf_counter_ns(), time.process_time()
        clock = Clock(time.time_ns() + round(load.lead * NANOSECONDS))
        for k in range(round(load.seconds * FPS) * load.streams):
            wait = begin + k * NANOSECONDS // (FPS * load.streams) - time.perf_counter_ns()
            if wait > 0:
                time.sleep(wait / NANOSECONDS)
            frame, stream = divmod(k, load.streams)
            if stream == 0 and parent.poll():
                parent.recv()
                break
            face = FaceChunk(weights, np.zeros((1, 3), np.float32), FPS, frame)
            audio = AudioChunk(sound, RATE, frame * len(sound))
            for publish, chunk, rate in ((bridge.publish_audio, audio, RATE), (bridge.publish_face, face, FPS)):
                at = time.perf_counter_ns()
                epoch = clock if load.lead else Clock(time.time_ns() - chunk.start * NANOSECONDS // rate)
                publish(chunk, epoch, names[stream])
                taken.append(time.perf_counter_ns() - at)
        share = (time.process_time() - cpu) / ((time.perf_counter_ns() - begin) / NANOSECONDS)
        time.sleep(load.lead + 0.2)
        stats = bridge.stats
        parent.send({"messages": stats.messages - before - announced, "cpu": share, "taken": taken,
                     "stalls": stats.stalls})  # fmt: skip
        while True:  # until the parent has read everything
            parent.recv()


@contextlib.contextmanager
def _sleeper() -> Iterator[zmq.Socket]:
    """A receiver that subscribes to everything and reads nothing; it is to be connected."""
    context = zmq.Context()
    sleeper = context.socket(zmq.SUB)
    sleeper.setsockopt(zmq.RCVHWM, 1)
    sleeper.setsockopt(zmq.RCVBUF, 4096)
    sleeper.subscribe(b"")
    try:
        yield sleeper
    finally:
        context.destroy(linger=0)


def _percentiles(nanoseconds: list[int]) -> dict[str, float]:
    p50, p99 = np.percentile(nanoseconds, [50, 99]) / 1e6
    return {"p50_ms": round(float(p50), 3), "p99_ms": round(float(p99), 3)}
