"""What was decoded and waits for its time. Knows nothing of ROS or threads but its own lock."""

import heapq
import threading
from dataclasses import dataclass, field
from itertools import count

from toktalk_node.signals import AudioChunk

STREAM_STARTED, STREAM_ENDED, INTERRUPTED, UNDERRUN, STYLE_CHANGED, FAULT = range(1, 7)
"""FaceEvent's numbers."""


@dataclass(frozen=True)
class FaceFrame:
    """One face frame: `weights` float32 [52], `head` float32 [3], frame number `frame` at `fps`."""

    weights: object
    head: object
    frame: int
    fps: int


@dataclass(frozen=True)
class Sounding:
    """Sound of the stream; `last` ends it."""

    chunk: AudioChunk
    last: bool = False


@dataclass(frozen=True)
class Happening:
    """An event of the stream: one of FaceEvent's types, the frame it concerns, words for people, words to be said."""

    type: int
    frame: int = 0
    detail: str = ""
    text: str = ""


@dataclass
class PlayoutStats:
    """Counters since the node was activated."""

    frames: int = 0
    samples: int = 0
    late_frames: int = 0
    """Frames released after their presentation time."""
    underruns: int = 0
    """Times that frames began to be late."""
    max_late_ns: int = 0


Output = FaceFrame | Sounding | Happening


@dataclass
class Playout:
    """Keeps outputs until `ahead_ns` before their presentation time. Thread safe."""

    ahead_ns: int
    stats: PlayoutStats = field(default_factory=PlayoutStats)

    def __post_init__(self) -> None:
        self._heap: list[tuple[int, int, Output]] = []
        self._order = count()
        self._lock = threading.Lock()
        self._late = False

    def push(self, pts_ns: int, output: Output) -> None:
        """Keep `output` for `pts_ns`. Outputs of the same time leave in the order they came."""
        with self._lock:
            heapq.heappush(self._heap, (pts_ns, next(self._order), output))

    def due(self, now_ns: int) -> list[tuple[int, Output]]:
        """Outputs whose time has come, as (presentation time, output), counted in `stats`.

        An UNDERRUN follows the first of frames that are late.
        """
        ready: list[tuple[int, Output]] = []
        with self._lock:
            while self._heap and self._heap[0][0] - self.ahead_ns <= now_ns:
                pts_ns, _, output = heapq.heappop(self._heap)
                ready.append((pts_ns, output))
                if self._count(output, now_ns - pts_ns):
                    ready.append((pts_ns, Happening(UNDERRUN, output.frame, "the face is late; it catches up")))
        return ready

    def drop_from(self, pts_ns: int, kinds: tuple[type, ...] = (FaceFrame, Sounding, Happening)) -> None:
        """Forget outputs of `kinds` at or after `pts_ns`."""
        with self._lock:
            self._heap = [item for item in self._heap if item[0] < pts_ns or not isinstance(item[2], kinds)]
            heapq.heapify(self._heap)

    def __len__(self) -> int:
        return len(self._heap)

    def _count(self, output: Output, late_ns: int) -> bool:
        """Count an output; whether frames begin to be late with it."""
        begins = False
        if isinstance(output, Sounding):
            self.stats.samples += len(output.chunk.samples)
        elif isinstance(output, FaceFrame):
            self.stats.frames += 1
            late = late_ns > 0
            begins = late and not self._late
            self.stats.late_frames += late
            self.stats.underruns += begins
            self.stats.max_late_ns = max(self.stats.max_late_ns, late_ns)
            self._late = late
        return begins
