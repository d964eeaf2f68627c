"""The token space `codec`: a small acoustic codec of Mimi's design (Défossez et al. 2024, Moshi, section 3.3).

    sound ── log mel ── causal convolutions, transformer ── latents, 12.5 Hz
                                                               │
                    8 ids ◄── semantic codebook + 7 residual acoustic codebooks ──► embedding
                                                               │
    sound ◄── source and filter ◄── pitch, envelope, noisiness ── transformer, causal convolutions

As in Mimi, encoder and decoder are causal, a token is 80 ms, and the first codebook is taught what is said by a model
that knows speech; here that is the tokenizer `phonetic`, which also teaches the sum of the eight codes, for ten bits
are few for the visemes of 80 ms, and besides pitch, voicing and loudness. Of that sum the adapter (`motion/adapter.py`)
makes four embeddings of 20 ms. A token waits for nothing after its own interval; what it is taught is the interval
before, as its teacher hears 76 ms ahead.
"""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from toktalk_node.tokens import files
from toktalk_node.tokens.base import TokenSpace
from toktalk_node.tokens.codec_layers import CausalConv, CausalTransformer, Doubling, Memory, Residual, Sequence
from toktalk_node.tokens.codec_quantizer import Quantized, SplitQuantizer
from toktalk_node.tokens.codec_sound import BANDS, HIGHEST, HOP, LOWEST, OVERLAP, SAMPLE_RATE, Source, log_mel

SPACE = "codec"
FORMAT = "toktalk-codec"
VERSION = 1
WEIGHTS_FILE = "codec.safetensors"
CONFIG_FILE = "codec.json"
FRAMES_PER_TOKEN = 8
SAMPLES = FRAMES_PER_TOKEN * HOP
"""Samples per token."""
TAUGHT = 4
"""Rows of phone probabilities and prosody, 20 ms each, that a token is taught: those of the interval before its own."""


@dataclass(frozen=True)
class CodecConfig:
    """What shapes the codec."""

    channels: tuple[int, int, int, int] = (96, 144, 192, 224)
    """Width at 100, 50, 25 and 12.5 Hz."""
    layers: int = 4
    """Transformer layers of the encoder, and of the decoder."""
    heads: int = 4
    """Attention heads."""
    context: int = 32
    """Tokens that each layer looks back."""
    codebooks: int = 8
    """Ids per token: one semantic, the others acoustic."""
    size: int = 1024
    """Codes per codebook."""
    code_width: int = 64
    """Width of a code."""

    @property
    def width(self) -> int:
        """Width of an embedding."""
        return self.channels[-1]


@dataclass(frozen=True)
class Frames:
    """What the decoder says of n frames of 10 ms."""

    envelope: Tensor
    """Log mel power [batch, n, 64]."""
    noisiness: Tensor
    """Share of noise in each band's power [batch, n, 64]."""
    log_pitch: Tensor
    """Log of the pitch in Hz [batch, n]; where nothing is voiced it does not count."""


class CodecModel(nn.Module):
    """The codec's weights, and its computation on tensors."""

    mel_mean: Tensor
    mel_std: Tensor

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        self.config = config
        a, b, c, d = config.channels

        def transformers() -> list[nn.Module]:
            return [CausalTransformer(d, config.heads, config.context) for _ in range(config.layers)]

        self.encoder = Sequence(
            [
                *(CausalConv(BANDS, a, 5), Residual(a), CausalConv(a, b, 4, 2), Residual(b)),
                *(CausalConv(b, c, 4, 2), Residual(c), CausalConv(c, d, 4, 2), *transformers(), nn.LayerNorm(d)),
            ]
        )
        self.quantizer = SplitQuantizer(d, config.code_width, config.size, config.codebooks)
        self.decoder = Sequence(
            [
                *(*transformers(), Residual(d), Doubling(d, c), Residual(c), Doubling(c, b), Residual(b)),
                *(Doubling(b, a), Residual(a), nn.LayerNorm(a), nn.Linear(a, 2 * BANDS + 1)),
            ]
        )
        self.register_buffer("mel_mean", torch.full((BANDS,), -7.0))
        self.register_buffer("mel_std", torch.full((BANDS,), 3.0))

    def encode(self, mel: Tensor, memory: Memory | None = None) -> Tensor:
        """Latents [batch, n / 8, width] of log mel power [batch, n, 64]."""
        return self.encoder((mel - self.mel_mean) / self.mel_std, memory)

    def quantize(self, latents: Tensor, bypass: Tensor | None = None) -> Quantized:
        """Ids and quantised latents; see `SplitQuantizer`."""
        return self.quantizer(latents, bypass)

    def decode(self, latents: Tensor, memory: Memory | None = None) -> Frames:
        """Frames [batch, 8 n, ...] of quantised latents [batch, n, width]."""
        out = self.decoder(latents, memory).float()
        low, high = math.log(LOWEST), math.log(HIGHEST)
        return Frames(
            out[..., :BANDS] * self.mel_std + self.mel_mean,
            out[..., BANDS:-1].sigmoid(),
            low + (high - low) * out[..., -1].sigmoid(),
        )


