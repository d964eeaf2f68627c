"""Finite scalar quantization (Mentzer et al., ICLR 2024): each dimension rounds to one of a few levels."""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor, nn


class FiniteScalarQuantizer(nn.Module):
    """Quantizes [..., d] to codes in [−1, 1]; dimension i has `levels[i]` evenly spaced values.

    An id is the codes' level indices as digits of a mixed-radix number, the first dimension the least significant.
    """

    def __init__(self, levels: Sequence[int]) -> None:
        super().__init__()
        if not levels or min(levels) < 2:
            raise ValueError(f"every dimension needs at least 2 levels, not {list(levels)}")
        self.size = prod(levels)
        radix = [prod(levels[:i]) for i in range(len(levels))]
        self.register_buffer("levels", torch.tensor(levels), persistent=False)
        self.register_buffer("radix", torch.tensor(radix), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Codes of unbounded x, both [..., d]; gradients pass the rounding unchanged (straight-through)."""
        bounded = torch.tanh(x)
        top = self.levels - 1
        rounded = torch.round((bounded + 1) / 2 * top) / top * 2 - 1
        return bounded + (rounded - bounded).detach()

    def ids(self, codes: Tensor) -> Tensor:
        """Ids int64 [...] of codes [..., d]."""
        digits = torch.round((codes + 1) / 2 * (self.levels - 1)).long()
        return (digits * self.radix).sum(dim=-1)

    def codes(self, ids: Tensor) -> Tensor:
        """Codes [..., d] of ids [...]; ids outside [0, size) are an error of the caller."""
        digits = ids[..., None] // self.radix % self.levels
        return digits / (self.levels - 1) * 2 - 1
