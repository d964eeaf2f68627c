"""The three signals that flow through TokTalk, and the one clock they share.

Every signal carries the index of its first sample, token or frame within the stream. Time is
always ``index / rate``, computed from integers, so that it never drifts. This module imports
numpy alone; everything else may import it.
"""

from dataclasses import dataclass

import numpy as np

NANOSECONDS = 1_000_000_000


def media_time_ns(index: int, rate: int) -> int:
    """Media time in nanoseconds of sample, token or frame `index` at `rate` Hz, exact to 1 ns."""
    return index * NANOSECONDS // rate


@dataclass(frozen=True)
class Clock:
    """A stream's clock: presentation time is `epoch_ns` plus media time.

    `epoch_ns` is the presentation time, in nanoseconds since the Unix epoch, of sample 0 and of
    face frame 0. Sound and face of the same instant therefore carry the same time.
    """

    epoch_ns: int

    def pts_ns(self, index: int, rate: int) -> int:
        """Presentation time in nanoseconds of sample or frame `index` at `rate` Hz."""
        return self.epoch_ns + media_time_ns(index, rate)


@dataclass(frozen=True)
class AudioChunk:
    """Mono sound: `samples` float32 [n] in [-1, 1] at `rate` Hz, first sample at index `start`."""

    samples: np.ndarray
    rate: int
    start: int = 0

    @property
    def end(self) -> int:
        """Index of the first sample after this chunk."""
        return self.start + len(self.samples)


@dataclass(frozen=True)
class TokenChunk:
    """Tokens of one space: `ids` int32 [n, codebooks], first token at index `start`."""

    space: str
    ids: np.ndarray
    start: int = 0

    @property
    def end(self) -> int:
        """Index of the first token after this chunk."""
        return self.start + len(self.ids)


@dataclass(frozen=True)
class FaceChunk:
    """Face motion: frame k belongs to the sound in [k / fps, (k + 1) / fps) seconds.

    `weights` float32 [n, 52] in [0, 1], in the order of `toktalk_node.face.arkit.BLENDSHAPES`;
    `head` float32 [n, 3], yaw, pitch and roll in radians; `start` is the first frame's index.
    """

    weights: np.ndarray
    head: np.ndarray
    fps: int
    start: int = 0

    @property
    def end(self) -> int:
        """Index of the first frame after this chunk."""
        return self.start + len(self.weights)

    def __len__(self) -> int:
        return len(self.weights)
