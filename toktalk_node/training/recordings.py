"""Recordings of the corpus as training hears them: augmented, and turned into features."""

import multiprocessing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from toktalk_node.corpus.augment import augment
from toktalk_node.corpus.dataset import RATE, Utterance, load_audio
from toktalk_node.speech.phones import Phone
from toktalk_node.tokens.frontend import CEPSTRA, MEL, FrontEnd, FrontEndMeans
from toktalk_node.training.posteriors import Heard, hear

CLEAN = 0.15
"""Share of utterances that are not augmented."""
_CROWD = 40


@dataclass(frozen=True)
class Recording:
    """One utterance, augmented: its features, phones and length in seconds."""

    id: str
    engine: str
    split: str
    seed: int
    heard: Heard
    phones: list[Phone]
    duration: float


def corpus_means(root: Path, utterances: Sequence[Utterance], count: int = 300, seed: int = 1) -> FrontEndMeans:
    """Where the front end's running means start: means over the loud frames of `count` utterances."""
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(utterances))[:count]
    bare = FrontEndMeans(np.zeros(CEPSTRA), np.zeros(MEL), np.zeros(CEPSTRA))
    loud, every = [], []
    for i in chosen:
        blocks = FrontEnd(bare, block=10).push(load_audio(utterances[i], root))
        raw = np.concatenate([block.raw for block in blocks])
        low, high = np.percentile(raw[:, 0], (2, 98))
        loud.append(raw[raw[:, 0] >= (low + high) / 2].mean(axis=0))
        every.append(raw.mean(axis=0))
    mean, offset = np.mean(loud, axis=0), np.mean(loud, axis=0) - np.mean(every, axis=0)
    return FrontEndMeans(mean[:CEPSTRA], mean[CEPSTRA:], offset[:CEPSTRA])


def recordings(
    root: Path, utterances: Sequence[Utterance], means: FrontEndMeans, *, jobs: int = 2, round: int = 0
) -> Iterator[Recording]:
    """Utterances of the corpus in `root`, augmented; another `round` is another augmentation of each."""
    crowd = [load_audio(u, root) for u in utterances[:_CROWD]]
    work = partial(_record, root=root, means=means, crowd=crowd, round=round)
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap(work, utterances, chunksize=8)


def _record(utterance: Utterance, root: Path, means: FrontEndMeans, crowd: list[np.ndarray], round: int) -> Recording:
    rng = np.random.default_rng([utterance.seed % 2**31, 17, round])
    samples, phones = load_audio(utterance, root), list(utterance.phones)
    if rng.random() >= CLEAN:
        samples, phones = augment(samples, phones, rng, crowd)
    heard = hear(means, samples)
    half = Heard(heard.cepstra.astype(np.float16), heard.features.astype(np.float16), heard.clarity.astype(np.float16))
    duration = len(samples) / RATE
    return Recording(utterance.id, utterance.engine, utterance.split, utterance.seed, half, phones, duration)
