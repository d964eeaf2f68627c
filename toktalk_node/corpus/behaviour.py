"""What a speaking face does beside its lips: brows, lids and head; the eyes themselves are in `eyes`.

Brows and nods go with accented syllables, and follow the pitch and loudness of the voice (Cave et al., "About the
relationship between eyebrow movements and F0 variations", 1996; Munhall et al., "Visual prosody and speech
intelligibility", 2004; Yehia, Kuratate and Vatikiotis-Bateson, "Linking facial animation, head motion and speech
acoustics", 2002); head motion has a spectrum that falls with frequency. Functions are of continuous time, so that
the frame rate changes nothing but the sampling.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from toktalk_node.corpus.coarticulation import layered
from toktalk_node.corpus.events import Laugh, phrases, within
from toktalk_node.corpus.eyes import blinks, gaze
from toktalk_node.corpus.styles import SpeakingStyle
from toktalk_node.face.arkit import BLENDSHAPES, INDEX
from toktalk_node.face.livelink import EYE_RANGE
from toktalk_node.speech.phones import VOWELS, Phone

HEAD_LIMIT = 0.15
"""Bound of each head angle in radians, from where the head rests."""


class Accent(NamedTuple):
    """An accented syllable: its time in seconds and its strength in (0, 1]."""

    time: float
    strength: float


def accents(
    phones: Sequence[Phone],
    rng: np.random.Generator,
    *,
    fps: float = 50,
    pitch: np.ndarray | None = None,
    energy: np.ndarray | None = None,
    gap: float = 0.35,
) -> list[Accent]:
    """Accented vowels, at least `gap` seconds apart.

    A vowel stands out by its length and, where `pitch` (Hz, 0 = unvoiced) and `energy` (linear RMS) are given per
    frame at `fps`, by how far both are above the utterance's mean. Without them, chance decides.
    """
    vowels = [phone for phone in phones if phone.label in VOWELS]
    if not vowels:
        return []
    score = 0.5 * standardised(np.log([max(v.end - v.start, 0.01) for v in vowels])) + rng.normal(0, 0.3, len(vowels))
    if pitch is None and energy is None:
        score += rng.normal(0, 1, len(vowels))
    for contour, gain in ((log_pitch(pitch), 0.8), (log_energy(energy), 0.6)):
        if contour is not None and len(contour):
            frames = np.clip([int(v.centre * fps) for v in vowels], 0, len(contour) - 1)
            score += gain * contour[frames]
    chosen: list[Accent] = []
    for index in np.argsort(-score):
        if score[index] < 0.4:
            break
        time = vowels[index].centre
        if all(abs(time - other.time) >= gap for other in chosen):
            chosen.append(Accent(time, float(np.clip(0.35 + 0.25 * score[index], 0.3, 1))))
    return sorted(chosen)


def log_pitch(pitch: np.ndarray | None) -> np.ndarray | None:
    """Pitch in Hz (0 or not finite: unvoiced) as standardised log pitch, 0 where unvoiced."""
    if pitch is None:
        return None
    pitch = np.nan_to_num(np.asarray(pitch, np.float64), posinf=0, neginf=0)
    contour, voiced = np.zeros(len(pitch)), pitch > 0
    contour[voiced] = standardised(np.log(pitch[voiced]))
    return contour


def log_energy(energy: np.ndarray | None) -> np.ndarray | None:
    """Linear RMS as standardised log energy over the frames within 40 dB of the loudest; -2.5 below them."""
    if energy is None:
        return None
    energy = np.nan_to_num(np.asarray(energy, np.float64), posinf=0, neginf=0)
    floor = max(energy.max(initial=0) * 1e-2, 1e-9)
    contour, loud = np.full(len(energy), -2.5), energy > floor
    contour[loud] = standardised(np.log(energy[loud]))
    return contour


def standardised(values: np.ndarray) -> np.ndarray:
    """`values` with mean 0 and variance 1, within [-2.5, 2.5]; all 0 where they do not vary."""
    values = np.asarray(values, np.float64)
    if len(values) < 2 or values.std() < 1e-6:
        return np.zeros(len(values))
    return np.clip((values - values.mean()) / values.std(), -2.5, 2.5)


def smoothed(contour: np.ndarray | None, frames: int, fps: float, seconds: float = 0.16) -> np.ndarray:
    """`contour` [about `frames`] under a window of `seconds`, float64 [frames]; zeros where it is None or empty."""
    if contour is None or not len(contour):
        return np.zeros(frames)
    contour = np.pad(contour[:frames], (0, max(0, frames - len(contour))), "edge")
    window = np.hanning(2 * round(seconds / 2 * fps) + 3)
    padded = np.pad(contour, len(window) // 2, "edge")
    return np.convolve(padded, window / window.sum(), "valid")


def wander(times: np.ndarray, rng: np.random.Generator, low: float = 0.07, high: float = 1.4) -> np.ndarray:
    """A smooth random motion of unit variance, float64 [frames], with amplitude ~ 1 / frequency in [low, high] Hz."""
    waves = 12
    frequency = np.geomspace(low, high, waves) * rng.uniform(0.85, 1.18, waves)
    amplitude = 1 / np.sqrt(frequency)  # log-spaced waves: equal steps carry a 1/f spectrum
    amplitude *= np.sqrt(2 / (amplitude**2).sum())
    phase = rng.uniform(0, 2 * np.pi, waves)
    return np.sin(2 * np.pi * times[:, None] * frequency + phase) @ amplitude


def bump(times: np.ndarray, peak: float, rise: float, fall: float) -> np.ndarray:
    """0 to 1 along a half cosine of `rise` seconds up to `peak`, then back in `fall` seconds; float64 [frames]."""
    distance = np.where(times < peak, (peak - times) / rise, (times - peak) / fall)
    return 0.5 + 0.5 * np.cos(np.pi * np.minimum(distance, 1))


def upper_face(
    times: np.ndarray,
    phones: Sequence[Phone],
    duration: float,
    accented: Sequence[Accent],
    rng: np.random.Generator,
    style: SpeakingStyle,
    *,
    voice: tuple[np.ndarray, np.ndarray],
    laughing: Sequence[Laugh] = (),
    shown: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Eyes, brows and head over `times` (seconds): weights float64 [frames, 52] and head float64 [frames, 3] (radians).

    `voice` is pitch and loudness, each [frames], smooth and standardised; `shown` [frames, 52] is what the face shows
    beside.
    """
    pitch, loudness = voice
    head = np.stack(
        [wander(times, rng, 0.07 * style.tempo, 1.4 * style.tempo) * spread for spread in (0.022, 0.015, 0.012)], axis=1
    )
    raised = np.zeros(len(times))
    for time, strength in accented:
        nod, side = rng.uniform(0.015, 0.05) * strength, rng.normal(0, 0.012)
        head[:, 1] += nod * (0.35 * bump(times, time - 0.16, 0.14, 0.14) - bump(times, time + 0.05, 0.18, 0.32))
        head[:, 0] += side * bump(times, time + 0.1, 0.3, 0.5)
        if rng.random() < 0.45:
            raised = np.maximum(raised, rng.uniform(0.15, 0.45) * strength * bump(times, time, 0.16, 0.36))
    raised += 0.07 * style.pitch_response * np.maximum(pitch, 0)
    head[:, 1] += 0.006 * style.pitch_response * pitch - 0.006 * style.energy_response * np.maximum(loudness, -1)
    for start, _ in phrases(phones, 0.3):  # head and brows come up with the breath and settle with the first words
        head[:, 1] += 0.018 * rng.uniform(0.3, 1) * bump(times, start - 0.08, 0.25, 0.45)
        raised = np.maximum(raised, rng.uniform(0, 0.15) * bump(times, start, 0.2, 0.4))
    for laugh in laughing:
        head[:, 1] += 0.06 * within(times, laugh.start + 0.1, laugh.end, 0.25, 0.5)
        for call in laugh.calls:
            head[:, 1] -= 0.025 * bump(times, call, 0.09, 0.11)
    rest = np.array([style.yaw, style.pitch, style.roll])
    head = HEAD_LIMIT * np.tanh(style.head_activity * head / HEAD_LIMIT)
    mood = wander(times, rng, 0.03, 0.3)
    raised = 0.8 * np.tanh(style.brow_activity * (raised + 0.02 * np.maximum(mood, 0)) / 0.8)
    closed = blinks(times, phones, duration, rng, rate=style.blink_rate)
    eyes = gaze(times, phones, duration, rng, aversion=style.aversion, downcast=style.downcast)
    eyes = eyes - 0.8 * (head + rest)[:, :2]  # eyes stay on the listener while the head moves

    weights = np.zeros((len(times), len(BLENDSHAPES)))
    lids = np.clip(closed + 0.35 * np.maximum(-eyes[:, 1], 0), 0, 1)  # lids follow eyes that look down
    left, up = eyes.T / EYE_RANGE
    frown = style.brow_activity * 0.03 * np.maximum(-mood, 0)
    shapes = {
        "eyeBlinkLeft": lids,
        "eyeBlinkRight": lids * rng.uniform(0.97, 1.0),
        "eyeLookOutLeft": np.maximum(left, 0),
        "eyeLookInRight": np.maximum(left, 0),
        "eyeLookInLeft": np.maximum(-left, 0),
        "eyeLookOutRight": np.maximum(-left, 0),
        "eyeLookUpLeft": np.maximum(up, 0),
        "eyeLookUpRight": np.maximum(up, 0),
        "eyeLookDownLeft": np.maximum(-up, 0),
        "eyeLookDownRight": np.maximum(-up, 0),
        "eyeWideLeft": 0.25 * raised,
        "eyeWideRight": 0.25 * raised,
        "browInnerUp": 0.9 * raised,
        "browOuterUpLeft": 0.8 * raised,
        "browOuterUpRight": 0.8 * raised,
        "browDownLeft": frown,
        "browDownRight": frown,
    }
    for name, value in shapes.items():
        weights[:, INDEX[name]] = value
    if shown is not None:
        weights = layered(weights, shown)
    for side in ("Left", "Right"):
        weights[:, INDEX["eyeWide" + side]] *= 1 - closed
        weights[:, INDEX["eyeLookDown" + side]] += 0.12 * closed
        for name, share in (("eyeSquint", 0.2), ("browDown", 0.06)):
            weights[:, INDEX[name + side]] = layered(weights[:, INDEX[name + side]], share * closed)
    return weights, head + rest
