"""Systems that turn conditions into motion, under one signature, so that they can be measured side by side."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from toktalk_node.corpus.styles import AVERAGE
from toktalk_node.evaluation.motion_data import FPS, MotionCase
from toktalk_node.face.smooth import Smoother
from toktalk_node.motion import checkpoint
from toktalk_node.motion.decoder import DecodeSettings, MotionDecoder
from toktalk_node.motion.model import MotionModel
from toktalk_node.motion.solver import Schedule
from toktalk_node.motion.style import Style
from toktalk_node.tokens.frontend import SAMPLE_RATE

STREAMS = 64
"""Most utterances that are decoded in one forward pass."""

Advance = Callable[[], None]


class Generator(Protocol):
    """What a method must offer to be measured."""

    def generate(self, condition: Tensor, reference: Tensor | None, seed: int) -> Tensor:
        """Motion [frames, M] of conditions [frames, E], in the style of the raw motion `reference` [R, M] if given."""
        ...


@dataclass(frozen=True)
class MotionSystem:
    """What is measured."""

    run: Callable[[Sequence[MotionCase], Sequence[int], Advance], list[np.ndarray]]
    """Answers cases, with one seed each, by motions float32 [frames, 55]."""
    chunk: int | None = None
    """Its frames per chunk; None where it does not work in chunks."""
    flow: "Flow | None" = None
    """Our model where it is one that runs in the style of the reference; the grid is measured on it."""


def performance(style: bool = True) -> MotionSystem:
    """Another performance of the true phones: by the same actor what a perfect model would reach, else by a speaker of
    average style what a perfect model without styles could."""

    def run(cases: Sequence[MotionCase], seeds: Sequence[int], advance: Advance) -> list[np.ndarray]:
        motions = []
        for case, seed in zip(cases, seeds, strict=True):
            motions.append(case.performed(seed, None if style else AVERAGE))
            advance()
        return motions

    return MotionSystem(run)


def at_rest() -> MotionSystem:
    """A face that never moves."""

    def run(cases: Sequence[MotionCase], seeds: Sequence[int], advance: Advance) -> list[np.ndarray]:
        return [np.zeros_like(case.truth) for case in cases]

    return MotionSystem(run)


def one_by_one(generator: Generator, style: bool = True) -> MotionSystem:
    """A method that answers one utterance at a time."""

    def run(cases: Sequence[MotionCase], seeds: Sequence[int], advance: Advance) -> list[np.ndarray]:
        motions = []
        for case, seed in zip(cases, seeds, strict=True):
            reference = torch.from_numpy(case.reference) if style else None
            motions.append(generator.generate(case.condition, reference, seed).cpu().numpy())
            advance()
        return motions

    return MotionSystem(run)


class Flow:
    """Our model with any decoding settings; styles are encoded once and shared between them."""

    def __init__(self, model: MotionModel, settings: DecodeSettings | None = None) -> None:
        _check_face(model)
        self.decoder = MotionDecoder(model, settings)
        self._styles: dict[str, Style] = {}

    @property
    def has_style(self) -> bool:
        """Whether the model was trained with styles."""
        return self.decoder.model.config.style_width > 0

    def system(
        self,
        style: bool = True,
        *,
        chunk: float | None = None,
        steps: int | None = None,
        guidance: float | None = None,
        schedule: Schedule | None = None,
        conditions: Callable[[MotionCase], Tensor] | None = None,
    ) -> MotionSystem:
        """The model with `chunk` seconds per chunk, `steps`, `guidance` and `schedule`; its own where they are None.

        style: whether it follows the reference clip. A model without styles does not, either way. conditions: what
        gives a case's conditions [frames, E]; those of the shipped tokenizer where it is None.
        """
        config, settings = self.decoder.model.config, self.decoder.settings
        frames = chunk and round(chunk * config.fps)
        wanted = {"chunk": frames, "steps": steps, "guidance": guidance, "schedule": schedule}
        settings = replace(settings, **{name: value for name, value in wanted.items() if value is not None})
        decoder = MotionDecoder(self.decoder.model, settings)

        def run(cases: Sequence[MotionCase], seeds: Sequence[int], advance: Advance) -> list[np.ndarray]:
            styles = [self._style(case) if style and self.has_style else None for case in cases]
            given = [conditions(case) if conditions else case.condition for case in cases]
            return decode_together(decoder, given, seeds, styles, advance)

        return MotionSystem(run, settings.chunk, self if style and conditions is None else None)

    def _style(self, case: MotionCase) -> Style:
        if case.id not in self._styles:
            self._styles[case.id] = self.decoder.style_of(torch.from_numpy(case.reference))
        return self._styles[case.id]


def as_shown(system: MotionSystem) -> MotionSystem:
    """The system with head, brows and gaze smoothed, as a session does with `smoothing` at 1."""

    def run(cases: Sequence[MotionCase], seeds: Sequence[int], advance: Advance) -> list[np.ndarray]:
        answers = system.run(cases, seeds, advance)
        return [Smoother(FPS, motion[0]).push(motion) if len(motion) else motion for motion in answers]

    return MotionSystem(run, system.chunk)


def adapted_conditions(folder: Path, shipped: Path) -> Callable[[MotionCase], Tensor]:
    """Conditions that the adapter in `folder` makes of another tokenizer's tokens; each case's are made once.

    The tokenizer's weights lie in the folder of its space's name beside the adapter's, or else in `shipped`.
    Raises TokenizerError.
    """
    from toktalk_node.stream import adapted

    tokenizer = adapted.load(folder, shipped=shipped)
    made: dict[str, Tensor] = {}

    def conditions(case: MotionCase) -> Tensor:
        if case.id not in made:
            frames = adapted.conditions(tokenizer, case.samples, SAMPLE_RATE)
            made[case.id] = torch.from_numpy(frames)[: len(case.condition)]
        return made[case.id]

    return conditions


@torch.no_grad()
def decode_together(
    decoder: MotionDecoder,
    conditions: Sequence[Tensor],
    seeds: Sequence[int],
    styles: Sequence[Style | None],
    advance: Advance = lambda: None,
) -> list[np.ndarray]:
    """What `decode` gives for each of `conditions` [frames, E], float32 [frames, M], but many at once."""
    model, chunk, ahead = decoder.model, decoder.settings.chunk, decoder.model.config.look_ahead
    order = sorted(range(len(conditions)), key=lambda i: -len(conditions[i]))
    motions: dict[int, np.ndarray] = {}
    for start in range(0, len(order), STREAMS):
        group = order[start : start + STREAMS]
        chunks = [-(-len(conditions[i]) // chunk) for i in group]
        silence = model.silence.cpu()
        padded = [
            torch.cat([conditions[i], silence.expand(n * chunk + ahead - len(conditions[i]), -1)])
            for i, n in zip(group, chunks, strict=True)
        ]
        states = [decoder.start(seeds[i], styles[i]) for i in group]
        if ahead:
            states = [decoder.prime(state, known[:ahead]) for state, known in zip(states, padded, strict=True)]
        parts: list[list[Tensor]] = [[] for _ in group]
        for k in range(max(chunks, default=0)):
            states = states[: sum(n > k for n in chunks)]  # the longest come first
            rows = slice(ahead + k * chunk, ahead + (k + 1) * chunk)
            motion, states = decoder.step(states, torch.stack([c[rows] for c in padded[: len(states)]]))
            for part, new in zip(parts, motion.cpu(), strict=False):
                part.append(new)
            for _ in range(sum(n == k + 1 for n in chunks)):
                advance()
        for i, part in zip(group, parts, strict=True):
            made = torch.cat(part) if part else torch.zeros(0, model.config.motion_width)
            motions[i] = made[: len(conditions[i])].numpy()
    return [motions[i] for i in range(len(conditions))]


def from_checkpoint(folder: Path, device: str = "cpu", **settings: float | str | None) -> dict[str, MotionSystem]:
    """The systems of a checkpoint, our model or a baseline, named after its folder; of ours also one without style.

    `settings` are those of `Flow.system`. Raises CheckpointError or ValueError.
    """
    name, method = folder.resolve().name, checkpoint_method(folder)
    if method == MotionModel.method:
        flow = load_flow(folder, device)
        systems = {name: flow.system(**settings)}
        return systems | ({f"{name}-nostyle": flow.system(style=False, **settings)} if flow.has_style else {})
    kinds = baselines()
    if method not in kinds:
        known = ", ".join([MotionModel.method, *kinds])
        raise ValueError(f"{folder} holds a {method!r} model; those that can be measured are {known}")
    model = checkpoint.load(folder, device, kinds[method])
    _check_face(model)
    return {name: one_by_one(model, style=model.config.style_width > 0)}


def baselines() -> dict[str, type[MotionModel]]:
    """The methods that ours is compared with, by the name in their checkpoints."""
    from toktalk_node.motion.diffusion import DiffusionModel
    from toktalk_node.motion.regression import RegressionModel

    return {kind.method: kind for kind in (DiffusionModel, RegressionModel)}


def checkpoint_method(folder: Path) -> str:
    """Which method's weights are in `folder`. Raises CheckpointError where there is no motion checkpoint."""
    try:
        about = json.loads((folder / checkpoint.CONFIG_FILE).read_text())
        prefix, _, method = about["format"].partition("-")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        prefix, method = "", ""
    if prefix != "toktalk" or not method:
        raise checkpoint.CheckpointError(
            f"no motion checkpoint in {folder}: train one with `toktalk train motion --data FOLDER --out {folder}`"
        )
    return method


def load_flow(folder: Path, device: str = "cpu") -> Flow:
    """Our model in `folder`. Raises CheckpointError or ValueError."""
    return Flow(checkpoint.load(folder, device))


def _check_face(model: MotionModel) -> None:
    if model.config.face != "arkit":
        raise ValueError(f"figures are measured on ARKit faces; this model moves {model.config.face!r}")


OURS: dict[str, Callable[..., MotionSystem]] = {
    "toktalk": lambda flow, **settings: flow.system(**settings),
    "toktalk-nostyle": lambda flow, **settings: flow.system(style=False, **settings),
    "toktalk-shown": lambda flow, **settings: as_shown(flow.system(**settings)),
}
"""Systems of our model."""
REFERENCES: dict[str, Callable[[], MotionSystem]] = {
    "performance": performance,
    "performance-nostyle": lambda: performance(style=False),
    "rest": at_rest,
}
"""Systems without weights, to read the others against."""
