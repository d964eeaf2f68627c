"""The acoustic model: how well each phone explains a frame of human speech.

The Gaussians, mixture weights and transitions are those of the English model that ships with CMU PocketSphinx (BSD
2-clause, © Alpha Cephei Inc.): phonetically tied mixtures, for each phone a codebook of 128 Gaussians in each of three
streams (cepstra, first and second differences) and three states. Its triphone mixture weights are averaged here over
right contexts, so that a state knows the phone before it and waits for nothing.
"""

import numpy as np
import torch
from torch import Tensor

from toktalk_node.speech.phones import INDEX, PHONES, SILENCE
from toktalk_node.tokens.frontend import CEPSTRA

STATES = 3
STREAMS = 3
GAUSSIANS = 128
DELTA_AHEAD = 3
"""Frames after its own that a frame's second difference reads."""
FILLERS = 2
"""Codebooks after the phones' that stand for noise and for unintelligible speech; both count as silence."""


def differences(cepstra: Tensor) -> Tensor:
    """Streams [n − 6, 3, 13] of cepstra [n, 13]: static, first and second differences of frames 3 … n − 4."""
    n = len(cepstra) - 2 * DELTA_AHEAD

    def at(shift: int) -> Tensor:
        return cepstra[DELTA_AHEAD + shift : DELTA_AHEAD + shift + n]

    return torch.stack([at(0), at(2) - at(-2), (at(3) - at(-1)) - (at(1) - at(-3))], dim=1)


class AcousticModel(torch.nn.Module):
    """Log-likelihoods of frames under left-context phone states."""

    def __init__(self) -> None:
        super().__init__()
        phones, books = len(PHONES), len(PHONES) + FILLERS
        self.register_buffer("quadratic", torch.zeros(STREAMS, 2 * CEPSTRA, books * GAUSSIANS))
        self.register_buffer("constant", torch.zeros(STREAMS, books * GAUSSIANS))
        self.register_buffer("weights", torch.zeros(STREAMS, books, GAUSSIANS, phones * STATES))

    @torch.no_grad()
    def forward(self, streams: Tensor) -> Tensor:
        """Log-likelihoods [n, phone, left phone, state] of difference streams [n, 3, 13]."""
        n, phones, books = len(streams), len(PHONES), len(PHONES) + FILLERS
        x = torch.cat([streams * streams, streams], dim=2).transpose(0, 1)
        density = torch.baddbmm(self.constant[:, None], x, self.quadratic).view(STREAMS, n, books, GAUSSIANS)
        top = density.amax(dim=3, keepdim=True)
        shares = (density - top).exp_().permute(0, 2, 1, 3)
        mixed = torch.matmul(shares, self.weights).clamp_min_(1e-10).log_()
        scores = (mixed + top.permute(0, 2, 1, 3)).sum(dim=0).view(books, n, phones, STATES)
        silence = INDEX[SILENCE]
        heard = torch.stack([scores[silence], *scores[phones:]]).logsumexp(dim=0) - np.log(1 + FILLERS)
        scores = scores[:phones].index_copy(0, torch.tensor([silence]), heard[None])
        return scores.transpose(0, 1)
