"""The offset between two clocks: golden stories, and networks that delay."""

import contextlib
import json
import queue
import random
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from toktalk_node.bridge import client as client_module
from toktalk_node.bridge.client import Client
from toktalk_node.bridge.clock import ClockFilter

STORIES = json.loads((Path(__file__).parent / "golden" / "clock.json").read_text())
MS = 1_000_000


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story["why"])
def test_golden_exchanges(story):
    held = ClockFilter()
    for exchange in story["exchanges"]:
        held.add(*(exchange[name] for name in ("t1", "t2", "t3", "t4")))
        assert (held.offset_ns, held.delay_ns) == (exchange["offset"], exchange["delay"])


@pytest.mark.parametrize("drift", [-50e-6, 0.0, 50e-6])
def test_jitter_on_one_way_and_drifting_clocks_leave_an_error_of_a_few_milliseconds(drift):
    """Both ways take 3 ms at least; what goes to the server waits up to 60 ms more, as on a busy wireless network."""
    chance = random.Random(1)
    held, errors = ClockFilter(), []
    for k in range(300):
        t1 = k * 2000 * MS if k >= 8 else k * MS
        there = t1 + 3 * MS + round(min(chance.expovariate(1 / (15 * MS)), 60 * MS))

        def server(ns: int) -> int:
            return ns + round(ns * drift) + 7_000 * MS

        held.add(t1, server(there), server(there), there + 3 * MS)
        now = t1 + 1000 * MS
        if k >= 8:
            errors.append(abs(now + held.offset_ns - server(now)) / MS)
    errors.sort()
    assert errors[len(errors) // 2] < 2
    assert errors[-1] < 4


BRIDGE = """
import sys, time
from toktalk_node.bridge.server import Bridge
from toktalk_node.signals import Clock, FaceChunk
import numpy as np

ahead, real, begin = int(sys.argv[1]), time.time_ns, time.time_ns()
time.time_ns = lambda: real() + ahead + (real() - begin) // 20_000   # this machine's clock: elsewhere, 50 ppm fast
with Bridge(pub_port=0, control_port=0) as bridge:
    print(bridge.control_port, flush=True)
    clock, k = Clock(time.time_ns() + 300_000_000), 0
    while True:
        chunk = FaceChunk(np.zeros((1, 52), np.float32), np.zeros((1, 3), np.float32), 50, k)
        bridge.publish_face(chunk, clock)
        k += 1
        time.sleep(0.02)
"""


class SlowNetwork:
    """A TCP relay that delays: what goes to the bridge by 2 to 32 ms at random, what comes back by 2 to 7 ms."""

    def __init__(self, port: int) -> None:
        self._door, self._target = socket.create_server(("127.0.0.1", 0)), port
        self.port = self._door.getsockname()[1]
        self._ends: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        try:
            near = self._door.accept()[0]
        except OSError:
            return
        far = socket.create_connection(("127.0.0.1", self._target))
        for end in (near, far):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._ends = [near, far]
        for a, b, jitter in ((near, far, 0.03), (far, near, 0.005)):
            on_its_way: queue.Queue = queue.Queue()
            for work in (self._read, self._write):
                thread = threading.Thread(target=work, args=(a if work == self._read else b, on_its_way, jitter))
                thread.start()
                self._threads.append(thread)

    def _read(self, end: socket.socket, on_its_way: queue.Queue, jitter: float) -> None:
        chance = random.Random(jitter)
        with contextlib.suppress(OSError):
            while data := end.recv(65536):
                on_its_way.put((time.monotonic() + 0.002 + min(chance.expovariate(3 / jitter), jitter), data))
        on_its_way.put((0.0, b""))

    def _write(self, end: socket.socket, on_its_way: queue.Queue, jitter: float) -> None:
        with contextlib.suppress(OSError):
            while (item := on_its_way.get())[1]:
                time.sleep(max(item[0] - time.monotonic(), 0.0))
                end.sendall(item[1])

    def close(self) -> None:
        for end in (self._door, *self._ends):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        for thread in self._threads:
            thread.join()


def test_a_receiver_on_another_machine_shows_frames_within_milliseconds_of_their_time(monkeypatch):
    """The bridge's clock is 1.5 hours ahead and 50 ppm fast, the network between delays one way more than the other."""
    ahead = 5_400_000 * MS
    begin = time.time_ns()
    bridge = subprocess.Popen([sys.executable, "-c", BRIDGE, str(ahead)], stdout=subprocess.PIPE, text=True)
    port = int(bridge.stdout.readline())
    network = SlowNetwork(port)
    monkeypatch.setattr(client_module, "CLOCK_INTERVAL", 0.25)
    try:
        with Client(f"tcp://127.0.0.1:{network.port}") as client:
            errors, shown, end = [], [], time.monotonic() + 4
            for frame in client:
                now = time.time_ns()
                true = now + ahead + (now - begin) // 20_000
                errors.append(abs(client.now_ns() - true) / MS)
                shown.append(abs(true - frame.pts_ns) / MS)
                if time.monotonic() > end:
                    break
    finally:
        network.close()
        bridge.kill()
        bridge.wait()
        bridge.stdout.close()
    errors.sort()
    shown.sort()
    middle = len(errors) // 2
    print(
        f"clock off by {errors[middle]:.2f} ms (p50), {errors[-1]:.2f} (worst); frames shown {shown[middle]:.2f} ms off"
    )
    assert errors[middle] < 4
    assert shown[len(shown) // 10] < 8, "but for the turns of other programs on a busy machine"
