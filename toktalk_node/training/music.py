"""Music for training what is not speech: random scores, played by FluidSynth with the instruments of a SoundFont.

Debian packages: fluidsynth musescore-general-soundfont-small (its licence is MIT's). No other SoundFont is taken: which
instruments training keeps out, and what the gate does to them, is only comparable between the same recordings.
"""

import shutil
import struct
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

RATE = 16_000
TICKS = 480
SOUNDFONT = Path("/usr/share/sounds/sf3/MuseScore_General_Lite.sf3")

_VOICES = (52, 53, 54, 85, 91)
"""Programs that sing; whether that is speech is left open."""
_NAMES = (
    "piano,bells,organ,guitar,bass,strings,ensemble,brass,reed,flute,synth lead,synth pad,synth effect,folk,percussion,"
    "sound effect"
)
FAMILIES = {name: [p for p in range(8 * k, 8 * k + 8) if p not in _VOICES] for k, name in enumerate(_NAMES.split(","))}
"""General MIDI's programs (from 0) by family."""
KEPT_OUT = {name: programs[2] for name, programs in FAMILIES.items()}
"""One program of each family that training never hears: cello, tenor saxophone, recorder, ..."""
PROGRAMS = [p for programs in FAMILIES.values() for p in programs if p not in KEPT_OUT.values()]

_MAJOR, _MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10)
_DRUMS = (35, 36, 38, 40, 42, 44, 46, 49, 51, 54, 56)
_DRUM_CHANNEL = 9
_Event = tuple[int, bytes]


class MusicError(ValueError):
    """No music can be played; the message says why."""


def available() -> bool:
    """Whether FluidSynth and the SoundFont are here."""
    return shutil.which("fluidsynth") is not None and SOUNDFONT.exists()


