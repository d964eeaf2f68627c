"""Training of the codec (`tokens/codec.py`): to sound like the corpus, and to say in its first codebook what is said.

    toktalk train codec --data data/corpus --out runs/codec --minutes 15

The loss, all of it on windows of 1.9 s: mel energies of the envelope (L1), magnitudes of the sound at three
resolutions (Yamamoto et al. 2020, Parallel WaveGAN), pitch, commitment, and two cross entropies between the phone
probabilities of the tokenizer `phonetic` and those read off the semantic codebook, and off the sum of all codes: what
one codebook of 12.5 Hz cannot say of phones, the others add, and the teacher's pitch, voicing and loudness besides,
which are relative to the speaker. The teacher hears 76 ms beyond the frame that it judges, so a token is taught the
interval before its own: all that the teacher heard, the token has heard too.

To make sound and compare it takes four fifths of a step, while voices that were never heard ask for many windows to
learn phones from. So every window is encoded and taught, and every `SOUNDED`th is made sound of.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from toktalk_node.corpus.augment import augment
from toktalk_node.corpus.dataset import RATE, Utterance, load_audio
from toktalk_node.evaluation.systems import heard_phones
from toktalk_node.evaluation.visemes import viseme_errors
from toktalk_node.motion.checkpoint import write_atomically
from toktalk_node.speech.phones import PHONES
from toktalk_node.tokens import codec, phonetic
from toktalk_node.tokens.codec import FRAMES_PER_TOKEN, SAMPLES, TAUGHT, CodecModel, CodecTokenizer
from toktalk_node.tokens.codec_quantizer import Quantized
from toktalk_node.tokens.codec_sound import (
    HIGHEST,
    HOP,
    LOWEST,
    OVERLAP,
    WINDOW,
    log_mel,
    overlap_add,
    pulses,
    shape,
)
from toktalk_node.tokens.frontend import PROSODY
from toktalk_node.training.posteriors import BATCH, hear, in_batches, posteriors
from toktalk_node.training.prepare import Say, chosen
from toktalk_node.training.tokens import optimise

CLEAN = 0.3
"""Share of utterances that are not augmented: the codec is to sound well, and to hold in noise."""
SOUNDED = 4
"""Of so many windows one is decoded, and its sound compared."""
VOICED = 0.55
"""Least correlation of a voiced frame with itself one period later."""
RESOLUTIONS = (256, 512, 1024)
"""Lengths in samples of the windows that sound is compared in."""


def pitch(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log of the pitch in Hz float32 [n], interpolated where unvoiced, and whether voiced bool [n], of n frames.

    samples: float [480 + 160 n], at 16 kHz. The best lag of the window-corrected autocorrelation (Boersma 1993), a
    median over five frames; the level of 100 Hz where nothing is voiced.
    """
    frames = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP]
    window = np.hanning(WINDOW)
    low, high = int(RATE / HIGHEST), int(RATE / LOWEST)

    def correlation(x: np.ndarray) -> np.ndarray:
        return np.fft.irfft(np.abs(np.fft.rfft(x, 2 * WINDOW)) ** 2)[..., : high + 1]

    own = correlation(window)
    found = correlation((frames - frames.mean(axis=1, keepdims=True)) * window)
    found = found / (found[:, :1] + 1e-5) / (own / own[0])
    lag = np.argmax(found[:, low:] - 0.02 * np.log2(np.arange(low, high + 1) / low), axis=1) + low
    voiced = np.take_along_axis(found, lag[:, None], axis=1)[:, 0] > VOICED
    around = np.lib.stride_tricks.sliding_window_view(np.pad(np.log(RATE / lag), 2, mode="edge"), 5)
    track = np.median(around, axis=1)
    if not voiced.any():
        return np.full(len(track), math.log(100.0), np.float32), voiced
    at = np.arange(len(track))
    return np.interp(at, at[voiced], track[voiced]).astype(np.float32), voiced


@dataclass(frozen=True)
class Spoken:
    """One utterance: `samples` int16 [1280 n] of n tokens, `log_pitch` and `voiced` [8 n], `taught` [n, 4, 43].

    `taught` of a token are phone probabilities and prosody of the interval before it; of the first, those of the
    utterance's first frame.
    """

    samples: np.ndarray
    log_pitch: np.ndarray
    voiced: np.ndarray
    taught: np.ndarray


