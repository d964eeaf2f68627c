"""A FaceFormer-like regressor: an autoregressive transformer that predicts the next frames of a face.

After Fan et al. 2022, 'FaceFormer: Speech-Driven 3D Facial Animation with Transformers'. Kept are its parts: a speech
encoder of self-attention layers; a decoder over past motion with periodic positions and biased causal self-attention;
a cross-attention in which each step of the decoder sees the condition of its own frames alone (the alignment bias);
speaking style as a vector added to the embedded motion.

Ours differs where the task does. Tokens take the place of wav2vec 2.0's features. The encoder, a convolution over the
look-ahead and self-attention, is causal behind that look-ahead, so that the whole is, and looks back a fixed time, so
that training on windows carries over to recordings of any length. A step is `hop` frames: 25 steps a second, the rate
of the data that FaceFormer was retrained on for TokTalk.

It predicts one motion for one speech: what the data leaves open it answers with the mean.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from toktalk_node.motion.baseline import BaselineConfig, BaselineModel, slopes
from toktalk_node.motion.unet import CausalConv, TransformerBlock

PIECE = 1024
"""Frames of condition that are encoded at once."""
LEAD_IN = 24
"""Frames of the resting face before a recording."""


@dataclass(frozen=True)
class RegressionConfig(BaselineConfig):
    """Sizes of the regressor."""

    encoder_layers: int = 3
    """Self-attention layers over the condition."""
    decoder_layers: int = 2
    """Layers of the autoregressive decoder."""
    hop: int = 2
    """Frames that one step of the decoder predicts."""
    period: int = 8
    """Steps of one period of positions and bias, 0.32 s; FaceFormer's is a second, of recordings ten times as long as
    our windows."""
    context: int = 32
    """Steps that attention looks back, 1.28 s, as long as the windows of training."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._at_least(1, "encoder_layers decoder_layers hop period context")


class Memory(NamedTuple):
    """Keys and values of one layer's last steps, each [batch, heads, steps, head_width]."""

    key: Tensor
    value: Tensor