def score(
    rng: np.random.Generator, seconds: float, programs: Sequence[int] = PROGRAMS, drums: bool | None = None
) -> bytes:
    """A Standard MIDI File (format 0): chords, bass, melody and drums in a key, for instruments by chance."""
    tempo = rng.uniform(60, 180)
    key = int(rng.integers(36, 48))
    scale = _MAJOR if rng.random() < 0.6 else _MINOR
    parts = rng.random(4) < (0.75, 0.6, 0.8, 0.6)
    parts[3] = parts[3] if drums is None else drums
    if not parts[:3].any():
        parts[2] = True
    events = [(0, bytes([0xC0 + channel, int(rng.choice(programs))])) for channel in range(3)]

    def tone(degree: int) -> int:
        return key + scale[degree % 7] + 12 * (degree // 7)

    degree, melody = 0, 14
    broken = rng.random() < 0.5
    for beat in range(int(seconds * tempo / 60)):
        if beat % 4 == 0:
            degree = int(rng.choice([0, 3, 4, 5]))
        if parts[0]:
            for k in range(3):
                if broken:
                    events += _note(0, tone(degree + 7 + 2 * k), beat + k / 3, 0.3, int(rng.integers(50, 110)))
                elif beat % 2 == 0:
                    events += _note(0, tone(degree + 7 + 2 * k), beat, 1.9, int(rng.integers(50, 110)))
        if parts[1]:
            events += _note(1, tone(degree), beat, 0.9, int(rng.integers(60, 120)))
        at = 0.0
        while parts[2] and at < 1:
            length = float(rng.choice([0.25, 0.5, 0.5, 1.0]))
            melody = int(np.clip(melody + rng.integers(-3, 4), 10, 24))
            if rng.random() < 0.85:
                events += _note(2, tone(melody), beat + at, 0.9 * length, int(rng.integers(60, 127)))
            at += length
    if parts[3]:
        events += _beats(rng, int(seconds * tempo / 60))
    return _file(events, tempo)


def band(rng: np.random.Generator, seconds: float, programs: Sequence[int] = PROGRAMS) -> bytes:
    """Three to seven instruments at once, each with a bar of its own that repeats, and mostly drums: a dense mix."""
    tempo, key = rng.uniform(70, 180), int(rng.integers(36, 48))
    scale = _MAJOR if rng.random() < 0.6 else _MINOR
    degrees = rng.choice([0, 1, 3, 4, 5], 4)
    bars = int(seconds * tempo / 240) + 1
    events: list[_Event] = []
    for number in range(rng.integers(3, 8)):
        channel = number + (number >= _DRUM_CHANNEL)
        volume, room = int(rng.integers(60, 128)), int(rng.integers(0, 128))
        events += [(0, bytes([0xC0 + channel, int(rng.choice(programs))]))]
        events += [(0, bytes([0xB0 + channel, 7, volume])), (0, bytes([0xB0 + channel, 91, room]))]
        steps = np.flatnonzero(rng.random(16) < rng.choice([0.15, 0.3, 0.6]))
        steps = steps if len(steps) else np.zeros(1, int)
        octave, length, walk = int(rng.integers(0, 4)), float(rng.choice([0.2, 0.5, 1.0, 3.0])), rng.integers(0, 7, 16)
        tones = [0] if number == 0 or rng.random() < 0.3 else [0, 2, 4] if rng.random() < 0.5 else None
        for bar, step in ((bar, step) for bar in range(bars) for step in steps):
            for tone in [int(walk[step])] if tones is None else tones:
                degree = int(degrees[bar % 4]) + tone
                pitch = key + scale[degree % 7] + 12 * (degree // 7 + octave)
                events += _note(channel, pitch, 4 * bar + step / 4, length, int(rng.integers(60, 127)))
    for _ in range(int(rng.choice([0, 1, 2, 3]))):
        events += _beats(rng, 4 * bars)
    return _file(events, tempo)


def solo(rng: np.random.Generator, seconds: float, program: int) -> bytes:
    """One instrument in the range of voices (98 to 784 Hz): notes of 0.1 to 1.5 s, with swells, vibrato and glides."""
    events = [(0, bytes([0xC0, program]))]
    scale = _MAJOR if rng.random() < 0.6 else _MINOR
    low = int(rng.integers(43, 68))
    slow, legato = float(rng.uniform(0.15, 0.9)), float(rng.uniform(0.5, 1.05))
    vibrato, glides, swells = rng.random(3) < (0.5, 0.4, 0.5)
    degree, at = 3, 0.0
    while at < seconds:
        length = float(np.clip(slow * np.exp(rng.normal(0, 0.5)), 0.1, 1.5))
        degree = int(np.clip(degree + rng.integers(-3, 4), 0, 7))
        pitch = low + scale[degree % 7] + 12 * (degree // 7)
        if vibrato:
            events.append((int(at * TICKS), bytes([0xB0, 1, int(rng.integers(0, 128))])))
        bends = np.linspace(rng.uniform(-2, 2), 0, 12) if glides and rng.random() < 0.6 else np.zeros(1)
        for k, bend in enumerate(bends):
            value = int(np.clip(8192 + bend * 4096, 0, 16383))
            bent = bytes([0xE0, value & 0x7F, value >> 7])
            events.append((int((at + k * min(length, 0.3) / len(bends)) * TICKS), bent))
        for k, loud in enumerate(np.linspace(*rng.uniform(50, 127, 2), 8) if swells else [127]):
            events.append((int((at + k * length / 8) * TICKS), bytes([0xB0, 11, int(loud)])))
        if rng.random() < 0.92:
            events += _note(0, pitch, at, legato * length, int(rng.integers(50, 127)))
        at += length
    return _file(events, 60.0)


def drums(rng: np.random.Generator, seconds: float) -> bytes:
    """Drums alone."""
    tempo = rng.uniform(60, 180)
    return _file(_beats(rng, int(seconds * tempo / 60)), tempo)


def _beats(rng: np.random.Generator, beats: int) -> list[_Event]:
    pattern = [int(d) for d in rng.choice(_DRUMS, 8)]
    return [
        event
        for half in range(2 * beats)
        if rng.random() < 0.85
        for event in _note(_DRUM_CHANNEL, pattern[half % 8], half / 2, 0.2, int(rng.integers(50, 127)))
    ]


def _note(channel: int, pitch: int, beat: float, length: float, velocity: int) -> list[_Event]:
    pitch = int(np.clip(pitch, 0, 127))
    return [
        (int(beat * TICKS), bytes([0x90 + channel, pitch, velocity])),
        (int((beat + length) * TICKS), bytes([0x80 + channel, pitch, 0])),
    ]


def _file(events: list[_Event], tempo: float) -> bytes:
    track = b"\x00\xff\x51\x03" + int(60e6 / tempo).to_bytes(3, "big")
    now = 0
    for tick, event in sorted(events, key=lambda event: event[0]):
        track += _variable(tick - now) + event
        now = tick
    track += b"\x00\xff\x2f\x00"
    return b"MThd" + struct.pack(">IHHH", 6, 0, 1, TICKS) + b"MTrk" + struct.pack(">I", len(track)) + track


def _variable(value: int) -> bytes:
    """A number as MIDI writes it: seven bits a byte, the highest first."""
    out = [value & 0x7F]
    while value := value >> 7:
        out.append(0x80 | value & 0x7F)
    return bytes(reversed(out))


def play(scores: Sequence[bytes]) -> np.ndarray:
    """The sound of the scores one after the other, mono float32 [n] at 16 kHz.

    Raises MusicError where FluidSynth or the SoundFont is missing, or FluidSynth fails.
    """
    import soundfile

    if not available():
        raise MusicError("music needs FluidSynth: sudo apt install fluidsynth musescore-general-soundfont-small")
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{k}.mid" for k in range(len(scores))]
        for file, score in zip(files, scores, strict=True):
            file.write_bytes(score)
        sound = Path(folder) / "music.wav"
        options = ["-n", "-i", "-q", "-r", str(RATE), "-o", "synth.dynamic-sample-loading=1", "-F", str(sound)]
        done = subprocess.run(
            ["fluidsynth", *options, str(SOUNDFONT), *map(str, files)], capture_output=True, text=True
        )
        if done.returncode != 0 or not sound.exists():
            raise MusicError(f"FluidSynth failed: {done.stderr.strip()[-300:]}")
        return soundfile.read(sound, dtype="float32", always_2d=True)[0].mean(axis=1)
