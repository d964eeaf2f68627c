"""Sound to acoustic features, causally, every 10 ms.

Three views of each frame of 16 kHz sound:

cepstra   13 mel cepstra as CMU Sphinx computes them (its acoustic model was trained on them): pre-emphasis 0.97, 410
          samples of Hamming window, 25 unit-area filters from 130 to 6800 Hz, noise subtraction with temporal masking
          (after Doblinger 1995; Kim & Stern 2010), logarithm, orthonormal DCT, lifter 22;
mel       40 log mel energies from 60 to 7600 Hz, without noise subtraction;
prosody   pitch, voicing, energy: the best lag of the window-corrected autocorrelation (Boersma 1993).

Cepstra and mel have their running mean removed. The mean is taken over frames that are loud for this speaker, so that a
long silence does not pull it away, and starts at the mean of a large corpus.

Frame t looks at samples [160 t, 160 t + 410); its middle stands 12.8 ms after 160 t.
"""

from dataclasses import dataclass, field

import numpy as np

SAMPLE_RATE = 16_000
HOP = 160
WINDOW = 410
PITCH_WINDOW = 640
CEPSTRA = 13
MEL = 40
PROSODY = 3
FRAME_CENTRE = WINDOW / 2 / SAMPLE_RATE

_FFT = 512
_FULL_SCALE = 32768.0
_DITHER = 0.5
"""Filter energy of white noise 10 dB under one bit of 16, added so that digital silence looks like a quiet room."""
_INAUDIBLE = 6400.0
"""Energy of a pitch window that is too faint to have a pitch."""
_MIN_LAG, _MAX_LAG = SAMPLE_RATE // 500, SAMPLE_RATE // 65


