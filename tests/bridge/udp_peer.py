"""What the tests of senders by UDP share: a socket that receives, and a bridge with a face on it."""

import contextlib
import queue
import socket
import threading
import time
from collections.abc import Callable

import numpy as np

from toktalk_node.bridge.server import Bridge
from toktalk_node.face.arkit import BLENDSHAPES
from toktalk_node.signals import Clock, FaceChunk

FPS = 50


class Receiver:
    """A UDP port of this machine, read all the time; what arrives waits with its time of arrival."""

    def __init__(self, port: int = 0) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", port))
        self._socket.settimeout(0.05)
        self.port = self._socket.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self._arrived: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        while not self._closed.is_set():
            with contextlib.suppress(TimeoutError):
                packet = self._socket.recv(65536)
                self._arrived.put((time.time(), packet))

    def listen(self, seconds: float, until: Callable[[bytes], bool] | None = None) -> list[tuple[float, bytes]]:
        """What has arrived since the last call and arrives in `seconds`, up to the packet for which `until` holds."""
        deadline, found = time.monotonic() + seconds, []
        while (left := deadline - time.monotonic()) > 0:
            with contextlib.suppress(queue.Empty):
                found.append(self._arrived.get(timeout=left))
                if until is not None and until(found[-1][1]):
                    break
        return found

    def close(self) -> None:
        self._closed.set()
        self._thread.join()
        self._socket.close()

    def __enter__(self) -> "Receiver":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def ramp(frames: int, start: int = 0) -> FaceChunk:
    """Frames that differ in every channel."""
    weights = np.random.default_rng(7 + start).uniform(0.1, 0.9, (frames, len(BLENDSHAPES))).astype(np.float32)
    head = np.random.default_rng(start).uniform(-0.5, 0.5, (frames, 3)).astype(np.float32)
    return FaceChunk(weights, head, FPS, start)


def open_mouth(frames: int, start: int = 0) -> FaceChunk:
    """A face with all its weights at one half, as if cut off in the middle of a word."""
    return FaceChunk(
        np.full((frames, len(BLENDSHAPES)), 0.5, np.float32), np.full((frames, 3), 0.2, np.float32), FPS, start
    )


def publish(bridge: Bridge, chunk: FaceChunk, stream: str = "default", lead: float = 0.15) -> Clock:
    """Publish `chunk`, its first frame `lead` seconds from now."""
    clock = Clock(time.time_ns() + round(lead * 1e9) - round(chunk.start * 1e9 / chunk.fps))
    bridge.publish_face(chunk, clock, stream)
    return clock
