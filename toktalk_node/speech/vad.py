"""Voice activity: a gate in [0, 1] per 20 ms of sound, so that silence, noise and music leave the face at rest.

A small recurrent network (GRU, Cho et al. 2014) reads every 10 ms the shape of the mel spectrum, the level, the level
above a floor that it follows, and the strength of periodicity. Three more things tell voices from instruments, which
have vowels' spectra: in the last 128 ms, how far partials stand out of the spectrum (a voice glides, and blurs them),
how far its fine structure is still that of `SPANS` before (notes stand still), and how much the spectrum has changed in
the last second (speech never rests). `toktalk train vad` trains the network on the corpus in noise and over music,
against noise, hum, tones, alarms and music; its weights lie beside this file. The gate opens at once and closes
`HANGOVER` after the last speech, along a ramp of `RELEASE`.

A sound that breaks a silence is let through on trial, before the network can know what it is, so that the mouth is not
late for the first word. Where the network does not call it speech within `TRIAL`, or is sure for `DENIALS` frames that
it is none, the gate closes, and nothing is let through unheard for `DISTRUST`, or until there was speech for `TRUSTED`.

Gate frame k stands for [k / 50, (k + 1) / 50) seconds and needs sound until `LOOK_AHEAD` after its end, less than the
tokens of the same frame. Each step computes one frame alone, so that packets of any size give the same bits.
"""

import json
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np