def _filters(count: int, low: float, high: float, snap: bool) -> np.ndarray:
    """Triangular filters of unit area [257, count], evenly spaced in mel; `snap` moves edges to FFT bins."""
    edges = np.linspace(2595 * np.log10(1 + low / 700), 2595 * np.log10(1 + high / 700), count + 2)
    edges = 700 * (10 ** (edges / 2595) - 1)
    width = SAMPLE_RATE / _FFT
    if snap:
        edges = np.floor(edges / width + 0.5) * width
    bins = np.arange(_FFT // 2 + 1)[:, None] * width
    left, middle, right = edges[:-2], edges[1:-1], edges[2:]
    rise, fall = (bins - left) / (middle - left), (right - bins) / (right - middle)
    return np.clip(np.minimum(rise, fall), 0, None) * 2 / (right - left)


def _cosines(count: int, filters: int) -> np.ndarray:
    """Orthonormal DCT-II with lifter 22 [filters, count]."""
    k, j = np.arange(count), np.arange(filters)[:, None]
    basis = np.cos(np.pi * k * (j + 0.5) / filters) * np.sqrt(2 / filters)
    basis[:, 0] *= np.sqrt(0.5)
    return basis * (1 + 11 * np.sin(np.pi * k / 22))


_SPHINX_FILTERS = _filters(25, 130, 6800, snap=True)
_MEL_FILTERS = _filters(MEL, 60, 7600, snap=False)
_DCT = _cosines(CEPSTRA, 25)
_HAMMING = np.hamming(WINDOW)
_HANN = np.hanning(PITCH_WINDOW)


def _autocorrelation(frames: np.ndarray) -> np.ndarray:
    """Autocorrelation [n, _MAX_LAG + 1] of frames [n, PITCH_WINDOW]."""
    spectrum = np.fft.rfft(frames, 2 * PITCH_WINDOW)
    return np.fft.irfft(spectrum.real**2 + spectrum.imag**2)[:, : _MAX_LAG + 1]


_HANN_AUTOCORRELATION = _autocorrelation(_HANN[None])[0]
_HANN_AUTOCORRELATION /= _HANN_AUTOCORRELATION[0]


@dataclass(frozen=True)
class FrontEndMeans:
    """Means of a large corpus of speech, where the running means start: `cepstra` [13] and `mel` [40]."""

    cepstra: np.ndarray
    mel: np.ndarray
    offset_cepstra: np.ndarray
    """[13]: mean over loud frames minus mean over all frames, for the acoustic model was trained on the latter."""


class NoiseSubtraction:
    """Sphinx's noise subtraction on filter energies [25], one frame at a time.

    The noise is the lower envelope of the smoothed power; what is left is masked in time, floored and smoothed over
    nine filters.
    """

    _POWER, _SLOW, _FAST, _DECAY, _MASK, _MAX_GAIN, _SMOOTH = 0.7, 0.995, 0.5, 0.85, 0.2, 20.0, 4

    def __init__(self) -> None:
        self._power: np.ndarray | None = None

    def __call__(self, energy: np.ndarray) -> np.ndarray:
        """The frame's energies [25] with the noise subtracted."""
        if self._power is None:
            self._power = energy.copy()
            self._noise = energy / self._MAX_GAIN
            self._floor = energy / self._MAX_GAIN
            self._peak = np.zeros_like(energy)
            near = np.abs(np.subtract.outer(np.arange(len(energy)), np.arange(len(energy)))) <= self._SMOOTH
            self._smooth = near / near.sum(axis=1, keepdims=True)
        self._power = self._POWER * self._power + (1 - self._POWER) * energy
        self._noise = self._envelope(self._power, self._noise)
        signal = np.maximum(self._power - self._noise, 1.0)
        self._floor = self._envelope(signal, self._floor)
        self._peak *= self._DECAY
        masked = np.where(signal < self._DECAY * self._peak, self._MASK * self._peak, signal)
        self._peak = np.maximum(self._peak, signal)
        gain = np.clip(np.maximum(masked, self._floor) / self._power, 1 / self._MAX_GAIN, self._MAX_GAIN)
        return energy * (self._smooth @ gain)

    def _envelope(self, value: np.ndarray, envelope: np.ndarray) -> np.ndarray:
        keep = np.where(value >= envelope, self._SLOW, self._FAST)
        return keep * envelope + (1 - keep) * value


@dataclass
class _Running:
    """Running means over loud frames, and the tracked range of loudness."""

    cepstra: np.ndarray
    mel: np.ndarray
    weight: float = 100.0
    level: float = 0.0
    level_weight: float = 6.0
    quiet: float = float("nan")
    loud: float = float("nan")
    log_pitch: float = 7.3
    pitch_weight: float = 50.0


@dataclass
class Features:
    """Features of n consecutive frames, from frame `start` on."""

    cepstra: np.ndarray
    """Mean-free cepstra float32 [n, 13]."""
    mel: np.ndarray
    """Mean-free log mel energies float32 [n, 40]."""
    prosody: np.ndarray
    """float32 [n, 3]: pitch in octaves from the speaker's mean (0 where unvoiced), voicing in [0, 1], energy in nepers
    of amplitude below the speaker's loud frames, floored at −4."""
    clarity: np.ndarray
    """float32 [n]: how far loud frames stand above quiet ones so far, in nepers of amplitude; low in noise."""
    raw: np.ndarray = field(repr=False)
    """Cepstra and mel energies before the mean is removed, float32 [n, 53]."""


class FrontEnd:
    """The front end's state for one stream of 16 kHz sound.

    `block` frames are computed at a time, always: matrix products of another size may differ in their last bits.
    """

    _WINDOW_FRAMES = 500
    _LEVEL_FRAMES = 300
    _RANGE = 15.0
    """Range of the zeroth cepstrum from quiet to loud that a stream begins with."""
    _LOUD = 0.5
    """A frame is loud above this share of the range from quiet to loud, …"""
    _LOUD_LEAST = 7.5
    """… and at least this much of the zeroth cepstrum (6.5 dB) above quiet."""

    def __init__(self, means: FrontEndMeans, block: int = 2) -> None:
        self.means = means
        self.block = block
        self._before = PITCH_WINDOW - WINDOW
        self._samples = np.zeros(self._before + 1)
        self._noise = NoiseSubtraction()
        shape = means.cepstra - np.eye(CEPSTRA)[0] * means.cepstra[0]
        self._running = _Running(cepstra=shape.copy(), mel=means.mel - means.mel.mean(), level=0.0)
        self._running.level = float(means.cepstra[0])
        self._mel_level = float(means.mel.mean())

    def push(self, samples: np.ndarray) -> list[Features]:
        """Take float samples [n], any n; return the blocks of frames that are complete."""
        self._samples = np.concatenate([self._samples, np.asarray(samples, np.float64) * _FULL_SCALE])
        need = self._before + 1 + WINDOW + (self.block - 1) * HOP
        ready = []
        while len(self._samples) >= need:
            ready.append(self._frames(self._samples[:need]))
            self._samples = self._samples[self.block * HOP :]
        return ready

    def _frames(self, samples: np.ndarray) -> Features:
        begin = self._before + 1
        sliding = np.lib.stride_tricks.sliding_window_view
        emphasised = samples[begin:] - 0.97 * samples[begin - 1 : -1]
        power = np.abs(np.fft.rfft(sliding(emphasised, WINDOW)[::HOP] * _HAMMING, _FFT)) ** 2
        sphinx = power @ _SPHINX_FILTERS + _DITHER
        log_mel = np.log(power @ _MEL_FILTERS + _DITHER)
        pitch, voicing = self._pitch(sliding(samples[1:], PITCH_WINDOW)[::HOP])
        denoised = np.stack([self._noise(row) for row in sphinx])
        cepstra = np.log(denoised) @ _DCT
        return self._normalise(cepstra, log_mel, pitch, voicing)

    def _pitch(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pitch in octaves above 1 Hz and voicing in [0, 1] of frames [n, PITCH_WINDOW]."""
        frames = (frames - frames.mean(axis=1, keepdims=True)) * _HANN
        correlation = _autocorrelation(frames)
        correlation = correlation / (correlation[:, :1] + _INAUDIBLE) / _HANN_AUTOCORRELATION
        lags = np.arange(_MIN_LAG, _MAX_LAG + 1)
        best = np.argmax(correlation[:, _MIN_LAG:] - 0.02 * np.log2(lags / _MIN_LAG), axis=1) + _MIN_LAG
        voicing = np.clip(np.take_along_axis(correlation, best[:, None], axis=1)[:, 0], 0, 1)
        return np.log2(SAMPLE_RATE / best), voicing

    def _normalise(self, cepstra: np.ndarray, mel: np.ndarray, pitch: np.ndarray, voicing: np.ndarray) -> Features:
        run, n = self._running, len(cepstra)
        out = Features(
            cepstra=np.empty((n, CEPSTRA), np.float32),
            mel=np.empty((n, MEL), np.float32),
            prosody=np.zeros((n, PROSODY), np.float32),
            clarity=np.empty(n, np.float32),
            raw=np.concatenate([cepstra, mel], axis=1).astype(np.float32),
        )
        for t in range(n):
            level = cepstra[t, 0]
            if np.isnan(run.quiet):
                run.quiet, run.loud = level, level + self._RANGE
            run.quiet += (1.0 if level < run.quiet else 0.002) * (level - run.quiet)
            run.loud += (1.0 if level > run.loud else 0.002) * (level - run.loud)
            if level >= run.quiet + max(self._LOUD * (run.loud - run.quiet), self._LOUD_LEAST):
                run.weight = min(run.weight + 1, self._WINDOW_FRAMES)
                run.level_weight = min(run.level_weight + 1, self._LEVEL_FRAMES)
                run.cepstra += (cepstra[t] - run.cepstra) / run.weight
                run.level += (level - run.level) / run.level_weight
                run.mel += (mel[t] - mel[t].mean() - run.mel) / run.weight
                self._mel_level += (mel[t].mean() - self._mel_level) / run.level_weight
                if voicing[t] > 0.6:
                    run.pitch_weight = min(run.pitch_weight + 1, self._WINDOW_FRAMES)
                    run.log_pitch += (pitch[t] - run.log_pitch) / run.pitch_weight
            out.cepstra[t] = cepstra[t] - run.cepstra + self.means.offset_cepstra
            out.cepstra[t, 0] = level - run.level + self.means.offset_cepstra[0]
            out.mel[t] = mel[t] - run.mel - self._mel_level
            out.prosody[t, 0] = (pitch[t] - run.log_pitch) if voicing[t] > 0.6 else 0.0
            out.prosody[t, 1] = voicing[t]
            out.prosody[t, 2] = np.clip((level - run.loud) / 10, -4, 0.5)
            out.clarity[t] = (run.loud - run.quiet) / 10
        return out
