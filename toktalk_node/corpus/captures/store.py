"""Imported captures on disk: a folder with `captures.jsonl`, a FLAC file and a safetensors file for each capture.

A line of `captures.jsonl` is one capture: {"id", "split", "actor", "emotion", "intensity", "space", "seconds",
"phones": [[label, start, end], ...] or null, "audio", "motion" or null, "notes"}; paths are relative to the folder.
`summary.json` says what an import used and what it left out.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from toktalk_node.corpus.captures.base import RATE, Capture, CaptureError, LeftOut, Reader
from toktalk_node.speech.phones import INDEX, Phone

MANIFEST = "captures.jsonl"
SUMMARY = "summary.json"

Say = Callable[[str, float, float], None]
"""Called with the stage, its share done in [0, 1], and the loss or NaN."""


@dataclass(frozen=True)
class Summary:
    """What an import has put into its folder, now and before."""

    captures: int
    hours: float
    hours_with_face: float
    hours_by_split: dict[str, float]
    actors: list[str]
    emotions: dict[str, int]
    notes: list[str]
    left_out: list[LeftOut]


def import_captures(reader: Reader, out: Path, say: Say) -> Summary:
    """Read every capture of `reader` into the folder `out`; one that cannot be read is left out, with the reason.

    Captures that are there already are kept: an import that was stopped goes on.
    """
    out.mkdir(parents=True, exist_ok=True)
    lines = {line["id"]: line for line in _lines(out)}
    left_out = list(reader.left_out)
    # a line that a stop cut in two must not swallow the next one
    kept = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines.values())
    _whole(out / MANIFEST, lambda path: path.write_text(kept, "utf-8"))
    with open(out / MANIFEST, "a", encoding="utf-8") as manifest:
        for done, id in enumerate(reader.ids, 1):
            if id not in lines:
                try:
                    lines[id] = save(reader.read(id), out)
                    manifest.write(json.dumps(lines[id], ensure_ascii=False) + "\n")
                    manifest.flush()
                except (ValueError, OSError) as error:
                    left_out.append(LeftOut(id, str(error)))
            say("captures", done / len(reader.ids), float("nan"))
    summary = summarise(list(lines.values()), left_out)
    (out / SUMMARY).write_text(json.dumps(asdict(summary), indent=2, ensure_ascii=False) + "\n", "utf-8")
    return summary


def summarise(lines: list[dict[str, Any]], left_out: list[LeftOut]) -> Summary:
    """Hours, people and emotions of the captures with these lines."""
    hours = {s: sum(x["seconds"] for x in lines if x["split"] == s) / 3600 for s in ("train", "valid", "test")}
    emotions = [line["emotion"] for line in lines]
    return Summary(
        captures=len(lines),
        hours=round(sum(hours.values()), 4),
        hours_with_face=round(sum(x["seconds"] for x in lines if x["motion"]) / 3600, 4),
        hours_by_split={split: round(value, 4) for split, value in hours.items()},
        actors=sorted({line["actor"] for line in lines}),
        emotions={name: emotions.count(name) for name in sorted(set(emotions))},
        notes=[f"{line['id']}: {note}" for line in lines for note in line["notes"]],
        left_out=left_out,
    )


def save(capture: Capture, out: Path) -> dict[str, Any]:
    """Write sound and face of a capture under `out`; returns its line of the manifest."""
    import soundfile
    from safetensors.numpy import save_file

    name = hashlib.sha256(capture.id.encode()).hexdigest()[:20]
    audio, motion = Path("audio") / f"{name}.flac", Path("motion") / f"{name}.safetensors"
    for path in (audio, motion):
        (out / path.parent).mkdir(exist_ok=True)
    peak = max(1.0, float(np.abs(capture.samples).max(initial=0)))
    _whole(out / audio, lambda path: soundfile.write(path, capture.samples / peak, RATE, "PCM_16", format="FLAC"))
    if capture.motion is not None:
        tensors = {"motion": np.ascontiguousarray(capture.motion, np.float32)}
        _whole(out / motion, lambda path: save_file(tensors, path))
    return {
        "id": capture.id,
        "split": capture.split,
        "actor": capture.actor,
        "emotion": capture.emotion,
        "intensity": capture.intensity,
        "space": capture.space,
        "seconds": round(capture.seconds, 4),
        "phones": capture.phones and [[p.label, round(p.start, 4), round(p.end, 4)] for p in capture.phones],
        "audio": audio.as_posix(),
        "motion": motion.as_posix() if capture.motion is not None else None,
        "notes": list(capture.notes),
    }


class Stored:
    """The captures of an imported folder (see `toktalk_node.corpus.captures.Reader`)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lines = {line["id"]: line for line in _lines(folder)}
        self.ids, self.left_out = list(self.lines), []

    def read(self, id: str) -> Capture:
        """The capture `id`; raises CaptureError or OSError where its files are gone or are not its own."""
        import soundfile
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        line = self.lines[id]
        try:
            samples, rate = soundfile.read(self._path(line["audio"]), dtype="float32")
            motion = load_file(self._path(line["motion"]))["motion"] if line["motion"] else None
        except (soundfile.LibsndfileError, SafetensorError, KeyError) as error:
            raise CaptureError(f"{id}: its files in {self.folder} are damaged ({error}); import it again") from error
        if rate != RATE or samples.ndim != 1:
            raise CaptureError(f"{id}: {line['audio']} is {rate} Hz {list(samples.shape)}, expected 16 kHz mono")
        phones = line["phones"] and tuple(Phone(str(label), float(a), float(b)) for label, a, b in line["phones"])
        if phones and not all(phone.label in INDEX for phone in phones):
            raise CaptureError(f"{id}: phones that are not in the inventory")
        kept = {key: line[key] for key in ("id", "split", "actor", "emotion", "intensity", "space")}
        return Capture(samples=samples, motion=motion, phones=phones, notes=tuple(line["notes"]), **kept)

    def _path(self, name: str) -> Path:
        path = (self.folder / name).resolve()
        if not path.is_relative_to(self.folder.resolve()):
            raise CaptureError(f"{name!r} lies outside the captures in {self.folder}")
        return path


def _lines(folder: Path) -> Iterator[dict[str, Any]]:
    """The lines of a folder's manifest; a half-written last one is left out."""
    path = folder / MANIFEST
    text = path.read_text("utf-8") if path.exists() else ""
    for number, line in enumerate(text.split("\n")[:-1], 1):
        try:
            yield json.loads(line)
        except ValueError as error:
            raise CaptureError(f"{path}, line {number}: {error}") from error


def _whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let a file appear whole or not at all."""
    partial = path.with_name(f".{path.name}.part")
    try:
        write(partial)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
