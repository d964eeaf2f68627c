"""Where speech comes from: the `Source` protocol, and what every source does to its samples.

A source is iterated once and yields `AudioChunk`s whose sample indices follow each other without a gap. Files and text
yield as fast as they are asked; a microphone yields as sound arrives.
"""

from collections.abc import Iterator
from typing import Protocol

import numpy as np

from toktalk_node.signals import AudioChunk

MIN_RATE, MAX_RATE = 4_000, 384_000
"""Sample rates in Hz that are accepted."""
MAX_CHANNELS = 64


class Source(Protocol):
    """Speech as a stream of mono chunks at `rate` Hz. `close` ends the iteration; any thread may call it."""

    rate: int

    def __iter__(self) -> Iterator[AudioChunk]: ...

    def close(self) -> None: ...


def check_rate(rate: int) -> int:
    """`rate` in Hz as an integer; raises ValueError outside [MIN_RATE, MAX_RATE]."""
    if int(rate) != rate or not MIN_RATE <= rate <= MAX_RATE:
        raise ValueError(f"sample rate {rate} Hz; whole rates from {MIN_RATE} to {MAX_RATE} Hz are read")
    return int(rate)


def clean(pcm: np.ndarray) -> tuple[np.ndarray, int]:
    """Any PCM as mono float32 [n] in [-1, 1], and how many of its values were not finite (they became 0).

    `pcm` is [n] or [n, channels], floats with full scale 1 (beyond it they clip) or integers with the full scale of
    their type; channels are averaged. Raises ValueError for any other shape or type.
    """
    pcm = np.asarray(pcm)
    if pcm.ndim not in (1, 2) or (pcm.ndim == 2 and not 1 <= pcm.shape[1] <= MAX_CHANNELS):
        raise ValueError(f"sound is [samples] or [samples, 1 to {MAX_CHANNELS} channels], not {list(pcm.shape)}")
    if pcm.dtype == np.uint8:
        pcm = (pcm.astype(np.float32) - 128) / 128
    elif np.issubdtype(pcm.dtype, np.signedinteger):
        pcm = pcm / np.float32(-float(np.iinfo(pcm.dtype).min))
    elif not np.issubdtype(pcm.dtype, np.floating):
        raise ValueError(f"sound of type {pcm.dtype}; floats, signed integers and uint8 are read")
    finite = np.isfinite(pcm)
    bad = pcm.size - int(finite.sum())
    if bad:
        pcm = np.where(finite, pcm, 0)
    pcm = np.clip(pcm, -1, 1)
    if pcm.ndim == 2:
        pcm = pcm[:, 0] if pcm.shape[1] == 1 else pcm.mean(axis=1)
    return np.ascontiguousarray(pcm, np.float32), bad
