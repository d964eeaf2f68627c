"""Lips and jaw from phone times: a published co-articulation model, vectorised over frames.

Two stages. First, dominance functions (Cohen and Massaro, 1993): each phone pulls each articulator
to its target with a strength that decays as a negative exponential of the distance in time, and the
articulator is the average of the targets weighted by their dominance. Averages undershoot, and a
bilabial that does not shut is the error people see first; so, second, the hard constraints of JALI
(Edwards, Landreth, Fiume and Singh, 2016): lips shut on p b m, lower lip at the upper teeth on f v,
whatever the neighbours ask for. A closed mouth does not need a closed jaw: the jaw stays where
dominance puts it, and ARKit's `mouthClose` brings the lips together over it.

Speakers differ in the effort they spend (hypo- and hyper-articulation: Lindblom, 1990): with little, dominance decays
slowly and targets are undershot; the constraints hold for all of them. What the face shows beside speech gives way to
it, as in emotive speech, where a smile spreads the lips less in rounded vowels and never parts a closure (Magno
Caldognetto et al., 2004).
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from toktalk_node.corpus.styles import AVERAGE, SpeakingStyle
from toktalk_node.corpus.visemes import (
    BILABIAL_CONTACT,
    DENTAL_CONTACT,
    DIPHTHONGS,
    GROUP_OF,
    RATES,
    ROWS,
    STRENGTHS,
    TARGETS,
)
from toktalk_node.face.arkit import BLENDSHAPES, INDEX
from toktalk_node.face.rest import REST
from toktalk_node.speech.phones import SILENCE, Phone

SEAL_DEPTH, PRESS_DEPTH = 0.012, 0.03
"""How far `mouthClose` goes past `jawOpen` when the lips touch, and how much further at full force: lips are soft."""

MIN_HOLD = 0.032
"""Shortest contact of the lips in seconds."""

CORE_SHARE = 0.5
"""Middle share of a phone in which its dominance is whole."""

REST_AFTER, REST_BEFORE = 0.16, 0.10
"""Seconds between the end of speech and the mouth at rest, and between rest and the next speech."""

HUMMED = frozenset("M")
"""Bilabials after which the lips may stay shut: a stop is let go with a burst."""

SPOKEN = [i for i, name in enumerate(BLENDSHAPES) if name.startswith(("jaw", "mouth", "tongue", "noseSneer"))]
"""Indices of the shapes that speech moves or holds back; a raised nose takes the upper lip along."""

NEIGHBOURS = 8
"""Phones on each side of a frame that are heard by the dominance average."""


def targets_over_time(phones: Sequence[Phone], times: np.ndarray, effort: float = 1.0) -> np.ndarray:
    """Articulator values float64 [frames, articulators] at `times` (seconds) by dominance functions.

    `phones` covers the time without gaps, in order, at least one. The less the `effort`, the slower dominance decays.
    """
    rows, starts, ends, gains = _segments(phones)
    centres = (starts + ends) / 2
    nearest = np.searchsorted(centres, times)[:, None] + np.arange(-NEIGHBOURS, NEIGHBOURS + 1)
    inside = (nearest >= 0) & (nearest < len(rows))
    chosen = np.clip(nearest, 0, len(rows) - 1)  # [frames, neighbours]
    before = np.maximum(starts[chosen] - times[:, None], 0)
    after = np.maximum(times[:, None] - ends[chosen], 0)
    rates = RATES * min(effort, 1.1)  # who articulates with care goes further, not much faster
    decay = before[..., None] * rates[:, 0] + after[..., None] * rates[:, 1]  # [frames, neighbours, groups]
    decay -= np.where(inside[..., None], decay, np.inf).min(axis=1, keepdims=True)  # far from every phone, 0/0
    weight = STRENGTHS[rows][chosen] * gains[chosen][..., None] * inside[..., None] * np.exp(-decay)
    weight /= weight.sum(axis=1, keepdims=True)
    return np.einsum("fna,fna->fa", weight[..., GROUP_OF], TARGETS[rows][chosen])


def _segments(phones: Sequence[Phone]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Rows of the viseme table, starts and ends of the cores in seconds, and gains, one per target."""
    rows, starts, ends, gains = [], [], [], []

    def add(label: str, start: float, end: float, gain: float = 1.0) -> None:
        rows.append(ROWS[label])
        starts.append(start)
        ends.append(end)
        gains.append(gain)

    for index, (label, start, end) in enumerate(phones):
        if label == SILENCE:
            # before a bilabial the lips stay at rest until they press, and the jaw moves behind them
            waits = index + 1 < len(phones) and phones[index + 1].label in BILABIAL_CONTACT
            after = 0.03 if index and phones[index - 1].label in HUMMED else REST_AFTER
            before = 0.0 if waits else REST_BEFORE
            core = start + after, end - before
            if core[0] > core[1]:  # a pause too short to come to rest in
                core = ((start + end) / 2,) * 2
            gain = max(min(1.0, (end - start) / (REST_AFTER + REST_BEFORE)) ** 2, 1e-3)
            add(label, *core, gain=3 * gain if waits else gain)
        elif label in DIPHTHONGS:
            first, second, share = DIPHTHONGS[label]
            turn = start + share * (end - start)
            add(first, *_core(start, turn))
            add(second, *_core(turn, end))
        else:
            add(label, *_core(start, end))
    return np.array(rows), np.array(starts), np.array(ends), np.array(gains)


