"""How well the voice-activity gate tells speech from silence, noise, hum, tones, alarms and music.

Speech counts while a phone sounds; a share of 1 means that the gate stood open (≥ ½) for all of it. Sounds without
speech count from one second after their start, when the gate has settled; a share of 0 means that it never opened.
Judged and trained on are never the same sounds: music is played by instruments that `toktalk train vad` keeps out
(training/music.py), where FluidSynth is here; alarms by standard (alarms.py) are none that training makes; and made
sounds are of seeds that it does not take.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from toktalk_node.corpus.augment import reverberate
from toktalk_node.speech.files import read_audio
from toktalk_node.speech.phones import SILENCE
from toktalk_node.speech.resample import resample
from toktalk_node.speech.vad import FPS, RATE, voice_activity
from toktalk_node.training import disturbance, music

from . import alarms
from .data import SOUNDS, Utterance

SETTLED = 1.0
SECONDS = 10.0
LEVELS = (-60, -40, -20, -3)
GAINS = (-40, -25, -6)
SEED = 1_000_003


@dataclass(frozen=True)
class Share:
    """The share of `seconds` in which the gate was open, in one condition; for speech 1 is right, else 0."""

    condition: str
    speech: bool
    share: float
    seconds: float


def _level(samples: np.ndarray, phones: np.ndarray) -> float:
    return float(np.sqrt((samples[phones] ** 2).mean()) + 1e-9)


def _said(utterance: Utterance, rate: int, count: int, factor: float = 1.0) -> np.ndarray:
    time = (np.arange(count) + 0.5) / rate * factor
    said = np.zeros(count, bool)
    for phone in utterance.phones:
        if phone.label != SILENCE:
            said |= (time >= phone.start) & (time < phone.end)
    return said


def speech_shares(utterances: Iterable[Utterance], advance: Callable[[], None] = lambda: None) -> list[Share]:
    """The gate over speech: at three levels, as a child's voice, in noise 20 and 10 dB below it, and over music."""
    opened: dict[str, list[int]] = {}
    band = _band() if music.available() else None

    def hear(condition: str, samples: np.ndarray, said: np.ndarray) -> None:
        gate = voice_activity(np.clip(samples, -1, 1))[: len(said)] >= 0.5
        counts = opened.setdefault(condition, [0, 0])
        counts[0] += int(gate[said[: len(gate)]].sum())
        counts[1] += int(said[: len(gate)].sum())

    for number, utterance in enumerate(utterances):
        rng = np.random.default_rng(number)
        samples = utterance.samples.astype(np.float64)
        frames = -(-len(samples) * FPS // RATE)
        said = _said(utterance, FPS, frames)
        unit = samples / _level(samples, _said(utterance, RATE, len(samples)))
        for gain in GAINS:
            hear(f"speech at {gain} dBFS", unit * 10 ** (gain / 20), said)
        higher = resample(unit, 24_000, 18_000)
        child = _said(utterance, FPS, -(-len(higher) * FPS // RATE), 4 / 3)
        hear("a third higher and faster, -25 dBFS", higher * 10 ** (-25 / 20), child)
        for name, slope, snr in (("white", 0.0, 20), ("white", 0.0, 10), ("pink", 0.5, 20), ("pink", 0.5, 10)):
            noisy = unit + disturbance.coloured(rng, len(unit), slope) * 10 ** (-snr / 20)
            hear(f"in {name} noise, {snr} dB", noisy * 10 ** (-25 / 20), said)
        played = disturbance.chords(rng, len(unit))
        for snr in (10, 0):
            hear(f"over music, {snr} dB", (unit + played * 10 ** (-snr / 20)) * 10 ** (-25 / 20), said)
        if band is not None:
            behind = disturbance.unit(np.resize(np.roll(band, -int(rng.integers(len(band)))), len(unit)))
            for snr in (10, 0):
                hear(f"over a band, {snr} dB", (unit + behind * 10 ** (-snr / 20)) * 10 ** (-25 / 20), said)
        advance()
    return [Share(name, True, yes / max(all_, 1), all_ / FPS) for name, (yes, all_) in opened.items()]


def _band() -> np.ndarray:
    """A minute of pieces for the instruments that are kept out."""
    rng, kept = np.random.default_rng([SEED, 99]), list(music.KEPT_OUT.values())
    scores = [partial(music.score, programs=kept), partial(music.band, programs=kept)] * 3
    return np.concatenate([disturbance.unit(music.play([score(rng, SECONDS)]).astype(np.float64)) for score in scores])


SOUNDS_WITHOUT_SPEECH: tuple[tuple[str, disturbance.Maker], ...] = (
    ("white noise", partial(disturbance.coloured, slope=0.0)),
    ("pink noise", partial(disturbance.coloured, slope=0.5)),
    ("brown noise", partial(disturbance.coloured, slope=1.0)),
    ("swelling noise", disturbance.swelling),
    ("hum", disturbance.hum),
    ("engines", disturbance.engine),
    ("sweeps", disturbance.sweep),
    ("gliding tones", disturbance.siren),
    ("drum machines", disturbance.groove),
    ("tones", disturbance.tones),
    ("alarms and telephone keys", disturbance.alarm),
    ("melodies", disturbance.melody),
    ("chords", disturbance.chords),
    ("clicks", disturbance.clicks),
)


def sounds_without_speech() -> int:
    """How many kinds of sound `noise_shares` and `music_shares` measure."""
    return len(SOUNDS_WITHOUT_SPEECH) + len(alarms.SIGNALS) + (len(music.KEPT_OUT) + 3 if music.available() else 0)


def _settled(sounds: Iterable[np.ndarray]) -> tuple[float, float]:
    opened, counted = 0, 0
    for sound in sounds:
        gate = voice_activity(np.clip(sound, -1, 1))[int(SETTLED * FPS) :] >= 0.5
        opened, counted = opened + int(gate.sum()), counted + len(gate)
    return opened / max(counted, 1), counted / FPS


def noise_shares(seed: int = SEED, repeats: int = 3, advance: Callable[[], None] = lambda: None) -> list[Share]:
    """The gate over silence, over made sounds at four levels, and over alarms, plain at −20 dBFS and in a room."""
    out = [Share("silence", False, *_settled([np.zeros(int(SECONDS * RATE))]))]
    for number, (name, maker) in enumerate(SOUNDS_WITHOUT_SPEECH):
        sounds = [
            maker(np.random.default_rng([seed, number, k]), int(SECONDS * RATE)) * 10 ** (level / 20)
            for level in LEVELS
            for k in range(repeats)
        ]
        out.append(Share(name, False, *_settled(sounds)))
        advance()
    time = np.arange(int(SECONDS * RATE)) / RATE
    for number, (name, signals) in enumerate(alarms.SIGNALS.items()):
        rng = np.random.default_rng([seed, 50, number])
        plain = [disturbance.unit(signal(time)) for signal in signals]
        heard = [disturbance.unit(reverberate(signal, rng)) + rng.standard_normal(len(time)) / 100 for signal in plain]
        out.append(Share(name, False, *_settled([*(0.1 * s for s in plain), *(0.05 * s for s in heard)])))
        advance()
    return out


def music_shares(seconds: float = SECONDS, advance: Callable[[], None] = lambda: None) -> Iterator[Share]:
    """The gate over one kept-out instrument of each family, two solos and two scores, over drums and bands at −20 dBFS.

    Nothing where FluidSynth is missing.
    """
    if not music.available():
        return
    kept = list(music.KEPT_OUT.values())

    def measured(name: str, number: int, scores: Sequence[Callable[[np.random.Generator, float], bytes]]) -> Share:
        rng = np.random.default_rng([SEED, number])
        sounds = [disturbance.unit(music.play([score(rng, seconds)]).astype(np.float64)) * 0.1 for score in scores]
        advance()
        return Share(name, False, *_settled(sounds))

    for number, (family, program) in enumerate(music.KEPT_OUT.items()):
        alone = partial(music.solo, program=program)
        together = partial(music.score, programs=[program], drums=False)
        yield measured(f"music: {family}", number, [alone, alone, together, together])
    yield measured("music: drums", len(kept), [music.drums] * 3)
    yield measured("music: bands", len(kept) + 1, [partial(music.score, programs=kept, drums=True)] * 6)
    yield measured("music: dense bands", len(kept) + 2, [partial(music.band, programs=kept)] * 6)


def folder_shares(folder: Path, seconds: float = 30.0) -> Iterator[Share]:
    """The gate over the recordings in a folder that hold no speech, at most `seconds` of each."""
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in SOUNDS:
            samples, rate = read_audio(path)
            sound = resample(samples[: int(seconds * rate)], rate)
            if len(sound) > SETTLED * RATE:
                yield Share(path.stem, False, *_settled([sound]))
