"""Viseme error: the share of 10 ms speech frames whose viseme a system gets wrong.

The classes are the fifteen of Meta's OVR LipSync (sil PP FF TH DD kk CH SS nn RR aa E ih oh ou), each phone in the
class whose lips and jaw it shares. Frames whose true phone is silence do not count; an answer of silence in speech
is wrong.
"""

from collections.abc import Sequence

import numpy as np

from toktalk_node.speech.phones import INDEX, PHONES, SILENCE, Phone

CLASSES: dict[str, str] = {
    "sil": "SIL",
    "PP": "P B M",
    "FF": "F V",
    "TH": "TH DH",
    "DD": "T D",
    "kk": "K G NG HH",
    "CH": "CH JH SH ZH",
    "SS": "S Z",
    "nn": "N L",
    "RR": "R ER",
    "aa": "AA AE AH AW AY",
    "E": "EH EY",
    "ih": "IH IY Y",
    "oh": "AO OW OY",
    "ou": "UW UH W",
}
VISEME: dict[str, str] = {phone: viseme for viseme, phones in CLASSES.items() for phone in phones.split()}
_CLASS = np.array([list(CLASSES).index(VISEME[phone]) for phone in PHONES])

RATE = 100


def frames_of(phones: Sequence[Phone], count: int) -> np.ndarray:
    """Phone index [count] at the middle of each 10 ms; silence where no phone lies."""
    out = np.full(count, INDEX[SILENCE])
    for phone in phones:
        first, last = (int(np.ceil(time * RATE - 0.5)) for time in (phone.start, phone.end))
        out[max(first, 0) : max(last, 0)] = INDEX[phone.label]
    return out


def viseme_errors(answer: Sequence[Phone], truth: Sequence[Phone]) -> tuple[int, int]:
    """Wrong frames and counted frames of `answer` against `truth`."""
    count = round(max((p.end for p in truth), default=0.0) * RATE)
    true, said = frames_of(truth, count), frames_of(answer, count)
    speech = true != INDEX[SILENCE]
    return int((_CLASS[true] != _CLASS[said])[speech].sum()), int(speech.sum())
