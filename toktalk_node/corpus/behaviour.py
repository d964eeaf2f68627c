"""What a speaking face does beside its lips: blinks, brows, gaze and head.

Timing follows what is known of people: they blink about 17 times a minute at rest and 26 in conversation, at intervals
with a long tail (Bentivoglio et al., 1997), most of all at the ends of phrases (Nakano and Kitazawa, 2010), and lids
close twice as fast as they open; brows and nods go with accented syllables (Cave et al., 1996; Munhall et al., 2004);
head motion has a spectrum that falls with frequency; eyes counter-rotate against the head and jump between fixations.
All functions are of continuous time, so that the frame rate changes nothing but the sampling.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from toktalk_node.face.arkit import BLENDSHAPES, INDEX
from toktalk_node.face.livelink import EYE_RANGE
from toktalk_node.speech.phones import SILENCE, VOWELS, Phone

HEAD_LIMIT = 0.15
"""Bound of each head angle in radians."""


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


def blinks(times: np.ndarray, phones: Sequence[Phone], duration: float, rng: np.random.Generator) -> np.ndarray:
    """How far the eyes are closed by blinks, float64 [frames] in [0, 1]."""
    ends = np.array([phone.start for phone in phones if phone.label == SILENCE and phone.start > 0])
    closed = np.zeros(len(times))
    at = rng.uniform(0.3, 3.0)
    while at < duration:
        if len(ends):  # a blink that is nearly due waits for the phrase to end, or comes a little early
            nearest = ends[np.argmin(np.abs(ends - at))]
            if abs(nearest - at) < 0.7 and rng.random() < 0.7:
                at = nearest + rng.uniform(0.0, 0.12)
        closing, shut, opening = rng.uniform(0.08, 0.11), rng.uniform(0.02, 0.04), rng.uniform(0.15, 0.20)
        depth = rng.uniform(0.9, 1.0)
        span = slice(*np.searchsorted(times, [at, at + closing + shut + opening]))
        local = times[span] - at
        down = 0.5 - 0.5 * np.cos(np.pi * np.clip(local / closing, 0, 1))
        up = np.clip((local - closing - shut) / opening, 0, 1)
        closed[span] = np.maximum(closed[span], depth * down * (1 - up) ** 2 * (1 + 2 * up))
        at += max(0.7, rng.lognormal(np.log(2.8), 0.5))
    return closed


def gaze(times: np.ndarray, duration: float, rng: np.random.Generator) -> np.ndarray:
    """Where the eyes fixate, float64 [frames, 2]: radians to the person's left and up, mostly at the listener."""
    knots, points, at, point = [-1.0], [np.zeros(2)], rng.uniform(0.5, 2.5), np.zeros(2)
    while at < duration:
        away = rng.random() < 0.3
        following = rng.normal(0, (0.09, 0.05)) if away else rng.normal(0, (0.018, 0.012))
        saccade = 0.03 + 0.15 * float(np.abs(following - point).max())  # the main sequence: longer jumps take longer
        knots += [at, at + saccade]
        points += [point, following]
        point = following
        at += saccade + (rng.uniform(0.3, 1.0) if away else rng.uniform(0.6, 2.6))
    stacked = np.clip(np.array(points), -0.2, 0.2)
    return np.stack([np.interp(times, knots, stacked[:, axis]) for axis in range(2)], axis=1)


def upper_face(
    times: np.ndarray,
    phones: Sequence[Phone],
    duration: float,
    accented: Sequence[Accent],
    rng: np.random.Generator,
    *,
    activity: float = 1.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Eyes, brows and head over `times` (seconds): weights float64 [frames, 52] and head float64 [frames, 3] (radians).

    `activity` scales brows and head: a lively speaker is above 1.
    """
    head = np.stack([wander(times, rng) * spread for spread in (0.026, 0.018, 0.014)], axis=1)
    raised = np.zeros(len(times))
    for time, strength in accented:
        nod, side = rng.uniform(0.015, 0.05) * strength, rng.normal(0, 0.012)
        head[:, 1] += nod * (0.35 * bump(times, time - 0.16, 0.14, 0.14) - bump(times, time + 0.05, 0.18, 0.32))
        head[:, 0] += side * bump(times, time + 0.1, 0.3, 0.5)
        if rng.random() < 0.45:
            raised = np.maximum(raised, rng.uniform(0.15, 0.45) * strength * bump(times, time, 0.16, 0.36))
    head = HEAD_LIMIT * np.tanh(activity * head / HEAD_LIMIT)
    mood = wander(times, rng, 0.03, 0.3)
    raised = activity * (raised + 0.02 * np.maximum(mood, 0))
    closed = blinks(times, phones, duration, rng)
    eyes = gaze(times, duration, rng) - 0.8 * head[:, :2]  # eyes stay on the listener while the head moves

    weights = np.zeros((len(times), len(BLENDSHAPES)))
    lids = np.clip(closed + 0.35 * np.maximum(-eyes[:, 1], 0), 0, 1)  # lids follow eyes that look down
    left, up = eyes.T / EYE_RANGE
    down = np.maximum(-up, 0) + 0.12 * closed
    shapes = {
        "eyeBlinkLeft": lids,
        "eyeBlinkRight": lids * rng.uniform(0.97, 1.0),
        "eyeLookOutLeft": np.maximum(left, 0),
        "eyeLookInRight": np.maximum(left, 0),
        "eyeLookInLeft": np.maximum(-left, 0),
        "eyeLookOutRight": np.maximum(-left, 0),
        "eyeLookUpLeft": np.maximum(up, 0),
        "eyeLookUpRight": np.maximum(up, 0),
        "eyeLookDownLeft": down,
        "eyeLookDownRight": down,
        "eyeSquintLeft": 0.2 * closed,
        "eyeSquintRight": 0.2 * closed,
        "eyeWideLeft": 0.25 * raised * (1 - closed),
        "eyeWideRight": 0.25 * raised * (1 - closed),
        "browInnerUp": 0.9 * raised,
        "browOuterUpLeft": 0.8 * raised,
        "browOuterUpRight": 0.8 * raised,
        "browDownLeft": activity * 0.03 * np.maximum(-mood, 0) + 0.06 * closed,
        "browDownRight": activity * 0.03 * np.maximum(-mood, 0) + 0.06 * closed,
    }
    for name, value in shapes.items():
        weights[:, INDEX[name]] = value
    return weights, head
