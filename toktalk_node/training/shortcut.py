"""Training of the few-step student: see `toktalk_node.motion.shortcut`.

toktalk train shortcut --data FOLDER --base runs/motion --out runs/shortcut --minutes 10
"""

from typing import Any

import torch
from torch import Tensor

from toktalk_node.motion.flow import cosine_time, straight_path
from toktalk_node.motion.model import MotionModel
from toktalk_node.motion.shortcut import Step, steps_at, student_of, two_halves
from toktalk_node.training.batches import Batch
from toktalk_node.training.motion import MotionTrainer, TrainingConfig
from toktalk_node.training.shards import MotionData

TAUGHT = 0.5
"""Share of windows that learn a step from its halves; the others keep learning the flow, at step length 0."""


class ShortcutTrainer(MotionTrainer):
    """Fine-tunes a trained model into its few-step student, which learns the base's guidance."""

    def __init__(
        self, data: MotionData, base: MotionModel, config: TrainingConfig, device: str = "cpu", steps: int = 2
    ) -> None:
        """steps: the student's live default. Raises DataError where the base does not fit the data, and ValueError
        where it is a student itself."""
        self.guidance = base.config.guidance
        super().__init__(data, student_of(base, steps), config, device)

    def loss(self, batch: Batch) -> Tensor:
        """CFM loss of the first windows, and of the others that of a step against its two halves."""
        split = len(batch.t) - round(TAUGHT * len(batch.t))
        step = steps_at(batch.t[split:])
        t = torch.cat([cosine_time(batch.t[:split]), step.begin])
        length = torch.cat([torch.zeros_like(batch.t[:split]), step.end - step.begin])
        x_t, dx_t = straight_path(batch.noise, batch.motion, t)
        target = torch.cat([dx_t[:split], self._target(batch, slice(split, None), x_t, step)])
        with self.precision():
            predicted = self.model.net(x_t, t, *self._given(batch, slice(None)), length)
        return self.error(predicted.float(), target, batch.weight)

    @torch.no_grad()
    def _target(self, batch: Batch, rows: slice, x_t: Tensor, step: Step) -> Tensor:
        """The mean velocity of two halves of `step` for some windows, by the averaged weights."""

        def velocity(x: Tensor, t: Tensor, length: Tensor) -> Tensor:
            v = self.model.net(x, t, *given, length)
            base = length == 0
            if self.guidance and base.any():
                nothing = [torch.zeros_like(value[base]) for value in given[:4]]
                free = self.model.net(x[base], t[base], *nothing, batch.chunk, batch.offset, length[base])
                v[base] = torch.lerp(free, v[base], 1 + self.guidance)
            return v.float()

        self.swap_averages()
        try:
            with self.precision():  # left before the weights are back, because it keeps copies of them
                given = self._given(batch, rows)
                return two_halves(velocity, x_t[rows], batch.noise[rows], batch.motion[rows], batch.known[rows], step)
        finally:
            self.swap_averages()

    def _given(self, batch: Batch, rows: slice) -> tuple[Any, ...]:
        """What the network is given of some windows besides x, t and the step's length."""
        style = batch.style(self.model.style)[rows].expand(-1, batch.motion.shape[1], -1)
        known = (batch.motion * batch.known)[rows]
        return batch.condition[rows], style, known, batch.known[rows], batch.chunk, batch.offset
