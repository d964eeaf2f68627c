"""The adaptation layer: embeddings of another token space become embeddings of the base space.

TokTalk, sections Pipeline architecture and Implementation details: embeddings are interpolated to the base rate, pass a
1-D convolution, get positional embeddings, and a transformer encoder of four layers makes of them what the motion
model was trained on. The motion model stays as it is.

Here the layer also streams. It looks at a window of the last `window` source tokens and gives the frames of the newest
one; inside the window attention is block-causal, a block being the frames of one token, so that training learns from
every frame of a window. Output frame p of the stream stands for base frame p - `delay`: that many frames more of sound
are known when a base embedding is guessed, which the base tokenizer itself has.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from toktalk_node.motion.unet import block_causal_mask


@dataclass(frozen=True)
class AdapterConfig:
    """Everything that must be known to build an adapter and to run it."""

    source_space: str
    """Name of the token space that comes in."""
    source_rate: float
    """Its tokens per second; the base rate is a whole multiple of it."""
    source_width: int
    """Width of its embeddings."""
    base_width: int
    """Width E of the base space's embeddings, the motion model's condition."""
    base_space: str = "phonetic"
    """Name of the space that the motion model was trained on."""
    base_rate: int = 50
    """Its embeddings per second."""
    width: int = 192
    """Width of the transformer."""
    layers: int = 4
    """Transformer layers."""
    heads: int = 4
    """Attention heads."""
    kernel: int = 5
    """Base frames that the convolution sees, up to its own."""
    window: int = 16
    """Source tokens in the window, the newest included."""
    delay: int = 4
    """Base frames that the output lies behind the input."""

    def __post_init__(self) -> None:
        if self.source_rate <= 0 or self.base_rate % self.source_rate:
            raise ValueError(
                f"the base rate must be a whole multiple of the source's, but {self.base_rate} Hz is not one of "
                f"{self.source_rate} Hz"
            )
        if not 0 <= self.delay < self.window * self.ratio:
            raise ValueError(
                f"delay must be from 0 to {self.window * self.ratio - 1} frames, the window, not {self.delay}"
            )
        if self.width % self.heads:
            raise ValueError(f"width {self.width} must be a multiple of heads {self.heads}")

    @property
    def ratio(self) -> int:
        """Base frames per source token."""
        return round(self.base_rate / self.source_rate)

    @property
    def look_ahead(self) -> float:
        """Seconds after a base frame's own interval that the adapter waits for, at most, the source's own wait apart.

        `delay` frames, and the rest of the token that holds the last of them.
        """
        return (self.delay + self.ratio - 1) / self.base_rate


class Adapter(nn.Module):
    """Windows of source embeddings to base embeddings, both raw; see this module's docstring.

    `silence` is the source embedding of silence: what lies before a stream's first token and behind its last.
    """

    source_mean: Tensor
    source_std: Tensor
    base_mean: Tensor
    base_std: Tensor
    silence: Tensor

    def __init__(self, config: AdapterConfig) -> None:
        super().__init__()
        self.config = c = config
        self.entry = nn.Conv1d(c.source_width, c.width, c.kernel)
        self.position = nn.Parameter(torch.randn(c.window * c.ratio, c.width) * 0.02)
        layer = nn.TransformerEncoderLayer(
            c.width, c.heads, 2 * c.width, dropout=0.0, activation=functional.gelu, batch_first=True, norm_first=True
        )
        norm = nn.LayerNorm(c.width)
        self.layers = nn.TransformerEncoder(layer, c.layers, norm, enable_nested_tensor=False)
        self.exit = nn.Linear(c.width, c.base_width)
        self.register_buffer("source_mean", torch.zeros(c.source_width))
        self.register_buffer("source_std", torch.ones(c.source_width))
        self.register_buffer("base_mean", torch.zeros(c.base_width))
        self.register_buffer("base_std", torch.ones(c.base_width))
        self.register_buffer("silence", torch.zeros(c.source_width))

    def forward(self, source: Tensor) -> Tensor:
        """Base embeddings [batch, window * ratio, E] of source embeddings [batch, window, source width]."""
        c = self.config
        if source.dim() != 3 or source.shape[1:] != (c.window, c.source_width):
            raise ValueError(f"source must be [batch, {c.window}, {c.source_width}], not {list(source.shape)}")
        x = interpolate((source - self.source_mean) / self.source_std, c.ratio).transpose(1, 2)
        x = self.entry(functional.pad(x, (c.kernel - 1, 0))).transpose(1, 2) + self.position
        x = self.layers(x, mask=~block_causal_mask(c.window * c.ratio, c.ratio, device=x.device))
        return self.exit(x) * self.base_std + self.base_mean


def interpolate(x: Tensor, ratio: int) -> Tensor:
    """[batch, ratio * n, width] of x [batch, n, width]: linear from the token before, reaching each at its own end."""
    before = torch.cat([x[:, :1], x[:, :-1]], dim=1)
    share = torch.arange(1, ratio + 1, device=x.device, dtype=x.dtype) / ratio
    return torch.lerp(before[:, :, None], x[:, :, None], share[:, None]).flatten(1, 2)


class AdapterStream:
    """One stream: push source embeddings in packets of any size, get the base embeddings that are ready."""

    def __init__(self, adapter: Adapter) -> None:
        self.adapter = adapter
        self.reset()

    def reset(self) -> None:
        """Back to the first token, behind silence."""
        self._window = self.adapter.silence.expand(self.adapter.config.window, -1)
        self._received = 0
        self._given = 0

    @torch.no_grad()
    def push(self, source: Tensor) -> Tensor:
        """Take source embeddings [n, source width], any n; return base embeddings [m, E], raw."""
        c = self.adapter.config
        ready = [torch.empty(0, c.base_width)]
        for row in source.to(self._window):
            self._window = torch.cat([self._window[1:], row[None]])
            late = max(c.delay - self._received * c.ratio, 0)
            ready.append(self.adapter(self._window[None])[0, -c.ratio :][late:].cpu())
            self._received += 1
        out = torch.cat(ready)
        self._given += len(out)
        return out

    def finish(self) -> Tensor:
        """The base embeddings still owed, `delay` of them at most, as if silence followed; the stream starts anew."""
        c = self.adapter.config
        owed = self._received * c.ratio - self._given
        out = self.push(self.adapter.silence.expand(-(-c.delay // c.ratio) if owed else 0, -1))[:owed]
        self.reset()
        return out
