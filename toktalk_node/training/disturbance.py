"""Sounds that are not speech: noise, hum, tones, alarms, solo lines, chords, drums and clicks, made from numbers.

Each maker takes a random generator and a number of samples at 16 kHz, and gives float64 [n] of about unit RMS.
"""

from collections.abc import Callable

import numpy as np
from scipy.signal import iirpeak, lfilter

RATE = 16_000
Maker = Callable[[np.random.Generator, int], np.ndarray]


def unit(samples: np.ndarray) -> np.ndarray:
    """Samples scaled to an RMS of 1; silence stays silence."""
    level = np.sqrt((samples**2).mean())
    return samples / level if level > 1e-9 else samples


def coloured(rng: np.random.Generator, count: int, slope: float | None = None) -> np.ndarray:
    """Noise whose amplitude falls as frequency to the power −slope: 0 white, ½ pink, 1 brown; by chance where None."""
    slope = rng.uniform(-0.5, 1.3) if slope is None else slope
    spectrum = np.fft.rfft(rng.standard_normal(count))
    frequency = np.maximum(np.fft.rfftfreq(count, 1 / RATE), 30)
    return unit(np.fft.irfft(spectrum * frequency**-slope, count))


def banded(rng: np.random.Generator, count: int) -> np.ndarray:
    """Noise in one band."""
    low = np.exp(rng.uniform(np.log(50), np.log(4000)))
    high = min(low * np.exp(rng.uniform(0.3, 2.5)), 7900)
    frequency = np.fft.rfftfreq(count, 1 / RATE)
    spectrum = np.fft.rfft(rng.standard_normal(count))
    return unit(np.fft.irfft(spectrum * ((frequency > low) & (frequency < high)), count))


def swelling(rng: np.random.Generator, count: int) -> np.ndarray:
    """Noise whose level comes and goes slowly: wind, traffic, waves."""
    knots = max(int(count / RATE * rng.uniform(0.2, 1.5)), 2)
    envelope = np.interp(np.linspace(0, knots - 1, count), np.arange(knots), rng.uniform(-25, 0, knots))
    return unit(coloured(rng, count) * 10 ** (envelope / 20))


def hum(rng: np.random.Generator, count: int) -> np.ndarray:
    """Mains hum or a machine: harmonics of one steady tone, with a little noise."""
    base = rng.choice([50, 60, 100, 120, rng.uniform(30, 300)])
    time = np.arange(count) / RATE
    tilt = rng.uniform(0.3, 2)
    tone = np.zeros(count)
    for k in range(1, int(min(40, 7500 / base)) + 1):
        tone += rng.uniform(0, 1) * k**-tilt * np.sin(2 * np.pi * k * base * time + rng.uniform(0, 7))
    return unit(unit(tone) + rng.uniform(0, 0.3) * coloured(rng, count))


def sweep(rng: np.random.Generator, count: int) -> np.ndarray:
    """A tone that glides, as of sirens, or stands, as of beeps, now and then interrupted."""
    knots = rng.integers(2, 8)
    pitch = np.interp(np.linspace(0, knots - 1, count), np.arange(knots), rng.uniform(np.log(80), np.log(4000), knots))
    if rng.random() < 0.4:
        pitch[:] = pitch[0]
    tone = np.sin(2 * np.pi * np.cumsum(np.exp(pitch)) / RATE)
    if rng.random() < 0.5:
        period = int(RATE * rng.uniform(0.15, 1.5))
        tone *= (np.arange(count) % period) < period * rng.uniform(0.2, 0.9)
    return unit(tone)


def tones(rng: np.random.Generator, count: int) -> np.ndarray:
    """A steady tone or interval in the range of voices, plain or with harmonics, still, trembling or pulsing."""
    time = np.arange(count) / RATE
    base = np.exp(rng.uniform(np.log(80), np.log(1500)))
    wave = np.zeros(count)
    for ratio in (1.0, rng.choice([1.25, 1.335, 1.498, 2.0, rng.uniform(1, 3)]))[: rng.integers(1, 3)]:
        depth, rate = rng.choice([0.0, rng.uniform(0.002, 0.02)]), rng.uniform(3, 8)
        phase = 2 * np.pi * base * ratio * (time + depth / rate * np.sin(2 * np.pi * rate * time) / (2 * np.pi))
        weights = _timbre(rng, base * ratio) if rng.random() < 0.6 else np.ones(1)
        wave += rng.uniform(0.3, 1) * sum(w * np.sin(k * phase + rng.uniform(0, 7)) for k, w in enumerate(weights, 1))
    if rng.random() < 0.4:
        wave *= 1 + rng.uniform(0.2, 1) * np.sin(2 * np.pi * rng.uniform(1, 9) * time)
    return unit(wave)


