"""FLAME faces: what their numbers mean, and the way to ARKit weights and back. No data of the FLAME model is needed.

FLAME (Li, Bolkart, Black, Li and Romero, "Learning a model of facial shape and expression from 4D scans", 2017) has
expression coefficients, in standard deviations of its training faces, and joints that turn by axis-angle vectors in
radians: jaw and neck. Its axes are x to the person's left, y up, z to the front. A motion in the spaces `flame-50` and
`flame-100` is [frames, E + 6]: expression, jaw, neck (see `toktalk_node.face.space`); the neck turns the whole head.

The map between ARKit and FLAME is a matrix [51, 103], one row of 100 expressions and a jaw rotation for each ARKit
shape but the tongue, in alphabetical order: BEAT2's `mat_final.npy` (Liu et al., EMAGE, 2024), which users bring.
"""

from pathlib import Path

import numpy as np

from toktalk_node.face.arkit import BLENDSHAPES, INDEX, MOTION_WIDTH
from toktalk_node.face.rest import clamp

ROWS: tuple[str, ...] = tuple(sorted(name for name in BLENDSHAPES if name != "tongueOut"))
"""The ARKit shape of each row of the map."""
EXPRESSIONS = 100
"""Expression coefficients in the map."""
JAW_RANGE = 0.5
"""Jaw rotation in radians at a jawOpen of 1; the widest opening of a mouth turns the jaw by about 30 degrees."""
JAW_WEIGHT = 10.0
"""What a radian of the jaw weighs against a standard deviation of an expression when weights are sought."""
RIDGE = 1e-3
"""Pull of unused weights to 0, against the largest eigenvalue of the map."""
STEPS = 250
"""Steps of the search for weights, enough to come within a thousandth of the best."""
_BLOCK = 8192


class FlameError(ValueError):
    """A map between ARKit and FLAME cannot be used; the message names the file and the reason."""


def parts(motion: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Expression [n, E], jaw [n, 3] and neck [n, 3] of a motion [n, E + 6]."""
    if motion.ndim != 2 or motion.shape[1] < 7:
        raise ValueError(f"motion has shape {motion.shape}, expected (frames, expressions + 6)")
    return motion[:, :-6], motion[:, -6:-3], motion[:, -3:]


def joined(expression: np.ndarray, jaw: np.ndarray, neck: np.ndarray) -> np.ndarray:
    """A motion float32 [n, E + 6] of expression [n, E], jaw [n, 3] and neck [n, 3]."""
    return np.concatenate([expression, jaw, neck], axis=1).astype(np.float32)


def jaw_open(jaw: np.ndarray) -> np.ndarray:
    """ARKit's jawOpen [n] of jaw rotations [n, 3] in radians, where there is no map: the turn about x, in [0, 1]."""
    return np.clip(np.asarray(jaw, np.float32)[:, 0] / JAW_RANGE, 0, 1)


def jaw_rotation(opening: np.ndarray) -> np.ndarray:
    """Jaw rotations float32 [n, 3] in radians of jawOpen [n]."""
    turn = np.zeros((len(opening), 3), np.float32)
    turn[:, 0] = JAW_RANGE * np.asarray(opening, np.float32)
    return turn


def rotations(vectors: np.ndarray) -> np.ndarray:
    """Rotation matrices float64 [n, 3, 3] of axis-angle vectors [n, 3] in radians (Rodrigues' formula)."""
    vectors = np.asarray(vectors, np.float64)
    angle = np.linalg.norm(vectors, axis=1)[:, None, None]
    x, y, z = (vectors / np.maximum(angle[:, 0], 1e-12)).T
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=1).reshape(-1, 3, 3)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def head_angles(turns: np.ndarray) -> np.ndarray:
    """Head yaw, pitch and roll float32 [n, 3] of matrices [n, 3, 3]: left, up and left positive, in that order."""
    yaw = np.arctan2(turns[:, 0, 2], turns[:, 2, 2])
    pitch = np.arcsin(np.clip(turns[:, 1, 2], -1, 1))
    roll = -np.arctan2(turns[:, 1, 0], turns[:, 1, 1])
    return np.stack([yaw, pitch, roll], axis=1).astype(np.float32)


