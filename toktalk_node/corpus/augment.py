"""Waveform augmentation at training time: synthetic voices meet other throats, rooms, microphones and noise.

The order is the way of sound: voice (pitch and formants, tempo), room, surroundings, microphone and line, level.
Only the voice moves phone times; everything after it is causal or without delay.
"""

from collections.abc import Sequence

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft
from scipy.signal import fftconvolve, lfilter

from ..speech.phones import Phone
from .dataset import RATE

SHIFT_RANGE = (0.78, 1.38)
"""Factor of pitch and formants together: 1.38 makes a man's voice a child's, 0.78 goes the other way."""
TEMPO_RANGE = (0.75, 1.35)
SNR_RANGE = (0.0, 40.0)
GAIN_RANGE = (-30.0, 6.0)


def augment(
    samples: np.ndarray, phones: Sequence[Phone], rng: np.random.Generator, babble: Sequence[np.ndarray] = ()
) -> tuple[np.ndarray, list[Phone]]:
    """A new version of an utterance: samples float32 [m] at 16 kHz in [-1, 1] and phones with their new times.

    `samples` are float32 [n] at 16 kHz; `babble` are other utterances, mixed as a crowd where noise of that kind is
    drawn. m differs from n by the tempo. The same `rng` state gives the same result. Silence stays silence and noise.
    """
    samples = np.nan_to_num(np.asarray(samples, np.float32))
    if len(samples) < RATE // 20:
        return samples, list(phones)
    samples, phones = _voice(samples, phones, rng)
    level = speech_level(samples)
    if rng.random() < 0.35:
        samples = reverberate(samples, rng)
    if rng.random() < 0.65:
        noise = _noise(len(samples), rng, babble)
        snr = float(rng.triangular(SNR_RANGE[0], 25.0, SNR_RANGE[1]))
        samples = samples + noise * (max(level, 1e-4) * 10 ** (-snr / 20))
    if rng.random() < 0.75:
        samples = equalise(samples, rng)
    gain = 10 ** (rng.uniform(*GAIN_RANGE) / 20)
    return np.clip(samples * gain, -1.0, 1.0).astype(np.float32), phones


