"""Training of the few-step student: see `toktalk_node.motion.shortcut`.

toktalk train shortcut --data FOLDER --base runs/motion --out runs/shortcut --minutes 10
"""

from typing import Any

import torch
from torch import Tensor

from toktalk_node.motion.flow import straight_path
from toktalk_node.motion.model import MotionModel
from toktalk_node.motion.shortcut import Step, steps_at, student_of, two_halves
from toktalk_node.training.batches import Batch
from toktalk_node.training.motion import MotionTrainer, TrainingConfig
from toktalk_node.training.shards import MotionData


class ShortcutTrainer(MotionTrainer):
    """Fine-tunes a trained model into its few-step student, which learns the base's guidance and keeps its styles."""

    def __init__(
        self, data: MotionData, base: MotionModel, config: TrainingConfig, device: str = "cpu", steps: int = 2
    ) -> None:
        """steps: the student's live default. Raises DataError where the base does not fit the data, and ValueError
        where it is a student itself."""
        super().__init__(data, student_of(base, steps), config, device)
        self.base = base.to(self.processes.device).eval().requires_grad_(False)

    def loss(self, batch: Batch) -> Tensor:
        """Squared error of a step's velocity against its two halves, in every window another step."""
        step = steps_at(batch.t)
        x, _ = straight_path(batch.noise, batch.motion, step.begin)
        target = self._target(batch, x, step)
        with self.precision():
            predicted = self.model.net(x, step.begin, *self._given(batch), step.end - step.begin)
        return self.error(batch, predicted.float(), target, self.weight(batch, step.begin))

    @torch.no_grad()
    def _target(self, batch: Batch, x: Tensor, step: Step) -> Tensor:
        """The mean velocity of two halves of `step`: the base's where they are short, else the averaged student's."""
        given, guidance, short = self._given(batch), self.base.config.guidance, step.halves_are_base
        windows = [torch.cat([value[short], torch.zeros_like(value[short])]) for value in given[:2]]
        windows += [value[short].repeat(2, 1, 1) for value in given[2:4]]

        def velocity(x: Tensor, t: Tensor, length: Tensor) -> Tensor:
            v = self.model.net(x, t, *given, length).float()
            if not short.any():
                return v
            pair = self.base.net(x[short].repeat(2, 1, 1), t[short].repeat(2), *windows, *given[4:]).float()
            v[short] = torch.lerp(*reversed(pair.chunk(2)), 1 + guidance)
            return v

        # precision is left before the weights are back, because it keeps copies of them
        with self.with_averages(), self.precision():
            return two_halves(velocity, x, batch.noise, batch.motion, batch.known, step)

    @torch.no_grad()
    def _given(self, batch: Batch) -> tuple[Any, ...]:
        """What the network is given besides x, t and the step's length."""
        style = batch.style(self.base.style).expand(-1, batch.motion.shape[1], -1)
        return batch.condition, style, batch.motion * batch.known, batch.known, batch.chunk, batch.offset
