"""Causal layers of the codec, with a memory that makes them stream.

Every layer maps [batch, n, channels] and looks back a fixed number of rows. In training these rows are zeros before the
first; in a stream they are what the layer remembers. A `Memory` belongs to one stream and holds the rows of every
layer, so that the same code serves both, and a step of fixed size gives the same bits however the sound was cut.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

Memory = dict[nn.Module, Tensor]
"""What each layer of a network looked at last, in one stream; empty at the stream's beginning."""


def behind(layer: nn.Module, x: Tensor, rows: int, memory: Memory | None) -> Tensor:
    """x [batch, n, c] behind the `rows` that `layer` saw before it; [batch, rows + n, c]."""
    if memory is None or layer not in memory:
        before = x.new_zeros(x.shape[0], rows, x.shape[2])
    else:
        before = memory[layer]
    x = torch.cat([before, x], dim=1)
    if memory is not None:
        memory[layer] = x[:, x.shape[1] - rows :]
    return x


class CausalConv(nn.Module):
    """Convolution whose output row k sees input rows up to stride * k + stride - 1."""

    def __init__(self, width_in: int, width_out: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride
        self.linear = nn.Linear(kernel * width_in, width_out)

    def forward(self, x: Tensor, memory: Memory | None = None) -> Tensor:
        """[batch, n // stride, out] of x [batch, n, in]; n is a multiple of the stride."""
        last = x.shape[1] - self.stride + 1
        x = behind(self, x, self.kernel - self.stride, memory)
        return self.linear(torch.cat([x[:, k : k + last : self.stride] for k in range(self.kernel)], dim=-1))


class Residual(nn.Module):
    """A causal convolution of three taps and a mix of channels, added to what comes in."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.conv, self.mix = nn.LayerNorm(width), CausalConv(width, width, 3), nn.Linear(width, width)

    def forward(self, x: Tensor, memory: Memory | None = None) -> Tensor:
        return x + self.mix(functional.gelu(self.conv(self.norm(x), memory)))


class CausalTransformer(nn.Module):
    """One pre-norm transformer layer that looks back `context` rows.

    Attention weakens linearly with distance (ALiBi, Press et al. 2022), so that no row needs a position and a stream
    may last for ever.
    """

    bias: Tensor

    def __init__(self, width: int, heads: int, context: int) -> None:
        super().__init__()
        self.heads, self.context = heads, context
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key_value = nn.Linear(width, width, bias=False), nn.Linear(width, 2 * width, bias=False)
        self.out = nn.Linear(width, width)
        self.expand, self.contract = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        slopes = 2.0 ** (-8 * torch.arange(1, heads + 1) / heads)
        self.register_buffer("slopes", slopes[:, None, None], persistent=False)

    def forward(self, x: Tensor, memory: Memory | None = None) -> Tensor:
        batch, n, width = x.shape
        y = self.norm1(x)
        seen = behind(self, y, self.context, memory)
        distance = torch.arange(n)[:, None] + self.context - torch.arange(n + self.context)[None, :]
        far = (distance < 0) | (distance > self.context)
        bias = (-self.slopes * distance).masked_fill(far, -torch.inf).to(x.device)
        q = self.query(y).view(batch, n, self.heads, -1).transpose(1, 2)
        k, v = self.key_value(seen).view(batch, n + self.context, 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(2, 3) * (width // self.heads) ** -0.5 + bias).softmax(dim=-1)
        x = x + self.out((weights @ v).transpose(1, 2).reshape(batch, n, width))
        return x + self.contract(functional.gelu(self.expand(self.norm2(x))))


class Sequence(nn.ModuleList):
    """Layers one after the other; those that look back share the memory."""

    def forward(self, x: Tensor, memory: Memory | None = None) -> Tensor:
        for layer in self:
            x = layer(x) if isinstance(layer, (nn.Linear, nn.LayerNorm, Doubling)) else layer(x, memory)
        return x


class Doubling(nn.Module):
    """Twice the rate: each row becomes two. It sees no other row."""

    def __init__(self, width_in: int, width_out: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width_in, 2 * width_out)

    def forward(self, x: Tensor) -> Tensor:
        batch, n, _ = x.shape
        return self.linear(x).view(batch, 2 * n, -1)