def spoken(
    root: Path, utterances: Sequence[Utterance], teacher: phonetic.PhoneticModel, say: Say, seed: int = 0
) -> list[Spoken]:
    """The utterances as training hears them, half of them augmented, with what the teacher hears in them."""
    crowd = [load_audio(u, root) for u in utterances[:40]]
    out: list[Spoken] = []
    for first in range(0, len(utterances), 8 * BATCH):
        sounds = []
        for u in utterances[first : first + 8 * BATCH]:
            rng, samples = np.random.default_rng([u.seed % 2**31, 23, seed]), load_audio(u, root)
            if rng.random() >= CLEAN:
                samples = augment(samples, (), rng, crowd)[0]
            sounds.append(samples[: len(samples) // SAMPLES * SAMPLES])
        heard = [hear(teacher.means(), samples) for samples in sounds]
        for batch in in_batches([len(samples) for samples in sounds], BATCH):
            for i, rows in zip(batch, posteriors(teacher, [heard[i] for i in batch]), strict=True):
                out.append(_spoken(sounds[i], np.concatenate([rows, heard[i].prosody], axis=1)))
        say("teacher", len(out) / len(utterances), math.nan)
    return out


def _spoken(samples: np.ndarray, rows: np.ndarray) -> Spoken:
    tokens = len(samples) // SAMPLES
    log_pitch, voiced = pitch(np.concatenate([np.zeros(OVERLAP, np.float32), samples]))
    rows = np.concatenate([np.repeat(rows[:1], FRAMES_PER_TOKEN, axis=0), rows])[: FRAMES_PER_TOKEN * tokens]
    taught = rows.reshape(tokens, TAUGHT, FRAMES_PER_TOKEN // TAUGHT, len(PHONES) + PROSODY)
    return Spoken((samples * 32767).astype(np.int16), log_pitch, voiced, taught.mean(axis=2).astype(np.float16))


class Taught(nn.Module):
    """The codec, and the layers that in training read phones off its semantic codebook, and phones and prosody off all
    of its codes."""

    def __init__(self, model: CodecModel) -> None:
        super().__init__()
        self.model = model
        self.of_first = nn.Linear(model.config.width, TAUGHT * len(PHONES))
        self.of_all = nn.Linear(model.config.width, TAUGHT * (len(PHONES) + PROSODY))

    def loss(self, quantized: Quantized, taught: Tensor) -> Tensor:
        """Cross entropies of phones, and squared error of prosody, against `taught` [batch, n, 4, 43]."""
        phones, prosody = taught.split([len(PHONES), PROSODY], dim=-1)
        first = self.of_first(quantized.semantic).float().unflatten(-1, (TAUGHT, -1))
        every, sung = self.of_all(quantized.latents).float().unflatten(-1, (TAUGHT, -1)).split(phones.shape[-1], dim=-1)
        said = torch.stack([first, every]).log_softmax(dim=-1)
        return -2 * (phones * said).sum(dim=-1).mean() + (sung - prosody).square().mean()


def codec_loss(
    taught: Taught, data: Sequence[Spoken], batch: int = 32, tokens: int = 24, bf16: bool = False
) -> Callable[[np.random.Generator], Tensor]:
    """The loss of this module's docstring, on random windows of `tokens` tokens."""
    model = taught.model
    data = [item for item in data if len(item.taught) >= tokens]
    if not data:
        raise ValueError(f"no utterance is as long as the windows of {tokens * SAMPLES / RATE:.2f} s")
    lengths = np.array([len(item.taught) - tokens + 1 for item in data], float)
    chance = lengths / lengths.sum()

    def window(rng: np.random.Generator, item: Spoken) -> tuple[Tensor, ...]:
        first = int(rng.integers(len(item.taught) - tokens + 1))
        samples = np.pad(item.samples, (OVERLAP, 0))[first * SAMPLES : (first + tokens) * SAMPLES + OVERLAP]
        frames = slice(first * FRAMES_PER_TOKEN, (first + tokens) * FRAMES_PER_TOKEN)
        parts = (samples / np.float32(32767), item.log_pitch[frames], item.voiced[frames])
        return *(torch.from_numpy(np.asarray(part, np.float32)) for part in parts), torch.from_numpy(
            item.taught[first : first + tokens]
        )

    def loss(rng: np.random.Generator) -> Tensor:
        rows = (window(rng, data[i]) for i in rng.choice(len(data), batch, p=chance))
        samples, log_pitch, voiced, said = (torch.stack(column) for column in zip(*rows, strict=True))
        mel = log_mel(samples)
        heard = slice(None, None, SOUNDED)
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            quantized = model.quantize(model.encode(mel), torch.from_numpy(rng.random(batch) < 0.5))
            frames = model.decode(quantized.latents[heard])
            semantic = taught.loss(quantized, said.float())
        samples, log_pitch, voiced, mel = samples[heard], log_pitch[heard], voiced[heard], mel[heard]
        envelope = ((frames.envelope - mel).abs() / model.mel_std).mean()
        tuned = ((frames.log_pitch - log_pitch).abs() * voiced).sum() / voiced.sum().clamp_min(1)
        noise = torch.from_numpy(rng.standard_normal(samples.shape, np.float32))
        phase = torch.from_numpy(rng.random(len(samples)))
        before = OVERLAP // HOP
        track = functional.pad(log_pitch, (before, 0), mode="replicate")
        pulse, _ = pulses(track, track[:, :1], phase)
        sound = overlap_add(shape(pulse, noise, frames.envelope, frames.noisiness))
        inside = slice(OVERLAP, -OVERLAP)
        like = spectral_loss(sound[:, inside], samples[:, inside])
        return 2 * envelope + like + tuned + semantic + quantized.loss

    return loss


def spectral_loss(sound: Tensor, target: Tensor) -> Tensor:
    """Mean distance of magnitudes [batch, samples], logarithmic and relative, over `RESOLUTIONS`."""
    total = sound.new_zeros(())
    for size in RESOLUTIONS:
        window = torch.hann_window(size)
        a, b = (
            torch.stft(x, size, size // 4, window=window, center=False, return_complex=True).abs()
            for x in (sound, target)
        )
        total = total + ((a + 1e-3).log() - (b + 1e-3).log()).abs().mean()
        total = total + (a - b).norm() / b.norm().clamp_min(1e-3)
    return total / len(RESOLUTIONS)


def intelligibility(
    tokenizer: CodecTokenizer, listener: phonetic.PhoneticTokenizer, root: Path, utterances: Sequence[Utterance]
) -> dict[str, float]:
    """Viseme error of our own recogniser on the original sound and on the sound of its tokens."""
    wrong, frames = np.zeros(2), 0
    for u in utterances:
        samples = load_audio(u, root)
        stream = tokenizer.stream()
        copied = tokenizer.decode(np.concatenate([stream.push(samples), stream.finish()]))[: len(samples)]
        for k, sound in enumerate((samples, copied)):
            errors, count = viseme_errors(heard_phones(listener, sound), u.phones)
            wrong[k] += errors
        frames += count
    original, decoded = wrong / max(frames, 1)
    return {"viseme_error_original": round(original, 4), "viseme_error_decoded": round(decoded, 4)}


def train_codec(
    root: Path,
    out: Path,
    teacher: Path,
    *,
    hours: float | None,
    minutes: float,
    seed: int,
    say: Say,
    config: codec.CodecConfig | None = None,
    bf16: bool = False,
    listen: int = 8,
) -> dict[str, Any]:
    """Train the codec on the corpus in `root`, write it to `out`, and return what its card says of it."""
    torch.manual_seed(seed)
    listener = phonetic.load(teacher)
    utterances = chosen(root, hours, seed)
    train = [u for u in utterances if u.split == "train"]
    data = spoken(root, train, listener.model, say, seed)
    model = CodecModel(config or codec.CodecConfig())
    mel = torch.cat([log_mel(torch.from_numpy(d.samples / np.float32(32767))[None])[0] for d in data[:200]])
    model.mel_mean.copy_(mel.mean(0))
    model.mel_std.copy_(mel.std(0))
    taught = Taught(model).train()
    last = math.nan

    def report(step: int, share: float, loss: float) -> None:
        nonlocal last
        last = loss
        say("codec", share, loss)

    steps = optimise(taught, codec_loss(taught, data, bf16=bf16), minutes, seed=seed, report=report)
    about: dict[str, Any] = {
        "hours": round(sum(len(d.samples) for d in data) / RATE / 3600, 2),
        "minutes": minutes,
        "steps": steps,
        "loss": round(last, 4),
        "seed": seed,
    }
    save_codec(model, out, about)
    judged = [u for u in utterances if u.split == "valid"][:listen] or train[:listen]
    about |= intelligibility(codec.load(out), listener, root, judged)
    save_codec(model, out, about)
    return about


def save_codec(model: CodecModel, out: Path, about: dict[str, Any]) -> None:
    """Write the codec to the folder `out`, weights in 16 bits."""
    tensors = {name: value.detach().half().contiguous() for name, value in model.state_dict().items()}
    write_atomically(out / codec.WEIGHTS_FILE, lambda path: save_file(tensors, path))
    text = codec.config_json(model.config, about)
    write_atomically(out / codec.CONFIG_FILE, lambda path: path.write_text(text))