def alarm(rng: np.random.Generator, count: int) -> np.ndarray:
    """Beeps in groups, sirens of two tones or more, keys of a telephone (ITU-T Q.23) and its ringing."""
    pulse = int(RATE * np.exp(rng.uniform(np.log(0.05), np.log(0.7))))
    silent = rng.choice([0.0, 0.3, 0.5])
    group, pause = int(rng.integers(2, 6)), int(RATE * rng.choice([0.0, rng.uniform(0.2, 1.5)]))
    if rng.random() < 0.4:
        rows, columns = (697, 770, 852, 941), (1209, 1336, 1477, 1633)
        notes = [(rng.choice(rows), rng.choice(columns)) for _ in range(8)]
    else:
        notes = [(np.exp(rng.uniform(np.log(250), np.log(3000))),) for _ in range(rng.integers(1, 4))]
    square = rng.random() < 0.5
    out, at, number = np.zeros(count), 0, 0
    while at < count:
        length = min(pulse, count - at)
        phases = [2 * np.pi * f * np.arange(length) / RATE for f in notes[number % len(notes)]]
        waves = [np.sin(p) + (np.sin(3 * p) / 3 + np.sin(5 * p) / 5 if square else 0) for p in phases]
        out[at : at + length] = sum(waves) * (np.arange(length) < pulse * (1 - silent))
        number += 1
        at += pulse + (0 if number % group else pause)
    return unit(out)


def siren(rng: np.random.Generator, count: int) -> np.ndarray:
    """A tone with harmonics that rises and falls again and again, or leaps, some ten times a minute to ten a second."""
    rate, time = np.exp(rng.uniform(np.log(0.15), np.log(10))), np.arange(count) / RATE
    phase = (time * rate + rng.random()) % 1
    peak = rng.uniform(0.05, 0.95)
    shape = (
        np.minimum(phase / peak, (1 - phase) / (1 - peak)),
        0.5 - 0.5 * np.cos(2 * np.pi * phase),
        (phase < peak).astype(float),
    )[rng.integers(3)]
    low = rng.uniform(np.log(180), np.log(1500))
    curve = np.exp(np.minimum(low + rng.uniform(0.1, 1.4) * shape, np.log(3800)))
    weights = _timbre(rng, curve.max()) if rng.random() < 0.7 else np.ones(1)
    turns = 2 * np.pi * np.cumsum(curve) / RATE
    wave = sum(w * np.sin(k * turns) for k, w in enumerate(weights, 1))
    if rng.random() < 0.3:
        wave *= (time * rng.uniform(0.3, 4)) % 1 < rng.uniform(0.3, 0.9)
    return unit(unit(wave) + rng.uniform(0, 0.1) * coloured(rng, count))


def ringing(rng: np.random.Generator, count: int) -> np.ndarray:
    """A struck or buzzing bell: inharmonic partials that a clapper excites 5 to 40 times a second, with pauses."""
    time = np.arange(count) / RATE
    partials = np.exp(rng.uniform(np.log(300), np.log(6000), rng.integers(2, 8)))
    since = (time * rng.uniform(5, 40)) % 1
    wave = sum(rng.uniform(0.2, 1) * np.sin(2 * np.pi * f * time + rng.uniform(0, 7)) for f in partials)
    wave *= np.exp(-rng.uniform(0, 3) * since)
    return unit(wave * ((time / rng.uniform(0.3, 4) + rng.random()) % 1 < rng.choice([1.0, rng.uniform(0.2, 0.9)])))


def melody(rng: np.random.Generator, count: int) -> np.ndarray:
    """One bowed or blown line in the range of voices: glides between notes, vibrato, swells, resonances of a body."""
    knots, pitch, loud = 0, [], []
    low, slow = np.log(rng.uniform(85, 350)), rng.uniform(0.15, 1.0)
    note = 4
    while knots < count:
        length = int(RATE * np.clip(slow * np.exp(rng.normal(0, 0.5)), 0.08, 2))
        note = int(np.clip(note + rng.integers(-5, 6), 0, 14))
        pitch.append(np.full(length, low + note * np.log(2) / 12))
        loud.append(np.full(length, 0.0 if rng.random() < 0.08 else rng.uniform(0.4, 1)) * _edges(rng, length))
        knots += length
    glide = int(RATE * np.exp(rng.uniform(np.log(0.005), np.log(0.25))))
    curve = np.concatenate(pitch)
    total = np.cumsum(np.concatenate([np.full(glide, curve[0]), curve]))
    curve = ((total[glide:] - total[:-glide]) / glide)[:count]
    time = np.arange(count) / RATE
    curve += rng.choice([0.0, rng.uniform(0.003, 0.03)]) * np.sin(2 * np.pi * rng.uniform(4, 7) * time)
    phase = 2 * np.pi * np.cumsum(np.exp(curve)) / RATE
    weights = _timbre(rng, np.exp(curve.max()))
    wave = sum(w * np.sin(k * phase) for k, w in enumerate(weights, 1))
    return unit(unit(wave * np.concatenate(loud)[:count]) + rng.uniform(0, 0.1) * coloured(rng, count))


