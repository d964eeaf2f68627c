"""Training of the motion model: conditional flow matching on prepared shards.

    toktalk train motion --data FOLDER --out runs/motion --minutes 40

The budget is time (or steps): the learning rate follows the share of it that is spent, so that training ends annealed
however fast the machine is. The folder `--out` holds the averaged weights, ready to use, the state to resume from
under `state/`, and the curves in `curves.csv`.
"""

import csv
import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from toktalk_node.face.arkit import INDEX
from toktalk_node.face.rest import REST
from toktalk_node.face.space import ARKIT
from toktalk_node.motion import checkpoint
from toktalk_node.motion.config import MotionConfig, preset
from toktalk_node.motion.decoder import MotionDecoder, generate
from toktalk_node.motion.flow import cfm_loss, cosine_time, difference_loss, late_weight, straight_path
from toktalk_node.motion.model import MIN_MOTION_STD, MotionModel
from toktalk_node.training.batches import Batch, Sampler, Windows
from toktalk_node.training.distributed import Processes
from toktalk_node.training.pictures import draw_curves, draw_validation
from toktalk_node.training.shards import DataError, MotionData

LIP_SHAPES: tuple[str, ...] = tuple(
    """
    jawOpen mouthClose mouthFunnel mouthPucker mouthRollLower mouthRollUpper mouthPressLeft mouthPressRight
    mouthLowerDownLeft mouthLowerDownRight mouthUpperUpLeft mouthUpperUpRight tongueOut
    """.split()
)
"""The shapes that make speech readable; they weigh more in the loss."""


@dataclass(frozen=True)
class TrainingConfig:
    """How the motion model is trained."""

    minutes: float = 40.0
    """Time budget; used where `steps` is None."""
    steps: int | None = None
    """Number of steps instead of a time budget."""
    windows: Windows = field(default_factory=Windows)
    """How batches are drawn."""
    learning_rate: float = 1.5e-3
    """Peak of the learning rate: reached after `warm_up`, then a cosine to 2 % of it."""
    warm_up: int = 150
    """Steps of linear warm-up."""
    weight_decay: float = 0.01
    """AdamW's weight decay."""
    clip: float = 1.0
    """Largest norm of the gradient."""
    average: float = 0.999
    """Decay of the exponential moving average of weights, which is what is saved."""
    lip_weight: float = 3.0
    """Weight of `LIP_SHAPES` in the loss; other channels weigh 1."""
    aperture_weight: float = 5.0
    """Weight of the opening between the lips, jawOpen - mouthClose, as one more channel of the loss: errors that part
    shut lips, or shut open ones, are the most visible."""
    difference_weight: float = 1.0
    """Weight of the loss on changes from frame to frame: less trembling, most of all of the head, for a little less
    precise lips."""
    unused_weight: float = 0.1
    """Weight of channels that do not move in the data."""
    bf16: bool = False
    """Forward pass in bfloat16 (2.5 times as fast on a CPU with AVX-512 BF16)."""
    seed: int = 0
    """Seed of weights, windows and noise."""
    save_seconds: float = 180.0
    """Seconds between checkpoints."""
    report_steps: int = 50
    """Steps between lines of the curves."""


@dataclass(frozen=True)
class Progress:
    """Where training stands."""

    step: int
    seconds: float
    share: float
    """Share of the budget that is spent, in [0, 1]."""
    learning_rate: float
    loss: float
    """Loss on training windows, averaged over the last steps."""
    valid: float
    """Loss of the averaged weights on validation windows, nan where there are none."""


