"""Faces that OpenFace 2 tracked (Baltrusaitis et al., 2018): action units, gaze and head from its CSV files.

Columns (OpenFace wiki, "Output Format"): frame, timestamp in seconds, confidence, success, gaze_angle_x/y and
pose_Rx/Ry/Rz in radians in the camera's axes (x to the right of the picture, y down, z away), AU01_r ... AU45_r
intensities from 0 to 5, and AU28_c, which is there or not.

The table follows the meanings of the units (Ekman, Friesen and Hager, FACS, 2002) and of ARKit's shapes. OpenFace does
not tell left from right, so both sides move alike; puckered and funnelled lips (AU18, AU22) are not tracked.
"""

import csv
from pathlib import Path

import numpy as np

from toktalk_node.corpus.captures.base import CaptureError
from toktalk_node.face.arkit import INDEX, MOTION_WIDTH
from toktalk_node.face.livelink import EYE_RANGE, centred

UNITS: dict[str, dict[str, float]] = {
    "AU01": {"browInnerUp": 1.0},  # inner brow raiser
    "AU02": {"browOuterUpLeft": 1.0, "browOuterUpRight": 1.0},  # outer brow raiser
    "AU04": {"browDownLeft": 1.0, "browDownRight": 1.0},  # brow lowerer
    "AU05": {"eyeWideLeft": 1.0, "eyeWideRight": 1.0},  # upper lid raiser
    "AU06": {"cheekSquintLeft": 1.0, "cheekSquintRight": 1.0},  # cheek raiser
    "AU07": {"eyeSquintLeft": 1.0, "eyeSquintRight": 1.0},  # lid tightener
    "AU09": {"noseSneerLeft": 1.0, "noseSneerRight": 1.0},  # nose wrinkler
    "AU10": {"mouthUpperUpLeft": 1.0, "mouthUpperUpRight": 1.0},  # upper lip raiser
    "AU12": {"mouthSmileLeft": 1.0, "mouthSmileRight": 1.0},  # lip corner puller
    "AU14": {"mouthDimpleLeft": 1.0, "mouthDimpleRight": 1.0},  # dimpler
    "AU15": {"mouthFrownLeft": 1.0, "mouthFrownRight": 1.0},  # lip corner depressor
    "AU17": {"mouthShrugLower": 1.0, "mouthShrugUpper": 0.5},  # chin raiser
    "AU20": {"mouthStretchLeft": 1.0, "mouthStretchRight": 1.0},  # lip stretcher
    "AU23": {"mouthPressLeft": 0.7, "mouthPressRight": 0.7},  # lip tightener
    "AU25": {"mouthLowerDownLeft": 0.6, "mouthLowerDownRight": 0.6, "jawOpen": 0.15},  # lips part
    "AU26": {"jawOpen": 0.85},  # jaw drop
    "AU45": {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0},  # blink
}
"""Weight of each ARKit shape at the full intensity of a unit; several units add up."""
PRESENT: dict[str, dict[str, float]] = {"AU28": {"mouthRollLower": 0.8, "mouthRollUpper": 0.8}}  # lip suck
"""The same for units that are there or not."""
FULL = 5.0
"""Full intensity of a unit."""
CONFIDENCE = 0.7
"""Frames that were tracked with less are filled from their neighbours."""
MOST_LOST = 0.2
"""Share of lost frames above which a face is not used."""
_COLUMNS = ("timestamp", "confidence", "success", "pose_Rx", "pose_Ry", "pose_Rz", "gaze_angle_x", "gaze_angle_y")
_MAX_FRAMES = 500_000


