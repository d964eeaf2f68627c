"""The noise that a stream's flow starts from, repeatable frame by frame."""

import numpy as np


def frame_noise(seed: int, start: int, frames: int, width: int) -> np.ndarray:
    """Standard normal noise float32 [frames, width] of absolute frames start, start + 1, ...

    A function of (seed, frame) alone: each frame has its own counter of a Philox generator (Salmon et al. 2011).
    Frames before the stream's first have negative indices.
    """
    key = seed % 2**64
    noise = np.empty((frames, width), np.float32)
    for i in range(frames):
        counter = np.array([0, (start + i) % 2**64, 0, 0], np.uint64)
        generator = np.random.Generator(np.random.Philox(key=key, counter=counter))
        noise[i] = generator.standard_normal(width, dtype=np.float32)
    return noise
