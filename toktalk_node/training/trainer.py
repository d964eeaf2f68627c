"""What every training shares: AdamW with a budget, moving averages of the weights, saving, resuming, curves.

The budget is time (or steps): the learning rate follows the share of it that is spent, so that training ends annealed
however fast the machine is. The folder of a run holds the averaged weights, ready to use, the state to resume from
under `state/`, and the curves in `curves.csv`.
"""

import csv
import json
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from toktalk_node.motion import checkpoint
from toktalk_node.training.distributed import Processes

Draw = Callable[[int], Any]
"""The batch of step i: a function of i, so that training resumes where it stopped."""


@dataclass(frozen=True)
class TrainerConfig:
    """How any of the models is trained."""

    data: str = ""
    """Folder of the training data, as it was named."""
    base: str = ""
    """Trained weights that a run goes on from or builds upon, as they were named; "" where there are none."""
    minutes: float = 20.0
    """Time budget; used where `steps` is None."""
    steps: int | None = None
    """Number of steps instead of a time budget."""
    learning_rate: float = 1e-3
    """Peak of the learning rate: reached after `warm_up`, then a cosine to 2 % of it."""
    warm_up: int = 150
    """Steps of linear warm-up."""
    weight_decay: float = 0.01
    """AdamW's weight decay."""
    clip: float = 1.0
    """Largest norm of the gradient."""
    average: float = 0.999
    """Decay of the exponential moving average of weights, which is what is saved."""
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


