"""Measure systems side by side on the same utterances."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from .data import Utterance
from .lips import LipFigures, LipMeter
from .systems import System, reference
from .visemes import viseme_errors


@dataclass(frozen=True)
class Score:
    """One system's figures: the lips, and the viseme error where the system names phones."""

    lips: LipFigures
    viseme_error: float | None

    def to_dict(self) -> dict:
        """Plain values for JSON."""
        return self.lips.to_dict() | {"viseme_error": self.viseme_error}


def measure(
    systems: Mapping[str, System], utterances: Iterable[Utterance], advance: Callable[[], None] = lambda: None
) -> dict[str, Score]:
    """Each system's figures over all utterances; `advance` is called after each utterance."""
    meters = {name: LipMeter() for name in systems}
    wrong, counted = dict.fromkeys(systems, 0), dict.fromkeys(systems, 0)
    for utterance in utterances:
        for name, run in systems.items():
            answer = run(utterance)
            meters[name].add(answer.motion, answer.fps, utterance.phones, reference(utterance, answer.fps))
            if answer.phones is not None:
                errors, frames = viseme_errors(answer.phones, utterance.phones)
                wrong[name] += errors
                counted[name] += frames
        advance()
    return {
        name: Score(meters[name].figures(), wrong[name] / counted[name] if counted[name] else None) for name in systems
    }
