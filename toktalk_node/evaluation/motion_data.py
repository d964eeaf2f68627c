"""The test split of the motion model: a voice and actors that training never met.

Each utterance of the corpus' kept-out voice is performed by one of the test actors of `corpus/styles.py`. What a system
gets is the condition (the tokens' embeddings) and a reference clip, which is a performance of the same actor on another
utterance; what it is measured against is the performance itself.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np
from torch import Tensor

from toktalk_node.corpus.dataset import Utterance, load_audio, read_manifest, readable
from toktalk_node.corpus.performance import perform
from toktalk_node.corpus.styles import SpeakingStyle, actor_style, actors
from toktalk_node.evaluation.data import spread
from toktalk_node.speech.phones import Phone
from toktalk_node.tokens.networks import FRAMES_PER_TOKEN
from toktalk_node.tokens.phonetic import PhoneticTokenizer
from toktalk_node.training.posteriors import BATCH, Heard, embedded, hear, in_batches, posteriors

FPS = 50
REFERENCE_SECONDS = 5.0
_VOICED = 0.6


@dataclass(frozen=True)
class Voice:
    """What of a voice moves the face beside its phones, per frame: `pitch` (Hz, 0 = unvoiced), `energy` (RMS)."""

    pitch: np.ndarray
    energy: np.ndarray

    @classmethod
    def of(cls, prosody: np.ndarray) -> "Voice":
        """From prosody [2 · frames, 3] of the tokenizer's front end; only the changes of pitch count."""
        pitch, voicing, energy = prosody[::FRAMES_PER_TOKEN].T
        return cls(np.where(voicing > _VOICED, 100 * 2.0**pitch, 0), np.exp(energy))


@dataclass(frozen=True)
class MotionCase:
    """One utterance of the test split, performed by `actor`."""

    id: str
    actor: str
    samples: np.ndarray
    """Sound, float32 [n] at 16 kHz, for systems with tokens of their own."""
    phones: list[Phone]
    voice: Voice
    condition: Tensor
    """Embeddings of the shipped tokenizer's tokens, float32 [frames, E]."""
    truth: np.ndarray
    """Motion float32 [frames, 55] at 50 frames a second."""
    reference: np.ndarray
    """About five seconds of the same actor on another utterance, float32 [frames, 55]."""
    seed: int
    """Seed of the true performance; samples of systems take others."""

    def performed(self, seed: int, style: SpeakingStyle | None = None) -> np.ndarray:
        """Another performance of the utterance, by its actor or in `style`, float32 [frames, 55]."""
        return _performed(self.phones, self.voice, seed, actor_style(self.actor) if style is None else style)


def _performed(phones: Sequence[Phone], voice: Voice, seed: int, style: SpeakingStyle) -> np.ndarray:
    frames = len(voice.pitch)
    return perform(phones, frames / FPS, seed, style=style, fps=FPS, pitch=voice.pitch, energy=voice.energy)


def test_cases(
    root: Path,
    tokenizer: PhoneticTokenizer,
    limit: int | None = None,
    split: str = "heldout",
    progress: Callable[[float], None] = lambda share: None,
) -> list[MotionCase]:
    """The test split: at most `limit` utterances of the corpus in `root`, evenly spaced; `progress` hears the share.

    Raises FileNotFoundError or ValueError, naming the command that makes a corpus, where there is none.
    """
    everyone = list(readable((u for u in read_manifest(root, (split,)) if u.duration >= 1), root))
    if not everyone:
        raise ValueError(f"the corpus in {root} has no split {split!r}: build it with `toktalk corpus build`")
    cast = actors("test")
    model = tokenizer.model
    means = model.means()
    chosen = spread(everyone, limit)
    heard: dict[str, Heard] = {}

    def hearing(utterance: Utterance) -> Heard:
        if utterance.id not in heard:
            heard[utterance.id] = hear(means, load_audio(utterance, root))
        return heard[utterance.id]

    cases: dict[int, MotionCase] = {}
    for batch in in_batches([u.duration for u in chosen], BATCH):
        for index, posterior in zip(batch, posteriors(model, [hearing(chosen[i]) for i in batch]), strict=True):
            utterance, actor = chosen[index], cast[index % len(cast)]
            voice = Voice.of(hearing(utterance).prosody)
            other = _another(everyone, utterance)
            style, seed = actor_style(actor), crc32(utterance.id.encode())
            reference = _performed(list(other.phones), Voice.of(hearing(other).prosody), seed + 1, style)
            condition = embedded(model, hearing(utterance), posterior)
            cases[index] = MotionCase(
                id=utterance.id,
                actor=actor,
                samples=load_audio(utterance, root),
                phones=list(utterance.phones),
                voice=voice,
                condition=condition,
                truth=_performed(utterance.phones, voice, seed, style),
                reference=reference[: round(REFERENCE_SECONDS * FPS)],
                seed=seed,
            )
            progress(len(cases) / len(chosen))
    return [cases[index] for index in range(len(chosen))]


def _another(everyone: Sequence[Utterance], utterance: Utterance) -> Utterance:
    """Another utterance, by chance but always the same: of the reference's length where there is one."""
    others = [u for u in everyone if u.id != utterance.id]
    long = [u for u in others if u.duration >= REFERENCE_SECONDS]
    others = long or sorted(others, key=lambda u: u.duration)[-3:]
    if not others:
        raise ValueError(f"{utterance.id} is the only utterance: a reference clip needs another one")
    return others[crc32(f"reference of {utterance.id}".encode()) % len(others)]
