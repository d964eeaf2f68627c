"""The face of an utterance from its phone times: what the motion model learns to say.

Lips and jaw come from `coarticulation`, eyes, brows and head from `behaviour`, what happens around words from `events`,
and how all of that is done from a speaker's style. The same phones, duration, seed and style give the same performance,
at any frame rate; another seed gives another performance, which agrees with the first on the lips.
"""

import math
from collections.abc import Sequence

import numpy as np

from toktalk_node.corpus.behaviour import accents, bump, log_energy, log_pitch, smoothed, upper_face, wander
from toktalk_node.corpus.coarticulation import SPOKEN, layered, mouth
from toktalk_node.corpus.emotion import shapes
from toktalk_node.corpus.events import Laugh, breaths, laughs, speaking, within
from toktalk_node.corpus.styles import SpeakingStyle
from toktalk_node.corpus.visemes import DIPHTHONGS, ROWS
from toktalk_node.face.arkit import BLENDSHAPES, INDEX, MOTION_WIDTH, mirrored
from toktalk_node.speech.phones import SILENCE, Phone

MAX_SECONDS = 3600.0
"""Longest utterance that is performed in one piece."""

SLACK = 0.012
"""How many seconds the tongue and the jaw may be early or late for a phone, twice the standard deviation."""


def frame_count(duration: float, fps: float) -> int:
    """Frames that cover `duration` seconds at `fps`; a millionth of a frame is rounding, not a frame."""
    return max(0, math.ceil(duration * fps - 1e-6))


def perform(
    phones: Sequence[Phone],
    duration: float,
    seed: int,
    *,
    style: SpeakingStyle | None = None,
    fps: float = 50,
    pitch: np.ndarray | None = None,
    energy: np.ndarray | None = None,
) -> np.ndarray:
    """The motion of an utterance: float32 [ceil(duration * fps), 55], 52 ARKit weights and head angles (radians).

    Frame k is the face at the middle of [k / fps, (k + 1) / fps). `phones` may leave gaps (they are silence);
    what reaches past `duration` seconds is cut. Without a `style`, a plain speaker is drawn by the seed. `pitch` (Hz,
    0 = unvoiced) and `energy` (linear RMS), one value per frame, place accents on the syllables that stand out, move
    brows and head, and open louder vowels further.

    Raises ValueError for an unknown phone, overlapping or backward times, or a duration out of range.
    """
    covered = cover(phones, duration)
    frames = frame_count(duration, fps)
    if not frames:
        return np.zeros((0, MOTION_WIDTH), np.float32)
    style_rng, behaviour_rng, mouth_rng = (np.random.default_rng([seed, part]) for part in (1, 2, 3))
    style = SpeakingStyle.plain(style_rng) if style is None else style
    times = (np.arange(frames) + 0.5) / fps
    bouts = laughs(covered)
    shown = _shown(times, covered, style, bouts, mouth_rng)
    voice = smoothed(log_pitch(pitch), frames, fps), smoothed(log_energy(energy), frames, fps)
    accented = accents(covered, behaviour_rng, fps=fps, pitch=pitch, energy=energy)
    weights, head = upper_face(
        times, covered, duration, accented, behaviour_rng, style, voice=voice, laughing=bouts, shown=shown
    )
    weights[:, SPOKEN] = mouth(
        covered,
        times,
        style,
        loosened=_loosened(covered, mouth_rng),
        loudness=1 + 0.1 * np.tanh(style.energy_response * voice[1]),
        vigour=1 + 0.06 * np.tanh(wander(times, mouth_rng, 0.3, 2)),
        shown=shown,
    )[:, SPOKEN]
    for side in ("Left", "Right"):
        cheek = weights[:, INDEX["cheekSquint" + side]]
        weights[:, INDEX["cheekSquint" + side]] = layered(cheek, 0.25 * weights[:, INDEX["mouthSmile" + side]])
    weights *= _lean(style.lean)
    return np.concatenate([np.clip(weights, 0, 1), head], axis=1).astype(np.float32)


def _shown(
    times: np.ndarray, phones: Sequence[Phone], style: SpeakingStyle, bouts: Sequence[Laugh], rng: np.random.Generator
) -> np.ndarray:
    """What the face shows beside speech, float64 [frames, 52]: posture, emotion, breaths and laughs.

    An emotion comes and goes a little over seconds, and what it does to the mouth gives way to speech.
    """
    level = np.clip(1 + 0.15 * wander(times, rng, 0.05, 0.4), 0.5, 1.3)
    level = np.where(_MOUTH[None], (level * (1 - 0.3 * speaking(times, phones)))[:, None], level[:, None])
    shown = layered(style.posture(), style.expression() * level)
    jaw = INDEX["jawOpen"]
    for time, depth in breaths(phones, rng):
        shown[:, jaw] += 0.05 * depth * bump(times, time, 0.12, 0.14)
    for laugh in bouts:
        joy = within(times, laugh.start, laugh.end, 0.2, 0.6)[:, None] * _LAUGHTER
        shown = layered(shown, joy)
    return shown


def _loosened(phones: Sequence[Phone], rng: np.random.Generator) -> list[Phone]:
    """The phones at the times at which a speaker gets to them: boundaries a little early or late, silences exact."""
    moved = []
    shift = 0.0
    slack = SLACK / 2 * np.clip(rng.normal(0, 1, len(phones)), -2, 2)
    for phone, following, own in zip(phones, [*phones[1:], None], slack, strict=True):
        start = phone.start + shift
        least = 0.0 if following is None or SILENCE in (phone.label, following.label) else 0.15
        shift = float(np.clip(own, -least * (phone.end - phone.start), least * (phone.end - phone.start)))
        moved.append(Phone(phone.label, start, phone.end + shift))
    return moved


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


def _lean(lean: float) -> np.ndarray:
    """Factor of each shape, float64 [52]: a little more on one side of mouth, cheeks and brows than on the other."""
    factor = np.ones(len(BLENDSHAPES))
    for index, name in enumerate(BLENDSHAPES):
        if mirrored(name) != name and name.startswith(("mouth", "cheek", "brow")):
            factor[index] += lean if name.endswith("Left") else -lean
    return factor


_MOUTH = np.array([name.startswith(("mouth", "jaw")) for name in BLENDSHAPES])
_LAUGHTER = shapes({"mouthSmile": 0.55, "cheekSquint": 0.5, "eyeSquint": 0.4, "mouthUpperUp": 0.15, "jawOpen": 0.06})
