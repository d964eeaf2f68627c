"""Training of the few-step student: see `toktalk_node.motion.shortcut`.

toktalk train shortcut --data FOLDER --base runs/motion --out runs/shortcut --minutes 10
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from toktalk_node.motion.decoder import DecodeSettings
from toktalk_node.motion.flow import straight_path
from toktalk_node.motion.model import MotionModel
from toktalk_node.motion.shortcut import OF_BASE, OF_OWN, Step, mean_velocity, steps_at, student_of
from toktalk_node.training.batches import Batch
from toktalk_node.training.motion import MotionTrainer, TrainingConfig
from toktalk_node.training.motion_loss import velocity_weight
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
        deviation = DecodeSettings.of(base.config).deviation(base.config)
        self.deviation = torch.from_numpy(deviation).to(self.processes.device)

    def loss(self, batch: Batch) -> Tensor:
        """Squared error of a step's velocity against that of several, in every window another step."""
        batch = replace(batch, noise=batch.noise * self.deviation)
        step = steps_at(batch.t)
        begin, end = step.times(1)
        x, _ = straight_path(batch.noise, batch.motion, begin)
        target = self._target(batch, x, step)
        with self.precision():
            predicted = self.model.net(x, begin, *self._given(batch), end - begin)
        return self.error(batch, predicted.float(), target, velocity_weight(self.model.net, batch, begin))

    @torch.no_grad()
    def _target(self, batch: Batch, x: Tensor, step: Step) -> Tensor:
        """The velocity over `step` of steps of the base, or of the averaged student where it is the only one."""
        *given, chunk, offset = self._given(batch)
        target, own = torch.empty_like(x), step.count == 1
        # precision is left before the weights are back, because it keeps copies of them
        with self.with_averages(), self.precision():
            for rows, ask, parts in ((own, self.model.net, OF_OWN), (~own, self._of_base, OF_BASE)):
                if not rows.any():
                    continue
                told = [value[rows] for value in given]

                def velocity(x: Tensor, t: Tensor, length: Tensor, ask: Any = ask, told: Any = told) -> Tensor:
                    return ask(x, t, *told, chunk, offset, length).float()

                points = (value[rows] for value in (x, batch.noise, batch.motion, batch.known))
                target[rows] = mean_velocity(velocity, *points, [t[rows] for t in step.times(parts)])
        return target

    def _of_base(
        self, x: Tensor, t: Tensor, condition: Tensor, style: Tensor, known: Tensor, mask: Tensor, *rest: Any
    ) -> Tensor:
        """The base's velocity with its guidance, in a second pass where there is any."""
        conditional, guidance = self.base.net(x, t, condition, style, known, mask, *rest), self.base.config.guidance
        if not guidance:
            return conditional
        nothing = torch.zeros_like(condition), torch.zeros_like(style)
        return torch.lerp(self.base.net(x, t, *nothing, known, mask, *rest), conditional, 1 + guidance)

    @torch.no_grad()
    def _given(self, batch: Batch) -> tuple[Any, ...]:
        """What the network is given besides x, t and the step's length."""
        style = batch.style(self.base.style).expand(-1, batch.motion.shape[1], -1)
        return batch.condition, style, batch.motion * batch.known, batch.known, batch.chunk, batch.offset


def shortcut_training(**changes: Any) -> TrainingConfig:
    """The training of a student: short windows behind known frames in short chunks, which few steps are for. What few
    steps get wrong is seen as trembling, so changes from frame to frame weigh more."""
    config = TrainingConfig(**changes)
    windows = replace(config.windows, frames=48, known=0.95, chunks=(4, 4, 4, 6, 8, 10, 20), full_context=0.05)
    return replace(config, windows=windows, difference_weight=3.0)
