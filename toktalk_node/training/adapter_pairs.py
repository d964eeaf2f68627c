"""What an adapter learns from: the same sound in two token spaces and, where it is known, the motion that goes with it.

Sound comes from a corpus, whose phones are performed by actors of its split, or from any folder of recordings, which
have no motion: the embeddings alone can be aligned.
"""

import json
import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from toktalk_node.corpus import styles
from toktalk_node.corpus.augment import augment
from toktalk_node.corpus.dataset import load_audio
from toktalk_node.corpus.performance import perform
from toktalk_node.evaluation.data import RATE, SOUNDS
from toktalk_node.motion.checkpoint import write_atomically
from toktalk_node.speech.files import read_audio
from toktalk_node.speech.resample import resample
from toktalk_node.tokens.base import Tokenizer
from toktalk_node.tokens.codec_sound import HOP, OVERLAP
from toktalk_node.tokens.phonetic import PhoneticTokenizer
from toktalk_node.training.codec import pitch
from toktalk_node.training.posteriors import BATCH, embeddings
from toktalk_node.training.prepare import Say, chosen
from toktalk_node.training.shards import DataError

LOGGER = logging.getLogger(__name__)
FORMAT = "toktalk-adapter-pairs"
VERSION = 1
FILE = "pairs.safetensors"
CLEAN = 0.3
"""Share of utterances that are not augmented."""
VALID = 12
"""Of a folder of recordings, each this-many-th is kept for validation."""
LONGEST = 20.0
"""Recordings are cut into pieces of at most this many seconds."""


@dataclass(frozen=True)
class Pair:
    """One utterance: `source` [m, Ws] and `base` [ratio * m, E] embeddings, `motion` [ratio * m, M], M = 0 for none."""

    id: str
    split: str
    source: Tensor
    base: Tensor
    motion: Tensor


@dataclass(frozen=True)
class Pairs:
    """Pairs of two token spaces; `source` and `base` are (name, rate)."""

    source: tuple[str, float]
    base: tuple[str, float]
    items: Sequence[Pair]
    data: str = ""
    """Folder that they were made of, as it was named."""

    def split(self, name: str) -> list[Pair]:
        """The pairs of a split."""
        return [item for item in self.items if item.split == name]

    @property
    def has_motion(self) -> bool:
        """Whether motion goes with the embeddings."""
        return self.items[0].motion.shape[1] > 0

    @property
    def hours(self) -> float:
        """Hours of sound."""
        return sum(len(item.source) for item in self.items) / self.source[1] / 3600


@dataclass(frozen=True)
class Sound:
    """Mono samples at 16 kHz, and the motion [frames, M] at the base rate that goes with them, if any."""

    id: str
    split: str
    samples: np.ndarray
    motion: np.ndarray | None


def streamed(tokenizer: Tokenizer, samples: np.ndarray) -> np.ndarray:
    """Embeddings float32 [n, width] of samples at 16 kHz, by the tokenizer's stream."""
    stream = tokenizer.stream()
    samples = samples if tokenizer.sample_rate == RATE else resample(samples, RATE, tokenizer.sample_rate)
    return tokenizer.embed(np.concatenate([stream.push(samples), stream.finish()]))


