"""The velocity network: a 1-D U-Net of causal ResNet blocks and transformer blocks with block-causal attention.

The shape is CosyVoice's conditional decoder, which TokTalk adapts, made exactly block-causal: convolutions are
causal, norms run over channels and never over time, the up-sampler is repetition and a causal convolution, and
attention sees whole chunks up to one's own. A frame's output depends on no frame after its chunk, at either rate.

Tensors are [batch, frames, channels] throughout: a causal convolution is then one matrix product over the
concatenated shifts of its input, which at these sizes is much faster on a CPU than a convolution call.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from toktalk_node.motion.config import MotionConfig, check_even
from toktalk_node.motion.continuation import Continuation

MIN_REMAINING = 1e-3
"""Least 1 - t that a predicted motion is divided by."""


def block_causal_mask(frames: int, chunk: int, offset: int = 0, device: torch.device | None = None) -> Tensor:
    """Bool [frames, frames]; [i, j] is true where frame i may see frame j: j's chunk is not after i's.

    offset: frames of the first chunk that lie before the window, in [0, chunk).
    """
    index = torch.div(torch.arange(frames, device=device) + offset, chunk, rounding_mode="floor")
    return index[None, :] <= index[:, None]


class CausalConv(nn.Module):
    """Convolution whose output frame k sees input frames up to stride * k + stride - 1, zeros before the first."""

    def __init__(self, width_in: int, width_out: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride
        self.linear = nn.Linear(kernel * width_in, width_out)

    def forward(self, x: Tensor) -> Tensor:
        frames = x.shape[1]
        x = F.pad(x, (0, 0, self.kernel - self.stride, 0))
        last = frames - self.stride + 1
        return self.linear(torch.cat([x[:, k : k + last : self.stride] for k in range(self.kernel)], dim=-1))


class ResNetBlock(nn.Module):
    """Two causal convolutions with the flow's time added between them, and a shortcut."""

    def __init__(self, width_in: int, width: int, time_width: int) -> None:
        super().__init__()
        self.conv1, self.norm1 = CausalConv(width_in, width), nn.LayerNorm(width)
        self.conv2, self.norm2 = CausalConv(width, width), nn.LayerNorm(width)
        self.time = nn.Linear(time_width, width)
        self.shortcut = nn.Linear(width_in, width) if width_in != width else nn.Identity()

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        h = F.silu(self.norm1(self.conv1(x))) + self.time(time)[:, None]
        return F.silu(self.norm2(self.conv2(h))) + self.shortcut(x)


class TransformerBlock(nn.Module):
    """Pre-norm self-attention and feed-forward. No positional encoding: the convolutions carry order."""

    def __init__(self, config: MotionConfig) -> None:
        super().__init__()
        width, inner = config.channels, config.heads * config.head_width
        self.heads = config.heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * inner, bias=False)
        self.out = nn.Linear(inner, width)
        self.expand = nn.Linear(width, config.feed_forward * width)
        self.contract = nn.Linear(config.feed_forward * width, width)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        batch, frames, _ = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(batch, frames, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        x = x + self.out(seen.transpose(1, 2).reshape(batch, frames, -1))
        return x + self.contract(F.gelu(self.expand(self.norm2(x))))


class Stage(nn.Module):
    """A ResNet block and `config.blocks` transformer blocks at one rate."""

    def __init__(self, width_in: int, config: MotionConfig) -> None:
        super().__init__()
        self.resnet = ResNetBlock(width_in, config.channels, config.time_width)
        self.blocks = nn.ModuleList(TransformerBlock(config) for _ in range(config.blocks))

    def forward(self, x: Tensor, time: Tensor, mask: Tensor | None) -> Tensor:
        x = self.resnet(x, time)
        for block in self.blocks:
            x = block(x, mask)
        return x


class TimeEmbedding(nn.Module):
    """Sinusoids of the flow's time and a small network: t [batch] -> [batch, time_width]."""

    frequencies: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        frequencies = torch.exp(-math.log(10_000) * torch.arange(128) / 127) * 1000
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.net = nn.Sequential(nn.Linear(256, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())

    def forward(self, t: Tensor) -> Tensor:
        angle = t[:, None] * self.frequencies
        return self.net(torch.cat([angle.sin(), angle.cos()], dim=-1))


class VelocityUNet(nn.Module):
    """v(x_t, t, condition, known frames): the velocity of motion at a point of the flow."""

    def __init__(self, config: MotionConfig) -> None:
        super().__init__()
        self.config = config
        width = config.channels
        inputs = 2 * config.motion_width + 1 + config.condition_width + config.style_width
        self.time = TimeEmbedding(config.time_width)
        self.length = TimeEmbedding(config.time_width) if config.shortcut else None
        self.down = nn.ModuleList(Stage(inputs if i == 0 else width, config) for i in range(config.down_stages))
        self.downsample = CausalConv(width, width, kernel=4, stride=2)
        self.middle = nn.ModuleList(Stage(width, config) for _ in range(config.middle_stages))
        self.up = nn.ModuleList(Stage(2 * width, config) for _ in range(config.down_stages))
        self.upsample = CausalConv(width, width)
        self.continuation = Continuation(config.motion_width, config.continued) if config.continued else None
        self.head = nn.Linear(width, config.motion_width)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(
        self,
        x: Tensor,
        t: Tensor,
        condition: Tensor,
        style: Tensor,
        known: Tensor,
        mask: Tensor,
        chunk: int | None,
        offset: int = 0,
        length: Tensor | None = None,
    ) -> Tensor:
        """Velocity [batch, frames, motion]; everything standardised.

        x: [batch, frames, motion]; t: [batch]; condition: [batch, frames, E] and style: [batch, frames, S], zeros for
        none; known: [batch, frames, motion], zeros where `mask` [batch, frames, 1] is 0 (1 = the motion of this frame
        is given); chunk: frames per chunk of the attention mask, None for full context; offset: see
        `block_causal_mask`; length: [batch], how much time the solver spends with this velocity, which only a shortcut
        network is told; None for 0. frames, chunk and offset are even.
        """
        frames = x.shape[1]
        check_even("frames", frames)
        full = half = None
        if chunk is not None:
            check_even("chunk", chunk)
            full = block_causal_mask(frames, chunk, offset, x.device)
            half = block_causal_mask(frames // 2, chunk // 2, offset // 2, x.device)

        time = self.time(t)
        if self.length is not None:
            time = time + self.length(torch.zeros_like(t) if length is None else length)
        given = known
        if self.continuation is not None:
            known, spread = self.continuation(given, mask)
        h = torch.cat([x, condition, style, known, mask], dim=-1)
        skips: list[Tensor] = []
        for i, stage in enumerate(self.down):
            h = stage(h, time, half if i else full)
            skips.append(h)
            if i == 0:
                h = self.downsample(h)
        for stage in self.middle:
            h = stage(h, time, half)
        for i, stage in enumerate(self.up):
            last = i == len(self.up) - 1
            if last:
                h = self.upsample(h.repeat_interleave(2, dim=1))
            h = stage(torch.cat([h, skips.pop()], dim=-1), time, full if last else half)
        out = self.head(h)
        if self.continuation is not None:
            out = known - given + spread * out
        if self.config.predicts == "motion":
            out = (out - x) / (1 - t).clamp_min(MIN_REMAINING)[:, None, None]
        return out
