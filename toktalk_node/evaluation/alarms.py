"""Alarms and signals after standards and devices, to test the gate on: training makes none of them.

A signal is a function of the time of each sample in seconds, at 16 kHz.
"""

from collections.abc import Callable

import numpy as np

RATE = 16_000
Signal = Callable[[np.ndarray], np.ndarray]


def _sines(*frequencies: float) -> Signal:
    return lambda time: sum(np.sin(2 * np.pi * f * time) for f in frequencies)


def _square(frequency: float) -> Signal:
    """A square wave's harmonics below 7.5 kHz."""
    odd = np.arange(1, int(7500 / frequency) + 1, 2)
    return lambda time: sum(np.sin(2 * np.pi * k * frequency * time) / k for k in odd)


def _gliding(curve: Callable[[np.ndarray], np.ndarray]) -> Signal:
    """Six harmonics of a tone whose frequency follows `curve` in Hz."""

    def signal(time: np.ndarray) -> np.ndarray:
        frequency = curve(time)
        turns = 2 * np.pi * np.cumsum(frequency) / RATE
        return sum(np.sin(k * turns) / k * (k * frequency < 7500) for k in range(1, 7))

    return signal


def _pulsed(signal: Signal, *spans: float) -> Signal:
    """A signal that sounds and is silent by turns, for `spans` seconds each, again and again."""
    edges = np.cumsum(spans)
    return lambda time: signal(time) * (np.searchsorted(edges, time % edges[-1], side="right") % 2 == 0)


def _bell(time: np.ndarray) -> np.ndarray:
    """The two gongs of an old telephone, struck 25 times a second."""
    gongs = _sines(1090, 2370, 3310, 4480, 1245, 2670, 3790, 5120)
    return gongs(time) * np.exp(-4 * (25 * time % 1))


def _keys(time: np.ndarray) -> np.ndarray:
    """0 to 9 on a telephone's keys (ITU-T Q.23), every 150 ms one."""
    rows, columns = np.array([941, *[697] * 3, *[770] * 3, *[852] * 3]), np.array([1336, *[1209, 1336, 1477] * 3])
    key = (time / 0.15).astype(int) % 10
    return np.sin(2 * np.pi * rows[key] * time) + np.sin(2 * np.pi * columns[key] * time)


def _chime(time: np.ndarray) -> np.ndarray:
    """Five notes of a medical alarm of high priority (after IEC 60601-1-8), every 200 ms one."""
    note = np.minimum(time % 2 / 0.2, 4).astype(int)
    return _gliding(lambda time: np.array([262.0, 330, 392, 330, 262])[note])(time)


_THREE_PULSES = (0.5, 0.5, 0.5, 0.5, 0.5, 1.5)
SIGNALS: dict[str, tuple[Signal, ...]] = {
    "smoke alarms (ISO 8201)": (
        _pulsed(_sines(3100), *_THREE_PULSES),
        _pulsed(_square(520), *_THREE_PULSES),
        _pulsed(_sines(3100), *[0.1] * 7, 5.0),
    ),
    "sirens (DIN 14610, DIN 33404, NEN 2575)": (
        _gliding(lambda time: np.where(time % 1.5 < 0.75, 435.0, 580.0)),
        _gliding(lambda time: 1200 - 700 * (time % 1)),
        _pulsed(_gliding(lambda time: 500 + 700 * np.minimum(time % 4 / 3.5, 1)), 3.5, 0.5),
        _gliding(lambda time: 1000 - 450 * np.cos(2 * np.pi * time / 4)),
        _gliding(lambda time: 1000 - 450 * np.cos(2 * np.pi * 3.3 * time)),
    ),
    "telephones": (
        _pulsed(_bell, 1.0, 1.5),
        _pulsed(_keys, 0.09, 0.06),
        _pulsed(_sines(440, 480), 2.0, 4.0),
        _pulsed(_sines(400, 450), 0.4, 0.2, 0.4, 2.0),
        _pulsed(_sines(480, 620), 0.5, 0.5),
        _sines(350, 440),
    ),
    "beepers and chimes": (
        _pulsed(_square(1250), 0.5, 0.5),
        _pulsed(_square(2048), *[0.0625] * 7, 0.5625),
        _pulsed(_sines(2000), 1.0, 1.0),
        _pulsed(_chime, *[0.15, 0.05] * 4, 0.15, 1.05),
    ),
}
"""Signals by kind."""
