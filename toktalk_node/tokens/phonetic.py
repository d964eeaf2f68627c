"""The token space `phonetic`: what a face needs to know of speech, 50 times a second.

    sound ── front end ──┬─ cepstra ── acoustic model ──┐
                         ├─ mel ────── phone network ───┴─ phone loop ── posteriors ──┐
                         └─ prosody ──────────────────────────────────────────────────┴─ quantizer ── id

The acoustic model was trained on human speech and carries over to voices never heard; the phone network was trained
on the corpus and is the better of the two in noise. Their scores meet in the phone loop. A token is the posteriors
and the prosody of its 20 ms, quantized; its embedding is a function of its id alone.
"""

import json
from collections import deque
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from toktalk_node.tokens import files
from toktalk_node.tokens.acoustic import DELTA_AHEAD, AcousticModel, differences
from toktalk_node.tokens.base import TokenSpace
from toktalk_node.tokens.frontend import (
    CEPSTRA,
    HOP,
    MEL,
    PROSODY,
    SAMPLE_RATE,
    WINDOW,
    Features,
    FrontEnd,
    FrontEndMeans,
)
from toktalk_node.tokens.networks import FRAMES_PER_TOKEN, PhoneNetwork, PhoneStream, TokenAutoencoder
from toktalk_node.tokens.phone_loop import PhoneLoop

SPACE = "phonetic"
FORMAT = "toktalk-tokens"
VERSION = 1
WEIGHTS_FILE = "tokens.safetensors"
CONFIG_FILE = "tokens.json"
SAMPLES = FRAMES_PER_TOKEN * HOP
"""Samples per token."""


@dataclass(frozen=True)
class PhoneticConfig:
    """What shapes the tokenizer, and how its two recognisers are weighed."""

    levels: tuple[int, ...]
    """Levels of the finite scalar quantizer."""
    acoustic_scale: float = 0.2
    """Exponent of the acoustic model's likelihoods, whose frames are not as independent as the model holds."""
    network_scale: float = 0.35
    """Exponent of the phone network's probabilities in clear speech, …"""
    network_scale_noise: float = 1.0
    """… and in noise."""
    noise_clarity: float = 3.0
    """Clarity, in nepers of amplitude between loud and quiet frames, midway between the two."""
    lag: int = 4
    """Frames of 10 ms that the phone loop looks back from."""


class PhoneticModel(torch.nn.Module):
    """The tokenizer's weights, and its computation on tensors."""

    def __init__(self, config: PhoneticConfig) -> None:
        super().__init__()
        self.config = config
        self.acoustic = AcousticModel()
        self.network = PhoneNetwork()
        self.loop = PhoneLoop()
        self.autoencoder = TokenAutoencoder(config.levels)
        for name, width in (("cepstra", CEPSTRA), ("mel", MEL), ("offset", CEPSTRA)):
            self.register_buffer(f"mean_{name}", torch.zeros(width))

    def means(self) -> FrontEndMeans:
        """Where the front end's running means start."""
        values = (self.mean_cepstra, self.mean_mel, self.mean_offset)
        return FrontEndMeans(*(value.double().numpy() for value in values))

    @torch.no_grad()
    def likelihoods(self, streams: Tensor, log_phones: Tensor, clarity: Tensor) -> Tensor:
        """Scaled likelihoods [n, phone, before, state], at most 1, of n frames.

        streams [n, 3, 13]: cepstra and their differences; log_phones [n, 40]: from the phone network; clarity [n].
        """
        c = self.config
        scores = self.acoustic(streams) * c.acoustic_scale
        noisy = torch.sigmoid(2 * (c.noise_clarity - clarity))
        weight = c.network_scale + (c.network_scale_noise - c.network_scale) * noisy
        scores += (log_phones * weight[:, None])[:, :, None, None]
        return (scores - scores.amax(dim=(1, 2, 3), keepdim=True)).clamp_min_(-60).exp_()