class CodecStream:
    """Ids of one stream of sound, in steps of one token."""

    def __init__(self, model: CodecModel) -> None:
        self.model = model
        self._memory: Memory = {}
        self._samples = np.zeros(OVERLAP, np.float32)
        self._received = 0
        self._given = 0

    @torch.no_grad()
    def push(self, samples: np.ndarray) -> np.ndarray:
        """Take mono float samples [n] at 16 kHz, any n; return the ids int64 [m, codebooks] that are ready."""
        self._received += len(samples)
        self._samples = np.concatenate([self._samples, np.asarray(samples, np.float32)])
        ids = [np.zeros((0, self.model.config.codebooks), np.int64)]
        while len(self._samples) >= OVERLAP + SAMPLES:
            mel = log_mel(torch.from_numpy(self._samples[None, : OVERLAP + SAMPLES]))
            ids.append(self.model.quantize(self.model.encode(mel, self._memory)).ids[0].numpy())
            self._samples = self._samples[SAMPLES:]
        self._given += len(ids) - 1
        return np.concatenate(ids)

    def finish(self) -> np.ndarray:
        """The id of the interval that began, as if silence followed; then the stream is over."""
        owed = -(-self._received // SAMPLES) - self._given
        return self.push(np.zeros(SAMPLES, np.float32))[:owed]


class SoundStream:
    """Sound of one stream of ids, in steps of one token; it comes 30 ms late."""

    def __init__(self, tokenizer: "CodecTokenizer") -> None:
        self.tokenizer = tokenizer
        self._memory: Memory = {}
        self._source = Source.start()
        self._late = OVERLAP

    @torch.no_grad()
    def push(self, ids: np.ndarray) -> np.ndarray:
        """Take ids [n, codebooks], any n; return the samples float32 [m] that are complete."""
        tokenizer = self.tokenizer
        sound = [np.zeros(0, np.float32)]
        for row in torch.from_numpy(tokenizer.space.check(ids)):
            sound.append(self._next(tokenizer.model.quantizer.decode(row[None])[None]))
        return np.concatenate(sound)

    @torch.no_grad()
    def finish(self) -> np.ndarray:
        """The samples still owed, 480 of them where there was a token; then the stream is over."""
        if self._late:
            return np.zeros(0, np.float32)
        return self._next(torch.zeros(1, 1, self.tokenizer.space.width))[:OVERLAP]

    def _next(self, latent: Tensor) -> np.ndarray:
        frames = self.tokenizer.model.decode(latent, self._memory)
        sound = self._source.next(frames.envelope, frames.noisiness, frames.log_pitch).numpy()
        late, self._late = self._late, 0
        return sound[late:]


class CodecTokenizer:
    """The tokenizer of the space `codec` (see `toktalk_node.tokens.base.Tokenizer`), and the way back to sound."""

    sample_rate = SAMPLE_RATE
    look_ahead = 0.0

    def __init__(self, model: CodecModel) -> None:
        self.model = model.eval()
        c = model.config
        self.space = TokenSpace(SPACE, SAMPLE_RATE / SAMPLES, c.width, c.size, c.codebooks)

    def stream(self) -> CodecStream:
        """A new stream, at its first sample."""
        return CodecStream(self.model)

    @torch.no_grad()
    def embed(self, ids: np.ndarray) -> np.ndarray:
        """Embeddings float32 [n, width] of ids [n, codebooks]: what the decoder gets. ValueError out of range.

        Each is computed alone, for a matrix product of more rows may differ in its last bits.
        """
        rows = [self.model.quantizer.decode(token[None]) for token in torch.from_numpy(self.space.check(ids))]
        return torch.cat([torch.empty(0, self.space.width), *rows]).numpy()

    def sound(self) -> SoundStream:
        """A new stream from ids to sound."""
        return SoundStream(self)

    def decode(self, ids: np.ndarray) -> np.ndarray:
        """Samples float32 [1280 n] at 16 kHz of ids [n, codebooks]; equal to streaming them."""
        stream = self.sound()
        return np.concatenate([stream.push(ids), stream.finish()])


def config_json(config: CodecConfig, training: dict[str, Any]) -> str:
    """The JSON that stands beside the weights."""
    about = {"format": FORMAT, "version": VERSION, "space": SPACE, "config": asdict(config), "training": training}
    return json.dumps(about, indent=2) + "\n"


def load(folder: str | Path) -> CodecTokenizer:
    """Read the codec in `folder`. Raises TokenizerError where files are missing, damaged or of another version."""

    def build(config: dict[str, Any], tensors: dict[str, Tensor]) -> CodecTokenizer:
        model = CodecModel(CodecConfig(**{**config, "channels": tuple(config["channels"])}))
        model.load_state_dict(tensors)
        return CodecTokenizer(model)

    kind = files.Kind("codec", FORMAT, VERSION, WEIGHTS_FILE, CONFIG_FILE)
    return files.read(kind, Path(folder), f"Train one with `toktalk train codec --out {folder}`.", build)