class Trainer(ABC):
    """Weights, optimizer and averages, from the first step to the last."""

    model: nn.Module
    sampler: Draw
    validator: Draw | None

    def __init__(self, config: TrainerConfig, device: str = "cpu") -> None:
        self.config = config
        self.processes = Processes(device)
        self.step = 0
        self.seconds = 0.0
        self._has_averages = False
        torch.manual_seed(config.seed)

    def begin(self, model: nn.Module, sampler: Draw, validator: Draw | None) -> None:
        """Train `model` on the batches of `sampler`; `validator` draws those that its progress is measured on."""
        self.model, self.sampler, self.validator = model, sampler, validator
        self.parameters = list(model.parameters())
        config = self.config
        self.optimizer = torch.optim.AdamW(
            self.parameters, config.learning_rate, betas=(0.9, 0.99), weight_decay=config.weight_decay, fused=True
        )
        self.averages = [p.detach().clone() for p in self.parameters]

    @abstractmethod
    def loss(self, batch: Any) -> Tensor:
        """Loss of a batch."""

    @abstractmethod
    def write(self, folder: Path, about: dict[str, Any]) -> None:
        """Write the model, which now has the averaged weights, to `folder`, with what there is to tell of it."""

    @abstractmethod
    def about(self) -> dict[str, Any]:
        """What the checkpoint tells of its training."""

    @property
    def draw_seed(self) -> int:
        """Seed of this process's batches."""
        return self.config.seed + 1_000_003 * self.processes.rank

    def train_step(self) -> float:
        """One step of AdamW; returns the loss."""
        rate = self.learning_rate()
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        loss = self.loss(self.sampler(self.step))
        if not math.isfinite(value := loss.item()):
            raise ValueError(f"the loss of step {self.step} is {value}: try a lower --learning-rate, or other data")
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.processes.average(self.parameters)
        nn.utils.clip_grad_norm_(self.parameters, self.config.clip)
        self.optimizer.step()
        self.step += 1
        decay = min(self.config.average, self.step / (10 + self.step))
        torch._foreach_lerp_(self.averages, [p.detach() for p in self.parameters], 1 - decay)
        return value

    @contextmanager
    def precision(self) -> Iterator[None]:
        """What forward passes run in: bfloat16 where it is asked for, and the attention that is fast."""
        kind = self.parameters[0].device.type
        # on a CPU the fused attention's backward pass is slow for windows this short
        attention = sdpa_kernel(SDPBackend.MATH) if kind == "cpu" else nullcontext()
        with torch.autocast(kind, torch.bfloat16, enabled=self.config.bf16), attention:
            yield

    def validate(self, batches: int = 4) -> float:
        """Loss of the averaged weights on the same validation windows every time; nan without any."""
        return self.averaged(self.loss, batches)

    @torch.no_grad()
    def averaged(self, measure: Callable[[Any], Tensor], batches: int = 4) -> float:
        """Mean of `measure` of validation batches with the averaged weights; nan without any."""
        if self.validator is None:
            return math.nan
        with self.with_averages():
            return sum(measure(self.validator(i)).item() for i in range(batches)) / batches

    def share(self) -> float:
        """Share of the budget that is spent, in [0, 1]."""
        config = self.config
        return min(1.0, self.step / config.steps if config.steps else self.seconds / max(60 * config.minutes, 1e-9))

    def learning_rate(self) -> float:
        """Learning rate of the next step: warm-up by steps, then a cosine by the share of the budget."""
        warm = min(1.0, (self.step + 1) / self.config.warm_up)
        return self.config.learning_rate * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * self.share())))

    @contextmanager
    def with_averages(self) -> Iterator[None]:
        """The model has the averaged weights meanwhile; also inside of another `with_averages`."""
        if self._has_averages:
            yield
            return
        self.swap_averages()
        self._has_averages = True
        try:
            yield
        finally:
            self.swap_averages()
            self._has_averages = False

    def swap_averages(self) -> None:
        """Exchange the weights and their averages."""
        for parameter, average in zip(self.parameters, self.averages, strict=True):
            parameter.data, average.data = average.data, parameter.data

    def save(self, folder: Path) -> None:
        """Write the averaged weights to `folder` and all that resuming needs to `folder`/state."""
        if not self.processes.first:
            return
        about = self.about()
        with self.with_averages():
            self.write(folder, about)
        self.model.train()
        tensors: dict[str, Tensor] = {}
        for i, parameter in enumerate(self.parameters):
            tensors |= {f"parameter.{i}": parameter.data, f"average.{i}": self.averages[i]}
            slots = self.optimizer.state.get(parameter, {})
            tensors |= {f"optimizer.{i}.{name}": value for name, value in slots.items()}
        tensors |= {f"buffer.{name}": value for name, value in self.model.named_buffers()}
        tensors = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
        state = {"step": self.step, "seconds": self.seconds, "model": asdict(self.model.config)}
        checkpoint.write_atomically(folder / "state" / "state.safetensors", lambda path: save_file(tensors, path))
        checkpoint.write_atomically(folder / "state" / "state.json", lambda path: path.write_text(json.dumps(state)))

    def resume(self, folder: Path) -> None:
        """Continue from what `save` wrote. Raises CheckpointError where there is nothing or it does not fit."""
        try:
            about = json.loads((folder / "state" / "state.json").read_text())
            tensors = load_file(folder / "state" / "state.safetensors")
        except FileNotFoundError as error:
            raise checkpoint.CheckpointError(f"nothing to resume in {folder} ({error}); leave out --resume") from error
        except (OSError, ValueError, SafetensorError) as error:
            raise checkpoint.CheckpointError(
                f"the state in {folder / 'state'} is damaged ({error}); leave out --resume"
            ) from error
        if about["model"] != asdict(self.model.config):
            raise checkpoint.CheckpointError(f"{folder} holds another model than asked for; leave out --resume")
        for name, buffer in self.model.named_buffers():
            buffer.copy_(tensors[f"buffer.{name}"])
        for i, parameter in enumerate(self.parameters):
            parameter.data.copy_(tensors[f"parameter.{i}"])
            self.averages[i].copy_(tensors[f"average.{i}"])
            prefix = f"optimizer.{i}."
            self.optimizer.state[parameter] = {
                name.removeprefix(prefix): value.to(parameter.device)
                for name, value in tensors.items()
                if name.startswith(prefix)
            }
        self.step, self.seconds = about["step"], about["seconds"]


def cpu_has_bf16() -> bool:
    """Whether this CPU multiplies bfloat16 in hardware."""
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def train(trainer: Trainer, out: Path, report: Callable[[Progress], None] | None = None) -> bool:
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