def _core(start: float, end: float) -> tuple[float, float]:
    margin = (1 - CORE_SHARE) / 2 * (end - start)
    return start + margin, end - margin


class Contact(NamedTuple):
    """Lips that touch: whole from `begin` to `finish`; coming takes `rise` seconds, going `fall`; `force` at most."""

    begin: float
    finish: float
    rise: float
    fall: float
    force: float


def contacts(phones: Sequence[Phone], labels: Mapping[str, tuple[float, float]]) -> list[Contact]:
    """The contacts that the phones in `labels` make; `labels` gives each its release and its force.

    A contact is whole from just after the phone's start until the release, a share of the phone, but never shorter
    than MIN_HOLD, so that a frame at 50 fps sees it in the fastest speech. It comes and goes faster beside
    a short phone, so that the vowel between two contacts still opens. Phones of `labels` that touch are one contact.
    """
    found: list[Contact] = []
    index = 0
    while index < len(phones):
        first = index
        while index < len(phones) and phones[index].label in labels:
            index += 1
        if index == first:
            index += 1
            continue
        start, last = phones[first].start, phones[index - 1]
        length = last.end - start
        begin = start + min(0.012, 0.2 * length)
        finish = last.start + labels[last.label][0] * (last.end - last.start)
        if (missing := MIN_HOLD - (finish - begin)) > 0:
            begin, finish = begin - 0.6 * missing, finish + 0.4 * missing
        if index < len(phones) and phones[index].label == SILENCE and last.label in HUMMED:
            finish = last.end + min(0.08, 0.5 * (phones[index].end - phones[index].start))
        rise = _shortened(0.056, phones[first - 1] if first else None)
        fall = _shortened(0.052, phones[index] if index < len(phones) else None)
        found.append(Contact(begin, finish, rise, fall, max(labels[phone.label][1] for phone in phones[first:index])))
    return found


def made(touching: Sequence[Contact], times: np.ndarray) -> np.ndarray:
    """How far the contacts are made, float64 [frames]: 1 while whole, along half cosines before and after."""
    parted = np.ones(len(times))
    for begin, finish, rise, fall, _ in touching:
        low, high = np.searchsorted(times, [begin - rise, finish + fall])
        span = times[low:high]
        distance = np.maximum(np.maximum((begin - span) / rise, (span - finish) / fall), 0)
        parted[low:high] *= 0.5 - 0.5 * np.cos(np.pi * np.minimum(distance, 1))
    return 1 - parted


def pressed(touching: Sequence[Contact], times: np.ndarray) -> np.ndarray:
    """Force of the contacts, float64 [frames]: rises to each one's force at its middle and is gone when they part."""
    force = np.zeros(len(times))
    for begin, finish, rise, fall, peak in touching:
        opens, closes = begin - 0.6 * rise, finish + 0.6 * fall
        low, high = np.searchsorted(times, [opens, closes])
        phase = (times[low:high] - opens) / (closes - opens)
        force[low:high] = np.maximum(force[low:high], peak * np.sin(np.pi * phase) ** 2)
    return force


def _shortened(ramp: float, neighbour: Phone | None) -> float:
    """A ramp in seconds that leaves most of a short neighbour open."""
    if neighbour is None or neighbour.label == SILENCE:
        return ramp
    return min(ramp, max(0.025, 0.6 * (neighbour.end - neighbour.start)))


