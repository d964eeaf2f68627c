"""Systems that turn speech into a face, under one signature, so that they can be measured side by side."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from toktalk_node.corpus.performance import perform
from toktalk_node.face.arkit import MOTION_WIDTH
from toktalk_node.signals import FaceChunk
from toktalk_node.speech.phones import PHONES, Phone

from .data import RATE, Utterance
from .peers import FPS, PHONE_PEERS, loudness_jaw

if TYPE_CHECKING:
    from toktalk_node.tokens.phonetic import PhoneticTokenizer

TRUE_PHONES = "true-phones"
LOUDNESS = "loudness"
TOKTALK = "toktalk"
TOKTALK_PHONES = "toktalk-phones"
"""The phones of our tokens, performed: what the motion model could reach at most."""
OURS = (TOKTALK, TOKTALK_PHONES)
PACKET = 320


@dataclass(frozen=True)
class Answer:
    """What a system said: motion float32 [frames, 55] at `fps`, and its phones where it names them."""

    motion: np.ndarray
    fps: float
    phones: list[Phone] | None = None


System = Callable[[Utterance], Answer]


def names() -> list[str]:
    """Every system that `system` knows."""
    return [*OURS, *PHONE_PEERS, TRUE_PHONES, LOUDNESS]


def reference(utterance: Utterance, fps: float = FPS) -> np.ndarray:
    """The performance of the true phones, float32 [frames, 55]."""
    return perform(utterance.phones, utterance.duration, utterance.seed, fps=fps)


def motion_of(chunks: Iterable[FaceChunk]) -> np.ndarray:
    """Face chunks that follow each other as one motion float32 [frames, 55]."""
    parts = [np.concatenate([chunk.weights, chunk.head], axis=1) for chunk in chunks if len(chunk)]
    return np.concatenate(parts) if parts else np.zeros((0, MOTION_WIDTH), np.float32)


def system(name: str, **session: object) -> System:
    """The system of that name; `session` goes to `stream.Session.load` for ours. Raises ValueError."""
    if name in OURS:
        return _toktalk(name == TOKTALK_PHONES, **session)
    if name == TRUE_PHONES:
        return lambda utterance: Answer(
            perform(utterance.phones, utterance.duration, utterance.seed + 1, fps=FPS), FPS, utterance.phones
        )
    if name == LOUDNESS:
        return lambda utterance: Answer(loudness_jaw(utterance.samples), FPS)
    if name in PHONE_PEERS:
        return lambda utterance: _performed(PHONE_PEERS[name](utterance.samples), utterance)
    raise ValueError(f"no system named {name!r}; there are {', '.join(names())}")


def _performed(phones: list[Phone], utterance: Utterance) -> Answer:
    return Answer(perform(phones, utterance.duration, utterance.seed + 1, fps=FPS), FPS, phones)


def _toktalk(performed: bool, **options: object) -> System:
    from toktalk_node.stream import Session

    session = Session.load(**options)

    def answer(utterance: Utterance) -> Answer:
        phones = heard_phones(session.tokenizer, utterance.samples)
        if performed:
            return _performed(phones, utterance)
        session.reset()
        chunks = [
            session.push_audio(utterance.samples[start : start + PACKET], RATE)
            for start in range(0, len(utterance.samples), PACKET)
        ]
        motion = motion_of([*chunks, session.finish()])
        return Answer(motion[: math.ceil(utterance.duration * session.fps)], session.fps, phones)

    return answer


def heard_phones(tokenizer: "PhoneticTokenizer", samples: np.ndarray) -> list[Phone]:
    """The likeliest phones that the tokens of `samples` at 16 kHz stand for, as intervals."""
    stream = tokenizer.stream()
    ids = np.concatenate([stream.push(samples), stream.finish()])
    labels = tokenizer.phones(ids).argmax(axis=1)
    edges = [0, *(np.flatnonzero(np.diff(labels)) + 1), len(labels)]
    rate = 2 * tokenizer.space.rate
    end = len(samples) / RATE
    return [
        Phone(PHONES[labels[a]], a / rate, min(b / rate, end))
        for a, b in zip(edges, edges[1:], strict=False)
        if a < b and a / rate < end
    ]
