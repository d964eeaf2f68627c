"""The same speech in other throats and surroundings, to measure how gently a system degrades."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from toktalk_node.corpus.augment import speech_level, stretch

from .data import RATE, Utterance

CHILD = 1.3
"""Factor of pitch and formants from a man's voice to about a child's."""


def child(utterance: Utterance) -> Utterance:
    """Pitch and formants raised by `CHILD`, at the same tempo; phone times are true to 5 ms."""
    import soxr

    raised = soxr.resample(utterance.samples, RATE * CHILD, RATE, "HQ")
    slowed = stretch(raised, len(utterance.samples) / len(raised))
    return replace(utterance, samples=np.resize(slowed, len(utterance.samples)).astype(np.float32))


def quiet(utterance: Utterance) -> Utterance:
    """26 dB down."""
    return replace(utterance, samples=utterance.samples * np.float32(0.05))


def noisy(decibel: float) -> Callable[[Utterance], Utterance]:
    """White noise `decibel` dB under the speech."""

    def condition(utterance: Utterance) -> Utterance:
        rng = np.random.default_rng(utterance.seed % 2**32)
        noise = rng.normal(0, speech_level(utterance.samples) * 10 ** (-decibel / 20), len(utterance.samples))
        return replace(utterance, samples=(utterance.samples + noise).astype(np.float32))

    return condition


CONDITIONS: dict[str, Callable[[Utterance], Utterance]] = {
    "clean": lambda utterance: utterance,
    "child": child,
    "quiet": quiet,
    "noise-20": noisy(20),
    "noise-10": noisy(10),
}
"""Conditions by name."""