class PhoneticStream:
    """One stream's state. Sound is taken up in steps of one token, always of the same shape."""

    _DELAY = 4
    """Blocks of two frames that a token waits for after its own."""

    def __init__(self, model: PhoneticModel) -> None:
        self.model = model
        self._front = FrontEnd(model.means(), block=FRAMES_PER_TOKEN)
        self._front.push(np.zeros(SAMPLES))
        self._cepstra: np.ndarray | None = None
        self._network = PhoneStream(model.network)
        self._prosody = np.zeros((self._DELAY * FRAMES_PER_TOKEN + 1, PROSODY), np.float32)
        self._clarity = np.zeros(DELTA_AHEAD + FRAMES_PER_TOKEN, np.float32)
        self._belief = model.loop.start(1)
        frames = FRAMES_PER_TOKEN + model.config.lag
        self._beliefs: deque[Tensor] = deque(maxlen=frames)
        self._likelihoods: deque[Tensor] = deque(maxlen=frames)
        self._blocks = 0
        self._received = 0
        self._given = 0

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Take mono float samples [n] at 16 kHz, any n; return the ids int64 [m, 1] that are ready."""
        self._received += len(samples)
        ids = [token for block in self._front.push(samples) for token in self._step(block)]
        self._given += len(ids)
        return np.array(ids, np.int64).reshape(-1, 1)

    def finish(self) -> np.ndarray:
        """The ids still owed, one for every 20 ms that began; then the stream is over."""
        owed = -(-self._received // SAMPLES) - self._given
        silence = np.zeros((owed + self._DELAY) * SAMPLES + WINDOW, np.float32)
        return self.push(silence)[:owed] if owed else np.zeros((0, 1), np.int64)

    @torch.no_grad()
    def _step(self, block: Features) -> list[int]:
        """Take up frames 2 j and 2 j + 1; score frames 2 j − 3 and 2 j − 2; give the token of 2 j − 7 and 2 j − 6."""
        two = FRAMES_PER_TOKEN
        if self._cepstra is None:
            self._cepstra = np.repeat(block.cepstra[:1], 2 * DELTA_AHEAD + two, axis=0)
        self._cepstra = np.concatenate([self._cepstra[two:], block.cepstra])
        self._prosody = np.concatenate([self._prosody[two:], block.prosody])
        log_phones = self._network.step(torch.from_numpy(np.concatenate([block.mel, block.prosody], axis=1)))
        self._clarity = np.concatenate([self._clarity[two:], block.clarity])
        self._blocks += 1
        if self._blocks < 3:
            return []
        likelihoods = self.model.likelihoods(
            differences(torch.from_numpy(self._cepstra)),
            log_phones,
            torch.from_numpy(self._clarity[:two]),
        )
        for likelihood in likelihoods[:, None]:
            self._belief = self.model.loop(self._belief, likelihood)
            self._beliefs.append(self._belief)
            self._likelihoods.append(likelihood)
        if len(self._beliefs) < two + self.model.config.lag:
            return []
        beliefs, scores = torch.stack(tuple(self._beliefs)), torch.stack(tuple(self._likelihoods))
        posteriors = self.model.loop.posteriors(beliefs, scores, two)
        prosody = torch.from_numpy(self._prosody[:two])
        autoencoder = self.model.autoencoder
        return [int(autoencoder.encode(autoencoder.inputs(posteriors[0], prosody)))]


class PhoneticTokenizer:
    """The tokenizer of the space `phonetic` (see `toktalk_node.tokens.base.Tokenizer`)."""

    sample_rate = SAMPLE_RATE

    def __init__(self, model: PhoneticModel) -> None:
        self.model = model.eval()
        autoencoder = model.autoencoder
        self.space = TokenSpace(SPACE, SAMPLE_RATE / SAMPLES, autoencoder.EMBEDDING, autoencoder.quantizer.size)
        frames = FRAMES_PER_TOKEN * (PhoneticStream._DELAY - 1) + 1
        self.look_ahead = (frames * HOP + WINDOW - SAMPLES) / SAMPLE_RATE

    def stream(self) -> PhoneticStream:
        """A new stream, at its first sample."""
        return PhoneticStream(self.model)

    @torch.no_grad()
    def embed(self, ids: np.ndarray) -> np.ndarray:
        """Embeddings float32 [n, 64] of ids [n, 1]; ValueError where an id is out of range.

        Each is computed alone, for a matrix product of more rows may differ in its last bits.
        """
        rows = [self.model.autoencoder.embed(token) for token in torch.from_numpy(self.space.check(ids))]
        return torch.cat([torch.empty(0, self.space.width), *rows]).numpy()

    @torch.no_grad()
    def phones(self, ids: np.ndarray) -> np.ndarray:
        """Phone probabilities float32 [2 n, 40] at 100 Hz that ids [n, 1] stand for."""
        embeddings = torch.from_numpy(self.embed(ids))
        return self.model.autoencoder.decode(embeddings)[0].exp().flatten(0, 1).numpy()


def config_json(config: PhoneticConfig, training: dict[str, Any]) -> str:
    """The JSON that stands beside the weights."""
    about = {"format": FORMAT, "version": VERSION, "space": SPACE, "config": asdict(config), "training": training}
    return json.dumps(about, indent=2) + "\n"


def load(folder: str | Path) -> PhoneticTokenizer:
    """Read the tokenizer in `folder`. Raises TokenizerError where files are missing, damaged or of another version."""

    def build(config: dict[str, Any], tensors: dict[str, Tensor]) -> PhoneticTokenizer:
        model = PhoneticModel(PhoneticConfig(**{**config, "levels": tuple(config["levels"])}))
        model.load_state_dict(tensors)
        return PhoneticTokenizer(model)

    kind = files.Kind("tokenizer", FORMAT, VERSION, WEIGHTS_FILE, CONFIG_FILE)
    return files.read(kind, Path(folder), f"Train one with `toktalk train tokens --out {folder}`.", build)
