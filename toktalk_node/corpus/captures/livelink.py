"""A person's own recordings: Live Link Face takes, each a CSV with the sound beside it.

The app writes a folder per take, `MySlate_1_iPhone.csv` beside `MySlate_1_iPhone.mov`; with a calibrated neutral face
also `MySlate_1_iPhone_cal.csv`, which is taken where it is there. The sound is a file of the same name: the film, or a
recording made beside the phone. The film carries a timecode track, by which it is aligned with the rows of the CSV;
a file without timecodes is taken to begin with the first row.
"""

import csv
import json
import math
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from toktalk_node.corpus.captures.base import (
    FPS,
    MAX_DIFFERENCE,
    Capture,
    CaptureError,
    LeftOut,
    sound,
    together,
)
from toktalk_node.face import livelink
from toktalk_node.face.arkit import BLENDSHAPES, INDEX
from toktalk_node.face.rest import clamp

SOUNDS: tuple[str, ...] = (".wav", ".flac", ".aif", ".aiff", ".caf", ".m4a", ".mov", ".mp4", ".aac", ".mp3", ".ogg")
"""Endings of sound files, the first found is taken."""
_VARIANTS = ("_cal", "", "_raw")
"""What the name of one take's CSV ends in, the best first."""
_STILL = "_neutral"
_LOG = "frame_log"
DAY = 86_400
LAG_REACH = 40
"""Frames at 50 fps within which a lag between sound and mouth is sought, …"""
LAG_NOTED = 5
"""… and from which on it is noted."""


@dataclass(frozen=True)
class Take:
    """One performance: its face and, where there is any, its sound."""

    face: Path
    sound: Path | None


class Takes:
    """The takes in a folder and all below it, which are taken to be of one person."""

    def __init__(self, folder: Path, actor: str = "") -> None:
        self.folder, self.actor = folder, actor or folder.resolve().name
        self._takes, self.left_out = find_takes(folder)
        self.ids: Sequence[str] = list(self._takes)

    def read(self, id: str) -> Capture:
        """The take `id`, the head about its median direction."""
        take = self._takes[id]
        if take.sound is None:
            raise CaptureError(f"{take.face}: no sound beside it, such as {id.split('/')[-1]}.wav or .mov")
        recording = livelink.read_performance(take.face)
        motion, notes = recording.motion, list(recording.notes)
        offset = 0.0
        if (start := film_start(take.sound)) is not None:
            offset = (recording.start - start + DAY / 2) % DAY - DAY / 2
            if abs(offset) > MAX_DIFFERENCE:
                notes.append(f"timecodes of face and film are {offset:+.2f} s apart: both are taken to begin together")
                offset = 0.0
        samples, motion, cut = together(str(take.face), sound(take.sound), motion, recording.fps, offset)
        if start is None and (late := lag(samples, motion)):
            way = "after" if late > 0 else "before"
            notes.append(f"the sound seems to come {abs(late):.2f} s {way} the mouth: was one of them cut?")
        return Capture(id, "train", self.actor, samples, clamp(motion), notes=(*notes, *cut))


