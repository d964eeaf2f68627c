"""RAVDESS (Livingstone and Russo, PLoS ONE 2018): 24 actors speak two sentences in eight emotions.

A name is seven numbers, such as 03-01-06-01-02-01-12.wav:

    modality     01 sound and picture, 02 picture, 03 sound
    channel      01 speech, 02 song
    emotion      01 neutral, 02 calm, 03 happy, 04 sad, 05 angry, 06 fearful, 07 disgust, 08 surprised
    intensity    01 normal, 02 strong
    statement    01 "Kids are talking by the door", 02 "Dogs are sitting by the door"
    repetition   01, 02
    actor        01 to 24, odd numbers are men, even ones women

The authors track the faces with OpenFace (Zenodo 3255102): a CSV of the name of the film that it was read from, whose
action units become ARKit weights (see `toktalk_node.corpus.captures.openface`). Without a CSV, a capture is its sound
and emotion alone. Songs are left out.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from toktalk_node.corpus.captures.base import MIN_SECONDS, SAMPLES, Capture, CaptureError, LeftOut, sound, together
from toktalk_node.corpus.captures.openface import read_face
from toktalk_node.face.rest import clamp

EMOTIONS = ("neutral", "neutral", "happiness", "sadness", "anger", "fear", "disgust", "surprise")
"""Emotion of each number from 1; calm is spoken without one."""
INTENSITY = {"01": 0.6, "02": 1.0}
VALID, TEST = ("21", "22"), ("23", "24")
"""Actors of these splits, a man and a woman each."""
_NAME = re.compile(r"0([1-3])-(0[12])-0([1-8])-(0[12])-(0[12])-(0[12])-(\d\d)")


class Ravdess:
    """The spoken trials in a folder and all below it; an id is a name without its first number."""

    def __init__(self, folder: Path) -> None:
        self.left_out: list[LeftOut] = []
        self._sounds: dict[str, Path] = {}
        self._faces: dict[str, Path] = {}
        songs = set()
        for path in sorted(folder.rglob("*"), reverse=True):  # 03, the sound, before 01, the film
            ending = path.suffix.lower()
            match = _NAME.fullmatch(path.stem)
            if ending not in (".wav", ".mp4", ".csv") or path.name.startswith("."):
                continue
            if not match:
                self.left_out.append(LeftOut(path.name, "its name is not one of RAVDESS: seven numbers"))
            elif match[2] == "02":
                songs.add(match[0][3:])
            elif ending == ".csv":
                self._faces[match[0][3:]] = path
            elif match[1] != "2":
                self._sounds.setdefault(match[0][3:], path)
        if songs:
            self.left_out.append(LeftOut(f"{len(songs)} songs", "song is not speech"))
        self.left_out += [LeftOut(id, "no sound") for id in sorted(self._faces.keys() - self._sounds.keys())]
        self.ids: Sequence[str] = sorted(self._sounds)

    def read(self, id: str) -> Capture:
        """The trial `id`, with its face where that was tracked."""
        _, emotion, intensity, _, _, actor = id.split("-")
        name = EMOTIONS[int(emotion) - 1]
        samples, motion, notes = sound(self._sounds[id]), None, ()
        if id in self._faces:
            try:
                face, fps, faults = read_face(self._faces[id])
                samples, motion, notes = together(id, samples, face, fps)
                motion, notes = clamp(motion), (*faults, *notes)
            except (CaptureError, OSError) as error:
                notes = (f"without its face: {error}",)
        if motion is None:
            samples = samples[: len(samples) // SAMPLES * SAMPLES]
            if len(samples) < MIN_SECONDS * 16_000:
                raise CaptureError(f"{self._sounds[id]}: less than {MIN_SECONDS:.0f} s of sound")
        return Capture(
            id=id,
            split="valid" if actor in VALID else "test" if actor in TEST else "train",
            actor=f"ravdess-{actor}",
            samples=samples,
            motion=motion,
            emotion=name,
            intensity=0.0 if name == "neutral" else INTENSITY[intensity],
            notes=notes,
        )