class DecoderLayer(nn.Module):
    """Biased causal self-attention, aligned cross-attention and feed-forward, each behind a norm."""

    def __init__(self, config: RegressionConfig) -> None:
        super().__init__()
        width, inner = config.channels, config.heads * config.head_width
        self.heads, self.context, self.period = config.heads, config.context, config.period
        self.norm1, self.norm2, self.norm3 = nn.LayerNorm(width), nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * inner, bias=False)
        self.out = nn.Linear(inner, width)
        self.query, self.keys = nn.Linear(width, inner, bias=False), nn.Linear(width, 2 * inner, bias=False)
        self.heard = nn.Linear(inner, width)
        self.expand = nn.Linear(width, config.feed_forward * width)
        self.contract = nn.Linear(config.feed_forward * width, width)

    def listen(self, encoded: Tensor) -> Memory:
        """Keys and values of the cross-attention for encoded condition [batch, steps, hop, channels], once for all
        steps: each [batch, heads, steps, hop, head_width]."""
        batch, steps, hop, _ = encoded.shape
        key, value = self.keys(encoded).view(batch, steps, hop, 2, self.heads, -1).permute(3, 0, 4, 1, 2, 5)
        return Memory(key, value)

    def forward(self, x: Tensor, heard: Memory, past: Memory | None) -> tuple[Tensor, Memory]:
        """The layer's output for the next steps x [batch, steps, channels] and its memory after them.

        heard: `listen`'s answer for the same steps; past: the memory of the steps before, None at the start.
        """
        batch, steps, _ = x.shape
        query, key, value = self.qkv(self.norm1(x)).view(batch, steps, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        if past is not None:
            key, value = torch.cat([past.key, key], dim=2), torch.cat([past.value, value], dim=2)
        bias = causal_bias(steps, key.shape[2], self.heads, self.context, self.period).to(query)
        seen = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        x = x + self.out(seen.transpose(1, 2).reshape(batch, steps, -1))

        query = self.query(self.norm2(x)).view(batch, steps, self.heads, -1).transpose(1, 2)
        match = torch.einsum("bhsd,bhskd->bhsk", query, heard.key) * query.shape[-1] ** -0.5
        seen = torch.einsum("bhsk,bhskd->bhsd", match.softmax(-1), heard.value)
        x = x + self.heard(seen.transpose(1, 2).reshape(batch, steps, -1))

        x = x + self.contract(F.gelu(self.expand(self.norm3(x))))
        kept = self.context - 1
        return x, Memory(key[:, :, max(key.shape[2] - kept, 0) :], value[:, :, max(value.shape[2] - kept, 0) :])


def causal_bias(queries: int, keys: int, heads: int, context: int, period: int) -> Tensor:
    """Attention bias [heads, queries, keys] of the last `queries` of `keys` steps.

    A key floor(d / period) periods back costs a head its slope times that; keys that come later, or that are
    `context` steps back or more, are shut out.
    """
    back = torch.arange(keys - queries, keys)[:, None] - torch.arange(keys)
    bias = -slopes(heads)[:, None, None] * torch.div(back, period, rounding_mode="floor")
    return bias.masked_fill((back < 0) | (back >= context), -torch.inf)


class FaceFormer(nn.Module):
    """Motion so far, condition and style -> the next frames of motion; everything standardised."""

    def __init__(self, config: RegressionConfig) -> None:
        super().__init__()
        self.config = config
        width, motion = config.channels, config.hop * config.motion_width
        self.condition = CausalConv(config.condition_width, width, kernel=config.look_ahead + 1)
        self.encoder = nn.ModuleList(TransformerBlock(config) for _ in range(config.encoder_layers))
        self.embed = nn.Linear(motion, width)
        self.style = nn.Linear(config.style_width, width, bias=False) if config.style_width else None
        self.positions = nn.Parameter(torch.randn(config.period, width) * 0.02)
        self.layers = nn.ModuleList(DecoderLayer(config) for _ in range(config.decoder_layers))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, motion)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    @property
    def reach(self) -> int:
        """Frames that the encoder looks back, all of its layers together."""
        c = self.config
        return c.look_ahead + c.encoder_layers * (c.context * c.hop - 1)

    def listen(self, condition: Tensor) -> list[Memory]:
        """What every layer of the decoder hears of a condition [batch, frames, E]; frames is a multiple of `hop`.

        Long recordings are encoded in pieces, each behind all that its first frame depends on.
        """
        c = self.config
        batch, frames, _ = condition.shape
        if frames % c.hop:
            raise ValueError(f"frames must be a multiple of hop {c.hop}, not {frames}")
        pieces = []
        for start in range(0, frames, PIECE):
            piece = condition[:, max(start - self.reach, 0) : start + PIECE]
            bias = causal_bias(piece.shape[1], piece.shape[1], c.heads, c.context * c.hop, c.period * c.hop)
            bias, h = bias.to(piece), self.condition(piece)
            for block in self.encoder:
                h = block(h, bias)
            pieces.append(h[:, min(start, self.reach) :])
        h = torch.cat(pieces, dim=1).view(batch, frames // c.hop, c.hop, -1)
        return [layer.listen(h) for layer in self.layers]

    def step(
        self, previous: Tensor, heard: list[Memory], style: Tensor | None, at: int, past: list[Memory] | None
    ) -> tuple[Tensor, list[Memory]]:
        """Predict the frames [batch, steps * hop, M] that follow `previous`, and what is remembered for the next call.

        previous: [batch, steps * hop, M], each step's last known frames; heard: `listen`'s answer; style: [batch, S]
        or None; at: index of the first of these steps; past: None at the start.
        """
        c = self.config
        batch, frames, _ = previous.shape
        steps = frames // c.hop
        x = self.embed(previous.reshape(batch, steps, -1))
        x = x + self.positions[torch.arange(at, at + steps, device=x.device) % c.period]
        if self.style is not None and style is not None:
            x = x + self.style(style)[:, None]
        memories = []
        for i, (layer, memory) in enumerate(zip(self.layers, heard, strict=True)):
            now = Memory(memory.key[:, :, at : at + steps], memory.value[:, :, at : at + steps])
            x, kept = layer(x, now, past[i] if past else None)
            memories.append(kept)
        return self.head(self.norm(x)).view(batch, frames, -1), memories

    def teach(self, motion: Tensor, condition: Tensor, style: Tensor | None = None) -> Tensor:
        """Predictions [batch, frames, M] of every step behind the true motion [batch, frames, M] before it."""
        previous = F.pad(motion, (0, 0, self.config.hop, 0))[:, : motion.shape[1]]
        return self.step(previous, self.listen(condition), style, 0, None)[0]

    def forward(self, known: Tensor, mask: Tensor, condition: Tensor, style: Tensor | None = None) -> Tensor:
        """Predictions [batch, frames, M] of every step behind its own predictions, as FaceFormer is trained and used.

        known: [batch, frames, M], taken instead of predictions where `mask` [batch, frames, 1] is 1.
        """
        hop, heard = self.config.hop, self.listen(condition)
        previous, past, predicted = torch.zeros_like(known[:, :hop]), None, []
        for at in range(known.shape[1] // hop):
            frames = slice(at * hop, (at + 1) * hop)
            out, past = self.step(previous, heard, style, at, past)
            predicted.append(out)
            previous = torch.where(mask[:, frames] > 0, known[:, frames], out.to(known))
        return torch.cat(predicted, dim=1)


class RegressionModel(BaselineModel):
    """The regressor with its statistics and style encoder; its motion is the same for every seed."""

    method = "regression"
    config_type = RegressionConfig
    network = FaceFormer
    config: RegressionConfig
    net: FaceFormer

    def _sample(self, condition: Tensor, style: Tensor, rest: Tensor, seed: int) -> Tensor:
        frames, hop = len(condition), self.config.hop
        before = LEAD_IN + -LEAD_IN % hop
        rows = self._padded(condition, before, -frames % hop)
        known = self.standardise_motion(rest).expand(1, rows.shape[1], -1)
        mask = (torch.arange(rows.shape[1], device=rows.device) < before).to(rows)[None, :, None]
        return self.to_motion(self.net(known, mask, rows, style[None])[0, before : before + frames])
