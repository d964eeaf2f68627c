"""A DiffPoseTalk-like diffusion model: windows of motion denoised in many steps, offline.

After Sun et al. 2024, 'DiffPoseTalk: Speech-Driven Stylistic 3D Facial Animation and Head Pose Generation via
Diffusion Models'. Kept are its parts: a transformer that predicts the clean motion x_0 itself, conditions
aligned to the frames, windows behind the last frames of the window before, a style vector read off another clip, 500
steps of a cosine schedule, and classifier-free guidance.

Ours differs where the data does: tokens take the place of HuBERT's features, and a learnt bias on relative positions
takes the place of the alignment mask, which keeps attention near its own frame.

Noise schedule: Nichol & Dhariwal 2021, equation 17. Samplers: DDPM (Ho et al. 2020) and DDIM (Song et al. 2021) are
the ends eta = 1 and eta = 0 of one family (Song et al., equation 16), with any number of steps.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from toktalk_node.motion.baseline import BaselineConfig, BaselineModel, slopes
from toktalk_node.motion.unet import CausalConv, TimeEmbedding, TransformerBlock

Denoise = Callable[[Tensor, int], Tensor]
"""x_0 as predicted from (x_n [batch, frames, M], n)."""


@dataclass(frozen=True)
class DiffusionConfig(BaselineConfig):
    """Sizes of the denoiser; from `previous` on how it is run, which needs no other weights."""

    layers: int = 6
    """Transformer blocks."""
    nearby: int = 32
    """Frames to either side that the bias on relative positions tells apart."""
    noise_steps: int = 500
    """Steps N of the noise."""
    previous: int = 20
    """Known frames before a window, 0.4 s as DiffPoseTalk's."""
    window: int = 80
    """New frames per window."""
    steps: int = 500
    """Steps of sampling, up to N."""
    eta: float = 1.0
    """1: DDPM, 0: DDIM."""
    guidance: float = 0.3
    """Weight w of classifier-free guidance; 0 turns it off and halves the work."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._at_least(1, "layers nearby noise_steps previous window steps")
        if self.steps > self.noise_steps:
            raise ValueError(f"steps {self.steps} must not exceed noise_steps {self.noise_steps}")
        if not 0 <= self.eta <= 1 or self.guidance < 0:
            raise ValueError(f"eta must be in [0, 1] and guidance not negative, but are {self.eta} and {self.guidance}")


def signal_level(steps: int) -> Tensor:
    """The share of variance that is signal, a_0 = 1, ..., a_N near 0: float64 [steps + 1] (cosine schedule)."""
    s = 0.008
    level = torch.cos((torch.arange(steps + 1, dtype=torch.float64) / steps + s) / (1 + s) * math.pi / 2).square()
    keep = (level[1:] / level[:-1]).clamp_min(0.001)
    return torch.cat([keep.new_ones(1), keep.cumprod(0)])


def noised(x0: Tensor, noise: Tensor, level: Tensor) -> Tensor:
    """x_n = sqrt(a_n) x_0 + sqrt(1 - a_n) noise, for a_n [batch]."""
    level = level.view(-1, *[1] * (x0.dim() - 1)).to(x0)
    return level.sqrt() * x0 + (1 - level).sqrt() * noise


def sample(
    denoise: Denoise, noise: Tensor, level: Tensor, steps: int, eta: float, generator: torch.Generator
) -> Tensor:
    """Denoise `noise` [batch, frames, M] in `steps` of the len(level) - 1 steps of noise."""
    times = torch.linspace(len(level) - 1, 0, steps + 1).round().long().tolist()
    x = noise
    for n, m in zip(times[:-1], times[1:], strict=True):
        a, b = level[n].item(), level[m].item()
        x0 = denoise(x, n)
        direction = (x - math.sqrt(a) * x0) / math.sqrt(1 - a)
        sigma = eta * math.sqrt((1 - b) / (1 - a) * (1 - a / b))
        fresh = torch.randn(x.shape, generator=generator).to(x)
        x = math.sqrt(b) * x0 + math.sqrt(max(1 - b - sigma**2, 0.0)) * direction + sigma * fresh
    return x


class Denoiser(nn.Module):
    """x_n, n, condition, style and known frames -> x_0; everything standardised."""

    def __init__(self, config: DiffusionConfig) -> None:
        super().__init__()
        self.config = config
        width = config.channels
        self.entry = nn.Linear(2 * config.motion_width + 1 + config.style_width, width)
        self.condition = CausalConv(config.condition_width, width, kernel=config.look_ahead + 1)
        self.time = TimeEmbedding(width)
        self.blocks = nn.ModuleList(TransformerBlock(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, config.motion_width)
        distance = torch.arange(-config.nearby, config.nearby + 1).abs()
        self.bias = nn.Parameter(-slopes(config.heads)[:, None] * distance)

    def forward(self, x: Tensor, t: Tensor, condition: Tensor, style: Tensor, known: Tensor, mask: Tensor) -> Tensor:
        """Clean motion [batch, frames, M].

        x: [batch, frames, M]; t: n / N [batch]; condition: [batch, frames, E] and style: [batch, frames, S], zeros
        for none; known: [batch, frames, M], zeros where `mask` [batch, frames, 1] is 0.
        """
        index = torch.arange(x.shape[1], device=x.device)
        nearby = self.config.nearby
        bias = self.bias[:, (index - index[:, None]).clamp(-nearby, nearby) + nearby]
        h = self.entry(torch.cat([x, style, known, mask], dim=-1)) + self.condition(condition) + self.time(t)[:, None]
        for block in self.blocks:
            h = block(h, bias.to(h))
        return self.head(self.norm(h))


class DiffusionModel(BaselineModel):
    """The denoiser with its statistics and style encoder."""

    method = "diffusion"
    config_type = DiffusionConfig
    network = Denoiser
    config: DiffusionConfig
    net: Denoiser

    def _sample(self, condition: Tensor, style: Tensor, rest: Tensor, seed: int) -> Tensor:
        c = self.config
        frames = len(condition)
        rows = self._padded(condition, c.previous, -frames % c.window)
        generator = torch.Generator().manual_seed(seed)
        motion = self.standardise_motion(rest).expand(1, c.previous, -1)
        for start in range(0, frames, c.window):
            window = rows[:, start : start + c.previous + c.window]
            made = self._window(window, style, motion[:, -c.previous :], generator)
            motion = torch.cat([motion, made], dim=1)
        return self.to_motion(motion[0, c.previous : c.previous + frames])

    def _window(self, condition: Tensor, style: Tensor, previous: Tensor, generator: torch.Generator) -> Tensor:
        """The new frames [1, window, M] of a window of conditions [1, previous + window, E]."""
        c = self.config
        noise = torch.randn((1, condition.shape[1], c.motion_width), generator=generator).to(condition)
        known = torch.cat([previous, torch.zeros_like(noise[:, c.previous :])], dim=1)
        mask = torch.zeros_like(noise[..., :1])
        mask[:, : c.previous] = 1
        given = (condition, style.expand(1, condition.shape[1], -1), known, mask)
        if c.guidance:
            given = [torch.cat([v, torch.zeros_like(v)]) for v in given[:2]] + [v.repeat(2, 1, 1) for v in given[2:]]

        def denoise(x: Tensor, n: int) -> Tensor:
            x = x.expand(len(given[0]), -1, -1)
            x0 = self.net(x, x.new_full((len(x),), n / c.noise_steps), *given).float()
            return torch.lerp(x0[1:], x0[:1], 1 + c.guidance) if c.guidance else x0

        return sample(denoise, noise, signal_level(c.noise_steps), c.steps, c.eta, generator)[:, c.previous :]
