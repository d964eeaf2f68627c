"""The codec's quantiser: a semantic codebook beside a residual stack of acoustic ones (Mimi's split RVQ).

Codebooks learn as moving averages of the vectors that chose them; one that nobody chooses takes the place of a vector
of the batch (van den Oord et al. 2017; Zeghidour et al. 2021, SoundStream).
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

DECAY = 0.98
"""Decay of a codebook's moving averages per step."""
FORGOTTEN = 0.05
"""A code that fewer vectors per step than this choose, on average, begins anew."""
COMMITMENT = 0.25


class Codebook(nn.Module):
    """Nearest of `size` vectors."""

    vectors: Tensor
    counts: Tensor

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.register_buffer("vectors", torch.randn(size, width) * 0.1)
        self.register_buffer("counts", torch.zeros(size), persistent=False)
        self.register_buffer("sums", torch.zeros(size, width), persistent=False)

    @torch.no_grad()
    def nearest(self, x: Tensor) -> Tensor:
        """Ids int64 [n] of x [n, width]."""
        return (self.vectors.square().sum(dim=1) - 2 * x @ self.vectors.T).argmin(dim=1)

    @torch.no_grad()
    def learn(self, x: Tensor, ids: Tensor) -> None:
        """Move towards x [n, width], which chose `ids` [n]; codes that are forgotten take vectors of x."""
        chosen = torch.bincount(ids, minlength=len(self.vectors)).to(x)
        self.counts.lerp_(chosen, 1 - DECAY)
        self.sums.lerp_(torch.zeros_like(self.sums).index_add_(0, ids, x), 1 - DECAY)
        lost = self.counts < FORGOTTEN * (1 - DECAY)
        drawn = x[torch.randint(len(x), (len(lost),))]
        self.counts[lost] = 2 * FORGOTTEN * (1 - DECAY)
        self.sums[lost] = drawn[lost] * self.counts[lost, None]
        self.vectors.copy_(self.sums / self.counts[:, None])


@dataclass(frozen=True)
class Quantized:
    """What the quantiser makes of latents [batch, n, width]."""

    latents: Tensor
    """[batch, n, width]: semantic and acoustic part together, gradients passed straight through."""
    semantic: Tensor
    """[batch, n, width]: the semantic part alone."""
    ids: Tensor
    """int64 [batch, n, codebooks]."""
    loss: Tensor
    """Commitment of the encoder to the codes it chose."""


class SplitQuantizer(nn.Module):
    """Latents to `codebooks` ids each: the first semantic, the others a residual stack, and back to the sum of both."""

    def __init__(self, width: int, code_width: int, size: int, codebooks: int) -> None:
        super().__init__()
        self.inputs = nn.ModuleList(nn.Linear(width, code_width) for _ in range(2))
        self.outputs = nn.ModuleList(nn.Linear(code_width, width) for _ in range(2))
        self.codebooks = nn.ModuleList(Codebook(size, code_width) for _ in range(codebooks))

    def forward(self, x: Tensor, bypass: Tensor | None = None) -> Quantized:
        """Quantise latents x [batch, n, width]; in training mode the codebooks learn.

        bypass: bool [batch], the rows whose acoustic part reaches the decoder unquantised, so that it does not settle
        on codes that still move; semantic codes always pass through their codebook.
        """
        batch, n, _ = x.shape
        ids: list[Tensor] = []
        parts, losses = [], []
        for part, books in enumerate((self.codebooks[:1], self.codebooks[1:])):
            target = self.inputs[part](x)
            residual = target.detach().float().reshape(batch * n, -1)
            total = torch.zeros_like(residual)
            for book in books:
                chosen = book.nearest(residual)
                if self.training:
                    book.learn(residual, chosen)
                code = book.vectors[chosen]
                ids.append(chosen.view(batch, n))
                total, residual = total + code, residual - code
            total = total.view_as(target).to(target)
            losses.append((target - total).square().mean())
            code = target + (total - target).detach()
            if part and bypass is not None:
                code = torch.where(bypass[:, None, None], target, code)
            parts.append(self.outputs[part](code))
        return Quantized(parts[0] + parts[1], parts[0], torch.stack(ids, dim=-1), COMMITMENT * sum(losses))

    def decode(self, ids: Tensor) -> Tensor:
        """Latents [n, width] of ids [n, codebooks]: what the decoder gets, and the embedding of a token."""
        codes = [book.vectors[ids[:, i]] for i, book in enumerate(self.codebooks)]
        return self.outputs[0](codes[0]) + self.outputs[1](torch.stack(codes[1:]).sum(dim=0))
