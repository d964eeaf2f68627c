"""Training of the FaceFormer-like regressor: see `toktalk_node.motion.regression`.

    toktalk train regression --data FOLDER --out runs/regression --minutes 10

Exposure bias: a regressor that has only ever seen the true past drifts once the past is its own. FaceFormer is trained
behind its own predictions from the first step to the last, one frame after the other. Here the first half of the
budget teaches it behind the true past with noise of up to half a deviation on it, all frames at once, which is three
times as fast; the second half trains it as FaceFormer is, gradients flowing through all of a window's predictions.
"""

from dataclasses import replace

import torch
from torch import Tensor

from toktalk_node.motion.regression import RegressionConfig, RegressionModel
from toktalk_node.training.batches import Batch
from toktalk_node.training.motion import MotionTrainer, TrainingConfig

TAUGHT = 0.5
"""Share of the budget that is spent behind the true past."""
NOISE = 0.5
"""Most noise on the true past, in deviations."""


class RegressionTrainer(MotionTrainer):
    """Trains the regressor on the flow's windows, with the flow's weights on channels, by their squared error."""

    model: RegressionModel

    def build(self, model: RegressionConfig) -> RegressionModel:
        """The model to train, with new weights."""
        return RegressionModel(model)

    def loss(self, batch: Batch) -> Tensor:
        """Squared error of the predicted motion; of validation windows always behind the model's own predictions."""
        model = self.model
        with self.precision():
            style = batch.style(model.style)[:, 0]
            if torch.is_grad_enabled() and self.share() < TAUGHT:
                past = batch.motion + NOISE * batch.t[:, None, None] * batch.noise
                predicted = model.net.teach(past, batch.condition, style)
            else:
                predicted = model.net(batch.motion, batch.known, batch.condition, style)
        return self.error(batch, predicted.float(), batch.motion, batch.weight)

    def generate(self, condition: Tensor, reference: Tensor | None) -> Tensor:
        """Motion [frames, M] of raw conditions [frames, E]; reference: raw motion [R, M]."""
        return self.model.generate(condition, reference if self.model.style is not None else None)


def regression_training(**changes: object) -> TrainingConfig:
    """The training of the regressor: no window goes without its condition, and fewer begin with known frames."""
    config = TrainingConfig(**changes)
    windows = replace(config.windows, full_context=1.0, dropped=0.0, known=0.5, longest_known=0.3)
    return replace(config, windows=windows)
