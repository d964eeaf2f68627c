"""Training of an adapter (`motion/adapter.py`): stage 2 of TokTalk, with the motion model frozen.

    toktalk train adapter --space codec --base mini --data data/corpus --out runs/adapter-codec

L_adapt = L_CFM + 0.5 L_align: the flow-matching loss through the frozen motion model, conditioned on what the adapter
makes of the source embeddings, and the squared distance of that to the base embeddings of the same sound, in
deviations of each channel. Without motion L_align alone remains: sound is all that is needed.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from toktalk_node.motion import checkpoint
from toktalk_node.motion.adapter import Adapter, AdapterConfig
from toktalk_node.motion.flow import cosine_time, straight_path
from toktalk_node.motion.model import MIN_CONDITION_STD, MotionModel
from toktalk_node.stream import adapted
from toktalk_node.training.adapter_pairs import Pair, Pairs
from toktalk_node.training.motion_loss import LossWeights, MotionLoss, velocity_weight
from toktalk_node.training.shards import DataError
from toktalk_node.training.trainer import Trainer, TrainerConfig


@dataclass(frozen=True)
class AdapterTraining(LossWeights, TrainerConfig):
    """How an adapter is trained."""

    warm_up: int = 100
    batch: int = 24
    """Windows per step."""
    align: float = 0.5
    """Weight of L_align beside L_CFM (lambda in TokTalk)."""
    known: float = 0.7
    """Share of windows whose first frames of motion are given."""


@dataclass(frozen=True)
class AdapterBatch:
    """Windows of n frames; row p of a window is base frame p of it."""

    source: Tensor
    """[batch, window, source width], raw."""
    base: Tensor
    """[batch, n, E], raw."""
    inside: Tensor
    """1 where there is a base frame [batch, n, 1]."""
    before: Tensor
    """True where the stream has not begun [batch, n, 1]."""
    motion: Tensor
    """[batch, n, M], standardised; M = 0 without motion."""
    known: Tensor
    """1 where the motion is given [batch, n, 1]."""
    weight: Tensor
    """1 where L_CFM counts [batch, n, 1]."""
    style: Tensor
    """[batch, 1, S]."""
    t: Tensor
    """[batch]."""
    noise: Tensor
    """[batch, n, M]."""


class PairSampler:
    """Draws batches; batch `step` is a function of (seed, step)."""

    def __init__(
        self, items: list[Pair], adapter: Adapter, model: MotionModel | None, config: AdapterTraining, seed: int
    ) -> None:
        self.items, self.adapter, self.model, self.config, self.seed = items, adapter, model, config, seed
        lengths = np.array([len(item.source) + adapter.config.window - 1 for item in items], float)
        self._cumulative = np.cumsum(lengths / lengths.sum())
        self._styles = [self._style(item) for item in items]

    def __call__(self, step: int) -> AdapterBatch:
        """The batch of step `step`, on the adapter's device."""
        c, config = self.adapter.config, self.config
        rng = np.random.default_rng([self.seed, step])
        chosen = np.searchsorted(self._cumulative, rng.random(config.batch)).clip(max=len(self.items) - 1)
        device = self.adapter.silence.device
        cuts = [self._cut(self.items[i], rng) for i in chosen]
        columns = (torch.stack(column).to(device) for column in zip(*cuts, strict=True))
        source, base, inside, before, motion, weight = columns
        known = torch.zeros_like(inside)
        chunk = self.model.config.chunk if self.model else 1
        ends = np.arange(0, int(0.65 * c.window * c.ratio) + 1, chunk)
        for row in np.flatnonzero(rng.random(config.batch) < config.known):
            known[row, : int(rng.choice(ends))] = 1
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        t = (torch.from_numpy(rng.permutation(config.batch)) + torch.rand(config.batch, generator=generator)).float()
        return AdapterBatch(
            source=source,
            base=base,
            inside=inside,
            before=before > 0,
            motion=self.model.standardise_motion(motion) if self.model else motion,
            known=known,
            weight=weight * (1 - known),
            style=torch.stack([self._styles[i] for i in chosen])[:, None],
            t=(t / config.batch).to(device),
            noise=torch.randn(motion.shape, generator=generator).to(device),
        )

    def _cut(self, item: Pair, rng: np.random.Generator) -> tuple[Tensor, ...]:
        """A window of an utterance: source, base, inside, before, motion, weight (see `AdapterBatch`).

        The first window ends with the utterance's first token: so every frame of a stream is learned as it is given.
        """
        c, model = self.adapter.config, self.model
        late, frames = -(-c.delay // c.ratio), c.window * c.ratio
        first = int(rng.integers(1 - c.window, max(len(item.source) + late - c.window, 0) + 1))
        source, _ = _window(item.source, first, c.window, self.adapter.silence.cpu())
        start = first * c.ratio - c.delay
        base, inside = _window(item.base, start, frames, self.adapter.base_mean.cpu())
        before = (torch.arange(frames)[:, None] + start < 0).float()
        ahead = model.config.look_ahead if model else 0
        face, rest = (item.motion, model.rest.cpu()) if model else (item.motion[:, :0], torch.zeros(0))
        motion, weight = _window(face, start - ahead, frames, rest)
        return source, base, inside, before, motion, weight

    @torch.no_grad()
    def _style(self, item: Pair) -> Tensor:
        """Style [S] of an utterance's own motion; zeros, an open style, where it is too short; S may be 0."""
        model = self.model
        if model is None or model.style is None:
            return self.adapter.silence.new_zeros(0)
        if len(item.motion) < model.config.fps:
            return model.silence.new_zeros(model.config.style_width)
        return model.encode_style(item.motion[: 5 * model.config.fps].float())


def _window(rows: Tensor, start: int, count: int, filling: Tensor) -> tuple[Tensor, Tensor]:
    """Rows start … start + count - 1, `filling` where there are none, and 1 where there are [count, 1]."""
    out, inside = filling.float().repeat(count, 1), torch.zeros(count, 1)
    place = slice(max(-start, 0), max(min(len(rows), start + count) - start, 0))
    out[place] = rows[max(start, 0) : max(start + count, 0)].float()
    inside[place] = 1
    return out, inside


class AdapterTrainer(Trainer):
    """Trains an adapter; the motion model, where there is one, stays as it is."""

    config: AdapterTraining
    model: Adapter

    def __init__(
        self,
        pairs: Pairs,
        config: AdapterTraining,
        model: MotionModel | None = None,
        device: str = "cpu",
        **shape: Any,
    ) -> None:
        """model: the frozen base, None to align embeddings alone; shape: fields of `AdapterConfig`, such as width."""
        train, valid = pairs.split("train"), pairs.split("valid")
        if not train:
            raise DataError("the pairs have no utterance of split 'train'")
        super().__init__(config, device)
        self.pairs = pairs
        (source, source_rate), (base, base_rate) = pairs.source, pairs.base
        source_width, base_width = train[0].source.shape[1], train[0].base.shape[1]
        sizes = AdapterConfig(source, source_rate, source_width, base_width, base, round(base_rate), **shape)
        self.base = self._frozen(model, sizes)
        self.model = Adapter(sizes).to(self.processes.device)
        self._standardise(train)
        if self.base is not None:
            self.error = MotionLoss(self.base, [item.motion for item in train], config)
        validator = PairSampler(valid, self.model, self.base, config, config.seed + 1) if valid else None
        self.begin(self.model, PairSampler(train, self.model, self.base, config, self.draw_seed), validator)

    def _frozen(self, model: MotionModel | None, sizes: AdapterConfig) -> MotionModel | None:
        """The base, frozen; None where the pairs have no motion. Raises DataError where it does not fit them."""
        if model is None or not self.pairs.has_motion:
            return None
        c = model.config
        need = (c.token_space, c.condition_width, c.fps, c.motion_width)
        have = (sizes.base_space, sizes.base_width, sizes.base_rate, self.pairs.items[0].motion.shape[1])
        if need != have:
            raise DataError(f"(token space, width, fps, motion width) of the base are {need}, of the pairs {have}")
        return model.to(self.processes.device).eval().requires_grad_(False)

    def _standardise(self, train: list[Pair]) -> None:
        """Statistics from the training split; silence is the median of what utterances begin with."""
        items = train[:: max(1, len(train) // 2000)]
        for name in ("source", "base"):
            rows = torch.cat([getattr(item, name).float() for item in items])
            getattr(self.model, f"{name}_mean").copy_(rows.mean(0))
            getattr(self.model, f"{name}_std").copy_(rows.std(0).clamp_min(MIN_CONDITION_STD))
        self.model.silence.copy_(torch.stack([item.source[0].float() for item in items]).median(0).values)

    def loss(self, batch: AdapterBatch) -> Tensor:
        """L_CFM + 0.5 L_align, or L_align alone."""
        with self.precision():
            said = self.model(batch.source)
        said = said.float()
        align = self.alignment(said, batch)
        if self.base is None:
            return align
        return self._flow(said, batch) + self.config.align * align

    def alignment(self, said: Tensor, batch: AdapterBatch) -> Tensor:
        """L_align: mean squared distance to the base embeddings in deviations of each channel; 1 for a constant."""
        error = ((said - batch.base) / self.model.base_std).square().mean(dim=-1, keepdim=True)
        return (error * batch.inside).sum() / batch.inside.sum().clamp_min(1)

    def _flow(self, said: Tensor, batch: AdapterBatch) -> Tensor:
        """L_CFM of the frozen model, as it was trained by, on adapted conditions; before the stream begins it hears
        silence."""
        base = self.base
        condition = base.standardise_condition(torch.where(batch.before, base.silence, said))
        x_t, dx_t = straight_path(batch.noise, batch.motion, t := cosine_time(batch.t))
        style = batch.style.expand(-1, x_t.shape[1], -1)
        known = batch.motion * batch.known
        with self.precision():
            predicted = base.net(x_t, t, condition, style, known, batch.known, base.config.chunk)
        return self.error(batch, predicted.float(), dx_t, velocity_weight(base.net, batch, t))

    def unexplained(self, batches: int = 4) -> float:
        """L_align of the averaged weights on validation windows; nan without any."""
        return self.averaged(lambda batch: self.alignment(self.model(batch.source), batch), batches)

    def write(self, folder: Path, about: dict[str, Any]) -> None:
        """Write the adapter in 16 bits, and its configuration."""
        text = adapted.config_json(self.model.config, about)
        state = self.model.state_dict().items()
        weights = {name: value.detach().cpu().half().contiguous() for name, value in state}
        checkpoint.write_atomically(folder / adapted.WEIGHTS_FILE, lambda path: save_file(weights, path))
        checkpoint.write_atomically(folder / adapted.CONFIG_FILE, lambda path: path.write_text(text))

    def about(self) -> dict[str, Any]:
        """What the checkpoint tells of its training."""
        return {
            "step": self.step,
            "minutes": round(self.seconds / 60, 1),
            "hours_of_data": round(self.pairs.hours, 2),
            "utterances": len(self.pairs.items),
            "loss": "alignment" if self.base is None else "flow matching + alignment",
            "valid_loss": self.validate(),
            "valid_align": self.unexplained(),
            "config": asdict(self.config),
        }
