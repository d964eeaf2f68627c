"""Live Link Face recordings: the CSV that Epic's iPhone app writes beside its videos.

Columns: Timecode, BlendShapeCount, then 61 values: the 52 ARKit shapes in Apple's PascalCase names, head yaw, pitch and
roll, and yaw, pitch and roll of each eye, in radians. The app's head turns to its left, looks up and leans to its right
where these are positive, and its eyes look to their right and down; ours is the head of arkit.HEAD. A timecode is
HH:MM:SS:FF.mmm, where FF counts frames and mmm is thousandths of a frame. Recordings differ in the order of columns, so
names decide, never positions.
"""

import csv
import math
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from toktalk_node.face.arkit import BLENDSHAPES, INDEX, MOTION_WIDTH
from toktalk_node.face.rest import clamp
from toktalk_node.face.retarget import resample

FPS = 60
"""Frame rate of the app's recordings unless its user changes it."""

EYE_RANGE = 0.52
"""Eye rotation in radians at a gaze weight of 1 (30 degrees)."""

APP_EYE_RANGE = 0.61
"""The same in the app's own columns (35 degrees): what its recordings say, where weights and angles stand together."""

_HEAD_SIGNS = np.array([1, 1, -1], np.float32)
"""From our yaw, pitch and roll to the app's, and back."""

SHAPE_COLUMNS: tuple[str, ...] = tuple(name[0].upper() + name[1:] for name in BLENDSHAPES)
HEAD_COLUMNS: tuple[str, ...] = ("HeadYaw", "HeadPitch", "HeadRoll")
EYE_COLUMNS: tuple[str, ...] = tuple(f"{side}Eye{name[4:]}" for side in ("Left", "Right") for name in HEAD_COLUMNS)
COLUMNS: tuple[str, ...] = SHAPE_COLUMNS + HEAD_COLUMNS + EYE_COLUMNS
"""The 61 value columns in the order in which they are written."""

MAX_FRAMES = 2_000_000
"""Longest recording that is read (about nine hours at 60 fps)."""

GAP = 0.1
"""Seconds without a frame that are worth a note."""

_RATES = (24, 25, 30, 48, 50, 60, 90, 100, 120)
_TIMECODE = re.compile(r"(\d{1,2}):(\d{2}):(\d{2})[:;](\d{1,3}(?:\.\d+)?)")


@dataclass(frozen=True)
class Recording:
    """A recorded face: `motion` float32 [n, 55] at `fps`; `start` is the first frame's time of day in seconds."""

    motion: np.ndarray
    fps: int
    start: float
    notes: tuple[str, ...] = ()
    """What the file lacks or has too much of: columns, frames."""


def columns(motion: np.ndarray) -> np.ndarray:
    """The 61 values of Live Link Face, float32 [n, 61], from `motion` [n, 55]; the gaze shapes give the eye angles."""
    motion = clamp(motion)
    yaw, pitch = [], []
    for side, outward in (("Left", -1), ("Right", 1)):
        out, inward, up, down = (motion[:, INDEX[f"eyeLook{way}{side}"]] for way in ("Out", "In", "Up", "Down"))
        yaw.append(outward * APP_EYE_RANGE * (out - inward))
        pitch.append(APP_EYE_RANGE * (down - up))
    roll = np.zeros(len(motion), np.float32)
    motion[:, len(BLENDSHAPES) :] *= _HEAD_SIGNS
    eyes = np.stack([yaw[0], pitch[0], roll, yaw[1], pitch[1], roll], axis=1)
    return np.concatenate([motion, eyes], axis=1) + 0.0  # a zero without a sign


def timecode(frame: int, fps: int) -> str:
    """HH:MM:SS:FF.mmm of frame `frame` at `fps` frames per second; the day starts again after 24 hours."""
    seconds, rest = divmod(frame, fps)
    minutes, hours = seconds // 60, seconds // 3600
    return f"{hours % 24:02d}:{minutes % 60:02d}:{seconds % 60:02d}:{rest:02d}.000"


