"""BEAT2 (Liu et al., "EMAGE", CVPR 2024): hours of monologue and talk by 25 people, with faces in SMPL-X and FLAME.

    beat_english_v2.0.0/
        smplxflame_30/2_scott_0_103_103.npz    poses [T, 165] axis-angle of 55 joints, expressions [T, 100], 30 fps
        wave16k/2_scott_0_103_103.wav          16 kHz mono
        textgrid/2_scott_0_103_103.TextGrid    words and phones, ARPAbet with stress
        train_test_split.csv                   id,type with type train, val, test or additional

A name is speaker number, speaker name, kind of recording (even: self-talk, odd: conversation; 0 and 1 are English, then
Chinese, Spanish, Japanese), and the first and last number of the sequence. In self-talk the number is the text, and
with it the emotion that the speaker acted (the authors' answers in their repository's issues 13, 20 and 112).
"""

import csv
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from toktalk_node.corpus.captures.base import Capture, CaptureError, LeftOut, sound, together
from toktalk_node.corpus.captures.textgrid import read_phones
from toktalk_node.face import flame
from toktalk_node.face.space import ARKIT
from toktalk_node.speech.phones import Phone

FPS = 30
NECK, HEAD, JAW = (slice(3 * joint, 3 * joint + 3) for joint in (12, 15, 22))
"""Columns of `poses` of three of SMPL-X's 55 joints."""
EMOTIONS: tuple[tuple[int, int, str], ...] = (
    (0, 64, "neutral"),
    (65, 72, "happiness"),
    (73, 80, "anger"),
    (81, 86, "sadness"),
    (87, 94, "contempt"),
    (95, 102, "surprise"),
    (103, 110, "fear"),
    (111, 118, "disgust"),
)
"""First and last number of the self-talk sequences of each emotion."""
SPLITS = {"train": "train", "additional": "train", "val": "valid", "test": "test"}
_NAME = re.compile(r"(?P<speaker>\d+_[^_]+)_(?P<kind>\d)_(?P<first>\d+)_(?P<last>\d+)")


def emotion_of(name: str) -> tuple[str, float]:
    """Emotion and its intensity that a sequence was acted with; conversations count as neutral.

    >>> emotion_of("2_scott_0_103_103"), emotion_of("1_wayne_1_3_3")
    (('fear', 1.0), ('neutral', 0.0))
    """
    match = _NAME.fullmatch(name)
    if match and int(match["kind"]) % 2 == 0:
        for first, last, emotion in EMOTIONS:
            if first <= int(match["first"]) <= last:
                return emotion, float(emotion != "neutral")
    return "neutral", 0.0


class Beat2:
    """The sequences of one language; `flame_map` (mat_final.npy) turns their faces into ARKit weights.

    Without a map, the faces are FLAME's with 100 expressions. A map in the folder, or in the one above, is found.
    """

    def __init__(self, folder: Path, flame_map: Path | None = None) -> None:
        self.folder = next((p.parent for p in sorted(folder.rglob("smplxflame_30")) if p.is_dir()), folder)
        found = [p for p in (self.folder / "mat_final.npy", self.folder.parent / "mat_final.npy") if p.exists()]
        chosen = flame_map or (found[0] if found else None)
        self._map = flame.FlameMap.load(chosen) if chosen else None
        self.left_out: list[LeftOut] = []
        self._split = self._read_split()
        faces = {path.stem for path in (self.folder / "smplxflame_30").glob("*.npz")}
        sounds = {path.stem for path in (self.folder / "wave16k").glob("*.wav")}
        self.ids: Sequence[str] = sorted(faces & sounds)
        for name in sorted((faces | sounds | self._split.keys()) - set(self.ids)):
            lacking = [kind for kind, names in (("face", faces), ("sound", sounds)) if name not in names]
            self.left_out.append(LeftOut(name, f"no {' and no '.join(lacking)}"))

    def _read_split(self) -> dict[str, str]:
        path = self.folder / "train_test_split.csv"
        if not path.exists():
            self.left_out.append(LeftOut(path.name, "no such file: everything is for training"))
            return {}
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
        if rows and not {"id", "type"} <= rows[0].keys():
            raise CaptureError(f"{path}: columns {', '.join(rows[0])}, expected id and type")
        return {row["id"]: SPLITS.get(row["type"], "train") for row in rows}

    def read(self, id: str) -> Capture:
        """The sequence `id`, its head turned by neck and head joint against the trunk."""
        path = self.folder / "smplxflame_30" / f"{id}.npz"
        motion, fps = read_face(path)
        samples, motion, notes = together(id, sound(self.folder / "wave16k" / f"{id}.wav"), motion, fps)
        space = "flame-100"
        if self._map:
            motion, space = self._map.to_arkit(motion), ARKIT.name
        phones, fault = self._phones(id, len(samples) / 16_000)
        name = _NAME.fullmatch(id)
        emotion, intensity = emotion_of(id)
        return Capture(
            id=id,
            split=self._split.get(id, "train"),
            actor=name["speaker"] if name else id,
            samples=samples,
            motion=motion,
            phones=phones,
            emotion=emotion,
            intensity=intensity,
            space=space,
            notes=(*notes, *fault),
        )

    def _phones(self, id: str, duration: float) -> tuple[tuple[Phone, ...] | None, tuple[str, ...]]:
        path = self.folder / "textgrid" / f"{id}.TextGrid"
        if not path.exists():
            return None, ()
        try:
            return read_phones(path, duration), ()
        except CaptureError as error:
            return None, (f"without phones: {error}",)


def read_face(path: Path) -> tuple[np.ndarray, float]:
    """Motion float32 [T, 106] in flame-100 and frames per second of a BEAT2 npz; raises CaptureError."""
    try:
        with np.load(path, allow_pickle=False) as data:
            poses, expressions = data["poses"], data["expressions"]
            fps = float(data["mocap_frame_rate"]) if "mocap_frame_rate" in data else FPS
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise CaptureError(f"{path}: not a BEAT2 face ({error})") from error
    if poses.ndim != 2 or poses.shape[1] != 165 or expressions.shape != (len(poses), 100):
        shapes = f"poses {list(poses.shape)} and expressions {list(expressions.shape)}"
        raise CaptureError(f"{path}: {shapes}, expected [T, 165] and [T, 100]")
    if not (np.isfinite(poses).all() and np.isfinite(expressions).all() and 1 <= fps <= 1000):
        raise CaptureError(f"{path}: values that are not finite, or {fps} frames per second")
    turns = flame.rotations(poses[:, NECK]) @ flame.rotations(poses[:, HEAD])
    return flame.joined(expressions, poses[:, JAW], flame.neck_of(flame.head_angles(turns))), fps