def read_face(path: Path) -> tuple[np.ndarray, float, tuple[str, ...]]:
    """Motion float32 [n, 55] of a CSV, its frames per second, and notes; head and gaze about their medians.

    Raises CaptureError where columns are missing, or too many frames were lost.
    """
    table = _table(path)
    missing = [name for name in (*_COLUMNS[:6], *(f"{unit}_r" for unit in UNITS)) if name not in table]
    lacking = [name for name in missing if name in ("timestamp", "AU25_r", "AU26_r")]
    if lacking or len(missing) > len(UNITS) // 2:
        raise CaptureError(f"{path}: not an OpenFace CSV with action units, {', '.join(missing[:8])} missing")
    notes = (f"{path.name}: columns missing, which stay 0: {', '.join(missing)}",) if missing else ()

    times = table["timestamp"]
    sure = table.get("success", np.ones(len(times))) * table.get("confidence", np.ones(len(times))) >= CONFIDENCE
    sure &= np.all([np.isfinite(table[name]) for name in table], axis=0)
    if len(times) < 2 or not sure.any() or not np.diff(times).min() > 0:
        raise CaptureError(f"{path}: no frames with a face, or timestamps that do not rise")
    lost = 1 - sure.mean()
    if lost > MOST_LOST:
        raise CaptureError(f"{path}: the face was lost in {lost:.0%} of the frames")
    if lost:
        notes += (f"{path.name}: {int((~sure).sum())} lost frames are filled in",)
    motion = _motion({name: values[sure] for name, values in table.items()})
    fps = float((len(times) - 1) / (times[-1] - times[0]))
    grid = times[0] + np.arange(len(times)) / fps
    filled = np.stack([np.interp(grid, times[sure], column) for column in motion.T], axis=1)
    return filled.astype(np.float32), fps, notes


def _motion(table: dict[str, np.ndarray]) -> np.ndarray:
    """Motion float64 [n, 55] of the columns of n frames."""
    n = len(table["timestamp"])
    motion = np.zeros((n, MOTION_WIDTH))
    for units, suffix, full in ((UNITS, "_r", FULL), (PRESENT, "_c", 1.0)):
        for unit, shapes in units.items():
            for name, weight in shapes.items():
                motion[:, INDEX[name]] += weight * table.get(unit + suffix, np.zeros(n)) / full
    turns = [table.get(f"pose_R{axis}", np.zeros(n)) for axis in "yxz"]
    # the camera's x is the person's left, its y points down: positive turns about x and y look down and to the right
    head = centred(np.stack([-turns[0], -turns[1], turns[2]], axis=1))
    motion[:, -3:] = head
    looks = np.stack([table.get(f"gaze_angle_{axis}", np.zeros(n)) for axis in "xy"], axis=1)
    left, down = ((looks - np.median(looks, axis=0)) - head[:, :2] * (1, -1)).T / EYE_RANGE
    for side, outward in (("Left", left), ("Right", -left)):
        for name, value in (("Out", outward), ("In", -outward), ("Down", down), ("Up", -down)):
            motion[:, INDEX[f"eyeLook{name}{side}"]] = np.maximum(value, 0)
    return motion


def _table(path: Path) -> dict[str, np.ndarray]:
    """The columns that are used, float64 [n] each; OpenFace writes a space before each name and value."""
    wanted = {*_COLUMNS, *(f"{unit}_r" for unit in UNITS), *(f"{unit}_c" for unit in PRESENT)}
    with open(path, newline="", encoding="utf-8-sig", errors="replace") as file:
        rows = csv.reader(file, skipinitialspace=True)
        header = [name.strip() for name in next(rows, [])]
        places = [i for i, name in enumerate(header) if name in wanted]
        values = []
        for line, row in enumerate(rows, 2):
            if not row:
                continue
            if len(values) == _MAX_FRAMES:
                raise CaptureError(f"{path}: more than {_MAX_FRAMES} frames")
            if len(row) != len(header):
                raise CaptureError(f"{path}, line {line}: {len(row)} columns of {len(header)}: is the file cut off?")
            try:
                values.append([float(row[i]) for i in places])
            except ValueError as error:
                raise CaptureError(f"{path}, line {line}: {error}") from error
    if not values:
        raise CaptureError(f"{path}: no frames")
    return {header[i]: column for i, column in zip(places, np.array(values).T, strict=True)}
