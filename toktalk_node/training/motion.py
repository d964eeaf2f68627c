"""Training of the motion model: conditional flow matching on prepared shards.

    toktalk train motion --data FOLDER --out runs/motion --minutes 40

Budget, averages, saving and curves are those of `training/trainer.py`; pictures of validation lie beside the weights.
"""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from toktalk_node.face.rest import REST
from toktalk_node.face.space import ARKIT
from toktalk_node.motion import checkpoint
from toktalk_node.motion.config import MotionConfig, preset
from toktalk_node.motion.decoder import MotionDecoder, generate
from toktalk_node.motion.flow import cosine_time, straight_path
from toktalk_node.motion.model import MotionModel
from toktalk_node.training.batches import Batch, Sampler, Windows
from toktalk_node.training.motion_loss import LossWeights, MotionLoss, velocity_weight
from toktalk_node.training.pictures import draw_curves, draw_validation
from toktalk_node.training.shards import DataError, MotionData, Utterance
from toktalk_node.training.trainer import Trainer, TrainerConfig


def learning_rate(name: str, goes_on: bool) -> float:
    """Peak of the learning rate for the preset `name`; TokTalk's for its own size. goes_on: from trained weights."""
    return {"mini": 1.5e-3, "paper": 1e-4}[name] * (1 / 3 if goes_on else 1)


@dataclass(frozen=True)
class TrainingConfig(LossWeights, TrainerConfig):
    """How the motion model is trained."""

    minutes: float = 40.0
    learning_rate: float = 1.5e-3
    windows: Windows = field(default_factory=Windows)
    """How batches are drawn."""


class MotionTrainer(Trainer):
    """Trains the motion model, or by another `build` and `loss` another method on the same data."""

    config: TrainingConfig
    model: MotionModel

    def __init__(
        self,
        data: MotionData,
        model: MotionConfig | MotionModel,
        config: TrainingConfig,
        device: str = "cpu",
    ) -> None:
        """model: the configuration of new weights, or a trained model that training goes on from."""
        train, valid = data.split("train"), data.split("valid")
        if not train.utterances:
            raise DataError("the training data has no utterance of split 'train'")
        super().__init__(config, device)
        self.data = data
        if isinstance(model, MotionModel):
            self.model = self._fitting(model).to(self.processes.device).train()
        else:
            self.model = self.build(model).to(self.processes.device)
            self._standardise(train)
        validator = Sampler(valid, self.model, config.windows, config.seed + 1) if valid.utterances else None
        self.begin(self.model, Sampler(train, self.model, config.windows, self.draw_seed), validator)
        self.error = MotionLoss(self.model, [item.motion for item in _some(train)], config)

    def build(self, model: MotionConfig) -> MotionModel:
        """The model to train, with new weights."""
        return MotionModel(model)

    def _fitting(self, model: MotionModel) -> MotionModel:
        """`model`, where it fits the data. Raises DataError."""
        of_model = (model.config.token_space, model.config.condition_width, model.config.face, model.config.fps)
        of_data = (self.data.space, self.data.condition_width, self.data.face, self.data.fps)
        if of_model != of_data:
            raise DataError(f"(token space, width, face space, fps) of the base are {of_model}, of the data {of_data}")
        return model

    def loss(self, batch: Batch) -> Tensor:
        """CFM loss of a batch."""
        model = self.model
        t = cosine_time(batch.t)
        x_t, dx_t = straight_path(batch.noise, batch.motion, t)
        known = batch.motion * batch.known
        with self.precision():
            style = batch.style(model.style).expand(-1, x_t.shape[1], -1)
            predicted = model.net(x_t, t, batch.condition, style, known, batch.known, batch.chunk, batch.offset)
        return self.error(batch, predicted.float(), dx_t, velocity_weight(model.net, batch, t))

    def generate(self, condition: Tensor, reference: Tensor | None) -> Tensor:
        """What the present weights make of a recording: motion [frames, M] of raw conditions [frames, E]."""
        styled = reference if self.model.style is not None else None
        return generate(MotionDecoder(self.model), condition, styled)

    def write(self, folder: Path, about: dict[str, Any]) -> None:
        """Write the checkpoint, in 16 bits, and the pictures of validation and of the curves."""
        checkpoint.save(self.model, folder, about, half=True)
        draw_validation(self.generate, self.data.split("valid"), folder / "valid.png")
        draw_curves(folder / "curves.csv", folder / "curves.svg")

    def about(self) -> dict[str, Any]:
        """What the checkpoint tells of its training."""
        data = self.data
        return {
            "step": self.step,
            "minutes": round(self.seconds / 60, 1),
            "hours_of_data": round(data.frames / data.fps / 3600, 2),
            "shards": data.shards,
            "utterances": len(data.utterances),
            "actors": len({item.actor for item in data.utterances}),
            "device": str(self.model.silence.device),
            "processes": self.processes.size,
            "valid_loss": self.validate(),
            "config": asdict(self.config),
        }

    def _standardise(self, train: MotionData) -> None:
        """Statistics from the training split; silence is the median of what utterances begin with."""
        items = _some(train)
        motions = [item.motion.float() for item in items]
        conditions = [item.condition[::4].float() for item in items]
        silence = torch.stack([item.condition[0].float() for item in items]).median(0).values
        self.model.set_statistics(motions, conditions, silence, self._rest())

    def _rest(self) -> Tensor:
        """The resting face [M]: ARKit's, elsewhere the mean of the actors'."""
        if self.model.config.space is ARKIT:
            return torch.from_numpy(REST.copy())
        rests = [*self.data.rests.values(), torch.zeros(self.model.config.motion_width)]
        return torch.stack(rests[:-1] or rests).mean(0)


def model_config(data: MotionData, name: str, **changes: Any) -> MotionConfig:
    """The preset `name` for the widths, rate and token space of the data."""
    return preset(name, data.condition_width, token_space=data.space, fps=data.fps, face=data.face, **changes)


def _some(data: MotionData) -> list[Utterance]:
    """About 2000 utterances, for statistics."""
    return data.utterances[:: max(1, len(data.utterances) // 2000)]