def _timbre(rng: np.random.Generator, pitch: float) -> np.ndarray:
    """Weights of the harmonics of `pitch` Hz that are under 7.5 kHz: a slope, by chance odd ones alone, resonances."""
    k = np.arange(1, int(min(30, 7500 / pitch)) + 1)
    weights = k ** -rng.uniform(0.5, 2.5) * rng.uniform(0.4, 1, len(k))
    if rng.random() < 0.3:
        weights[1::2] *= 0.05
    for centre in np.exp(rng.uniform(np.log(200), np.log(4000), rng.integers(0, 4))):
        weights *= 1 + rng.uniform(1, 6) / (1 + ((k * pitch - centre) / (0.15 * centre)) ** 2)
    return weights


def _edges(rng: np.random.Generator, length: int) -> np.ndarray:
    """An attack and a release; those of a legato are short."""
    ramp = max(int(min(length / 2, RATE * rng.choice([0.003, 0.02, 0.06]))), 1)
    return np.clip(np.minimum(np.arange(length), np.arange(length)[::-1]) / ramp, 0, 1)


def engine(rng: np.random.Generator, count: int) -> np.ndarray:
    """A motor whose speed changes: harmonics that glide together, rough, with noise."""
    knots = int(rng.integers(2, 7))
    curve = np.interp(np.linspace(0, knots - 1, count), np.arange(knots), rng.uniform(np.log(30), np.log(250), knots))
    phase = 2 * np.pi * np.cumsum(np.exp(curve)) / RATE
    weights = _timbre(rng, 250.0)
    wave = sum(w * np.sin(k * phase + rng.uniform(0, 7)) for k, w in enumerate(weights, 1))
    rough = 1 + rng.uniform(0, 0.8) * np.sin(phase / rng.choice([2, 3, 4]))
    return unit(unit(wave * rough) + rng.uniform(0.05, 1) * coloured(rng, count, rng.uniform(0.3, 1.0)))


def _note(
    rng: np.random.Generator, pitch: float, count: int, timbre: np.ndarray, decay: float, vibrato: float
) -> np.ndarray:
    time = np.arange(count) / RATE
    phase = 2 * np.pi * pitch * time + vibrato * np.sin(2 * np.pi * rng.uniform(4, 7) * time)
    note = np.zeros(count)
    for k, weight in enumerate(timbre, 1):
        if k * pitch > 7500:
            break
        note += weight * np.sin(k * phase + rng.uniform(0, 7)) * np.exp(-decay * np.sqrt(k) * time)
    attack = max(int(RATE * rng.uniform(0.002, 0.08)), 1)
    note[:attack] *= np.linspace(0, 1, attack)[: len(note)]
    release = min(int(0.03 * RATE), count)
    note[count - release :] *= np.linspace(1, 0, release)
    return note


