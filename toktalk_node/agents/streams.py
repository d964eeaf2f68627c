"""What waits to be spoken, and one stream on its way from there to its listeners."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from toktalk_node.signals import NANOSECONDS, Clock, FaceChunk, media_time_ns


@dataclass(frozen=True)
class Said:
    """Sound mono float32 [n] at `rate` Hz, in pieces of a moment each."""

    samples: np.ndarray
    rate: int
    position_ns: int
    """Sound said before it."""
    text: str = ""
    """What is said from here on, where it is known."""

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate


@dataclass(frozen=True)
class Mark:
    """To be told of, once the sound before it has left."""

    mark: object


class End:
    """The end of an utterance."""


Item = Said | Mark | End | Callable[[], None]
"""What waits in its order; a call is made once the sound before it was decoded."""


@dataclass
class Stream:
    """A stream on its way. Samples and frames are counted from its beginning, inserted silence included."""

    rate: int
    base_ns: int
    """Sound said before it."""
    heard_at: float
    """When sound was last taken, on the monotonic clock."""
    text: str = ""
    """What its first sound says, where it is known."""
    clock: Clock | None = None
    received: int = 0
    sounded: int = 0
    frames: int = 0
    end_ns: int = 0
    """When it is over, once that is known."""
    ending: bool = False
    """Its last sound was said, unless more comes in time."""
    finished: bool = False
    """The session gave its last frames."""
    detail: str = ""
    """Why it ended."""
    faceless: bool = False
    """The face could not keep up and rests; sound goes on."""
    starved: bool = False
    pending: deque[np.ndarray] = field(default_factory=deque)
    """Sound that did not leave yet."""
    undecoded: deque[np.ndarray | Callable[[], None]] = field(default_factory=deque)
    held: list[FaceChunk] = field(default_factory=list)
    """Frames from before the clock began."""
    marks: deque[tuple[int, object]] = field(default_factory=deque)
    silences: list[tuple[int, int]] = field(default_factory=list)
    """Inserted silence: first sample and samples."""

    def add(self, samples: np.ndarray) -> None:
        self.pending.append(samples)
        if not self.faceless:
            self.undecoded.append(samples)
        self.received += len(samples)

    def take(self, end: int) -> np.ndarray:
        """Sound up to sample `end` that did not leave yet."""
        parts, need = [], end - self.sounded
        while need > 0:
            part = self.pending.popleft()
            if len(part) > need:
                part, rest = np.split(part, [need])
                self.pending.appendleft(rest)
            parts.append(part)
            need -= len(part)
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)

    def said_ns(self, media_ns: int) -> int:
        """Sound said until the stream's media time `media_ns`, without what was inserted."""
        end = min(media_ns * self.rate // NANOSECONDS, self.received)
        inserted = sum(min(max(end - start, 0), count) for start, count in self.silences)
        return self.base_ns + media_time_ns(end - inserted, self.rate)
