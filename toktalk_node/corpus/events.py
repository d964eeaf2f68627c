"""What happens between and around the words: speech and silence, breaths, laughs. All times are in seconds.

People breathe in through the mouth just before they go on after a pause (Winkworth et al., "Breathing patterns during
spontaneous speech", 1995). Laughter comes in bouts of short calls, about five a second (Bachorowski, Smoski and Owren,
"The acoustic features of human laughter", 2001), with raised cheeks, narrowed eyes and a head that goes back and bobs
with the calls (Ruch and Ekman, "The expressive pattern of laughter", 2001).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from toktalk_node.corpus.visemes import BILABIAL_CONTACT, DENTAL_CONTACT
from toktalk_node.speech.phones import SILENCE, VOWELS, Phone

BREATH_PAUSE = 0.3
"""Shortest pause in which the mouth opens for breath."""


class Laugh(NamedTuple):
    """A bout of laughter: when it starts and ends, and the times of its calls."""

    start: float
    end: float
    calls: tuple[float, ...]


def smooth_step(phase: np.ndarray) -> np.ndarray:
    """0 below 0, 1 above 1, a half cosine between; same shape as `phase`."""
    return 0.5 - 0.5 * np.cos(np.pi * np.clip(phase, 0, 1))


def within(times: np.ndarray, start: float, end: float, rise: float, fall: float) -> np.ndarray:
    """1 from `start` to `end`, reached in `rise` seconds before and left in `fall` seconds after; float64 [frames]."""
    return smooth_step((times - start) / rise + 1) * smooth_step((end - times) / fall + 1)


def phrases(phones: Sequence[Phone], pause: float = 0.12) -> list[tuple[float, float]]:
    """Start and end of each stretch of speech; a silence shorter than `pause` does not end one."""
    found: list[tuple[float, float]] = []
    for label, start, end in phones:
        if label == SILENCE:
            continue
        if found and start - found[-1][1] < pause:
            found[-1] = found[-1][0], end
        else:
            found.append((start, end))
    return found


def speaking(times: np.ndarray, phones: Sequence[Phone]) -> np.ndarray:
    """How far the face is given to speech, float64 [frames]: 1 within phrases, 0 in pauses."""
    share = np.zeros(len(times))
    for start, end in phrases(phones):
        low, high = np.searchsorted(times, [start - 0.15, end + 0.25])
        share[low:high] = np.maximum(share[low:high], within(times[low:high], start, end, 0.15, 0.25))
    return share


def breaths(phones: Sequence[Phone], rng: np.random.Generator) -> list[tuple[float, float]]:
    """Time and depth in (0, 1] of the breaths that open the mouth: before a phrase that follows a pause.

    Lips that are about to meet, or that are about to be bitten, stay as they are: that breath goes through the nose.
    """
    taken = []
    for pause, first in zip(phones, phones[1:], strict=False):
        depth, time = rng.uniform(0.4, 1.0), first.start - rng.uniform(0.13, 0.17)
        if pause.label != SILENCE or first.label in BILABIAL_CONTACT or first.label in DENTAL_CONTACT:
            continue
        if pause.end - pause.start >= BREATH_PAUSE:
            taken.append((time, depth))
    return taken


def laughs(phones: Sequence[Phone]) -> list[Laugh]:
    """Bouts of laughter: HH and a vowel, at least twice with one vowel ("ha ha") or three times ("hehehi")."""
    calls = [
        (breath.start, vowel)
        for breath, vowel in zip(phones, phones[1:], strict=False)
        if breath.label == "HH" and vowel.label in VOWELS
    ]
    bouts: list[list[tuple[float, Phone]]] = []
    for start, vowel in calls:
        if bouts and start - bouts[-1][-1][1].end < 0.3:
            bouts[-1].append((start, vowel))
        else:
            bouts.append([(start, vowel)])
    return [
        Laugh(bout[0][0], bout[-1][1].end, tuple(vowel.centre for _, vowel in bout))
        for bout in bouts
        if len(bout) > 2 or (len(bout) == 2 and bout[0][1].label == bout[1][1].label)
    ]