def chords(rng: np.random.Generator, count: int) -> np.ndarray:
    """Music: chords and a melody in a key, in one of many timbres, in time, with or without drums."""
    out = np.zeros(count)
    beat = int(RATE * rng.uniform(0.18, 0.8))
    root = 110 * 2 ** (rng.integers(-12, 13) / 12)
    scale = np.array([0, 2, 4, 5, 7, 9, 11] if rng.random() < 0.6 else [0, 2, 3, 5, 7, 8, 10])
    timbre = rng.uniform(0, 1, 20) * np.arange(1, 21) ** -rng.uniform(0.4, 2.5)
    decay = rng.choice([0.0, rng.uniform(0.5, 6)])
    vibrato = rng.choice([0.0, rng.uniform(0.02, 0.4)])
    parts = rng.random(3) < (0.75, 0.6, 0.4)
    parts[0] |= not parts[1]
    for start in range(0, count, beat):
        if parts[0] and (start // beat) % 2 == 0:
            length = min(2 * beat, count - start)
            degree = rng.integers(0, 7)
            for step in (0, 2, 4):
                tone = scale[(degree + step) % 7] + 12 * ((degree + step) // 7)
                out[start : start + length] += _note(rng, root * 2 ** (tone / 12), length, timbre, decay, vibrato)
        if parts[1]:
            length = min(int(beat * rng.choice([0.5, 1, 1, 2])), count - start)
            pitch = root * 2 ** (1 + rng.choice(scale) / 12) * rng.choice([1, 1, 2])
            out[start : start + length] += rng.uniform(0.7, 2) * _note(rng, pitch, length, timbre, decay, vibrato)
        if parts[2]:
            length = min(int(RATE * rng.uniform(0.03, 0.2)), count - start)
            beaten = banded(rng, 4096)[:length] * np.geomspace(1, 1e-3, length)
            out[start : start + length] += rng.uniform(0.5, 3) * beaten
    return unit(out)


def beats(rng: np.random.Generator, count: int) -> np.ndarray:
    """A drum machine: two to six sounds, each a falling tone and noise, in a bar of sixteenths that repeats."""
    step, swing = RATE * rng.uniform(0.08, 0.2), rng.choice([0.0, rng.uniform(0, 0.3)])
    starts = ((np.arange(int(count / step) + 1) + swing * (np.arange(int(count / step) + 1) % 2)) * step).astype(int)
    out = np.zeros(count + RATE)
    for _ in range(rng.integers(2, 7)):
        length = int(RATE * np.exp(rng.uniform(np.log(0.03), np.log(0.6))))
        time = np.arange(length) / RATE
        low, fall = np.exp(rng.uniform(np.log(40), np.log(500))), rng.uniform(0, 8)
        tone = np.sin(2 * np.pi * (low * time + fall * (1 - np.exp(-time * rng.uniform(10, 60)))))
        share = rng.choice([0.0, rng.random(), 1.0])
        burst = share * unit(tone) + (1 - share) * banded(rng, RATE)[:length]
        burst *= np.geomspace(1, 10 ** -rng.uniform(1, 3), length)
        loud = rng.uniform(0.2, 1, 16) * (rng.random(16) < rng.choice([0.12, 0.25, 0.5, 0.9]))
        for start, level in zip(starts, np.resize(loud, len(starts)), strict=True):
            if level and start < count:
                out[start : start + length] += level * rng.uniform(0.7, 1) * burst
    return unit(out[:count])


def groove(rng: np.random.Generator, count: int) -> np.ndarray:
    """A drum machine, a buzzing line through a filter that opens and shuts with its notes or slowly, and some noise."""
    length = int(RATE * rng.choice([1, 2, 4]) * rng.uniform(0.08, 0.2))
    number = count // length + 1
    scale = rng.choice([0, 0, 3, 5, 7, 10, 12], rng.choice([4, 8, 16]))
    notes = np.exp(rng.uniform(np.log(45), np.log(250))) * 2 ** (np.resize(scale, number) / 12)
    phase = np.cumsum(np.repeat(notes, length)[:count]) / RATE % 1
    wave = 2 * phase - 1 if rng.random() < 0.5 else np.sign(phase - rng.uniform(0.2, 0.5))
    time = np.arange(count)
    by_note = np.exp(-rng.uniform(1, 5) * (time % length) / length)
    opened = by_note if rng.random() < 0.5 else 0.5 + 0.5 * np.sin(2 * np.pi * rng.uniform(0.1, 6) * time / RATE)
    low, high = (
        lfilter(*iirpeak(f, rng.uniform(1, 6), fs=RATE), wave)
        for f in np.sort(np.exp(rng.uniform(np.log(100), np.log(3000), 2)))
    )
    line = unit((1 - opened) * unit(low) + opened * unit(high)) * by_note ** rng.choice([0.0, 0.5, 1.0])
    line *= np.repeat(rng.random(number) < rng.uniform(0.5, 1), length)[:count]
    return unit(beats(rng, count) + rng.uniform(0.2, 1.2) * line + rng.uniform(0, 0.15) * coloured(rng, count))


def clicks(rng: np.random.Generator, count: int) -> np.ndarray:
    """Knocks, keys and clatter: short decaying bursts at random times."""
    out = np.zeros(count)
    for start in rng.integers(0, count, max(int(count / RATE * rng.uniform(1, 12)), 1)):
        length = min(int(RATE * rng.uniform(0.003, 0.12)), count - start)
        burst = coloured(rng, 4096) if rng.random() < 0.6 else hum(rng, 4096)
        out[start : start + length] += rng.uniform(0.2, 1) * burst[:length] * np.geomspace(1, 1e-3, length)
    return unit(out)


STEADY: tuple[Maker, ...] = (coloured, banded, swelling, hum)
"""What speech may be heard in."""
MAKERS: tuple[Maker, ...] = (
    *(coloured, banded, swelling, hum, engine, clicks, sweep, sweep),
    *(tones, tones, alarm, alarm, alarm, siren, siren, ringing, melody, melody, melody, chords, chords),
    *(beats, beats, groove, groove, groove),
)
"""Everything; what stands twice comes twice as often."""