def write(path: str | os.PathLike, motion: np.ndarray, fps: int, *, rate: int = FPS) -> int:
    """Writes `motion` [n, 55] at `fps` as a recording at `rate` frames per second; returns the frames written.

    The file appears whole or not at all. Raises ValueError for a motion of another shape, OSError where the file
    cannot be written.
    """
    values = columns(resample(motion, fps, rate))
    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(partial, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["Timecode", "BlendShapeCount", *COLUMNS])
            for frame, row in enumerate(values):
                writer.writerow([timecode(frame, rate), len(COLUMNS), *(f"{value:.6f}" for value in row)])
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return len(values)


def centred(angles: np.ndarray) -> np.ndarray:
    """Angles [n, 3] about their median: where the camera stood is no part of a performance."""
    return (angles - np.median(angles, axis=0)).astype(np.float32)


def read_performance(path: str | os.PathLike) -> Recording:
    """`read` with `missing`, for learning from: the head about its median direction, degrees understood.

    Raises as `read` does.
    """
    recording = read(path, missing=True)
    motion, notes = recording.motion.copy(), recording.notes
    head = motion[:, len(BLENDSHAPES) :]
    if np.abs(head).max() > math.pi:
        head *= math.pi / 180
        notes += ("head angles beyond pi are taken as degrees",)
    motion[:, len(BLENDSHAPES) :] = centred(head)
    return replace(recording, motion=motion, notes=notes)


