"""The same motion at another frame rate, offline or frame by frame.

Frame k stands at the middle of its interval, (k + 1/2) / fps seconds; between two frames the face moves in a
straight line. Positions are computed from integers, so streaming and offline results are the same bits.
"""

import numpy as np


class Resampler:
    """Streaming change of frame rate for motion [n, width]; both rates in whole frames per second.

    Every cut of the input into pieces gives the same output. One input frame is held back until the next
    arrives or `finish` is called: the wait is at most one input frame.
    """

    def __init__(self, fps_in: int, fps_out: int) -> None:
        for name, fps in (("fps_in", fps_in), ("fps_out", fps_out)):
            if not (isinstance(fps, int | np.integer) and 1 <= fps <= 1000):
                raise ValueError(f"{name} is {fps!r}, expected a whole number of frames per second from 1 to 1000")
        self.fps_in, self.fps_out = int(fps_in), int(fps_out)
        self._held: np.ndarray | None = None  # the newest frames, [<= 2, width]
        self._first = 0  # index of the first held frame
        self._made = 0  # output frames so far

    def push(self, motion: np.ndarray) -> np.ndarray:
        """Takes the next frames [n, width]; returns those ready now, float32 [m, width]."""
        motion = np.asarray(motion, np.float32)
        if motion.ndim != 2 or (self._held is not None and motion.shape[1] != self._held.shape[1]):
            raise ValueError(f"motion has shape {motion.shape}, expected (frames, width) with a constant width")
        held = motion if self._held is None else np.concatenate([self._held, motion])
        end = self._first + len(held)
        # output k is ready when the input after its position is there: (2 k + 1) fps_in < (2 end - 1) fps_out
        ready = -(-((2 * end - 1) * self.fps_out - self.fps_in) // (2 * self.fps_in))
        out = self._read(held, range(self._made, max(ready, self._made)))
        needed = max(self._position(self._made)[0], self._first)
        drop = min(needed - self._first, max(len(held) - 1, 0))
        self._held, self._first = held[drop:].copy(), self._first + drop
        return out

    def finish(self) -> np.ndarray:
        """The rest, float32 [m, width], holding the last input frame; the resampler is new again afterwards."""
        if self._held is None:
            return np.zeros((0, 0), np.float32)
        total = -(-(self._first + len(self._held)) * self.fps_out // self.fps_in)
        out = self._read(self._held, range(self._made, total))
        self._held, self._first, self._made = None, 0, 0
        return out

    def _position(self, index: int) -> tuple[int, int]:
        """Input frame at or before output frame `index`, and the way to the next one in 1 / (2 fps_out)."""
        return divmod((2 * index + 1) * self.fps_in - self.fps_out, 2 * self.fps_out)

    def _read(self, held: np.ndarray, wanted: range) -> np.ndarray:
        if not len(held) or not len(wanted):
            return np.zeros((0, held.shape[1]), np.float32)
        index, way = np.array([self._position(k) for k in wanted]).T
        before = np.clip(index - self._first, 0, len(held) - 1)
        after = np.clip(index + 1 - self._first, 0, len(held) - 1)
        share = (way / (2 * self.fps_out)).astype(np.float32)[:, None]
        self._made = wanted.stop
        return held[before] + share * (held[after] - held[before])


def resample(motion: np.ndarray, fps_in: int, fps_out: int) -> np.ndarray:
    """`motion` [n, width] at `fps_in` as float32 [ceil(n * fps_out / fps_in), width] at `fps_out`.

    >>> resample(np.array([[0.0], [1.0]]), 1, 2).ravel().tolist()
    [0.0, 0.25, 0.75, 1.0]
    """
    resampler = Resampler(fps_in, fps_out)
    return np.concatenate([resampler.push(motion), resampler.finish()])
