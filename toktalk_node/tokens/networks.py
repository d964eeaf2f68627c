"""The tokenizer's two small networks: a phone network on mel energies, and the token autoencoder."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from toktalk_node.speech.phones import PHONES
from toktalk_node.tokens.frontend import MEL, PROSODY
from toktalk_node.tokens.fsq import FiniteScalarQuantizer

FRAMES_PER_TOKEN = 2


class PhoneNetwork(nn.Module):
    """Log-probabilities of phones from mel energies and prosody: causal convolutions, read `AHEAD` frames late.

    Nothing is padded inside: output frame i of `forward` reads input frames i … i + CONTEXT, and stands for input
    frame i + CONTEXT − AHEAD.
    """

    AHEAD = 3
    DILATIONS: Sequence[int] = (1, 2, 4, 8)
    CONTEXT = 4 + 2 * sum(DILATIONS)
    WIDTH = 192

    def __init__(self) -> None:
        super().__init__()
        self.entry = nn.Conv1d(MEL + PROSODY, self.WIDTH, 5)
        self.layers = nn.ModuleList(nn.Conv1d(self.WIDTH, self.WIDTH, 3, dilation=d) for d in self.DILATIONS)
        self.mixes = nn.ModuleList(nn.Conv1d(self.WIDTH, self.WIDTH, 1) for _ in self.DILATIONS)
        self.norms = nn.ModuleList(nn.LayerNorm(self.WIDTH) for _ in self.DILATIONS)
        self.exit = nn.Conv1d(self.WIDTH, len(PHONES), 1)

    def forward(self, features: Tensor) -> Tensor:
        """Log-probabilities [batch, n − CONTEXT, 40] of features [batch, n, 43]: mel energies, then prosody."""
        x = self.entry(features.transpose(1, 2) * 0.5)
        for conv, mix, norm in zip(self.layers, self.mixes, self.norms, strict=True):
            y = norm(x.transpose(1, 2)).transpose(1, 2)
            y = mix(functional.gelu(conv(y)))
            x = x[..., -y.shape[-1] :] + y
        return self.exit(functional.gelu(x)).transpose(1, 2).log_softmax(dim=-1)


class PhoneStream:
    """The phone network on one stream: each step computes its new frames alone, behind zeros before the first.

    Convolutions are written as matrix products of their taps: for two frames at a time that is several times faster.
    """

    @torch.no_grad()
    def __init__(self, network: PhoneNetwork) -> None:
        self.network = network
        convolutions = (network.entry, *network.layers)
        self._weights = [conv.weight.permute(0, 2, 1).flatten(1) for conv in convolutions]
        self._before = [torch.zeros(c.dilation[0] * (c.kernel_size[0] - 1), c.in_channels) for c in convolutions]
        self.step(torch.zeros(network.CONTEXT, MEL + PROSODY))

    @torch.no_grad()
    def step(self, features: Tensor) -> Tensor:
        """Log-probabilities [n, 40] after the next features [n, 43]; they stand for frames `AHEAD` earlier."""
        net = self.network
        x = self._convolve(0, net.entry, features * 0.5)
        for i, (conv, mix, norm) in enumerate(zip(net.layers, net.mixes, net.norms, strict=True), 1):
            y = functional.gelu(self._convolve(i, conv, norm(x)))
            x = x + functional.linear(y, mix.weight[..., 0], mix.bias)
        return functional.linear(functional.gelu(x), net.exit.weight[..., 0], net.exit.bias).log_softmax(dim=-1)

    def _convolve(self, layer: int, conv: nn.Conv1d, x: Tensor) -> Tensor:
        """The next n outputs of a causal convolution, from its next n inputs [n, channels]."""
        rows = torch.cat([self._before[layer], x])
        self._before[layer] = rows[len(x) :]
        taps = [rows[k * conv.dilation[0] :][: len(x)] for k in range(conv.kernel_size[0])]
        return functional.linear(torch.cat(taps, dim=1), self._weights[layer], conv.bias)


class TokenAutoencoder(nn.Module):
    """What a token keeps: phone posteriors and prosody of its two frames, through a finite scalar quantizer.

    The encoder sees one token's interval at a time and no neighbour, so that a token depends on its id alone and an
    id on its interval alone.
    """

    WIDTH = 256
    EMBEDDING = 64
    INPUTS = FRAMES_PER_TOKEN * (len(PHONES) + PROSODY)

    def __init__(self, levels: Sequence[int]) -> None:
        super().__init__()
        self.quantizer = FiniteScalarQuantizer(levels)
        self.encoder = nn.Sequential(
            nn.Linear(self.INPUTS, self.WIDTH), nn.GELU(), nn.Linear(self.WIDTH, self.WIDTH), nn.GELU(),
            nn.Linear(self.WIDTH, len(levels)),
        )
        self.embedding = nn.Sequential(
            nn.Linear(len(levels), self.WIDTH), nn.GELU(), nn.Linear(self.WIDTH, self.EMBEDDING)
        )
        self.decoder = nn.Sequential(nn.GELU(), nn.Linear(self.EMBEDDING, self.INPUTS))

    def inputs(self, posteriors: Tensor, prosody: Tensor) -> Tensor:
        """Encoder inputs [n, 86] of posteriors [2 n, 40] and prosody [2 n, 3]; posteriors enter as square roots."""
        frames = torch.cat([posteriors.clamp_min(0).sqrt(), prosody], dim=-1)
        return frames.reshape(-1, self.INPUTS)

    def encode(self, inputs: Tensor) -> Tensor:
        """Ids int64 [n] of encoder inputs [n, 86]."""
        return self.quantizer.ids(self.quantizer(self.encoder(inputs)))

    def embed(self, ids: Tensor) -> Tensor:
        """Embeddings [n, 64] of ids [n]."""
        return self.embedding(self.quantizer.codes(ids))

    def decode(self, embeddings: Tensor) -> tuple[Tensor, Tensor]:
        """Phone log-probabilities [n, 2, 40] and prosody [n, 2, 3] that embeddings [n, 64] stand for."""
        out = self.decoder(embeddings).reshape(-1, FRAMES_PER_TOKEN, len(PHONES) + PROSODY)
        return out[..., : len(PHONES)].log_softmax(dim=-1), out[..., len(PHONES) :]
