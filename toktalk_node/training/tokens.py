"""Training of the phonetic tokenizer: phone network, then token autoencoder.

Both learn from the corpus with waveform augmentation; the acoustic model between them is not trained but read from the
PocketSphinx wheel (see `training/acoustic.py`).
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from toktalk_node.speech.phones import INDEX, Phone
from toktalk_node.tokens.frontend import FRAME_CENTRE, MEL, PROSODY
from toktalk_node.tokens.networks import FRAMES_PER_TOKEN, PhoneNetwork, TokenAutoencoder

Report = Callable[[int, float, float], None]
"""Called with the step, the share of the budget spent in [0, 1] and the running loss."""


def frame_labels(phones: Sequence[Phone], frames: int) -> np.ndarray:
    """Index of the phone at the middle of each of the front end's frames, int64 [frames]; silence outside."""
    labels = np.zeros(frames, np.int64)
    for phone in phones:
        first, last = (max(math.ceil((time - FRAME_CENTRE) * 100), 0) for time in (phone.start, phone.end))
        labels[first:last] = INDEX[phone.label]
    return labels


class _Average:
    """Exponential moving average of a module's parameters."""

    def __init__(self, module: torch.nn.Module) -> None:
        self.module = module
        self.values = [p.detach().clone() for p in module.parameters()]
        self.step = 0

    @torch.no_grad()
    def update(self) -> None:
        """Take in the present parameters."""
        self.step += 1
        decay = min(0.999, (1 + self.step) / (10 + self.step))
        torch._foreach_lerp_(self.values, [p.detach() for p in self.module.parameters()], 1 - decay)

    @torch.no_grad()
    def apply(self) -> None:
        """Put the averages in the place of the parameters."""
        for parameter, value in zip(self.module.parameters(), self.values, strict=True):
            parameter.copy_(value)


def optimise(
    module: torch.nn.Module,
    loss: Callable[[np.random.Generator], Tensor],
    minutes: float,
    *,
    learning_rate: float = 2e-3,
    warm_up: int = 100,
    seed: int = 0,
    report: Report | None = None,
) -> int:
    """AdamW on `loss`(generator) for `minutes`, cosine by time; the module ends with averaged weights. Steps taken."""
    optimizer = torch.optim.AdamW(module.parameters(), learning_rate, weight_decay=0.02, fused=True)
    average, rng = _Average(module), np.random.default_rng(seed)
    began, step, running = time.monotonic(), 0, math.nan
    while (share := (time.monotonic() - began) / max(60 * minutes, 1e-9)) < 1:
        rate = learning_rate * min(1, (step + 1) / warm_up) * (0.02 + 0.49 * (1 + math.cos(math.pi * share)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        value = loss(rng)
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimizer.step()
        average.update()
        step += 1
        running = value.item() if step == 1 else 0.98 * running + 0.02 * value.item()
        if report and step % 20 == 0:
            report(step, share, running)
    average.apply()
    return step


@dataclass(frozen=True)
class FrameData:
    """Frames of many recordings, end to end: `features` [n, 43], `labels` [n], and each recording's [start, end)."""

    features: Tensor
    labels: Tensor
    spans: np.ndarray
    weight: np.ndarray
    """How often each recording is drawn, relative to its length."""


def phone_network_loss(network: PhoneNetwork, data: FrameData, batch: int = 32, frames: int = 200) -> Callable:
    """Cross entropy of phones on random windows, with masks, tilts and gains drawn on the mel energies."""
    context, ahead = network.CONTEXT, network.AHEAD
    lengths = data.spans[:, 1] - data.spans[:, 0]
    chance = lengths * data.weight
    chance = chance / chance.sum()
    slope = torch.linspace(-1, 1, MEL)

    def window(rng: np.random.Generator, start: int, end: int) -> tuple[Tensor, Tensor]:
        offset = int(rng.integers(0, max(1, end - start - frames // 2)))
        first = start + offset + ahead - context
        low, high = max(first, start), min(first + frames + context, end)
        x = torch.zeros(frames + context, MEL + PROSODY)
        x[low - first : high - first] = data.features[low:high].float()
        y = torch.full((frames,), -100)
        inside = min(frames, end - start - offset)
        y[:inside] = data.labels[start + offset : start + offset + inside]
        for _ in range(2):
            if rng.random() < 0.5:
                width = int(rng.integers(1, 7))
                band = int(rng.integers(0, MEL - width))
                x[:, band : band + width] = 0
        x[:, :MEL] += slope * float(rng.normal(0, 0.4)) + float(rng.normal(0, 0.4))
        if rng.random() < 0.3:
            x[:, MEL:] = 0
        return x, y

    def loss(rng: np.random.Generator) -> Tensor:
        rows = rng.choice(len(chance), batch, p=chance)
        x, y = (torch.stack(part) for part in zip(*(window(rng, *data.spans[row]) for row in rows), strict=True))
        with torch.autocast("cpu", torch.bfloat16):
            log_phones = network(x)
        return functional.nll_loss(log_phones.float().flatten(0, 1), y.flatten(), ignore_index=-100)

    return loss


def autoencoder_loss(
    autoencoder: TokenAutoencoder, posteriors: Tensor, prosody: Tensor, labels: Tensor, batch: int = 2048
) -> Callable:
    """What a token loses: cross entropy to the posteriors it was made from and to the true phones, error of prosody.

    posteriors [n, 40], prosody [n, 3], labels [n]; rows 2 k and 2 k + 1 belong to token k.
    """
    two = FRAMES_PER_TOKEN
    scale = torch.tensor([2.0, 1.0, 1.0])

    def loss(rng: np.random.Generator) -> Tensor:
        rows = torch.from_numpy(rng.integers(0, len(labels) // two, batch))[:, None] * two + torch.arange(two)
        p, s, y = posteriors[rows].float(), prosody[rows].float(), labels[rows]
        x = autoencoder.inputs(p.flatten(0, 1), s.flatten(0, 1))
        codes = autoencoder.quantizer(autoencoder.encoder(x))
        log_phones, heard = autoencoder.decode(autoencoder.embedding(codes))
        kept = -(p * log_phones).sum(dim=-1).mean()
        true = functional.nll_loss(log_phones.flatten(0, 1), y.flatten())
        return kept + 0.3 * true + 0.3 * ((heard - s).abs() * scale).mean()

    return loss
