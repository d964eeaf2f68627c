"""Music for training what is not speech: random scores, played by FluidSynth with the instruments of a SoundFont.

Debian packages: fluidsynth musescore-general-soundfont-small (its licence is MIT's).
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
SOUNDFONTS = ("/usr/share/sounds/sf3/default-GM.sf3", "/usr/share/sounds/sf2/default-GM.sf2")

_VOICES = range(52, 55)
_MAJOR, _MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10)
_DRUMS = (35, 36, 38, 40, 42, 44, 46, 49, 51, 54, 56)


def available() -> bool:
    """Whether FluidSynth and a General MIDI SoundFont are here."""
    return shutil.which("fluidsynth") is not None and any(Path(font).exists() for font in SOUNDFONTS)


def score(rng: np.random.Generator, seconds: float) -> bytes:
    """A Standard MIDI File (format 0): chords, bass, melody and drums in a key, for instruments by chance.

    The choir of General MIDI is left out, for it sings with voices.
    """
    tempo = rng.uniform(60, 180)
    beats = int(seconds * tempo / 60)
    key = int(rng.integers(36, 48))
    scale = _MAJOR if rng.random() < 0.6 else _MINOR
    programs = [int(p) for p in rng.permutation([p for p in range(112) if p not in _VOICES])[:4]]
    parts = rng.random(4) < (0.75, 0.6, 0.8, 0.6)
    if not parts[:3].any():
        parts[2] = True
    events: list[tuple[int, bytes]] = [(0, bytes([0xC0 + c, p])) for c, p in enumerate(programs)]

    def note(channel: int, pitch: int, beat: float, length: float, velocity: int) -> None:
        pitch = int(np.clip(pitch, 0, 127))
        events.append((int(beat * TICKS), bytes([0x90 + channel, pitch, velocity])))
        events.append((int((beat + length) * TICKS), bytes([0x80 + channel, pitch, 0])))

    def tone(degree: int) -> int:
        return key + scale[degree % 7] + 12 * (degree // 7)

    degree, melody = 0, 14
    broken = rng.random() < 0.5
    pattern = [int(d) for d in rng.choice(_DRUMS, 8)]
    for beat in range(beats):
        if beat % 4 == 0:
            degree = int(rng.choice([0, 3, 4, 5]))
        if parts[0]:
            for k in range(3):
                if broken:
                    note(0, tone(degree + 7 + 2 * k), beat + k / 3, 0.3, int(rng.integers(50, 110)))
                elif beat % 2 == 0:
                    note(0, tone(degree + 7 + 2 * k), beat, 1.9, int(rng.integers(50, 110)))
        if parts[1]:
            note(1, tone(degree), beat, 0.9, int(rng.integers(60, 120)))
        if parts[2]:
            at = 0.0
            while at < 1:
                length = float(rng.choice([0.25, 0.5, 0.5, 1.0]))
                melody = int(np.clip(melody + rng.integers(-3, 4), 10, 24))
                if rng.random() < 0.85:
                    note(2, tone(melody), beat + at, 0.9 * length, int(rng.integers(60, 127)))
                at += length
        if parts[3]:
            for k in range(2):
                if rng.random() < 0.85:
                    note(9, pattern[(2 * beat + k) % 8], beat + k / 2, 0.2, int(rng.integers(50, 127)))
    events.sort(key=lambda event: event[0])
    track = b"\x00\xff\x51\x03" + int(60e6 / tempo).to_bytes(3, "big")
    now = 0
    for tick, event in events:
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
    """The sound of the scores one after the other, mono float32 [n] at 16 kHz; to load the SoundFont takes a minute.

    Raises RuntimeError where FluidSynth is missing or fails.
    """
    import soundfile

    font = next((font for font in SOUNDFONTS if Path(font).exists()), None)
    if font is None or shutil.which("fluidsynth") is None:
        raise RuntimeError("music needs FluidSynth: sudo apt install fluidsynth musescore-general-soundfont-small")
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{k}.mid" for k in range(len(scores))]
        for file, score in zip(files, scores, strict=True):
            file.write_bytes(score)
        sound = Path(folder) / "music.wav"
        command = ["fluidsynth", "-n", "-i", "-q", "-r", str(RATE), "-F", str(sound), font, *map(str, files)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0 or not sound.exists():
            raise RuntimeError(f"FluidSynth failed: {done.stderr.strip()[-300:]}")
        return soundfile.read(sound, dtype="float32", always_2d=True)[0].mean(axis=1)
