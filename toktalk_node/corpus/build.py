"""The build: every source speaks in turn, so that a part of the corpus is balanced like the whole.

Each utterance is a function of (seed, source, index), so that a build can stop and go on. Batches of one source
run in child processes; the parent alone appends to the manifest, one line at a time.
"""

import math
import multiprocessing
import os
import signal
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..speech.phones import SILENCE, Phone
from .dataset import RATE, Utterance, read_manifest
from .engines import EngineMissing, Request, Spoken, ru_human_ids, speak_batch
from .phonesets import cover
from .text import text_for
from .voices import SOURCES, Source

BATCH = 12
"""Utterances in one job: enough to pay for festival's start, few enough to interleave."""

TYPICAL_DURATION = 3.5
"""Seconds that an utterance is expected to last before it is spoken."""

MAX_DURATION = 20.0
"""Longest utterance kept, in seconds."""


@dataclass
class _State:
    """What a source has given so far: seconds of sound, indices done, and the next index to ask for."""

    source: Source
    seconds: float = 0.0
    pending: float = 0.0
    done: set[int] = field(default_factory=set)
    next_index: int = 0
    barren: int = 0

    def take(self, count: int) -> list[int]:
        """The next `count` indices that are not done."""
        indices: list[int] = []
        limit = self.source.limit if self.source.limit is not None else 1_000_000
        while len(indices) < count and self.next_index < limit:
            if self.next_index not in self.done:
                indices.append(self.next_index)
            self.next_index += 1
        return indices


def _rng(seed: int, source: Source, index: int) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(source.key.encode()), index])


def split_of(source: Source, index: int) -> str:
    """Split of an utterance: kept-out voices, a third of the human recordings, and 3 % of the rest for validation."""
    if source.held_out:
        return "heldout"
    if source.engine == "ru-human" and index % 3 == 2:
        return "heldout-human"
    return "valid" if zlib.crc32(f"{source.key}-{index}".encode()) % 100 < 3 else "train"


def record(source: Source, indices: Sequence[int], seed: int, out: Path) -> list[Utterance]:
    """Speak these utterances of a source, write their FLAC files under `out` and return their manifest entries.

    Raises EngineMissing where the engine is not installed.
    """
    by_voice: dict[str, list[tuple[int, Request, np.random.Generator]]] = {}
    for index in indices:
        rng = _rng(seed, source, index)
        voice = source.pick_voice(rng)
        if source.engine == "ru-human":
            names = ru_human_ids()
            request = Request(names[index]) if index < len(names) else Request("ru_0001")
        else:
            tempo = float(np.exp(rng.normal(0.0, 0.14)))
            pitch = float(2 ** (rng.normal(0.0, 2.2) / 12))
            request = Request(text_for(source.language, rng), tempo, pitch)
        by_voice.setdefault(voice, []).append((index, request, rng))
    entries = []
    for voice, items in by_voice.items():
        for index, rng, spoken in _spoken(source, voice, items):
            entry = _write(source, voice, index, seed, rng, spoken, out)
            if entry is not None:
                entries.append(entry)
    return entries


def _spoken(
    source: Source, voice: str, items: Sequence[tuple[int, Request, np.random.Generator]]
) -> Iterator[tuple[int, np.random.Generator, Spoken]]:
    for spoken in speak_batch(source.engine, voice, [request for _, request, _ in items]):
        index, _, rng = items[spoken.index]
        yield index, rng, spoken


def _write(
    source: Source, voice: str, index: int, seed: int, rng: np.random.Generator, spoken: Spoken, out: Path
) -> Utterance | None:
    """One FLAC file and its entry; None for sound that is empty, too long, or without speech."""
    import soundfile
    import soxr

    samples, phones = spoken.samples, spoken.phones
    speech = [p for p in phones if p.label != SILENCE]
    if not speech or len(samples) / spoken.rate > MAX_DURATION or np.abs(samples).max() < 1e-3:
        return None
    if spoken.rate != RATE:
        samples = soxr.resample(samples, spoken.rate, RATE, "HQ")
    if source.engine != "ru-human":
        before, after = rng.uniform(0.0, 0.4), rng.uniform(0.1, 0.5)
        first = round(before * RATE)
        samples = np.concatenate([np.zeros(first), samples, np.zeros(round(after * RATE))])
        phones = [Phone(p.label, p.start + first / RATE, p.end + first / RATE) for p in phones]
    samples = samples * min(1.0, 0.95 / float(np.abs(samples).max()))
    duration = len(samples) / RATE
    phones = cover([p._replace(end=min(p.end, duration)) for p in phones if p.start < duration], duration)
    audio = f"audio/{source.key}/{index:05d}.flac"
    path = out / audio
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.part")
    soundfile.write(partial, samples.astype(np.float32), RATE, format="FLAC", subtype="PCM_16")
    partial.replace(path)
    return Utterance(
        id=f"{source.key}-{index:05d}",
        engine=source.engine,
        voice=voice,
        language=source.language,
        split=split_of(source, index),
        text=spoken.text,
        audio=audio,
        duration=duration,
        phones=tuple(phones),
        seed=zlib.crc32(f"{seed}-{source.key}-{index}".encode()),
    )


