"""The codec's two ends: sound to log mel energies, and a frame's spectrum and pitch back to sound.

A frame is 10 ms; its window of 40 ms ends with it, so that nothing waits for sound to come. Sound is made by a source
and a filter, as in DDSP (Engel et al. 2020): a pulse train of flat spectrum and white noise, mixed and shaped in the
frequency domain by what the decoder says of each band, and overlapped. No phase has to be learnt, which without an
adversary takes long.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

SAMPLE_RATE = 16_000
HOP = 160
WINDOW = 640
BANDS = 64
OVERLAP = WINDOW - HOP
"""Samples of a window before its frame: what a stream keeps of the past, and how late its sound is complete."""
LOWEST, HIGHEST = 55.0, 500.0
"""Range of pitch in Hz."""
_FLOOR = 1e-7
"""Power added to every band: about the last bit of 16."""
_HANN = torch.hann_window(WINDOW)
_ENERGY = float(_HANN.square().sum())


def _bands() -> tuple[Tensor, Tensor]:
    """Triangular mel filters of unit sum [bins, BANDS], and weights [BANDS, bins] that interpolate between bands."""
    edges = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + 8000 / 700), BANDS + 2) / 2595) - 1)
    bins = np.arange(WINDOW // 2 + 1) * SAMPLE_RATE / WINDOW
    left, middle, right = edges[:-2], edges[1:-1], edges[2:]
    width = np.maximum(right - left, 2.1 * SAMPLE_RATE / WINDOW) / 2
    filters = np.clip(1 - np.abs(bins[:, None] - middle) / width, 0, None)
    filters /= filters.sum(axis=0)
    back = np.stack([np.interp(bins, middle, row) for row in np.eye(BANDS)])
    return torch.from_numpy(filters).float(), torch.from_numpy(back).float()


_FILTERS, _BACK = _bands()


def log_mel(samples: Tensor) -> Tensor:
    """Log mel power [batch, n, 64] of the n frames that samples [batch, 480 + 160 n] hold behind 480 of the past."""
    spectrum = torch.fft.rfft(samples.unfold(1, WINDOW, HOP) * _HANN)
    return torch.log(spectrum.abs().square() @ _FILTERS / _ENERGY + _FLOOR)


def pulses(log_pitch: Tensor, before: Tensor, phase: Tensor) -> tuple[Tensor, Tensor]:
    """A pulse train of flat spectrum and power 1: samples [batch, 160 n], and the phase [batch] after them in cycles.

    log_pitch: log of Hz [batch, n], reached at the end of each frame; before: [batch, 1], of the frame before; phase:
    float64 [batch]. The sum of all harmonics below 8 kHz is written in closed form (Dirichlet's kernel).
    """
    track = torch.cat([before, log_pitch], dim=1).double()
    ramp = torch.arange(1, HOP + 1, dtype=torch.float64) / HOP
    track = (track[:, :-1, None] + (track[:, 1:] - track[:, :-1])[..., None] * ramp).flatten(1).exp()
    cycles = phase[:, None] + torch.cumsum(track / SAMPLE_RATE, dim=1)
    harmonics = torch.floor(0.98 * SAMPLE_RATE / 2 / track)
    half = math.pi * (cycles - cycles.round())
    sine = torch.sin(half)
    flat = sine.abs() < 1e-6
    kernel = torch.sin((2 * harmonics + 1) * half) / torch.where(flat, 1.0, sine)
    kernel = torch.where(flat, 2 * harmonics + 1, kernel)
    return ((kernel - 1) / 2 * (2 / harmonics).sqrt()).float(), cycles[:, -1] % 1


def shape(pulse: Tensor, noise: Tensor, envelope: Tensor, noisiness: Tensor) -> Tensor:
    """Windows of sound [batch, n, 640], to be overlapped by `overlap_add`.

    pulse, noise: [batch, 480 + 160 n]; envelope: log mel power [batch, n, 64]; noisiness: share of noise in each
    band's power, in [0, 1], [batch, n, 64].
    """
    window = _HANN.sqrt()
    log_power = envelope @ _BACK
    noisy = (noisiness @ _BACK).clamp(1e-5, 1 - 1e-5)
    sources = torch.stack([pulse, noise], dim=1).unfold(2, WINDOW, HOP)
    spectra = torch.fft.rfft(sources * window)
    gains = torch.stack([(1 - noisy).log(), noisy.log()], dim=1)
    gains = torch.exp(0.5 * (log_power[:, None] + gains))
    return torch.fft.irfft((spectra * gains).sum(dim=1), WINDOW) * window


def overlap_add(windows: Tensor) -> Tensor:
    """Samples [batch, 480 + 160 n] of windows [batch, n, 640]; the first and the last 480 are not complete."""
    n = windows.shape[1]
    length = OVERLAP + n * HOP
    rows = windows.transpose(1, 2) * (2 * HOP / WINDOW)
    return functional.fold(rows, (1, length), (1, WINDOW), stride=(1, HOP))[:, 0, 0]


@dataclass
class Source:
    """The state of one stream's excitation and of the sound that is not complete yet."""

    pulse: Tensor
    noise: Tensor
    sound: Tensor
    log_pitch: Tensor
    phase: Tensor
    step: int = 0

    @classmethod
    def start(cls) -> "Source":
        """At the stream's first sample."""
        zeros = torch.zeros(1, OVERLAP)
        return cls(zeros, zeros, zeros, torch.full((1, 1), math.log(150.0)), torch.zeros(1, dtype=torch.float64))

    def next(self, envelope: Tensor, noisiness: Tensor, log_pitch: Tensor) -> Tensor:
        """The next samples [160 n], 480 late, from what the decoder says of n frames: [1, n, 64] twice, and [1, n]."""
        n = log_pitch.shape[1] * HOP
        pulse, self.phase = pulses(log_pitch, self.log_pitch, self.phase)
        drawn = np.random.default_rng(self.step).standard_normal((1, n), np.float32)
        pulse = torch.cat([self.pulse, pulse], dim=1)
        noise = torch.cat([self.noise, torch.from_numpy(drawn)], dim=1)
        sound = overlap_add(shape(pulse, noise, envelope, noisiness))
        sound[:, :OVERLAP] += self.sound
        self.pulse, self.noise, self.sound = pulse[:, n:], noise[:, n:], sound[:, n:]
        self.log_pitch, self.step = log_pitch[:, -1:], self.step + 1
        return sound[0, :n]