def neck_of(head: np.ndarray) -> np.ndarray:
    """The axis-angle vectors float32 [n, 3] of head yaw, pitch and roll [n, 3], smaller than a half turn."""
    yaw, pitch, roll = np.asarray(head, np.float64).T
    zero = np.zeros_like(yaw)
    turn = rotations(np.stack([zero, yaw, zero], 1))
    turn = turn @ rotations(np.stack([-pitch, zero, zero], 1)) @ rotations(np.stack([zero, zero, -roll], 1))
    angle = np.arccos(np.clip((np.trace(turn, axis1=1, axis2=2) - 1) / 2, -1, 1))
    axis = np.stack([turn[:, i, j] - turn[:, j, i] for i, j in ((2, 1), (0, 2), (1, 0))], axis=1) / 2
    return (axis / np.maximum(np.sinc(angle / np.pi), 1e-6)[:, None]).astype(np.float32)


class FlameMap:
    """ARKit weights to FLAME and back by a matrix [51, 103] (rows: `ROWS`; columns: 100 expressions, jaw)."""

    def __init__(self, matrix: np.ndarray) -> None:
        self.matrix = np.asarray(matrix, np.float64)
        if self.matrix.shape != (len(ROWS), EXPRESSIONS + 3) or not np.isfinite(self.matrix).all():
            raise FlameError(f"a map of shape {list(np.shape(matrix))}, expected finite numbers [51, 103]")
        self._index = [INDEX[name] for name in ROWS]

    @classmethod
    def load(cls, path: Path) -> "FlameMap":
        """Read `mat_final.npy`; raises FlameError naming the file and what is wrong with it."""
        try:
            return cls(np.load(path, allow_pickle=False))
        except (OSError, ValueError) as error:
            raise FlameError(f"{path}: {error}") from error

    def to_flame(self, motion: np.ndarray, expressions: int = EXPRESSIONS) -> np.ndarray:
        """FLAME motion float32 [n, expressions + 6] of ARKit motion [n, 55]; the tongue is lost."""
        found = np.asarray(motion)[:, self._index] @ self.matrix
        neck = neck_of(motion[:, len(BLENDSHAPES) :])
        return joined(found[:, :expressions], found[:, EXPRESSIONS:], neck)

    def to_arkit(self, motion: np.ndarray) -> np.ndarray:
        """ARKit motion float32 [n, 55] of FLAME motion [n, E + 6], E up to 100: weights in [0, 1] that come nearest.

        Least squares with bounds by accelerated projected gradients (Nesterov, 1983; Beck and Teboulle, 2009), because
        the pseudo-inverse gives weights below 0 and above 1.
        """
        expression, jaw, neck = parts(np.asarray(motion, np.float64))
        if expression.shape[1] > EXPRESSIONS:
            raise ValueError(f"{expression.shape[1]} expression coefficients; the map has {EXPRESSIONS}")
        scale = np.r_[np.ones(expression.shape[1]), np.full(3, JAW_WEIGHT)]
        basis = np.concatenate([self.matrix[:, : expression.shape[1]], self.matrix[:, EXPRESSIONS:]], axis=1) * scale
        gram = basis @ basis.T
        largest = float(np.linalg.eigvalsh(gram)[-1])
        gram += RIDGE * largest * np.eye(len(gram))
        rate = 1 / ((1 + RIDGE) * largest)
        root = np.sqrt(RIDGE / (1 + RIDGE))
        momentum = (1 - root) / (1 + root)
        arkit = np.zeros((len(motion), MOTION_WIDTH), np.float32)
        target = np.concatenate([expression, jaw], axis=1) * scale @ basis.T
        for start in range(0, len(motion), _BLOCK):
            goal = target[start : start + _BLOCK]
            weights = ahead = np.clip(np.linalg.solve(gram, goal.T).T, 0, 1)
            for _ in range(STEPS):
                before, weights = weights, np.clip(ahead - rate * (ahead @ gram - goal), 0, 1)
                ahead = weights + momentum * (weights - before)
            arkit[start : start + _BLOCK, self._index] = weights
        arkit[:, len(BLENDSHAPES) :] = head_angles(rotations(neck))
        return clamp(arkit)
