"""The face that says nothing: the rest vector, and bringing a moving face to it.

Only the mouth rests; eyes, brows and head go on living, because a face that freezes looks dead.
"""

import numpy as np

from toktalk_node.face.arkit import BLENDSHAPES, HEAD, INDEX, MOTION_WIDTH


def _rest() -> np.ndarray:
    rest = np.zeros(MOTION_WIDTH, np.float32)
    rest[INDEX["jawOpen"]] = 0.02  # a relaxed jaw hangs a little behind touching lips
    rest[INDEX["mouthClose"]] = 0.01
    rest.flags.writeable = False
    return rest


REST: np.ndarray = _rest()
"""Motion vector of the relaxed face, float32 [55], read only."""

MOUTH: np.ndarray = np.array([i for i, name in enumerate(BLENDSHAPES) if name.startswith(("jaw", "mouth", "tongue"))])
"""Indices of the shapes that speech moves: jaw, mouth and tongue."""


UPPER: np.ndarray = np.array(
    [i for i, name in enumerate((*BLENDSHAPES, *HEAD)) if name.startswith(("brow", "cheek", "nose", "head"))]
)
"""Indices of the channels of the upper face and the head that go with what is said; eyes have a life of their own."""


def clamp(motion: np.ndarray) -> np.ndarray:
    """`motion` float [n, 55] with its 52 weights in [0, 1] and numbers that are not finite at rest; a float32 copy."""
    motion = _checked(motion).astype(np.float32)
    bad = ~np.isfinite(motion)
    if bad.any():
        motion[bad] = np.broadcast_to(REST, motion.shape)[bad]
    np.clip(motion[:, : len(BLENDSHAPES)], 0, 1, out=motion[:, : len(BLENDSHAPES)])
    return motion


def gate(motion: np.ndarray, speech: np.ndarray, rest: np.ndarray = REST) -> np.ndarray:
    """Fades the mouth of `motion` [n, 55] to `rest` [55] or [n, 55] where `speech` [n] is 0; 1 leaves it; float32.

    Blinks, brows, gaze and head pass through. `speech` is in [0, 1]; smooth it beforehand (see `fade`).
    """
    motion = _checked(motion)
    if np.shape(speech) != (len(motion),):
        raise ValueError(f"speech gate has shape {np.shape(speech)}, expected ({len(motion)},): one value per frame")
    share = np.clip(np.nan_to_num(np.asarray(speech, np.float32)), 0, 1)[:, None]
    gated = motion.astype(np.float32)
    still = rest[..., MOUTH]
    gated[:, MOUTH] = still + share * (gated[:, MOUTH] - still)
    return gated


def strengthen(motion: np.ndarray, rest: np.ndarray, upper: float, lower: float) -> np.ndarray:
    """`motion` [n, 55] with its way from `rest` [n, 55] scaled; float32 [n, 55].

    upper: factor for brows, cheeks, nose and head; lower: for mouth, jaw and tongue; eyes stay. Factors below 0 or not
    finite raise ValueError. jawOpen and mouthClose scale alike, so lips that shut still do.
    """
    if not (np.isfinite(upper) and np.isfinite(lower) and min(upper, lower) >= 0):
        raise ValueError(f"strengths must be finite and not negative, not {upper} and {lower}")
    factor = np.ones(MOTION_WIDTH, np.float32)
    factor[UPPER], factor[MOUTH] = upper, lower
    motion = _checked(motion)
    return np.where(factor == 1, motion, rest + factor * (motion - rest)).astype(np.float32)


def fade(frames: int, fps: float, seconds: float = 0.2) -> np.ndarray:
    """Weights that go from 1 to 0 along a half cosine of `seconds`, then stay 0; float32 [frames]."""
    phase = np.minimum(np.arange(1, frames + 1) / (fps * seconds), 1)
    return (0.5 + 0.5 * np.cos(np.pi * phase)).astype(np.float32)


def to_rest(
    last: np.ndarray, frames: int, fps: float, seconds: float = 0.2, rest: np.ndarray = REST
) -> np.ndarray:
    """Motion float32 [frames, 55] that takes the whole face from `last` [55] to `rest` [55] in `seconds`.

    For the end of speech and for interruptions, when no model output follows.
    """
    last = np.asarray(last, np.float32)
    if last.shape != (MOTION_WIDTH,):
        raise ValueError(f"last frame has shape {last.shape}, expected ({MOTION_WIDTH},)")
    return rest + fade(frames, fps, seconds)[:, None] * (last - rest)


def _checked(motion: np.ndarray) -> np.ndarray:
    motion = np.asarray(motion)
    if motion.ndim != 2 or motion.shape[1] != MOTION_WIDTH:
        raise ValueError(f"motion has shape {motion.shape}, expected (frames, {MOTION_WIDTH})")
    return motion
