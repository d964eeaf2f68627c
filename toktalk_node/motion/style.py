"""Style: how somebody speaks, read off a clip of motion, and the vectors that stand for it.

The encoder is trained together with the velocity network (TokTalk, section Style conditioning): convolutions hear how
the face moves, a transformer looks at all of the clip at once, and what is left of the clip's length are the mean and
the deviation over time.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

DEFAULT_STYLE = "neutral"
"""The style of those who ask for none, where the model knows it."""
MAX_BLEND = 16
"""Most styles in one blend."""
LIMIT = 6.0
"""Deviations from the mean beyond which a clip's channel is cut: channels that training hardly moved are no ruler."""


@dataclass(frozen=True)
class Style:
    """A way to speak."""

    vector: Tensor
    """Embedding [S]; zeros leave the style open."""
    rest: Tensor
    """The face that says nothing in this style, raw motion [M]."""

    @classmethod
    def blended(cls, parts: Mapping[str, float], known: "Mapping[str, Style]", default: "Style") -> "Style":
        """The mean of styles weighted by `parts`; where weights sum to less than 1, `default` takes the rest.

        Raises ValueError for an unknown name or weights that are negative, not finite or sum to more than 1.
        """
        if unknown := sorted(parts.keys() - known.keys()):
            raise ValueError(f"no style is called {unknown[0]!r}; there are {', '.join(known) or 'none'}")
        total = sum(parts.values())
        if not all(0 <= weight <= 1 for weight in parts.values()) or total > 1 + 1e-6:
            raise ValueError(f"weights of styles must be from 0 to 1 and sum to 1 at most, not {total:g}")
        open_share = max(0.0, 1 - total)
        vector, rest = open_share * default.vector, open_share * default.rest
        for name, weight in parts.items():
            vector, rest = vector + weight * known[name].vector, rest + weight * known[name].rest
        return cls(vector, rest)


def parse_blend(text: str) -> dict[str, float]:
    """Weights by name of a description like `warm`, `happiness=0.5` or `warm=0.6, tired=0.4`; "" is no style.

    Raises ValueError for a weight that is no number, a name given twice, or more than `MAX_BLEND` parts.
    """
    parts: dict[str, float] = {}
    for piece in filter(None, (piece.strip() for piece in text.split(","))):
        name, separator, weight = piece.partition("=")
        name = name.strip()
        try:
            value = float(weight) if separator else 1.0
        except ValueError:
            raise ValueError(f"the weight of style {name!r} must be a number, not {weight!r}") from None
        if not math.isfinite(value) or name in parts or len(parts) == MAX_BLEND:
            raise ValueError(f"style {text!r} must be up to {MAX_BLEND} different names with weights from 0 to 1")
        parts[name] = value
    return parts


class StyleEncoder(nn.Module):
    """A clip of motion [batch, frames, M], standardised, any number of frames -> embeddings [batch, S]."""

    KERNEL, STRIDE = 5, 2

    def __init__(self, motion_width: int, style_width: int, channels: int = 128, layers: int = 2) -> None:
        super().__init__()
        self.entry = nn.Conv1d(2 * motion_width, channels, self.KERNEL, self.STRIDE, padding=self.KERNEL // 2)
        self.down = nn.Conv1d(channels, channels, self.KERNEL, self.STRIDE, padding=self.KERNEL // 2)
        layer = nn.TransformerEncoderLayer(
            channels, 4, 2 * channels, dropout=0.0, activation=F.gelu, batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.exit = nn.Linear(2 * channels + 2 * motion_width, style_width)

    def forward(self, motion: Tensor) -> Tensor:
        """Embeddings [batch, S], each of mean square 1."""
        motion = motion.clamp(-LIMIT, LIMIT)
        change = F.pad(motion.diff(dim=1), (0, 0, 1, 0))
        h = torch.cat([motion, 4 * change], dim=-1).transpose(1, 2)
        h = F.gelu(self.down(F.gelu(self.entry(h)))).transpose(1, 2)
        h = self.layers(h + _positions(h))
        moments = [h.mean(1), _deviation(h), motion.mean(1), _deviation(motion)]
        return F.layer_norm(self.exit(torch.cat(moments, dim=-1)), (self.exit.out_features,))


def _deviation(x: Tensor) -> Tensor:
    """Standard deviation over time [batch, width] of x [batch, frames, width], with a gradient where nothing moves."""
    return (x.var(1, correction=0) + 1e-4).sqrt()


def _positions(h: Tensor) -> Tensor:
    """Sinusoids [frames, width] of the frame's index (Vaswani et al. 2017)."""
    frames, width = h.shape[1:]
    rate = torch.exp(torch.arange(0, width, 2, device=h.device) * (-math.log(10_000) / width))
    angle = torch.arange(frames, device=h.device)[:, None] * rate
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1).to(h.dtype)
