"""HDTF and TFHP as DiffPoseTalk packs them (Sun et al., SIGGRAPH 2024): hours of talking heads, tracked with FLAME.

An LMDB environment (a folder with data.mdb) whose values are pickles:

    metadata                     {"seg_len": 100}
    PERSON/000/metadata          {"n_frames": 1234}
    PERSON/000/000, 001, ...     {"audio": bytes of a FLAC file at 16 kHz,
                                  "coef": {"shape": [n, 100], "exp": [n, 50], "pose": [n, 6]}}  n <= seg_len frames

at 25 fps; `pose` is the turn of the head, then of the jaw, as axis-angle vectors. Beside it may stand keys.txt, a line
PERSON/000 for each video, and train.txt, val.txt and test.txt, the same lines for each split. Without these, the last
64 people are for testing and the 64 before them for validation, in the order of keys.txt or else of their names; of
fewer than 256 people, a quarter each.
"""

import io
import pickle
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from toktalk_node.corpus.captures.base import RATE, Capture, CaptureError, LeftOut, together
from toktalk_node.corpus.captures.unpickle import loads
from toktalk_node.face import flame
from toktalk_node.face.livelink import centred
from toktalk_node.face.space import ARKIT

FPS = 25
HELD_OUT = 64
"""People for validation, and as many for testing."""
SPLITS = {"train": "train", "val": "valid", "test": "test"}
_VIDEO = re.compile(r"(.+/\d+)/metadata")
_COEFFICIENTS = {"exp": 50, "pose": 6}


class DiffPoseTalk:
    """The videos of the data set; `flame_map` (mat_final.npy) turns their faces into ARKit weights."""

    def __init__(self, folder: Path, flame_map: Path | None = None) -> None:
        try:
            import lmdb
        except ImportError as error:
            raise CaptureError("reading LMDB needs the package lmdb: pip install lmdb") from error
        found = [place for place in (folder, *sorted(folder.iterdir())) if (place / "data.mdb").exists()]
        self.folder = found[0] if found else folder
        self._map = flame.FlameMap.load(flame_map) if flame_map else None
        self._open = lambda: lmdb.open(str(self.folder), readonly=True, lock=False, readahead=False, create=False)
        try:
            with self._open() as file, file.begin() as transaction:
                keys = [bytes(key).decode(errors="replace") for key in transaction.cursor().iternext(values=False)]
        except lmdb.Error as error:
            raise CaptureError(f"{folder}: no LMDB environment ({error})") from error
        self.ids: Sequence[str] = [match[1] for key in keys if (match := _VIDEO.fullmatch(key))]
        listed, there = self._lines("keys.txt"), set(self.ids)
        self.left_out = [LeftOut(key, "listed in keys.txt, not there") for key in listed if key not in there]
        self._split = self._splits([key for key in listed if key in there] or self.ids)

    def _lines(self, name: str) -> list[str]:
        places = [p for p in (self.folder / name, self.folder.parent / name) if p.is_file()]
        return [line.split()[0] for line in places[0].read_text().splitlines() if line.strip()] if places else []

    def _splits(self, ids: Sequence[str]) -> dict[str, str]:
        """The split of each video, by the lists beside the data or else by person."""
        listed = {key: split for name, split in SPLITS.items() for key in self._lines(f"{name}.txt")}
        if listed:
            return listed
        people = list(dict.fromkeys(id.rsplit("/", 1)[0] for id in ids))
        held = min(HELD_OUT, len(people) // 4)
        kind = dict.fromkeys(people[len(people) - 2 * held : len(people) - held], "valid")
        kind |= dict.fromkeys(people[len(people) - held :], "test")
        return {id: kind.get(id.rsplit("/", 1)[0], "train") for id in ids}

    def read(self, id: str) -> Capture:
        """The video `id`: its segments end to end, or those before the first that is missing or damaged."""
        frames = _whole_number(self._value(f"{id}/metadata"), "n_frames", id)
        sounds, faces, notes = [], [], []
        have = number = 0
        while have < frames:
            try:
                heard, face = segment(self._value(f"{id}/{number:03d}"))
            except CaptureError as error:
                notes.append(f"segment {number:03d} {error}: {have} of {frames} frames are used")
                break
            sounds.append(heard)
            faces.append(face)
            have, number = have + len(face), number + 1
        if not faces:
            raise CaptureError(f"{id}: {notes[0]}")
        samples, motion, cut = together(id, np.concatenate(sounds), np.concatenate(faces), FPS)
        turns = flame.head_angles(flame.rotations(motion[:, -3:]))
        motion[:, -3:] = flame.neck_of(centred(turns))
        space = "flame-50"
        if self._map:
            motion, space = self._map.to_arkit(motion), ARKIT.name
        person = id.rsplit("/", 1)[0]
        return Capture(id, self._split.get(id, "train"), person, samples, motion, space=space, notes=(*notes, *cut))

    def _value(self, key: str) -> object:
        with self._open() as file, file.begin() as transaction:
            data = transaction.get(key.encode())
        if data is None:
            raise CaptureError("is missing")
        try:
            return loads(data)
        except pickle.UnpicklingError as error:
            raise CaptureError(f"cannot be read: {error}") from error


def segment(value: object) -> tuple[np.ndarray, np.ndarray]:
    """Sound float32 [640 n] at 16 kHz and motion float32 [n, 56] in flame-50 of a segment; raises CaptureError."""
    import soundfile

    try:
        coefficients = {name: np.asarray(value["coef"][name], np.float32) for name in _COEFFICIENTS}
        samples, rate = soundfile.read(io.BytesIO(value["audio"]), dtype="float32", always_2d=True)
    except (KeyError, TypeError, ValueError, soundfile.LibsndfileError) as error:
        raise CaptureError(f"is not a segment ({error!r})") from error
    frames = len(coefficients["exp"])
    for name, width in _COEFFICIENTS.items():
        if coefficients[name].shape != (frames, width) or not np.isfinite(coefficients[name]).all():
            raise CaptureError(f"has {name} of shape {list(coefficients[name].shape)}, expected [{frames}, {width}]")
    if rate != RATE:
        raise CaptureError(f"has sound at {rate} Hz, expected {RATE}")
    heard = np.zeros(frames * RATE // FPS, np.float32)  # a segment's sound is as long as its face
    mono = samples.mean(axis=1)[: len(heard)]
    heard[: len(mono)] = mono
    pose = coefficients["pose"]
    return heard, flame.joined(coefficients["exp"], pose[:, 3:], pose[:, :3])


def _whole_number(value: object, name: str, id: str) -> int:
    found = value.get(name) if isinstance(value, dict) else None
    if not isinstance(found, int) or found < 1:
        raise CaptureError(f"{id}: metadata without {name}")
    return found
