"""Speech to measure on: utterances of the corpus, or a folder of recordings with their texts."""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np

from toktalk_node.corpus.dataset import check_length
from toktalk_node.speech.files import read_audio
from toktalk_node.speech.phones import Phone
from toktalk_node.speech.resample import resample

LOGGER = logging.getLogger(__name__)
RATE = 16_000
MAX_TEXT = 20_000
SOUNDS = frozenset(".wav .flac .ogg .mp3 .opus .aiff .aif .au".split())


@dataclass(frozen=True)
class Utterance:
    """One utterance: `samples` float32 [n] at 16 kHz, its true `phones`, and the `seed` of its performance."""

    id: str
    samples: np.ndarray
    phones: list[Phone]
    seed: int

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return len(self.samples) / RATE


def spread(items: list, limit: int | None) -> list:
    """`limit` of the items (all where it is None), evenly spaced, so that every voice keeps its share."""
    if limit is None or limit >= len(items):
        return items
    return [items[k * len(items) // limit] for k in range(limit)]


def corpus_utterances(folder: Path, split: str, limit: int | None = None) -> tuple[int, Iterator[Utterance]]:
    """How many utterances of `split` in a corpus folder there are (at most `limit`), and the utterances.

    Sound that cannot be read is logged and left out. Raises ValueError where the folder holds no corpus or the split is
    empty.
    """
    manifest = folder / "manifest.jsonl"
    if not manifest.is_file():
        raise ValueError(f"{folder} holds no corpus (no manifest.jsonl): make one with `toktalk corpus build`")
    with manifest.open() as lines:
        rows = [row for line in lines if line.strip() and (row := json.loads(line))["split"] == split]
    if not rows:
        raise ValueError(f"the corpus in {folder} has no utterances in the split {split!r}")
    rows = spread(rows, limit)

    def utterances() -> Iterator[Utterance]:
        for row in rows:
            path, phones = folder / row["audio"], [Phone(label, start, end) for label, start, end in row["phones"]]
            try:
                samples, rate = read_audio(path)
                check_length(path, len(samples) / rate, phones[-1].end if phones else 0.0)
            except ValueError as error:
                LOGGER.warning("left out: %s", error)
                continue
            yield Utterance(row["id"], resample(samples, rate), phones, row["seed"])

    return len(rows), utterances()


def recorded_utterances(folder: Path, limit: int | None = None) -> tuple[int, Iterator[Utterance]]:
    """How many recordings with a text beside them (NAME.wav and NAME.txt) there are, and the aligned utterances.

    Recordings that cannot be read or aligned are logged and left out. Raises ValueError where there is none.
    """
    pairs = [
        (path, path.with_suffix(".txt"))
        for path in sorted(folder.iterdir() if folder.is_dir() else [])
        if path.suffix.lower() in SOUNDS and path.with_suffix(".txt").is_file()
    ]
    if not pairs:
        raise ValueError(f"{folder} holds no recordings with texts: NAME.wav (or .flac, .ogg, ...) beside NAME.txt")
    pairs = spread(pairs, limit)

    def utterances() -> Iterator[Utterance]:
        from .align import align

        for sound, text in pairs:
            try:
                samples, rate = read_audio(sound)
                samples = resample(samples, rate)
                words = text.read_text(encoding="utf-8", errors="replace")[:MAX_TEXT]
                phones = align(samples, words)
            except ValueError as error:
                LOGGER.warning("%s is left out: %s", sound.name, error)
                continue
            yield Utterance(sound.stem, samples, phones, crc32(sound.stem.encode()))

    return len(pairs), utterances()
