"""Phone posteriors of many recordings at once, as the tokenizer's stream computes them one by one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from toktalk_node.speech.phones import PHONES
from toktalk_node.tokens.acoustic import DELTA_AHEAD, differences
from toktalk_node.tokens.frontend import HOP, MEL, PROSODY, WINDOW, FrontEnd, FrontEndMeans
from toktalk_node.tokens.networks import FRAMES_PER_TOKEN, PhoneNetwork
from toktalk_node.tokens.phonetic import SAMPLES, PhoneticModel

BATCH = 48
"""Recordings that are computed together."""
LEAD = 2
"""Frames of silence that the tokenizer's stream begins with; frame i + LEAD of it is frame i of the sound."""


@dataclass(frozen=True)
class Heard:
    """Features of one recording, on the stream's frame grid: n frames, of which the first LEAD lie before it."""

    cepstra: np.ndarray
    features: np.ndarray
    """Mel energies and prosody [n, 43]."""
    clarity: np.ndarray

    @property
    def tokens(self) -> int:
        """Tokens of the recording."""
        return (len(self.cepstra) - LEAD - 8) // FRAMES_PER_TOKEN

    @property
    def prosody(self) -> np.ndarray:
        """Prosody float32 [2 · tokens, 3] on the rows of the posteriors: row r is frame r − 1 of the sound."""
        rows = self.features[LEAD - 1 : LEAD - 1 + FRAMES_PER_TOKEN * self.tokens, -PROSODY:]
        return rows.astype(np.float32)


def hear(means: FrontEndMeans, samples: np.ndarray, block: int = 50) -> Heard:
    """Features of mono samples [n] at 16 kHz."""
    front = FrontEnd(means, block=block)
    tokens = -(-len(samples) // SAMPLES)
    frames = FRAMES_PER_TOKEN * tokens + LEAD + 8
    padded = np.zeros((-(-frames // block) * block - 1) * HOP + WINDOW, np.float32)
    padded[LEAD * HOP : LEAD * HOP + len(samples)] = samples
    blocks = front.push(padded)
    features = np.concatenate([np.concatenate([b.mel, b.prosody], axis=1) for b in blocks])
    cepstra = np.concatenate([b.cepstra for b in blocks])
    return Heard(cepstra[:frames], features[:frames], np.concatenate([b.clarity for b in blocks])[:frames])


@torch.no_grad()
def posteriors(model: PhoneticModel, heard: Sequence[Heard]) -> list[np.ndarray]:
    """Posteriors float32 [2 · tokens, 40] of each recording; frame 2 k is the first of token k.

    Recordings of like length make the best batch, for the shorter ones are filled up.
    """
    two, window = FRAMES_PER_TOKEN, FRAMES_PER_TOKEN + model.config.lag
    tokens = max(h.tokens for h in heard)
    frames = two * (tokens + 2)
    rows = zip(*(_rows(model, h, frames) for h in heard), strict=True)
    streams, phones, clarity = (torch.stack(row) for row in rows)
    belief = model.loop.start(len(heard))
    beliefs: list[Tensor] = []
    scores: list[Tensor] = []
    out = np.empty((len(heard), two * tokens, len(PHONES)), np.float32)
    for first in range(0, frames, two):
        parts = [x[:, first : first + two].transpose(0, 1).flatten(0, 1) for x in (streams, phones, clarity)]
        for likelihood in model.likelihoods(*parts).unflatten(0, (two, len(heard))):
            belief = model.loop(belief, likelihood)
            beliefs.append(belief)
            scores.append(likelihood)
        if len(beliefs) == window:
            at = first + two - window
            out[:, at : at + two] = model.loop.posteriors(torch.stack(beliefs), torch.stack(scores), two).numpy()
            beliefs, scores = beliefs[two:], scores[two:]
    return [row[: two * h.tokens] for row, h in zip(out, heard, strict=True)]


@torch.no_grad()
def embedded(model: PhoneticModel, heard: Heard, posterior: np.ndarray) -> Tensor:
    """Embeddings [tokens, 64] of a recording with its posteriors [2 · tokens, 40]."""
    encoder = model.autoencoder
    inputs = encoder.inputs(torch.from_numpy(posterior), torch.from_numpy(heard.prosody))
    return encoder.embed(encoder.encode(inputs))


def embeddings(model: PhoneticModel, sounds: Sequence[np.ndarray]) -> list[Tensor]:
    """Embeddings [tokens, 64] of each mono sound at 16 kHz: what its stream gives but for last bits, in a third of the
    time."""
    heard = [hear(model.means(), samples) for samples in sounds]
    found: dict[int, Tensor] = {}
    for batch in in_batches([h.tokens for h in heard], BATCH):
        for i, posterior in zip(batch, posteriors(model, [heard[i] for i in batch]), strict=True):
            found[i] = embedded(model, heard[i], posterior)
    return [found[i] for i in range(len(sounds))]


def _rows(model: PhoneticModel, heard: Heard, frames: int) -> tuple[Tensor, Tensor, Tensor]:
    """What `model.likelihoods` takes, for the stream's frames 1 … frames, from frame 1 on, as its first tokens are."""
    cepstra = _filled(heard.cepstra, frames + 1 + DELTA_AHEAD)
    cepstra = torch.cat([cepstra[:1].expand(DELTA_AHEAD - 1, -1), cepstra])
    features = _filled(heard.features, frames + 1 + PhoneNetwork.AHEAD)
    before = torch.zeros(PhoneNetwork.CONTEXT - PhoneNetwork.AHEAD - 1, MEL + PROSODY)
    return (
        differences(cepstra),
        model.network(torch.cat([before, features])[None])[0],
        _filled(heard.clarity, frames + 1)[1:],
    )


def _filled(values: np.ndarray, frames: int) -> Tensor:
    """Rows repeated at the end up to `frames`."""
    values = torch.from_numpy(np.asarray(values, np.float32))[:frames]
    return torch.cat([values, values[-1:].expand(frames - len(values), *values.shape[1:])])


def in_batches(lengths: Sequence[int], size: int) -> Iterator[list[int]]:
    """Indices in batches of `size`, alike in length."""
    order = np.argsort(lengths, kind="stable")
    for start in range(0, len(order), size):
        yield [int(i) for i in order[start : start + size]]
