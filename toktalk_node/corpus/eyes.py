"""What eyes do while their owner speaks: blinks and fixations. All times are in seconds.

People blink about 17 times a minute at rest and 26 in conversation, at intervals with a long tail (Bentivoglio et al.,
"Analysis of blink rate patterns in normal subjects", 1997), most of all at the ends of phrases (Nakano and Kitazawa,
"Eyeblink entrainment at breakpoints of speech", 2010); lids close twice as fast as they open. Eyes jump between
fixations in saccades that last longer the further they go (Bahill, Clark and Stark, "The main sequence", 1975), and
speakers look away as they begin and when they pause, to come back as they finish (Kendon, "Some functions of
gaze-direction in social interaction", 1967).
"""

from collections.abc import Sequence

import numpy as np

from toktalk_node.corpus.events import phrases
from toktalk_node.speech.phones import Phone

REST_RATE, SPEECH_RATE = 17 / 60, 26 / 60
"""Blinks a second in silence and in speech."""

SPREAD = 0.5
"""Standard deviation of the logarithm of the interval between two blinks."""

AVERTED = 0.22
"""Share of the average speaker's fixations that are not at the listener."""


def blink_times(
    phones: Sequence[Phone], duration: float, rng: np.random.Generator, *, rate: float = 1.0
) -> list[float]:
    """Onsets of the blinks in [0, duration): a log-normal renewal process whose clock runs faster in speech.

    `rate` is a factor of how often.
    """
    spoken = phrases(phones, 0.5)
    edges = np.unique(np.clip([0.0, duration, *(edge for phrase in spoken for edge in phrase)], 0, duration))
    middles = (edges[1:] + edges[:-1]) / 2
    inside = np.array([any(start <= middle < end for start, end in spoken) for middle in middles], bool)
    clock = np.concatenate([[0], np.cumsum(rate * np.where(inside, SPEECH_RATE, REST_RATE) * np.diff(edges))])
    ends = np.array([end for _, end in phrases(phones)])
    found: list[float] = []
    passed = rng.uniform(0.1, 1.0)
    while passed < clock[-1]:
        at = float(np.interp(passed, clock, edges))
        if len(ends):  # a blink that is nearly due waits for the phrase to end, or comes a little early
            nearest = float(ends[np.argmin(np.abs(ends - at))])
            if abs(nearest - at) < 0.7 and rng.random() < 0.75:
                at = nearest + rng.uniform(0.0, 0.1)
        if not found or at - found[-1] > 0.4:
            found.append(at)
        passed += rng.lognormal(-(SPREAD**2) / 2, SPREAD)
    return found


def blinks(
    times: np.ndarray, phones: Sequence[Phone], duration: float, rng: np.random.Generator, *, rate: float = 1.0
) -> np.ndarray:
    """How far the eyes are closed by blinks, float64 [frames] in [0, 1]."""
    closed = np.zeros(len(times))
    for at in blink_times(phones, duration, rng, rate=rate):
        closing, shut, opening = rng.uniform(0.08, 0.11), rng.uniform(0.02, 0.04), rng.uniform(0.15, 0.20)
        depth = rng.uniform(0.9, 1.0)
        span = slice(*np.searchsorted(times, [at, at + closing + shut + opening]))
        local = times[span] - at
        down = 0.5 - 0.5 * np.cos(np.pi * np.clip(local / closing, 0, 1))
        up = np.clip((local - closing - shut) / opening, 0, 1)
        closed[span] = np.maximum(closed[span], depth * down * (1 - up) ** 2 * (1 + 2 * up))
    return closed


def gaze(
    times: np.ndarray,
    phones: Sequence[Phone],
    duration: float,
    rng: np.random.Generator,
    *,
    aversion: float = 1.0,
    downcast: float = 0.0,
) -> np.ndarray:
    """Where the eyes fixate, float64 [frames, 2]: radians to the person's left and up, mostly at the listener.

    `aversion` is a factor of how often they look away, `downcast` how far down they look then.
    """
    spoken = phrases(phones, 0.3)
    starts, ends = (np.array([phrase[k] for phrase in spoken]) for k in (0, 1))
    knots, points, at, point = [-1.0], [np.zeros(2)], rng.uniform(0.5, 2.5), np.zeros(2)
    while at < duration:
        share = AVERTED * aversion * _turning_away(at, starts, ends)
        away = rng.random() < min(share, 0.85)
        centre, spread = ((0.0, -downcast), (0.09, 0.05)) if away else ((0.0, 0.0), (0.018, 0.012))
        following = rng.normal(centre, spread)
        saccade = 0.03 + 0.15 * float(np.abs(following - point).max())
        knots += [at, at + saccade]
        points += [point, following]
        point = following
        at += saccade + (rng.uniform(0.3, 1.0) if away else rng.uniform(0.6, 2.6))
    stacked = np.clip(np.array(points), -0.2, 0.2)
    return np.stack([np.interp(times, knots, stacked[:, axis]) for axis in range(2)], axis=1)


def _turning_away(time: float, starts: np.ndarray, ends: np.ndarray) -> float:
    """Factor of looking away at `time`, given where phrases start and end: more as they begin, less as they end."""
    if not len(starts):
        return 0.8
    begun = int(np.searchsorted(starts, time))
    if begun < len(starts) and starts[begun] - time < 0.6:  # about to speak, or in a pause between two phrases
        return 1.8
    if begun and time < ends[begun - 1]:
        return 1.6 if time - starts[begun - 1] < 0.5 else 0.5 if ends[begun - 1] - time < 0.6 else 1.0
    return 0.8
