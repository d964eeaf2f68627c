"""A face and its sound as NumPy's .npz, for scripts and training: plain arrays, nothing pickled.

    with np.load("face.npz") as face:
        jaw = face["weights"][:, list(face["names"]).index("jawOpen")]

weights     float32 [frames, 52]  in [0, 1]; frame k belongs to the sound of [k / fps, (k + 1) / fps) seconds
head        float32 [frames, 3]   yaw, pitch, roll in radians: left, up and left are positive
names       text [52]             the blendshapes, in the order of `weights`
head_names  text [3]              the angles, in the order of `head`
fps         int                   frames per second
audio       int16 [samples]       the sound, mono
audio_rate  int                   its samples per second
"""

import os

import numpy as np

from toktalk_node.face.arkit import BLENDSHAPES, HEAD
from toktalk_node.face.replacing import replacing
from toktalk_node.face.rest import clamp


def write(path: str | os.PathLike, motion: np.ndarray, fps: int, audio: np.ndarray, rate: int) -> int:
    """Write `motion` [n, 55] at `fps` and `audio` int16 [samples] at `rate` Hz; returns the frames.

    The file appears whole or not at all. Raises ValueError for a motion of another shape, OSError where the file cannot
    be written.
    """
    motion = clamp(motion)
    with replacing(path) as partial, partial.open("wb") as file:
        np.savez_compressed(
            file,
            weights=motion[:, : len(BLENDSHAPES)],
            head=motion[:, len(BLENDSHAPES) :],
            names=np.array(BLENDSHAPES),
            head_names=np.array(HEAD),
            fps=np.int64(fps),
            audio=np.asarray(audio, np.int16),
            audio_rate=np.int64(rate),
        )
    return len(motion)
