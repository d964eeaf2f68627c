"""Streaming resampling that is exact, aligned in time and low in delay.

A windowed-sinc polyphase filter (Kaiser window, 80 dB; Oppenheim & Schafer, Discrete-Time Signal Processing).
Sample k of the output belongs to time k / rate_out of the input: the filter is centred, so nothing has to be
compensated. Every output is computed alone, in the same order, so that the cut of the input into packets changes no
bit. An output waits for `delay` seconds of input after its own time, 3.2 ms down to 16 kHz; soxr's streams keep back
37 to 117 ms, which is why speech that is live does not pass through them.
"""

from math import ceil, gcd

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from .source import check_rate

_HALF = 50
_BETA = 7.857
_PASS = 0.95
_PHASES = 1024
_BLOCK = 1 << 20


class Resampler:
    """Mono sound from `rate_in` to `rate_out` Hz: `push` packets of any size, then `finish`."""

    def __init__(self, rate_in: int, rate_out: int = 16_000) -> None:
        self.rate_in, self.rate_out = check_rate(rate_in), check_rate(rate_out)
        common = gcd(self.rate_in, self.rate_out)
        self._up, self._down = self.rate_out // common, self.rate_in // common
        lower = min(self.rate_in, self.rate_out)
        self._half = ceil(_HALF * self.rate_in / lower)
        self._phases = min(self._up, _PHASES)
        self._table = self._filters(_PASS * lower / self.rate_in)
        self.reset()

    @property
    def delay(self) -> float:
        """Seconds of input after its own time that an output waits for."""
        return 0.0 if self._up == self._down else self._half / self.rate_in

    def reset(self) -> None:
        """Forget the stream; the next sample is sample 0."""
        self._buffer = np.zeros(self._half - 1, np.float64)
        self._first = -(self._half - 1)
        self._received = 0
        self._produced = 0

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Outputs float32 that are ready after `samples` float [n]."""
        samples = np.asarray(samples)
        self._received += len(samples)
        if self._up == self._down:
            self._produced += len(samples)
            return samples.astype(np.float32)
        self._buffer = np.concatenate([self._buffer, samples])
        ready = -(-(self._received - self._half) * self._up // self._down)
        return self._produce(max(ready, self._produced))

    def finish(self) -> np.ndarray:
        """The rest, as if silence followed; ceil(n · rate_out / rate_in) outputs in all. The stream starts anew."""
        total = -(-self._received * self._up // self._down)
        self._buffer = np.concatenate([self._buffer, np.zeros(2 * self._half)])
        rest = self._produce(total) if self._up != self._down else np.zeros(0, np.float32)
        self.reset()
        return rest

    def _filters(self, cutoff: float) -> np.ndarray:
        """Filters [phases + 1, 2 · half]: row p reads p / phases samples further on; unit gain at 0 Hz."""
        offset = np.arange(2 * self._half) - (self._half - 1)
        time = offset[None, :] - np.arange(self._phases + 1)[:, None] / self._phases
        window = np.i0(_BETA * np.sqrt(np.clip(1 - (time / self._half) ** 2, 0, 1)))
        filters = np.sinc(cutoff * time) * window
        return filters / filters.sum(axis=1, keepdims=True)

    def _produce(self, until: int) -> np.ndarray:
        out = np.empty(until - self._produced, np.float32)
        width = 2 * self._half
        step = max(_BLOCK // width, 1)
        for begin in range(self._produced, until, step):
            k = np.arange(begin, min(begin + step, until))
            whole, part = np.divmod(k * self._down, self._up)
            windows = sliding_window_view(self._buffer, width)[whole - (self._half - 1) - self._first]
            phase = (part * self._phases + self._up // 2) // self._up
            out[k - self._produced] = (windows * self._table[phase]).sum(axis=1)
        self._produced = until
        keep = until * self._down // self._up - (self._half - 1)
        self._buffer = self._buffer[max(keep - self._first, 0) :]
        self._first = max(keep, self._first)
        return out


def resample(samples: np.ndarray, rate_in: int, rate_out: int = 16_000) -> np.ndarray:
    """Whole sound float32 [n] from `rate_in` to `rate_out` Hz, bit for bit what the stream gives."""
    resampler = Resampler(rate_in, rate_out)
    return np.concatenate([resampler.push(samples), resampler.finish()])