def read(path: str | os.PathLike, *, fps: int | None = None, missing: bool = False) -> Recording:
    """Reads a recording; rows that the phone dropped, or in which it saw no face, are filled in a straight line.

    `fps` is the recording's frame rate; None takes it from the highest frame number of the timecodes, or 60 where the
    recording is shorter than a second. Head columns and TongueOut may be missing (older phones): they are zero. With
    `missing`, so may up to half of the other shapes but JawOpen; the notes name them, and columns of unknown names.

    Raises FileNotFoundError, or ValueError naming the file, the line and what is wrong with it.
    """
    path = Path(path)
    with open(path, newline="", encoding="utf-8-sig", errors="replace") as file:
        rows = csv.reader(_lines(file, path))
        header = next(rows, None)
        if not header:
            raise ValueError(f"{path}: the file is empty, expected a Live Link Face CSV")
        places = _places(path, header, len(BLENDSHAPES) // 2 if missing else 0)
        codes, values, unseen = _values(path, rows, header, places)
    rate = fps or _rate(codes)
    times = np.array([whole + frame / rate for whole, frame in codes])
    steps = np.diff(times)
    times[1:] += 86400 * np.cumsum(steps < -43200)  # past midnight
    if (np.diff(times) < 0).any():
        line = int(np.argmax(np.diff(times) < 0)) + 3
        raise ValueError(f"{path}, line {line}: the timecode runs backwards")
    count = round((times[-1] - times[0]) * rate) + 1
    if count > MAX_FRAMES:
        raise ValueError(f"{path}: the timecodes span {count} frames, more than the {MAX_FRAMES} that are read")
    grid = times[0] + np.arange(count) / rate
    motion = np.stack([np.interp(grid, times, column) for column in values.T], axis=1)
    notes = _column_notes(header, places)
    if unseen:
        notes.append(f"{unseen} rows without a face")
    if (gap := float(np.diff(times).max(initial=0))) > GAP:
        notes.append(f"dropped frames: the longest gap of {gap:.2f} s is filled in a straight line")
    return Recording(clamp(motion), rate, float(times[0]), tuple(notes))


def _lines(file: Iterator[str], path: Path) -> Iterator[str]:
    for line in file:
        if len(line) > 100_000 or "\0" in line:
            raise ValueError(f"{path}: not text, expected a Live Link Face CSV")
        yield line


def _column_notes(header: Sequence[str], places: dict[int, int]) -> list[str]:
    """Columns that are missing and those that have no meaning here, by name."""
    wanted = SHAPE_COLUMNS + HEAD_COLUMNS
    known = {name.casefold() for name in ("Timecode", "BlendShapeCount", *COLUMNS)}
    missing = [name for index, name in enumerate(wanted) if index not in places]
    extra = [name.strip() for name in header if name.strip().casefold() not in known | {""}]
    notes = [f"columns missing, which stay 0: {', '.join(missing)}"] if missing else []
    return notes + ([f"columns ignored: {', '.join(extra)}"] if extra else [])


def _places(path: Path, header: Sequence[str], lacking: int) -> dict[int, int]:
    """Column of each motion value that the file has: {index in the motion: column in the file}.

    Up to `lacking` shapes may be missing, but not the jaw.
    """
    names = [name.strip().casefold() for name in header]
    if "timecode" not in names:
        raise ValueError(f"{path}: no Timecode column in {','.join(header)[:80]!r}, expected a Live Link Face CSV")
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise ValueError(f"{path}: columns named twice: {', '.join(twice)}")
    wanted = [name.casefold() for name in SHAPE_COLUMNS + HEAD_COLUMNS]
    places = {index: names.index(name) for index, name in enumerate(wanted) if name in names}
    missing = [name for index, name in enumerate(SHAPE_COLUMNS) if index not in places and name != "TongueOut"]
    if len(missing) > lacking or "JawOpen" in missing:
        raise ValueError(f"{path}: {len(missing)} of 52 blendshape columns are missing: {', '.join(missing[:6])}")
    return places


def _values(
    path: Path, rows: Iterator[list[str]], header: Sequence[str], places: dict[int, int]
) -> tuple[list[tuple[int, float]], np.ndarray, int]:
    """Timecodes as (whole seconds, frames), motion float32 [n, 55] of the file's rows, and how many saw no face."""
    names = [name.strip().casefold() for name in header]
    clock = names.index("timecode")
    counter = names.index("blendshapecount") if "blendshapecount" in names else len(names)
    codes, values, unseen = [], [], 0
    for line, row in enumerate(rows, start=2):
        if not row:
            continue
        if len(row) > counter and row[counter].strip() == "0":
            unseen += 1
            continue
        if len(row) != len(header):
            raise ValueError(f"{path}, line {line}: {len(row)} columns, expected {len(header)}: is the file cut off?")
        match = _TIMECODE.fullmatch(row[clock].strip())
        if not match:
            raise ValueError(f"{path}, line {line}: timecode {row[clock]!r}, expected HH:MM:SS:FF.mmm")
        hours, minutes, seconds = (int(part) for part in match.groups()[:3])
        motion = np.zeros(MOTION_WIDTH, np.float32)
        try:
            motion[list(places)] = [float(row[column]) for column in places.values()]
        except ValueError as error:
            raise ValueError(f"{path}, line {line}: {error}") from None
        if not np.isfinite(motion).all():
            raise ValueError(f"{path}, line {line}: a value is not finite")
        if len(values) == MAX_FRAMES:
            raise ValueError(f"{path}: more than {MAX_FRAMES} frames")
        codes.append((3600 * hours + 60 * minutes + seconds, float(match[4])))
        values.append(motion)
    if not values:
        raise ValueError(f"{path}: a header but no frames{' with a face' if unseen else ''}")
    motions = np.array(values)
    motions[:, len(BLENDSHAPES) :] *= _HEAD_SIGNS
    return codes, motions, unseen


def _rate(codes: Sequence[tuple[int, float]]) -> int:
    """Frames per second of a recording from its highest frame number; 60 where it runs through no full second."""
    highest = int(max(frame for _, frame in codes)) + 1
    turned = any(after[0] > before[0] and after[1] < 2 for before, after in zip(codes, codes[1:], strict=False))
    if not turned:
        return max(FPS, highest)
    return next((rate for rate in _RATES if rate >= highest), highest)
