"""FLAME faces of recordings: the coefficients as the motion model makes them, which no session shows.

expression  float32 [frames, E]   coefficients, in standard deviations of FLAME's training faces
jaw, neck   float32 [frames, 3]   axis-angle vectors in radians
fps         int                   frames per second; frame k belongs to the sound of [k / fps, (k + 1) / fps) seconds
audio       int16 [samples]       the sound, mono
audio_rate  int                   its samples per second
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from toktalk_node.face.flame import parts
from toktalk_node.face.replacing import replacing
from toktalk_node.motion.decoder import MotionDecoder, decode
from toktalk_node.stream.adapted import conditions
from toktalk_node.stream.session import check_spaces
from toktalk_node.tokens.base import Tokenizer


@dataclass
class FlameSpeaker:
    """Speaks whole recordings with a FLAME face. Raises ValueError where tokenizer and model do not fit."""

    decoder: MotionDecoder
    tokenizer: Tokenizer
    seed: int = 0

    def __post_init__(self) -> None:
        check_spaces(self.decoder, self.tokenizer)

    @property
    def fps(self) -> int:
        """Frames per second."""
        return self.decoder.model.config.fps

    def face(self, samples: np.ndarray, rate: int) -> np.ndarray:
        """Motion float32 [ceil(seconds · fps), E + 6] of mono samples [n] at `rate` Hz."""
        given = torch.from_numpy(conditions(self.tokenizer, samples, rate))
        frames = -(-len(samples) * self.fps // rate)
        return decode(self.decoder, given, self.seed).cpu().numpy()[:frames]


def write(path: Path, motion: np.ndarray, fps: int, audio: np.ndarray, rate: int) -> int:
    """Write `motion` [n, E + 6] and `audio` float32 [samples] as .npz; returns the frames. Nothing is pickled.

    The file appears whole or not at all. Raises OSError where it cannot be written.
    """
    expression, jaw, neck = parts(motion)
    sound = np.round(np.clip(audio, -1, 1) * 32767).astype(np.int16)
    with replacing(path) as partial, partial.open("wb") as file:
        np.savez_compressed(
            file,
            expression=expression,
            jaw=jaw,
            neck=neck,
            fps=np.int64(fps),
            audio=sound,
            audio_rate=np.int64(rate),
        )
    return len(motion)