def speech_level(samples: np.ndarray) -> float:
    """RMS of the louder half of 20 ms frames: the level of the speech whatever the pauses."""
    frames = samples[: len(samples) // 320 * 320].reshape(-1, 320)
    energy = np.sort(np.mean(frames**2, axis=1))
    return float(np.sqrt(np.mean(energy[len(energy) // 2 :]))) if len(energy) else 0.0


def _voice(samples: np.ndarray, phones: Sequence[Phone], rng: np.random.Generator) -> tuple[np.ndarray, list[Phone]]:
    """Shift pitch and formants together by resampling; in half of the cases the tempo is set apart from it."""
    import soxr

    if rng.random() < 0.2:
        return samples, list(phones)
    shift = float(np.clip(np.exp(rng.normal(0.0, 0.13)), *SHIFT_RANGE))
    length = len(samples)
    changed = soxr.resample(samples, RATE * shift, RATE, "MQ")
    if rng.random() < 0.5 or not 0.9 < shift < 1.12:
        tempo = float(np.clip(np.exp(rng.normal(0.0, 0.12)), *TEMPO_RANGE))
        changed = stretch(changed, tempo * length / len(changed))
    scale = len(changed) / length
    return changed, [Phone(p.label, p.start * scale, p.end * scale) for p in phones]


def stretch(samples: np.ndarray, factor: float) -> np.ndarray:
    """Make a sound `factor` times as long at the same pitch, by waveform similarity overlap-add (Verhelst and Roelands,
    ICASSP 1993) with 20 ms windows; times are true to 5 ms."""
    window, hop, search = 320, 160, 80
    count = int(len(samples) * factor) // hop
    padded = np.concatenate([np.zeros(search, np.float32), samples, np.zeros(window + hop + 2 * search, np.float32)])
    fade = np.hanning(window + 1)[:-1].astype(np.float32)
    out = np.zeros((count + 1) * hop, np.float32)
    last = search
    for i in range(count):
        target = min(max(int((i * hop + hop) / factor) - hop, 0), len(samples))
        if i == 0:
            best = search
        else:
            natural = padded[last + hop : last + hop + window]
            region = padded[target : target + window + 2 * search]
            best = target + int(np.argmax(np.correlate(region, natural, "valid")))
        out[i * hop : i * hop + window] += fade * padded[best : best + window]
        last = min(best, len(padded) - window - hop)
    return out[: round(len(samples) * factor)]


def reverberate(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Convolve with a made room: the direct sound, then decaying noise (Polack's model), 0.1 to 0.9 s to -60 dB."""
    seconds = rng.uniform(0.1, 0.9)
    t = np.arange(int(seconds * RATE)) / RATE
    tail = rng.standard_normal(len(t), np.float32) * 10 ** (-3 * t / seconds)
    tail[: int(rng.uniform(0.001, 0.012) * RATE)] = 0.0
    tail = lfilter([1.0], [1.0, -rng.uniform(0.0, 0.7)], tail)
    direct_to_reverberant = rng.uniform(0.0, 18.0)
    tail *= 10 ** (-direct_to_reverberant / 20) / max(float(np.sqrt(np.sum(tail**2))), 1e-9)
    tail[0] = 1.0
    return fftconvolve(samples, tail.astype(np.float32))[: len(samples)]


def _noise(length: int, rng: np.random.Generator, babble: Sequence[np.ndarray]) -> np.ndarray:
    """Noise [length] of RMS 1: coloured (white to brown), mains hum, or a crowd."""
    kind = rng.random()
    if kind < 0.25 and len(babble):
        noise = np.zeros(length, np.float32)
        for _ in range(int(rng.integers(2, 7))):
            voice = babble[int(rng.integers(len(babble)))]
            if len(voice):
                start = int(rng.integers(len(voice)))
                noise += np.resize(np.roll(voice, -start), length) / max(speech_level(voice), 1e-4)
    elif kind < 0.35:
        t = np.arange(length) / RATE
        base = rng.choice([50.0, 60.0])
        weights = rng.random(8) / np.arange(1, 9)
        noise = sum(w * np.sin(2 * np.pi * base * (k + 1) * t + rng.uniform(0, 6.28)) for k, w in enumerate(weights))
        noise = noise + 0.05 * rng.standard_normal(length, np.float32)
    else:
        size = next_fast_len(length, real=True)
        spectrum = rfft(rng.standard_normal(size, np.float32))
        frequency = np.maximum(np.fft.rfftfreq(size, 1 / RATE), 40.0)
        noise = irfft(spectrum * (frequency ** -rng.uniform(0.0, 1.0)).astype(np.float32), size)[:length]
        if rng.random() < 0.3:  # a room is not steady: slow swells of 10 dB
            swell = np.interp(np.arange(length), np.linspace(0, length, 8), rng.uniform(-10.0, 0.0, 8))
            noise = noise * 10 ** (swell / 20)
    return (noise / max(float(np.sqrt(np.mean(noise**2))), 1e-9)).astype(np.float32)


def equalise(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A microphone's smooth random curve, and now and then the band of a telephone or of 8 kHz sound."""
    size = next_fast_len(len(samples), real=True)
    spectrum = rfft(samples, size)
    frequency = np.fft.rfftfreq(size, 1 / RATE)
    octave = np.log2(np.maximum(frequency, 50.0) / 50.0)
    gain = np.interp(octave, np.linspace(0, octave[-1], 7), rng.normal(0.0, 4.0, 7)) + rng.normal(0.0, 1.0) * octave
    line = rng.random()
    low, high = (300.0, 3400.0) if line < 0.1 else (0.0, 3900.0) if line < 0.18 else (0.0, rng.uniform(4500, 9000))
    gain = gain - 60 * np.clip((low - frequency) / 200, 0, 1) - 60 * np.clip((frequency - high) / 300, 0, 1)
    gain -= np.mean(gain[(frequency > 300) & (frequency < 3400)])
    return irfft(spectrum * (10 ** (gain / 20)).astype(np.float32), size)[: len(samples)]
