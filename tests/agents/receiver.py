"""A receiver of the bridge in a thread: what came, when, and which stream it belongs to."""

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from toktalk_node.bridge.client import Client
from toktalk_node.bridge.protocol import Audio, Event, Face
from toktalk_node.bridge.server import Bridge
from toktalk_node.signals import NANOSECONDS, media_time_ns


@dataclass
class Heard:
    """One utterance as it came: from its `start` to the next."""

    epoch_ns: int
    frames: list[int] = field(default_factory=list)
    weights: list[np.ndarray] = field(default_factory=list)
    sound_parts: list[np.ndarray] = field(default_factory=list)
    sound_epochs: set[int] = field(default_factory=set)
    face_epochs: set[int] = field(default_factory=set)
    late: int = 0
    """Messages that came after their time."""
    last_ns: int = 0
    """The end of the last sound."""

    @property
    def sound(self) -> np.ndarray:
        return np.concatenate([np.zeros(0, np.float32), *self.sound_parts])


class Receiver:
    """Reads all messages of a bridge until it is closed."""

    def __init__(self, bridge: Bridge) -> None:
        self.client = Client(bridge.control_endpoint)
        self.came: list[tuple[int, Face | Audio | Event]] = []
        self._stop = False
        self._reading = threading.Lock()
        while not self._read(0.02):  # until the subscription has reached the bridge
            bridge.publish_event("marker", 0)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __enter__(self) -> "Receiver":
        return self

    def __exit__(self, *_: object) -> None:
        self._stop = True
        self._thread.join()
        self.client.close()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Meanwhile the test's own thread may use the client."""
        with self._reading:
            yield

    @property
    def events(self) -> list[Event]:
        return [m for _, m in list(self.came) if isinstance(m, Event) and m.kind not in ("marker", "stream", "gone")]

    def until(self, kind: str, count: int, seconds: float = 20.0) -> None:
        """Wait until `count` events of `kind` came."""
        deadline = time.monotonic() + seconds
        while sum(event.kind == kind for event in self.events) < count:
            assert time.monotonic() < deadline, f"not {count} x {kind}: {[event.kind for event in self.events]}"
            time.sleep(0.02)

    def streams(self) -> list[Heard]:
        """The utterances; of what an interruption made void only that before it."""
        heard: list[Heard] = []
        for arrived_ns, message in list(self.came):
            if isinstance(message, Event):
                if message.kind == "start":
                    heard.append(Heard(message.pts_ns))
                elif message.kind == "interrupted" and heard:
                    self._void(heard[-1], message.pts_ns)
            elif heard:
                self._add(heard[-1], message, arrived_ns)
        return heard

    def _add(self, stream: Heard, message: Face | Audio, arrived_ns: int) -> None:
        stream.late += arrived_ns > message.pts_ns
        if isinstance(message, Face):
            stream.face_epochs.add(message.pts_ns - media_time_ns(message.start, message.fps))
            stream.frames += range(message.start, message.start + message.count)
            stream.weights += list(message.arrays()[0])
        else:
            stream.sound_epochs.add(message.pts_ns - media_time_ns(message.start, message.rate))
            stream.sound_parts.append(message.array())
            stream.last_ns = message.pts_ns + media_time_ns(message.count, message.rate)

    @staticmethod
    def _void(stream: Heard, pts_ns: int) -> None:
        shown = (pts_ns - stream.epoch_ns) * 50 // NANOSECONDS
        keep = sum(frame < shown for frame in stream.frames)
        del stream.frames[keep:], stream.weights[keep:]

    def _run(self) -> None:
        while not self._stop:
            with self._reading:
                came = self._read(0.02)
            if not came:
                time.sleep(0.001)  # whoever waits to use the client gets its turn

    def _read(self, timeout: float) -> bool:
        for _, message in self.client.messages(timeout):
            self.came.append((self.client.now_ns(), message))
            return True
        return False
