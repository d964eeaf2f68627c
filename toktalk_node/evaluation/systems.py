"""Systems that turn speech into a face, under one signature, so that they can be measured side by side."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from toktalk_node.corpus.performance import perform
from toktalk_node.face.arkit import MOTION_WIDTH
from toktalk_node.signals import FaceChunk
from toktalk_node.speech.phones import Phone

from .data import RATE, Utterance
from .peers import FPS, PHONE_PEERS, loudness_jaw

TRUE_PHONES = "true-phones"
LOUDNESS = "loudness"
TOKTALK = "toktalk"
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
    return [TOKTALK, *PHONE_PEERS, TRUE_PHONES, LOUDNESS]


def reference(utterance: Utterance, fps: float = FPS) -> np.ndarray:
    """The performance of the true phones, float32 [frames, 55]."""
    return perform(utterance.phones, utterance.duration, utterance.seed, fps=fps)


def motion_of(chunks: Iterable[FaceChunk]) -> np.ndarray:
    """Face chunks that follow each other as one motion float32 [frames, 55]."""
    parts = [np.concatenate([chunk.weights, chunk.head], axis=1) for chunk in chunks if len(chunk)]
    return np.concatenate(parts) if parts else np.zeros((0, MOTION_WIDTH), np.float32)


def system(name: str, **session: object) -> System:
    """The system of that name; `session` goes to `stream.Session.load` for `toktalk`. Raises ValueError."""
    if name == TOKTALK:
        return _toktalk(**session)
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


def _toktalk(**options: object) -> System:
    from toktalk_node.stream import Session

    session = Session.load(**options)

    def answer(utterance: Utterance) -> Answer:
        session.reset()
        chunks = [
            session.push_audio(utterance.samples[start : start + PACKET], RATE)
            for start in range(0, len(utterance.samples), PACKET)
        ]
        motion = motion_of([*chunks, session.finish()])
        return Answer(motion[: round(utterance.duration * session.fps + 0.5)], session.fps)

    return answer
