"""Training of the DiffPoseTalk-like diffusion model: see `toktalk_node.motion.diffusion`.

    toktalk train diffusion --data FOLDER --out runs/diffusion --minutes 15

DiffPoseTalk's loss is the error of x_0 on vertices, of their velocity and of their smoothness; ours is the one that
every method here is trained with: channels, opening between the lips, and changes from frame to frame.
"""

from dataclasses import replace

from torch import Tensor

from toktalk_node.motion.diffusion import DiffusionConfig, DiffusionModel, noised, signal_level
from toktalk_node.training.batches import Batch
from toktalk_node.training.motion import MotionTrainer, TrainingConfig

PICTURE_STEPS = 20
"""DDIM steps of the pictures that are drawn while training."""


class DiffusionTrainer(MotionTrainer):
    """Trains the denoiser to predict x_0 from any step of the noise."""

    model: DiffusionModel

    def build(self, model: DiffusionConfig) -> DiffusionModel:
        """The model to train, with new weights."""
        self._level = signal_level(model.noise_steps)
        return DiffusionModel(model)

    def loss(self, batch: Batch) -> Tensor:
        """Squared error of x_0 as predicted from x_n, n drawn evenly from 1 to N."""
        model = self.model
        last = model.config.noise_steps
        n = 1 + (batch.t * last).long().clamp_max(last - 1)
        x = noised(batch.motion, batch.noise, self._level.to(batch.t)[n])
        with self.precision():
            style = batch.style(model.style).expand(-1, x.shape[1], -1)
            predicted = model.net(x, n / last, batch.condition, style, batch.motion * batch.known, batch.known)
        return self.error(batch, predicted.float(), batch.motion, batch.weight)

    def generate(self, condition: Tensor, reference: Tensor | None) -> Tensor:
        """Motion [frames, M] of raw conditions [frames, E] in few steps; reference: raw motion [R, M]."""
        model, config = self.model, self.model.config
        model.config = replace(config, steps=min(PICTURE_STEPS, config.noise_steps), eta=0.0)
        try:
            return model.generate(condition, reference if model.style is not None else None)
        finally:
            model.config = config


def diffusion_training(model: DiffusionConfig, **changes: object) -> TrainingConfig:
    """The training of the denoiser: windows of the length it is run on, with full context."""
    config = TrainingConfig(**changes)
    frames = model.previous + model.window
    return replace(config, windows=replace(config.windows, frames=frames, full_context=1.0, longest_known=0.4))