def find_takes(folder: Path) -> tuple[dict[str, Take], list[LeftOut]]:
    """Takes by their id, a path below `folder` without its ending; and the CSV and sound files that are none."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("."))
    faces: dict[Path, dict[str, Path]] = {}
    left_out = []
    for path in files:
        if path.suffix.lower() != ".csv" or path.stem.endswith(_STILL) or _LOG in path.stem:
            continue
        if reason := not_a_face(path):
            left_out.append(LeftOut(str(path.relative_to(folder)), reason))
            continue
        variant = next((v for v in _VARIANTS if v and path.stem.endswith(v)), "")
        stem = path.stem.removesuffix(variant)
        faces.setdefault(path.with_name(stem), {})[variant] = path
    sounds: dict[Path, Path] = {}
    for path in sorted(files, key=_preference):
        if path.suffix.lower() in SOUNDS:
            sounds.setdefault(path.with_suffix(""), path)
    takes, used = {}, set()
    for base, variants in faces.items():
        face = next(variants[v] for v in _VARIANTS if v in variants)
        near = [p for p in (base, face.with_suffix("")) if p in sounds]
        alone = [p for p in sounds if p.parent == base.parent]
        if not near and len(alone) == 1 and sum(other.parent == base.parent for other in faces) == 1:
            near = alone
        takes[base.relative_to(folder).as_posix()] = Take(face, sounds[near[0]] if near else None)
        used.update(near)
    for base, path in sounds.items():
        if base not in used:
            left_out.append(LeftOut(str(path.relative_to(folder)), "no Live Link Face CSV beside it"))
    return takes, left_out


def not_a_face(path: Path) -> str:
    """Why a CSV is no Live Link Face recording; empty where it is one, by its header."""
    with open(path, newline="", encoding="utf-8-sig", errors="replace") as file:
        names = {name.strip().casefold() for name in next(csv.reader([file.readline(100_000)]), [])}
    shapes = names & {name.casefold() for name in BLENDSHAPES}
    if not names:
        return "an empty CSV"
    return "" if shapes and "timecode" in names else "not a Live Link Face CSV: its header lacks Timecode or the shapes"


def lag(samples: np.ndarray, motion: np.ndarray) -> float:
    """Seconds by which the sound comes after the mouth that made it; 0 where they agree, or nothing can be said.

    samples [320 n] at 16 kHz, motion [n, 55] at 50 fps. Speech is louder where the mouth is open: the lag is that of
    the best correlation between the two, where this is clearly better than without a lag.
    """
    level = np.log10((samples.reshape(len(motion), -1).astype(np.float64) ** 2).mean(axis=1) + 1e-7)
    opening = motion[:, INDEX["jawOpen"]] - motion[:, INDEX["mouthClose"]].astype(np.float64)
    if min(level.std(), opening.std()) < 1e-3:
        return 0.0
    reach = min(LAG_REACH, len(motion) // 3)
    found = {}
    for k in range(-reach, reach + 1):
        heard, seen = (level[k:], opening[: len(opening) - k]) if k >= 0 else (level[:k], opening[-k:])
        found[k] = float(np.corrcoef(heard, seen)[0, 1]) if min(heard.std(), seen.std()) > 1e-3 else 0.0
    best = max(found, key=found.__getitem__)
    clear = found[best] > max(0.4, found[0] + 0.15) and abs(best) >= LAG_NOTED
    return best / FPS if clear else 0.0


def film_start(path: Path) -> float | None:
    """Time of day in seconds by the timecode track of a film; None without one, or without ffprobe."""
    program = shutil.which("ffprobe")
    if path.suffix.lower() not in (".mov", ".mp4", ".m4a") or program is None:
        return None
    wanted = "stream=avg_frame_rate,r_frame_rate:stream_tags=timecode:format_tags=timecode"
    options = ["-v", "error", "-protocol_whitelist", "file,pipe", "-of", "json", "-show_entries", wanted]
    done = subprocess.run([program, *options, f"file:{path}"], capture_output=True, text=True, check=False)
    if done.returncode:
        return None
    for stream in json.loads(done.stdout).get("streams", []):
        code = re.fullmatch(r"(\d+):(\d+):(\d+)[:;.](\d+)", stream.get("tags", {}).get("timecode", ""))
        rates = [_ratio(stream.get(key, "")) for key in ("avg_frame_rate", "r_frame_rate")]
        rate = next((value for value in rates if 1 <= value <= 1000), 0.0)
        if code and rate:
            hours, minutes, seconds, frames = map(int, code.groups())
            return 3600 * hours + 60 * minutes + seconds + frames / math.ceil(rate)
    return None


def _ratio(text: str) -> float:
    above, _, below = text.partition("/")
    return float(above) / float(below) if above.isdigit() and below.isdigit() and int(below) else 0.0


def _preference(path: Path) -> tuple[int, str]:
    ending = path.suffix.lower()
    return (SOUNDS.index(ending) if ending in SOUNDS else len(SOUNDS), str(path))