class MotionTrainer:
    """Weights, optimizer and averages, from the first step to the last."""

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
        self.data, self.config = data, config
        self.processes = Processes(device)
        torch.manual_seed(config.seed)
        if isinstance(model, MotionModel):
            self.model = self._fitting(model).to(self.processes.device).train()
        else:
            self.model = self.build(model).to(self.processes.device)
            self._standardise(train)
        seed = config.seed if self.processes.first else config.seed + 1_000_003 * self.processes.rank
        self.sampler = Sampler(train, self.model, config.windows, seed)
        self.validator = Sampler(valid, self.model, config.windows, config.seed + 1) if valid.utterances else None
        self.parameters = list(self.model.parameters())
        self.optimizer = torch.optim.AdamW(
            self.parameters, config.learning_rate, betas=(0.9, 0.99), weight_decay=config.weight_decay, fused=True
        )
        self.averages = [p.detach().clone() for p in self.parameters]
        self.channel_weight = self._channel_weight()
        self.aperture = self._aperture_scale(train)
        self.step = 0
        self.seconds = 0.0

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

    def train_step(self) -> float:
        """One step of AdamW; returns the loss."""
        rate = self.learning_rate()
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        loss = self.loss(self.sampler(self.step))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.processes.average(self.parameters)
        nn.utils.clip_grad_norm_(self.parameters, self.config.clip)
        self.optimizer.step()
        self.step += 1
        decay = min(self.config.average, self.step / (10 + self.step))
        torch._foreach_lerp_(self.averages, [p.detach() for p in self.parameters], 1 - decay)
        return loss.item()

    def loss(self, batch: Batch) -> Tensor:
        """CFM loss of a batch."""
        model = self.model
        t = cosine_time(batch.t)
        x_t, dx_t = straight_path(batch.noise, batch.motion, t)
        known = batch.motion * batch.known
        with self.precision():
            style = batch.style(model.style).expand(-1, x_t.shape[1], -1)
            predicted = model.net(x_t, t, batch.condition, style, known, batch.known, batch.chunk, batch.offset)
        weight = batch.weight * late_weight(t)[:, None, None] if model.config.predicts == "motion" else batch.weight
        return self.error(predicted.float(), dx_t, weight)

    @contextmanager
    def precision(self) -> Iterator[None]:
        """What forward passes run in: bfloat16 where it is asked for, and the attention that is fast."""
        kind = self.model.silence.device.type
        # on a CPU the fused attention's backward pass is slow for windows this short
        attention = sdpa_kernel(SDPBackend.MATH) if kind == "cpu" else nullcontext()
        with torch.autocast(kind, torch.bfloat16, enabled=self.config.bf16), attention:
            yield

    def error(self, predicted: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """Squared error of [batch, frames, M] where `weight` [batch, frames, 1] is 1, the opening between the lips as
        one more channel, and the loss on changes."""
        config = self.config
        shapes = cfm_loss(predicted, target, self.channel_weight, weight)
        changes = difference_loss(predicted, target, self.channel_weight, weight)
        opening = cfm_loss(predicted @ self.aperture, target @ self.aperture, weight.new_ones(1), weight)
        total, extra = self.channel_weight.sum(), config.aperture_weight
        return (shapes * total + opening * extra) / (total + extra) + config.difference_weight * changes

    def generate(self, condition: Tensor, reference: Tensor | None) -> Tensor:
        """What the present weights make of a recording: motion [frames, M] of raw conditions [frames, E]."""
        styled = reference if self.model.style is not None else None
        return generate(MotionDecoder(self.model), condition, styled)

    @torch.no_grad()
    def validate(self, batches: int = 4) -> float:
        """Loss of the averaged weights on the same validation windows every time; nan without any."""
        if self.validator is None:
            return math.nan
        self.swap_averages()
        try:
            return sum(self.loss(self.validator(i)).item() for i in range(batches)) / batches
        finally:
            self.swap_averages()

    def share(self) -> float:
        """Share of the budget that is spent, in [0, 1]."""
        config = self.config
        return min(1.0, self.step / config.steps if config.steps else self.seconds / max(60 * config.minutes, 1e-9))

    def learning_rate(self) -> float:
        """Learning rate of the next step: warm-up by steps, then a cosine by the share of the budget."""
        warm = min(1.0, (self.step + 1) / self.config.warm_up)
        return self.config.learning_rate * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * self.share())))

    def swap_averages(self) -> None:
        """Exchange the weights and their averages."""
        for parameter, average in zip(self.parameters, self.averages, strict=True):
            parameter.data, average.data = average.data, parameter.data

    def save(self, folder: Path) -> None:
        """Write the averaged weights to `folder` and all that resuming needs to `folder`/state."""
        if not self.processes.first:
            return
        about = self.about()
        self.swap_averages()
        try:
            checkpoint.save(self.model, folder, about, half=True)
            draw_validation(self.generate, self.data.split("valid"), folder / "valid.png")
            draw_curves(folder / "curves.csv", folder / "curves.svg")
        finally:
            self.model.train()
            self.swap_averages()
        tensors: dict[str, Tensor] = {}
        for i, parameter in enumerate(self.parameters):
            tensors[f"parameter.{i}"] = parameter.data
            tensors[f"average.{i}"] = self.averages[i]
            for name, value in self.optimizer.state.get(parameter, {}).items():
                tensors[f"optimizer.{i}.{name}"] = value
        tensors = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
        state = {"step": self.step, "seconds": self.seconds, "model": asdict(self.model.config)}
        checkpoint.write_atomically(folder / "state" / "state.safetensors", lambda path: save_file(tensors, path))
        checkpoint.write_atomically(folder / "state" / "state.json", lambda path: path.write_text(json.dumps(state)))

    def resume(self, folder: Path) -> None:
        """Continue from what `save` wrote. Raises CheckpointError where there is nothing or it does not fit."""
        try:
            about = json.loads((folder / "state" / "state.json").read_text())
            tensors = load_file(folder / "state" / "state.safetensors")
        except OSError as error:
            raise checkpoint.CheckpointError(f"nothing to resume in {folder} ({error}); leave out --resume") from error
        if about["model"] != asdict(self.model.config):
            raise checkpoint.CheckpointError(f"{folder} holds another model than asked for; leave out --resume")
        for i, parameter in enumerate(self.parameters):
            parameter.data.copy_(tensors[f"parameter.{i}"])
            self.averages[i].copy_(tensors[f"average.{i}"])
            prefix = f"optimizer.{i}."
            self.optimizer.state[parameter] = {
                name.removeprefix(prefix): value if name.endswith("step") else value.to(parameter.device)
                for name, value in tensors.items()
                if name.startswith(prefix)
            }
        self.step, self.seconds = about["step"], about["seconds"]

    def about(self) -> dict[str, Any]:
        """What the checkpoint tells of its training."""
        data = self.data
        return {
            "step": self.step,
            "minutes": round(self.seconds / 60, 1),
            "hours_of_data": round(data.frames / data.fps / 3600, 2),
            "utterances": len(data.utterances),
            "actors": len({item.actor for item in data.utterances}),
            "device": str(self.model.silence.device),
            "processes": self.processes.size,
            "valid_loss": self.validate(),
            "config": asdict(self.config),
        }

    def _standardise(self, train: MotionData) -> None:
        """Statistics from the training split; silence is the median of what utterances begin with."""
        items = train.utterances[:: max(1, len(train.utterances) // 2000)]
        motion = torch.cat([item.motion[::4].float() for item in items])
        condition = torch.cat([item.condition[::4].float() for item in items])
        silence = torch.stack([item.condition[0].float() for item in items]).median(0).values
        self.model.set_statistics(motion, condition, silence, self._rest())

    def _rest(self) -> Tensor:
        """The resting face [M]: ARKit's, elsewhere the mean of the actors'."""
        if self.model.config.space is ARKIT:
            return torch.from_numpy(REST.copy())
        rests = [*self.data.rests.values(), torch.zeros(self.model.config.motion_width)]
        return torch.stack(rests[:-1] or rests).mean(0)

    def _channel_weight(self) -> Tensor:
        channels = self.model.config.space.channels
        weight = torch.tensor([self.config.lip_weight if name in LIP_SHAPES else 1.0 for name in channels])
        weight = weight.to(self.model.motion_mean)
        weight[self.model.motion_std <= MIN_MOTION_STD] = self.config.unused_weight
        return weight

    def _aperture_scale(self, train: MotionData) -> Tensor:
        """[M, 1] that turns standardised motion into the standardised opening between the lips; zeros without lips."""
        scale = torch.zeros(self.model.config.motion_width, 1)
        if self.model.config.space is not ARKIT:
            return scale.to(self.model.silence)
        jaw, close = INDEX["jawOpen"], INDEX["mouthClose"]
        items = train.utterances[:: max(1, len(train.utterances) // 2000)]
        opening = torch.cat([item.motion[::4, jaw].float() - item.motion[::4, close].float() for item in items])
        std = self.model.motion_std.cpu()
        scale[jaw], scale[close] = std[jaw], -std[close]
        return (scale / opening.std().clamp_min(MIN_MOTION_STD)).to(self.model.silence)


def cpu_has_bf16() -> bool:
    """Whether this CPU multiplies bfloat16 in hardware."""
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def model_config(data: MotionData, name: str, **changes: Any) -> MotionConfig:
    """The preset `name` for the widths, rate and token space of the data."""
    return preset(name, data.condition_width, token_space=data.space, fps=data.fps, face=data.face, **changes)


def train(trainer: MotionTrainer, out: Path, report: Callable[[Progress], None] | None = None) -> bool:
    """Run until the budget is spent; save every few minutes and at the end.

    Returns False where the user stopped it (Ctrl-C); what was learnt is saved all the same.
    """
    config = trainer.config
    first = trainer.processes.first
    out.mkdir(parents=True, exist_ok=True)
    curves = out / "curves.csv"
    if first and (trainer.step == 0 or not curves.exists()):
        curves.write_text("step,seconds,learning_rate,loss,valid\n")
    recent: list[float] = []
    valid = math.nan
    began, before = time.monotonic(), trainer.seconds
    saved = began
    try:
        while trainer.share() < 1:
            recent.append(trainer.train_step())
            now = time.monotonic()
            trainer.seconds = trainer.processes.agree(before + now - began)
            if first and trainer.step % config.report_steps == 0:
                if trainer.step % (10 * config.report_steps) == 0:
                    valid = trainer.validate()
                loss, recent = sum(recent) / len(recent), []
                rate = trainer.learning_rate()
                progress = Progress(trainer.step, trainer.seconds, trainer.share(), rate, loss, valid)
                with curves.open("a", newline="") as file:
                    row = (trainer.step, trainer.seconds, rate, loss, valid)
                    csv.writer(file).writerow([f"{value:.6g}" for value in row])
                if report:
                    report(progress)
            if now - saved > config.save_seconds:
                trainer.save(out)
                saved = now
    except KeyboardInterrupt:
        trainer.save(out)
        return False
    trainer.save(out)
    return True
