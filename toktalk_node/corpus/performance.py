"""The face of an utterance from its phone times: what the motion model learns to say.

Lips and jaw come from `coarticulation`, eyes, brows and head from `behaviour`; the speaker's style is drawn
by the seed. Same phones, duration and seed give the same performance, at any frame rate.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from toktalk_node.corpus.behaviour import accents, log_energy, upper_face
from toktalk_node.corpus.coarticulation import mouth
from toktalk_node.corpus.visemes import DIPHTHONGS, ROWS
from toktalk_node.face.arkit import BLENDSHAPES, INDEX, MOTION_WIDTH, mirrored
from toktalk_node.speech.phones import SILENCE, Phone

MAX_SECONDS = 3600.0
"""Longest utterance that is performed in one piece."""


@dataclass(frozen=True)
class Style:
    """How a speaker speaks, constant over an utterance."""

    jaw: float  # how far the jaw opens, 1 = average (JALI's jaw dimension)
    lips: float  # how much the lips shape, 1 = average (JALI's lip dimension)
    smile: float  # weight of a lasting smile
    activity: float  # how lively brows and head are, 1 = average
    lean: float  # left against right: positive moves the left of the face more

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> "Style":
        """A speaker by chance: small differences, as between people who speak plainly."""
        return cls(
            jaw=rng.uniform(0.88, 1.12),
            lips=rng.uniform(0.92, 1.10),
            smile=rng.uniform(0.0, 0.08),
            activity=rng.uniform(0.6, 1.3),
            lean=rng.normal(0, 0.03),
        )


def frame_count(duration: float, fps: float) -> int:
    """Frames that cover `duration` seconds at `fps`; a millionth of a frame is rounding, not a frame."""
    return max(0, math.ceil(duration * fps - 1e-6))


def perform(
    phones: Sequence[Phone],
    duration: float,
    seed: int,
    *,
    fps: float = 50,
    pitch: np.ndarray | None = None,
    energy: np.ndarray | None = None,
) -> np.ndarray:
    """The motion of an utterance: float32 [ceil(duration * fps), 55], 52 ARKit weights and head angles (radians).

    Frame k is the face at the middle of [k / fps, (k + 1) / fps). `phones` may leave gaps (they are silence);
    what reaches past `duration` seconds is cut. `pitch` (Hz, 0 = unvoiced) and `energy` (linear RMS), one value per
    frame, place accents on the syllables that stand out; louder vowels open the jaw a little more.

    Raises ValueError for an unknown phone, overlapping or backward times, or a duration out of range.
    """
    covered = cover(phones, duration)
    frames = frame_count(duration, fps)
    if not frames:
        return np.zeros((0, MOTION_WIDTH), np.float32)
    style_rng, behaviour_rng = (np.random.default_rng([seed, part]) for part in (1, 2))
    style = Style.drawn(style_rng)
    times = (np.arange(frames) + 0.5) / fps
    accented = accents(covered, behaviour_rng, fps=fps, pitch=pitch, energy=energy)
    weights, head = upper_face(times, covered, duration, accented, behaviour_rng, activity=style.activity)
    weights += mouth(covered, times, jaw_scale=style.jaw * _loudness(energy, frames, fps), lip_scale=style.lips)
    for side in ("Left", "Right"):
        weights[:, INDEX["mouthSmile" + side]] += style.smile
        weights[:, INDEX["cheekSquint" + side]] = 0.25 * weights[:, INDEX["mouthSmile" + side]]
    weights *= _lean(style.lean)
    return np.concatenate([np.clip(weights, 0, 1), head], axis=1).astype(np.float32)


def cover(phones: Sequence[Phone], duration: float) -> list[Phone]:
    """`phones` in order, cut to [0, duration] seconds, gaps filled with silence and empty phones dropped."""
    if not (math.isfinite(duration) and 0 <= duration <= MAX_SECONDS):
        raise ValueError(f"duration is {duration} s, expected 0 to {MAX_SECONDS:.0f} s")
    covered: list[Phone] = []
    at = 0.0
    for label, start, end in sorted(phones, key=lambda phone: phone[1]):
        if label not in ROWS and label not in DIPHTHONGS:
            raise ValueError(f"unknown phone {label!r} at {start} s: expected ARPAbet without stress, or {SILENCE}")
        if not (math.isfinite(start) and math.isfinite(end) and end >= start):
            raise ValueError(f"phone {label} runs from {start} to {end} s: its end is before its start")
        if start < at - 1e-3:
            raise ValueError(f"phone {label} starts at {start} s, before the last one ends at {at} s")
        start, end = max(start, at), min(end, duration)
        if end <= start:
            continue
        if start - at > 1e-3:
            _append(covered, Phone(SILENCE, at, start))
        _append(covered, Phone(label, at if start - at <= 1e-3 else start, end))
        at = end
    if duration > at or not covered:
        _append(covered, Phone(SILENCE, at, duration))
    return covered


def _append(covered: list[Phone], phone: Phone) -> None:
    """Adds a phone; silence after silence is one silence."""
    if covered and phone.label == SILENCE == covered[-1].label:
        covered[-1] = covered[-1]._replace(end=phone.end)
    else:
        covered.append(phone)


def _loudness(energy: np.ndarray | None, frames: int, fps: float) -> np.ndarray | float:
    """Jaw factor by loudness over a syllable's length, float64 [frames] around 1."""
    contour = log_energy(energy)
    if contour is None or not len(contour):
        return 1.0
    contour = np.pad(contour[:frames], (0, max(0, frames - len(contour))), "edge")
    window = np.hanning(2 * round(0.08 * fps) + 3)
    padded = np.pad(contour, len(window) // 2, "edge")
    return 1 + 0.1 * np.tanh(np.convolve(padded, window / window.sum(), "valid"))


def _lean(lean: float) -> np.ndarray:
    """Factor of each shape, float64 [52]: a little more on one side of mouth, cheeks and brows than on the other."""
    factor = np.ones(len(BLENDSHAPES))
    for index, name in enumerate(BLENDSHAPES):
        if mirrored(name) != name and name.startswith(("mouth", "cheek", "brow")):
            factor[index] += lean if name.endswith("Left") else -lean
    return factor
