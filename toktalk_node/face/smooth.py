"""Calms what moves slowly: head, brows and gaze. Mouth and lids pass untouched.

Each channel runs through two one-pole low-pass filters in a row, frame by frame. They delay a channel by about
1 / (π · cut-off) seconds.
"""

import numpy as np

from toktalk_node.face.arkit import BLENDSHAPES, HEAD
from toktalk_node.face.rest import REST

CUT_OFF: dict[str, float] = {"head": 2.5, "brow": 4.0, "eyeLook": 8.0}
"""Cut-off in Hz by the beginning of a channel's name."""


class Smoother:
    """The filter's state for one stream at `fps`; it begins at a pose [55].

    amount: divides the cut-offs; 0 leaves everything as it is.
    """

    def __init__(self, fps: float, pose: np.ndarray = REST, amount: float = 1.0) -> None:
        if not 0 <= amount < np.inf:
            raise ValueError(f"smoothing must be 0 or more, not {amount}")
        self._share = np.ones(len(REST))
        for i, name in enumerate((*BLENDSHAPES, *HEAD)):
            for beginning, cut_off in CUT_OFF.items():
                if amount and name.startswith(beginning):
                    self._share[i] = 1 - np.exp(-2 * np.pi * cut_off / (fps * amount))
        self._first = pose.astype(np.float64)
        self._second = self._first.copy()

    def push(self, motion: np.ndarray) -> np.ndarray:
        """The next frames of `motion` [n, 55], smoothed, float32 [n, 55]."""
        out = np.empty(motion.shape, np.float32)
        for i, frame in enumerate(motion):
            self._first += self._share * (frame - self._first)
            self._second += self._share * (self._first - self._second)
            out[i] = self._second
        return out
