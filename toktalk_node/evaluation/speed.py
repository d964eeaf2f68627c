"""How fast a session is: real-time factor, the time from a chunk's last sample to its frames, and memory."""

import resource
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from toktalk_node.speech import espeak
from toktalk_node.stream import Session

PACKET = 0.02
"""Seconds of sound per packet, as a microphone gives it."""
TEXT = (
    "Every morning the baker opens the door of his shop, and the smell of fresh bread moves along the street. "
    "People come by, some in a hurry, some with time for a few words about the weather."
)


@dataclass(frozen=True)
class Speed:
    """Figures of one run; times in milliseconds."""

    threads: int
    seconds: float
    """Seconds of sound."""
    look_ahead_ms: float
    """Algorithmic wait of a chunk's first sample."""
    chunk_ms: float
    """Length of a chunk."""
    real_time_factor: float
    """Computing time of tokens and motion per second of sound."""
    tokens_share: float
    """Share of the computing time that the tokenizer takes."""
    chunk_p50_ms: float
    """From the packet that completes a chunk until its frames are there: median, …"""
    chunk_p99_ms: float
    resident_mb: float
    """Largest resident memory of the process."""


def measure(session: Session, seconds: float = 30.0, advance: Callable[[float], None] | None = None) -> Speed:
    """Push `seconds` of synthetic speech through the session in packets of 20 ms, as fast as it goes."""
    import torch

    sound, rate, _ = espeak.synthesize(TEXT, "en-us")
    sound = np.resize(sound, int(seconds * rate))
    step = int(PACKET * rate)
    stream = session.tokenizer.stream()
    session.push_audio(sound[:rate], rate)  # the first chunks pay for what is set up once
    session.reset()
    waits: list[float] = []
    spent = 0.0
    for start in range(0, len(sound), step):
        begun = time.perf_counter()
        frames = session.push_audio(sound[start : start + step], rate)
        took = time.perf_counter() - begun
        spent += took
        if len(frames):
            waits.append(took)
        if advance:
            advance(PACKET)
    look_ahead = session.look_ahead  # with the resampler's share
    session.reset()
    heard = np.resize(sound, int(min(seconds, 10) * session.tokenizer.sample_rate))
    begun = time.perf_counter()
    for start in range(0, len(heard), int(PACKET * session.tokenizer.sample_rate)):
        stream.push(heard[start : start + int(PACKET * session.tokenizer.sample_rate)])
    tokens = (time.perf_counter() - begun) / (len(heard) / session.tokenizer.sample_rate)
    total = spent / (len(sound) / rate)
    p50, p99 = np.percentile(waits, (50, 99)) * 1000
    return Speed(
        threads=torch.get_num_threads(),
        seconds=len(sound) / rate,
        look_ahead_ms=look_ahead * 1000,
        chunk_ms=session.decoder.settings.chunk / session.fps * 1000,
        real_time_factor=total,
        tokens_share=min(tokens / total, 1.0),
        chunk_p50_ms=float(p50),
        chunk_p99_ms=float(p99),
        resident_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    )