def make_pairs(data: Path, source: Tokenizer, base: PhoneticTokenizer, *, hours: float, seed: int, say: Say) -> Pairs:
    """Up to `hours` of pairs from a corpus or a folder of recordings; DataError where there is no sound."""
    fps = base.space.rate
    ratio = round(fps / source.space.rate)
    items, seconds = [], 0.0
    sounds = _sounds(data, hours, seed, fps)
    while seconds < 3600 * hours and (group := list(islice(sounds, 4 * BATCH))):
        after = embeddings(base.model, [sound.samples for sound in group])
        for sound, target in zip(group, after, strict=True):
            before = streamed(source, sound.samples)
            tokens = min(len(before), len(target) // ratio)
            motion = np.zeros((len(target), 0), np.float32) if sound.motion is None else sound.motion
            frames = tokens * ratio
            parts = (torch.from_numpy(before)[:tokens], target[:frames], torch.from_numpy(motion)[:frames])
            items.append(Pair(sound.id, sound.split, *(part.half() for part in parts)))
            seconds += len(sound.samples) / RATE
            say("pairs", min(seconds / (3600 * hours), 1.0), math.nan)
    if not items:
        raise DataError(
            f"{data} holds neither a corpus (manifest.jsonl) nor recordings ({', '.join(sorted(SOUNDS))}) to read"
        )
    return Pairs((source.space.name, source.space.rate), (base.space.name, fps), items, str(data))


def _sounds(data: Path, hours: float, seed: int, fps: float) -> Iterator[Sound]:
    return _performed(data, hours, seed, fps) if (data / "manifest.jsonl").exists() else _recorded(data)


def _performed(root: Path, hours: float, seed: int, fps: float) -> Iterator[Sound]:
    """Utterances of the corpus, augmented and performed by an actor of their split."""
    utterances = chosen(root, hours, seed)
    crowd = [load_audio(u, root) for u in utterances[:40]]
    for u in utterances:
        rng = np.random.default_rng([u.seed % 2**31, 29, seed])
        samples, phones = load_audio(u, root), list(u.phones)
        if rng.random() >= CLEAN:
            samples, phones = augment(samples, phones, rng, crowd)
        frames = math.ceil(len(samples) / RATE * fps)
        hop = round(RATE / fps)
        padded = np.pad(samples, (0, frames * hop - len(samples)))
        track, voiced = pitch(np.pad(padded, (OVERLAP, 0)))
        step = hop // HOP
        motion = perform(
            phones,
            len(padded) / RATE,
            u.seed + seed,
            style=styles.actor_style(str(rng.choice(styles.actors(u.split)))),
            fps=fps,
            pitch=(np.exp(track) * voiced)[::step],
            energy=np.sqrt((padded.reshape(frames, hop) ** 2).mean(axis=1)),
        )
        yield Sound(u.id, u.split, samples, motion)


def _recorded(folder: Path) -> Iterator[Sound]:
    """Recordings of a folder and those below it, in pieces; what cannot be read is logged and left out."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SOUNDS)
    piece = int(LONGEST * RATE)
    for number, path in enumerate(paths):
        try:
            samples, rate = read_audio(path)
        except ValueError as error:
            LOGGER.warning("left out: %s", error)
            continue
        samples = resample(samples, rate)
        split = "valid" if number % VALID == VALID - 1 else "train"
        for start in range(0, len(samples), piece):
            yield Sound(f"{path.relative_to(folder)}@{start // RATE}", split, samples[start : start + piece], None)


def write_pairs(pairs: Pairs, folder: Path) -> None:
    """Write pairs to `folder`: embeddings and motion end to end, and an index beside them."""
    names = ("source", "base", "motion")
    tensors = {name: torch.cat([getattr(item, name) for item in pairs.items]).contiguous() for name in names}
    entries = [{"id": item.id, "split": item.split, "tokens": len(item.source)} for item in pairs.items]
    index = {"format": FORMAT, "version": VERSION, "source": pairs.source, "base": pairs.base, "utterances": entries}
    index["data"] = pairs.data
    path = folder / FILE
    write_atomically(path, lambda temporary: save_file(tensors, temporary))
    write_atomically(path.with_suffix(".json"), lambda temporary: temporary.write_text(json.dumps(index)))


def read_pairs(folder: Path) -> Pairs:
    """Read what `write_pairs` wrote. Raises DataError where it is missing, damaged or of another version."""
    path = folder / FILE
    try:
        index = json.loads(path.with_suffix(".json").read_text())
        tensors = load_file(path)
        if (index["format"], index["version"]) != (FORMAT, VERSION):
            raise DataError(f"{path} is {index['format']} {index['version']}, not {FORMAT} {VERSION}; make it anew")
        source, base = tuple(index["source"]), tuple(index["base"])
        ratio, at, items = round(base[1] / source[1]), 0, []
        for entry in index["utterances"]:
            tokens, frames = slice(at, at + entry["tokens"]), slice(at * ratio, (at + entry["tokens"]) * ratio)
            rows = tensors["source"][tokens], tensors["base"][frames], tensors["motion"][frames]
            items.append(Pair(entry["id"], entry["split"], *rows))
            at += entry["tokens"]
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise DataError(f"the pairs in {folder} cannot be read ({error}); leave out --resume to make them") from error
    return Pairs(source, base, items, index.get("data", ""))
