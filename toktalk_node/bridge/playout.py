"""What a receiver does with frames until their time comes."""

import heapq
from dataclasses import dataclass

import numpy as np

from toktalk_node.bridge.protocol import Audio, Event, Face
from toktalk_node.signals import NANOSECONDS, media_time_ns

MAX_WAITING = 30_000
"""Frames kept until their time; what comes when there are more is refused."""
MAX_AHEAD = 600
"""Seconds before its time that a frame is taken at the earliest."""


@dataclass(frozen=True)
class Frame:
    """One face frame. `frame["jawOpen"]` is a weight in [0, 1]; `head` is yaw, pitch, roll in radians."""

    stream: str
    index: int
    fps: int
    pts_ns: int
    names: tuple[str, ...]
    weights: np.ndarray
    head: np.ndarray
    live: bool = True
    """False for the newest frame of before this client joined: the face until the stream goes on."""

    @property
    def media_ns(self) -> int:
        """Time within the stream in nanoseconds."""
        return media_time_ns(self.index, self.fps)

    @property
    def time(self) -> float:
        """Time within the stream in seconds."""
        return self.media_ns / NANOSECONDS

    def __getitem__(self, name: str) -> float:
        try:
            return float(self.weights[self.names.index(name)])
        except ValueError:
            raise KeyError(f"no blendshape {name!r} in this stream; it has {', '.join(self.names)}") from None

    def as_dict(self) -> dict[str, float]:
        """All weights by name."""
        return dict(zip(self.names, self.weights.tolist(), strict=True))


@dataclass
class ClientStats:
    """Counters since the client connected."""

    messages: int = 0
    frames: int = 0
    late_frames: int = 0
    """Frames that arrived after their time, so that a newer one was shown instead."""
    lost_messages: int = 0
    """Gaps in the sequence numbers: this client read too slowly or joined a queue that was full."""
    errors: int = 0
    """Messages that were refused: not of this wire, or beyond what a client keeps."""
    reconnects: int = 0
    """Times that the bridge was found again after it was lost."""


class Playout:
    """Keeps frames until they are due, of any number of streams; counts in `stats` what is late or refused."""

    def __init__(self, stats: ClientStats) -> None:
        self._stats = stats
        self._waiting: list[tuple[int, int, Frame]] = []
        """Heap of (pts_ns, order of arrival, frame)."""

    def add(
        self, stream: str, message: Face | Audio | Event, names: tuple[str, ...], now_ns: int, live: bool = True
    ) -> None:
        """Take `message` in: faces wait, an interruption drops what it makes void, all else does nothing.

        live: False for a face of before the client joined.
        """
        if isinstance(message, Event) and message.kind == "interrupted":
            self._waiting = [w for w in self._waiting if w[2].stream != stream or w[0] < message.pts_ns]
            heapq.heapify(self._waiting)
        if not isinstance(message, Face):
            return
        too_far = message.pts_ns > now_ns + MAX_AHEAD * NANOSECONDS
        if message.width != len(names) or too_far or len(self._waiting) + message.count > MAX_WAITING:
            self._stats.errors += 1
            return
        weights, head = message.arrays()
        for k in range(message.count):
            pts_ns = message.pts_ns + media_time_ns(k, message.fps)
            # copies: a row that waits must not keep its whole message in memory
            row = weights[k].copy(), head[k].copy()
            frame = Frame(stream, message.start + k, message.fps, pts_ns, names, *row, live)
            heapq.heappush(self._waiting, (pts_ns, self._stats.frames + k, frame))
        self._stats.frames += message.count

    def wait_ns(self, now_ns: int) -> int | None:
        """Nanoseconds until a frame is due, 0 when one is, None when none waits."""
        return max(self._waiting[0][0] - now_ns, 0) if self._waiting else None

    def due(self, now_ns: int) -> list[Frame]:
        """The newest frame of each stream that is due; those before them are late, and dropped."""
        newest: dict[str, Frame] = {}
        while self._waiting and self._waiting[0][0] <= now_ns:
            frame = heapq.heappop(self._waiting)[2]
            self._stats.late_frames += frame.stream in newest and newest[frame.stream].live
            newest[frame.stream] = frame
        return list(newest.values())
