"""Reading a corpus: `manifest.jsonl` and the FLAC files beside it.

A corpus is a folder. Each line of its manifest is one utterance; `audio` is a path relative to the folder, 16 kHz mono.
The face performance is not stored: `corpus/performance.py` computes it from the phones and the seed, fast.
"""

import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..speech.phones import INDEX, Phone

LOGGER = logging.getLogger(__name__)
RATE = 16000
"""Sample rate of corpus sound in Hz."""
SLACK = 0.1
"""Seconds by which sound may be shorter than its phones."""
NAMED = 20
"""How many utterances without sound are named one by one."""

DEFAULT_ROOT = Path("data/corpus")


@dataclass(frozen=True)
class Utterance:
    """One line of the manifest; `phones` cover [0, duration) in seconds, SIL included."""

    id: str
    engine: str
    voice: str
    language: str
    split: str
    text: str
    audio: str
    duration: float
    phones: tuple[Phone, ...]
    seed: int

    @classmethod
    def from_json(cls, line: str) -> "Utterance":
        """Read a manifest line. Raises ValueError that names what is wrong with it."""
        try:
            fields = json.loads(line)
            phones = tuple(Phone(str(label), float(start), float(end)) for label, start, end in fields.pop("phones"))
            utterance = cls(phones=phones, **fields)
        except (TypeError, KeyError, AttributeError, ValueError) as error:
            raise ValueError(f"not a manifest line: {line[:80]!r} ({error})") from error
        unknown = {p.label for p in phones} - INDEX.keys()
        if unknown:
            raise ValueError(f"{utterance.id}: phones {sorted(unknown)} are not in the inventory")
        return utterance

    def to_json(self) -> str:
        """The manifest line, without its newline; times to 0.1 ms."""
        fields = asdict(self)
        fields["duration"] = round(self.duration, 4)
        fields["phones"] = [[p.label, round(p.start, 4), round(p.end, 4)] for p in self.phones]
        return json.dumps(fields, ensure_ascii=False)


def read_manifest(root: Path | str = DEFAULT_ROOT, splits: Sequence[str] | None = None) -> list[Utterance]:
    """Utterances of the corpus in `root`, of the named splits only; a half-written last line is left out.

    Raises FileNotFoundError that names the command which makes a corpus.
    """
    path = Path(root) / "manifest.jsonl"
    if not path.exists():
        raise FileNotFoundError(f"no corpus at {path}: run `toktalk corpus build --out {root}`")
    text = path.read_text("utf-8")
    lines = text.splitlines()
    if text and not text.endswith("\n"):
        lines.pop()
    utterances = [Utterance.from_json(line) for line in lines if line.strip()]
    return [u for u in utterances if splits is None or u.split in splits]


def load_audio(utterance: Utterance, root: Path | str = DEFAULT_ROOT) -> np.ndarray:
    """Samples float32 [n] at 16 kHz. Raises ValueError, naming the file and what is wrong with it."""
    import soundfile

    folder = Path(root).resolve()
    path = (folder / utterance.audio).resolve()
    if not path.is_relative_to(folder):
        raise ValueError(f"{utterance.id}: audio {utterance.audio!r} lies outside the corpus {folder}")
    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    try:
        samples, rate = soundfile.read(path, dtype="float32")
    except soundfile.LibsndfileError as error:
        raise ValueError(f"{path}: not a recording that libsndfile reads ({error.error_string})") from error
    if rate != RATE or samples.ndim != 1:
        raise ValueError(f"{path} is {rate} Hz with shape {samples.shape}; corpus sound is 16 kHz mono")
    check_length(path, len(samples) / RATE, utterance.duration)
    return samples


def check_length(path: Path, seconds: float, expected: float) -> None:
    """Raise ValueError where a recording ends clearly before its phones do, as one that was cut off."""
    if seconds < expected - SLACK:
        raise ValueError(f"{path}: {seconds:.2f} s of sound, but phones up to {expected:.2f} s")


def readable(utterances: Iterable[Utterance], root: Path | str = DEFAULT_ROOT) -> Iterator[Utterance]:
    """The utterances whose sound can be read; of the others, file and reason are logged, `NAMED` of them in full."""
    left_out = 0
    try:
        for utterance in utterances:
            try:
                load_audio(utterance, root)
            except ValueError as error:
                left_out += 1
                if left_out <= NAMED:
                    LOGGER.warning("left out: %s", error)
            else:
                yield utterance
    finally:
        if left_out > NAMED:
            LOGGER.warning("left out: %d more of %s, for the same or other reasons", left_out - NAMED, root)


class VoiceHours(NamedTuple):
    """One row of the corpus's table; espeak-ng's many variants count as one voice."""

    engine: str
    voice: str
    language: str
    split: str
    utterances: int
    hours: float


def hours_by_voice(utterances: Iterable[Utterance]) -> list[VoiceHours]:
    """Utterances and hours by engine, voice, language and split, sorted."""
    durations: dict[tuple[str, str, str, str], list[float]] = {}
    for u in utterances:
        voice = "all variants" if u.engine == "espeak" else u.voice
        durations.setdefault((u.engine, voice, u.language, u.split), []).append(u.duration)
    return [VoiceHours(*key, len(found), sum(found) / 3600) for key, found in sorted(durations.items())]