RATE = 16_000
FPS = 50
HOP = 160
WINDOW, LONG = 512, 2048
"""Samples of the window of the spectrum's shape, and of the one of its partials; both end at the same sample."""
BANDS = 20
SPANS = (6, 16)
"""Hops of 10 ms over which fine structure is compared."""
CHANGES = ((2, 25), (8, 25), (8, 100))
"""Over how many hops the change of the bands is taken, and over how many it is averaged."""
DELAY = 6
"""Hops of 10 ms that the network hears beyond the gate frame."""
LOOK_AHEAD = (DELAY * HOP + (WINDOW - HOP) // 2) / RATE
"""Seconds of sound beyond the end of a gate frame that it waits for: 71 ms."""

HANGOVER, RELEASE = 10, 5
TRIAL, DISTRUST, TRUSTED = 18, 500, 12
"""Gate frames of 20 ms; `TRUSTED` is the length of speech that ends distrust."""
DENIED, DENIALS = 0.01, 4
"""Probability of speech under which a sound is surely none, and for how many frames in a row that ends a trial."""
_QUIET, _ONSET = 2.0, 5.0
"""Level above the floor, in nepers of power, of a silence and of what breaks it."""
_QUIET_FRAMES, _RISE_FRAMES = 8, 5
OPEN, STAY = 0.65, 0.25
"""Probability of speech at which the gate opens, and at which it stays open."""
VERSION = 3
WEIGHTS = Path(__file__).with_name("vad.safetensors")

_FFT = 1024
_LAGS = slice(RATE // 500, RATE // 75)
_FLOOR_RISE = 0.01
_PARTIALS = tuple(round(f * LONG / RATE) for f in (100, 600, 1200, 2400, 4000))
"""Edges, in bins of the long window, of the bands in which partials are looked for."""
_SMOOTH = 17
FEATURES = BANDS + 3 + len(_PARTIALS) - 1 + len(SPANS) + len(CHANGES)


class VadError(RuntimeError):
    """The gate's weights are missing or of another version; the message names the command that makes them."""


@cache
def _mel() -> np.ndarray:
    """Triangles [bands, bins] of unit area between 80 and 7600 Hz on the mel scale."""
    edges = 700 * (10 ** (np.linspace(*(2595 * np.log10(1 + f / 700) for f in (80, 7600)), BANDS + 2) / 2595) - 1)
    frequency = np.arange(_FFT // 2 + 1) * RATE / _FFT
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (frequency - low) / (middle - low), (high - frequency) / (high - middle)
    triangles = np.clip(np.minimum(rising, falling), 0, None)
    return triangles / triangles.sum(axis=1, keepdims=True)


@cache
def _window(length: int) -> np.ndarray:
    return np.hanning(length + 1)[:-1]


@cache
def _own_correlation() -> np.ndarray:
    """The short window's autocorrelation at the lags of a voice, relative to lag 0."""
    correlation = np.fft.irfft(np.abs(np.fft.rfft(_window(WINDOW), _FFT)) ** 2)
    return correlation[_LAGS] / correlation[0]


def spectrum_features(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What sound frames [..., 2048] show by themselves: features [..., 26], bands [..., 20], fine structure [..., 496].

    The features are the bands less their mean, that mean, the strength of periodicity, and how far partials stand out.
    """
    power = np.abs(np.fft.rfft(frames[..., -WINDOW:] * _window(WINDOW), _FFT)) ** 2
    # A matrix product is ten times faster over many frames; its bits depend on memory alignment, a stream's must not.
    bands = power @ _mel().T if frames.ndim > 1 else (power * _mel()).sum(axis=-1)
    bands = np.log(bands + 1e-6)
    level = bands.mean(axis=-1, keepdims=True)
    correlation = np.fft.irfft(power)
    pitch = (correlation[..., _LAGS] / _own_correlation()).max(axis=-1, keepdims=True) / (correlation[..., :1] + 1e-6)
    long = np.abs(np.fft.rfft(frames * _window(LONG)))[..., : _PARTIALS[-1]] ** 2 + 1e-6
    log = np.log(long)
    starts, widths = _PARTIALS[:-1], np.diff(_PARTIALS)
    peaks = np.log(np.add.reduceat(long, starts, -1) / widths) - np.add.reduceat(log, starts, -1) / widths
    return np.concatenate([bands - level, level, np.clip(pitch, -1, 1.2), peaks], axis=-1), bands, _fine(log)


def _fine(log: np.ndarray) -> np.ndarray:
    """Log spectra [..., 512] less their envelope, 50 dB deep at most, at unit norm: [..., 496]; 0 for silence."""
    log = np.maximum(log - log.max(axis=-1, keepdims=True), np.log(1e-5))
    total = np.cumsum(log, axis=-1)
    fine = log[..., _SMOOTH // 2 + 1 : -(_SMOOTH // 2)] - (total[..., _SMOOTH:] - total[..., :-_SMOOTH]) / _SMOOTH
    return fine / (np.sqrt((fine**2).sum(axis=-1, keepdims=True)) + 1e-3)


def above_floor(level: float, floor: float) -> tuple[float, float]:
    """Level above the floor, and the new floor: it falls with the level at once and rises by 1 per second."""
    floor = min(level, floor + _FLOOR_RISE)
    return level - floor, floor


@dataclass
class Past:
    """What features of a hop need of the hops before it."""

    bands: deque[np.ndarray] = field(default_factory=lambda: deque(maxlen=max(span for span, _ in CHANGES)))
    fine: deque[np.ndarray] = field(default_factory=lambda: deque(maxlen=max(SPANS)))
    changes: np.ndarray = field(default_factory=lambda: np.zeros(len(CHANGES)))
    floor: float = np.inf

    def compare(self, level: float, bands: np.ndarray, fine: np.ndarray) -> list[float]:
        """The last features of a hop: likeness to `SPANS` before, mean changes, and the level above the floor."""
        same = [float((fine * self.fine[-k]).sum()) if len(self.fine) >= k else 0.0 for k in SPANS]
        for number, (span, mean) in enumerate(CHANGES):
            change = float(np.abs(bands - self.bands[-span]).sum()) / BANDS if len(self.bands) >= span else 0.0
            self.changes[number] += (change - self.changes[number]) / mean
        self.bands.append(bands)
        self.fine.append(fine)
        above, self.floor = above_floor(level, self.floor)
        return [*same, *self.changes, above]


@dataclass
class VadState:
    """What the gate remembers of its stream."""

    buffer: np.ndarray = field(default_factory=lambda: np.zeros(LONG - (WINDOW + HOP) // 2))
    past: Past = field(default_factory=Past)
    hidden: np.ndarray | None = None
    above: float = 0.0
    quiet: int = _QUIET_FRAMES
    risen: int = 0
    trial: int = 0
    denied: int = 0
    distrust: int = 0
    hops: int = 0
    received: int = 0
    frames: int = 0
    open: bool = False
    run: int = 0
    since: int = HANGOVER + RELEASE

    def follow_level(self) -> None:
        """Take in one frame: for how long it was quiet, and for how long it has been louder since."""
        if self.above < _QUIET:
            self.quiet = 1 if self.risen > _RISE_FRAMES else self.quiet + 1
            self.risen = 0
        else:
            self.risen += 1
        self.distrust = max(self.distrust - 1, 0)

    def heard_onset(self) -> bool:
        """Whether a sound breaks a silence."""
        return self.above > _ONSET and 0 < self.risen <= _RISE_FRAMES and self.quiet >= _QUIET_FRAMES


class VoiceGate:
    """The gate as a stream: `push` sound at 16 kHz, then `finish`. `threshold` moves its operating point."""

    def __init__(self, weights: Path = WEIGHTS, threshold: float = OPEN) -> None:
        self._weights = load_weights(weights)
        self._threshold = threshold
        self.state = VadState()

    def reset(self) -> None:
        """Forget the stream; the next sample is sample 0."""
        self.state = VadState()

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Gate float32 of the frames that are ready after `samples` float [n] at 16 kHz."""
        state = self.state
        state.received += len(samples)
        state.buffer = np.concatenate([state.buffer, samples])
        gates = [gate for probability in self._probabilities() for gate in self._gate(probability)]
        return np.array(gates, np.float32)

    def finish(self) -> np.ndarray:
        """The rest, as if silence followed: in all ceil(n / 320) gates. The stream then starts anew."""
        state = self.state
        total = -(-state.received // (2 * HOP))
        missing = total - state.frames
        rest = self.push(np.zeros((2 * missing + DELAY) * HOP + LONG))[:missing]
        self.reset()
        return rest

    def _probabilities(self) -> Iterator[float]:
        """Probability of speech of each hop that is complete; the state stands at that hop while it is given."""
        state, w = self.state, self._weights
        count = max((len(state.buffer) - LONG) // HOP + 1, 0)
        for start in range(0, count * HOP, HOP):
            features, bands, fine = spectrum_features(state.buffer[start : start + LONG])
            compared = state.past.compare(features[BANDS], bands, fine)
            state.above = compared[-1]
            x = (np.append(features, compared) - w["mean"]) / w["scale"]
            state.hidden = _gru(w, x, np.zeros(len(w["output.weight"])) if state.hidden is None else state.hidden)
            logit = (w["output.weight"] * state.hidden).sum() + w["output.bias"][0]
            yield 1 / (1 + np.exp(-np.clip(logit, -30, 30)))
        state.buffer = state.buffer[count * HOP :]

    def _gate(self, probability: float) -> list[float]:
        """The gate of a frame, where this hop completes one."""
        state = self.state
        state.hops += 1
        if state.hops <= DELAY or (state.hops - DELAY) % 2:
            return []
        state.follow_level()
        state.open = probability > (self._threshold * STAY / OPEN if state.open else self._threshold)
        state.run = state.run + 1 if state.open else 0
        state.denied = state.denied + 1 if probability < DENIED else 0
        if state.open:
            state.trial = 0
            state.distrust = 0 if state.run >= TRUSTED else state.distrust
        if state.open or self._on_trial():
            state.since = 0
        else:
            state.since = min(state.since + 1, HANGOVER + RELEASE)
        state.frames += 1
        return [min(1.0, (HANGOVER + RELEASE - state.since) / RELEASE)]

    def _on_trial(self) -> bool:
        """Whether a sound that just broke a silence is let through; called once a frame where speech is not known."""
        state = self.state
        if state.trial:
            state.trial = state.trial - 1 if state.denied < DENIALS else 0
            if not state.trial:
                state.distrust, state.since = DISTRUST, HANGOVER
        elif state.heard_onset() and not state.distrust:
            state.trial = TRIAL
        return state.trial > 0


def _gru(w: dict[str, np.ndarray], x: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """One step of torch.nn.GRU; sums run row by row, so that the result does not depend on memory alignment."""
    inner = (w["gru.weight_ih_l0"] * x).sum(axis=1) + w["gru.bias_ih_l0"]
    outer = (w["gru.weight_hh_l0"] * hidden).sum(axis=1) + w["gru.bias_hh_l0"]
    size = len(hidden)
    reset, update = np.split(1 / (1 + np.exp(-np.clip(inner[: 2 * size] + outer[: 2 * size], -30, 30))), 2)
    new = np.tanh(inner[2 * size :] + reset * outer[2 * size :])
    return (1 - update) * new + update * hidden


@cache
def load_weights(path: Path = WEIGHTS) -> dict[str, np.ndarray]:
    """The gate's weights float64; raises VadError where they are missing or of another version."""
    from safetensors import SafetensorError, safe_open

    make = "make them with `toktalk train vad`, or install the package again"
    if not path.is_file():
        raise VadError(f"the voice-activity weights {path} are missing: {make}")
    try:
        with safe_open(path, framework="numpy") as file:
            version = json.loads((file.metadata() or {}).get("vad", "{}")).get("version")
            tensors = {name: file.get_tensor(name).astype(np.float64) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise VadError(f"the voice-activity weights {path} cannot be read ({error}): {make}") from error
    if version != VERSION:
        raise VadError(f"the voice-activity weights {path} are of version {version}, not {VERSION}: {make}")
    return tensors


def voice_activity(samples: np.ndarray, threshold: float = OPEN) -> np.ndarray:
    """Gate float32 [ceil(n / 320)] of whole sound float [n] at 16 kHz, bit for bit what the stream gives."""
    gate = VoiceGate(threshold=threshold)
    return np.concatenate([gate.push(samples), gate.finish()])