def mouth(
    phones: Sequence[Phone],
    times: np.ndarray,
    style: SpeakingStyle = AVERAGE,
    *,
    loosened: Sequence[Phone] | None = None,
    loudness: np.ndarray | float = 1.0,
    vigour: np.ndarray | float = 1.0,
    shown: np.ndarray | None = None,
) -> np.ndarray:
    """ARKit weights of the shapes in SPOKEN, float64 [frames, 52]; the others are 0.

    `phones` covers the time without gaps, in order; `times` in seconds. `loosened` are the same phones at the times at
    which the tongue and jaw take them, where these are not exact. `loudness` is a factor of the jaw and `vigour` one
    of jaw and lips ([frames] or one number). `shown` [frames, 52] is what the face shows beside speech.
    """
    shown = np.zeros((len(times), len(BLENDSHAPES))) if shown is None else shown
    curves = targets_over_time(loosened or phones, times, style.effort)
    jaw, funnel, pucker, spread, upper, lower, tongue = curves.T
    reach = style.effort**0.5 * vigour
    rest_jaw = REST[INDEX["jawOpen"]]
    jaw = rest_jaw + (jaw - rest_jaw) * reach * style.jaw * loudness + shown[:, INDEX["jawOpen"]]
    jaw = np.where(jaw > 0.6, 0.6 + 0.4 * np.tanh((jaw - 0.6) / 0.4), jaw)  # a mouth has its limit
    lips = style.lips * reach
    rounded = lips * (1 + 0.35 * style.protrusion)
    funnel, pucker, spread = rounded * funnel, rounded * pucker, lips * (1 - 0.35 * style.protrusion) * spread
    upper, lower = lips * style.upper_lip * upper, lips * style.lower_lip * lower
    tongue = np.clip(reach, 0.75, 1.1) * tongue
    bilabial = contacts(phones, BILABIAL_CONTACT)
    shut, press = made(bilabial, times), pressed(bilabial, times)
    dental = made(contacts(phones, DENTAL_CONTACT), times) * (1 - shut)
    parted = 1 - shut

    # at rest the lips touch over a jaw that hangs a little; the more it opens, the less of that is left
    rest_close = REST[INDEX["mouthClose"]] * np.exp(-np.maximum(jaw - rest_jaw, 0) / 0.05)
    # lips can be spread without a smile, and are where the corners of the mouth are down
    glum = np.clip(shown[:, [INDEX["mouthFrownLeft"], INDEX["mouthFrownRight"]]].mean(axis=1) / 0.3, 0, 1)
    central = {
        "mouthFunnel": funnel * (1 - 0.85 * shut) * (1 - 0.7 * dental),
        "mouthPucker": pucker * (1 - 0.35 * shut) * (1 - 0.4 * dental),
        "mouthRollLower": 0.12 * shut + 0.55 * dental,
        "mouthRollUpper": 0.14 * shut,
        "mouthShrugLower": 0.05 * shut + 0.34 * dental,
        "mouthShrugUpper": 0.04 * shut,
        "tongueOut": tongue * parted * (1 - dental),
    }
    paired = {
        "mouthSmile": (0.62 - 0.4 * glum) * spread * (1 - 0.3 * shut),
        "mouthStretch": (0.45 + 0.3 * glum) * spread * (1 - 0.3 * shut),
        "mouthDimple": 0.12 * spread,
        "mouthPress": 0.36 * press,
        "mouthUpperUp": upper * parted + 0.24 * dental,
        "mouthLowerDown": lower * parted * (1 - dental),
    }
    spoken = np.zeros((len(times), len(BLENDSHAPES)))
    for name, value in central.items():
        spoken[:, INDEX[name]] = value
    for name, value in paired.items():
        for side in ("Left", "Right"):
            spoken[:, INDEX[name + side]] = value
    closed = np.exp(-np.maximum(jaw - rest_jaw, 0) / 0.12)
    room = _room(np.minimum(np.maximum(funnel, pucker) / 0.5, 1), np.minimum(spread / 0.5, 1), closed, shut, dental)
    weights = np.zeros_like(spoken)
    weights[:, SPOKEN] = layered(spoken, shown * room)[:, SPOKEN]
    weights[:, INDEX["jawOpen"]] = jaw
    weights[:, INDEX["mouthClose"]] = shut * (jaw + SEAL_DEPTH) + PRESS_DEPTH * press + parted * rest_close
    return weights


def layered(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Both weights at once without leaving [0, 1]: what one has left undone, the other does a share of."""
    return 1 - (1 - np.clip(first, 0, 1)) * (1 - np.clip(second, 0, 1))


def _room(
    rounded: np.ndarray, spread: np.ndarray, closed: np.ndarray, shut: np.ndarray, dental: np.ndarray
) -> np.ndarray:
    """What speech leaves of each shape that the face shows beside it, float64 [frames, 52] in [0, 1].

    The arguments, each [frames] in [0, 1], tell how far the lips are rounded, spread, near each other, shut and bitten.
    """
    room = np.ones((len(shut), len(BLENDSHAPES)))
    free = (1 - shut) * (1 - dental)
    rules = {
        ("mouthSmile", "mouthStretch", "mouthDimple", "mouthFrown"): (1 - 0.55 * rounded) * (1 - 0.25 * shut),
        ("mouthUpperUp", "mouthLowerDown"): free * (1 - 0.5 * rounded),
        ("mouthFunnel", "mouthPucker"): free * (1 - 0.6 * spread),
        ("mouthPress", "mouthRoll", "mouthShrug"): closed * (1 - dental),
        ("noseSneer",): 1 - 0.6 * np.maximum(shut, dental),
    }
    for names, share in rules.items():
        room[:, [i for i, name in enumerate(BLENDSHAPES) if name.startswith(names)]] = share[:, None]
    return room