def build(
    out: Path | str,
    hours: float,
    *,
    jobs: int = 2,
    seed: int = 0,
    sources: Sequence[Source] = SOURCES,
    say: Callable[[str], None] = print,
) -> Iterator[tuple[float, Utterance]]:
    """Build the corpus in `out` up to `hours`; yield the seconds so far and each utterance as its line is written.

    Goes on where an earlier build stopped. A source whose engine is missing is named through `say` and left out.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    manifest = out / "manifest.jsonl"
    states = _resume(out, manifest, sources)
    total = sum(source.weight for source in sources)
    seconds = sum(state.seconds for state in states)
    with manifest.open("a", encoding="utf-8") as lines:
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_ignore_interrupt)
        running: dict[Future, tuple[_State, float]] = {}
        try:
            while True:
                while len(running) < jobs + 1 and (state := _next_state(states, hours * 3600 / total)):
                    wanted = hours * 3600 / total * state.source.weight - state.seconds - state.pending
                    indices = state.take(min(BATCH, math.ceil(wanted / TYPICAL_DURATION)))
                    if indices:
                        expected = TYPICAL_DURATION * len(indices)
                        state.pending += expected
                        running[pool.submit(record, state.source, indices, seed, out)] = (state, expected)
                    else:
                        states.remove(state)
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    state, expected = running.pop(future)
                    state.pending -= expected
                    for utterance in _collect(future, state, states, lines, say):
                        seconds += utterance.duration
                        yield seconds, utterance
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _collect(
    future: Future, state: _State, states: list[_State], lines, say: Callable[[str], None]
) -> Iterator[Utterance]:
    """Write a finished batch to the manifest; drop its source when the engine is missing or gives nothing."""
    problem = None
    entries: list[Utterance] = []
    try:
        entries = future.result()
    except EngineMissing as error:
        state.barren, problem = 3, str(error)
    except Exception as error:  # an engine's own failure costs its batch, not the build
        state.barren, problem = state.barren + 1, f"{state.source.key}: {error}"
    if problem is not None:
        say(problem)
    elif not entries:
        state.barren += 1
    else:
        state.barren = 0
    if state.barren >= 3 and state in states:
        states.remove(state)
        say(f"{state.source.key}: left out")
    for entry in entries:
        lines.write(entry.to_json() + "\n")
        lines.flush()
        state.seconds += entry.duration
        yield entry


def _next_state(states: Sequence[_State], seconds_per_weight: float) -> _State | None:
    """The source that is furthest behind its share, or None when every share is full."""
    behind = [s for s in states if s.seconds + s.pending < seconds_per_weight * s.source.weight]
    return min(behind, key=lambda s: (s.seconds + s.pending) / s.source.weight, default=None)


def _resume(out: Path, manifest: Path, sources: Sequence[Source]) -> list[_State]:
    """States from an existing manifest, whose half-written last line is cut off."""
    states = [_State(source) for source in sources]
    if not manifest.exists():
        return states
    data = manifest.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        with manifest.open("r+b") as file:
            file.truncate(whole)
    by_key = {state.source.key: state for state in states}
    for utterance in read_manifest(out):
        key, _, index = utterance.id.rpartition("-")
        if key in by_key:
            by_key[key].done.add(int(index))
            by_key[key].seconds += utterance.duration
    return states


def _ignore_interrupt() -> None:
    """In a child: Ctrl-C is the parent's to handle, so that a batch is never half recorded."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
