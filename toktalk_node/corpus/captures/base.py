"""What the readers of captures share: the capture itself, its sound, and how sound and face come together."""

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from toktalk_node.face.space import ARKIT, SPACES
from toktalk_node.speech.files import AudioFileError, read_audio
from toktalk_node.speech.phones import Phone

RATE = 16_000
"""Sample rate of captured sound in Hz."""
FPS = 50
"""Frames of motion per second."""
SAMPLES = RATE // FPS
"""Samples of sound per frame of motion."""
MIN_SECONDS = 1.0
"""Shorter captures are left out."""
MAX_SECONDS = 7200.0
"""Longer captures are left out."""
MAX_DIFFERENCE = 2.0
"""Seconds of sound without a face, or the other way round, beyond which the two do not belong together."""
NOTED_DIFFERENCE = 0.1
"""Seconds of difference that are worth a warning."""
SILENT = 1e-4
"""Largest sample of a recording whose microphone was off."""


class CaptureError(ValueError):
    """A capture cannot be used; the message says which and why."""


class LeftOut(NamedTuple):
    """Something in a folder of captures that is not used, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Capture:
    """A recorded performance: sound, and the face that made it.

    Raises CaptureError where sound and face disagree in length, or the face is not one of its space.
    """

    id: str
    split: str
    """train, valid or test."""
    actor: str
    samples: np.ndarray
    """Mono float32 [n] at 16 kHz."""
    motion: np.ndarray | None
    """float32 [n / 320, M] at 50 fps in `space`; None where only the sound was captured."""
    phones: tuple[Phone, ...] | None = None
    """Phones that cover the sound, where they are known."""
    emotion: str = "neutral"
    """One of the eight of BEAT2."""
    intensity: float = 0.0
    """Of the emotion, in [0, 1]."""
    space: str = ARKIT.name
    """Name of the face space (see `toktalk_node.face.space`)."""
    notes: tuple[str, ...] = ()
    """What the reader repaired, cut or ignored."""

    def __post_init__(self) -> None:
        if self.motion is not None and self.motion.shape != (len(self.samples) // SAMPLES, SPACES[self.space].width):
            raise CaptureError(
                f"{self.id}: motion {list(self.motion.shape)} in {self.space} for {len(self.samples)} samples"
            )

    @property
    def seconds(self) -> float:
        """Length of the capture."""
        return len(self.samples) / RATE


class Reader(Protocol):
    """A folder of captures in one format: what is there is known at once, and each is read when it is asked for."""

    ids: Sequence[str]
    left_out: Sequence[LeftOut]

    def read(self, id: str) -> Capture:
        """The capture `id`; raises CaptureError, OSError or ValueError naming what is wrong with it."""
        ...


def sound(path: Path) -> np.ndarray:
    """The sound of a recording or a film, mono float32 [n] at 16 kHz; ffmpeg reads what libsndfile cannot.

    Raises CaptureError where it cannot be read, is silent, too short or too long.
    """
    try:
        samples, rate = read_audio(path)
    except AudioFileError as error:
        samples, rate = _film_sound(path, error), RATE
    if len(samples) > MAX_SECONDS * rate:
        raise CaptureError(f"{path}: {len(samples) / rate / 3600:.1f} hours; up to {MAX_SECONDS / 3600:.0f} are read")
    if not np.abs(samples).max(initial=0) > SILENT:
        raise CaptureError(f"{path}: the sound is silent: was the microphone off?")
    return to_16_khz(samples, rate)


def to_16_khz(samples: np.ndarray, rate: int) -> np.ndarray:
    """Mono float [n] at `rate` Hz as float32 at 16 kHz."""
    import soxr

    samples = np.asarray(samples, np.float32)
    return samples if rate == RATE else soxr.resample(samples, rate, RATE, "HQ")


def _film_sound(path: Path, unread: AudioFileError) -> np.ndarray:
    """Sound of a container that libsndfile does not read, float32 [n] at 16 kHz."""
    if not path.is_file() or path.stat().st_size == 0:
        raise CaptureError(str(unread)) from unread
    program = shutil.which("ffmpeg")
    if program is None:
        raise CaptureError(f"{unread}; ffmpeg may read it: sudo apt install ffmpeg (or brew install ffmpeg)")
    quiet = [program, "-nostdin", "-v", "error", "-protocol_whitelist", "file,pipe"]
    form = ["-vn", "-ac", "1", "-ar", str(RATE), "-t", str(MAX_SECONDS + 1), "-f", "f32le", "pipe:1"]
    done = subprocess.run([*quiet, "-i", f"file:{path}", *form], capture_output=True, check=False)
    if done.returncode or not done.stdout:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise CaptureError(f"{path}: ffmpeg reads no sound in it ({said[-1] if said else 'there is none'})") from unread
    return np.frombuffer(done.stdout, "<f4").copy()


def together(
    name: str, samples: np.ndarray, motion: np.ndarray, fps: float, offset: float = 0.0
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Sound and face cut to the part that both cover: samples, motion float32 [frames, M] at 50 fps, and notes.

    samples [n] at 16 kHz; motion [m, M] at `fps`; `offset` is the time of the face's start on the sound's clock.
    Raises CaptureError where one reaches more than MAX_DIFFERENCE seconds beyond the other, or the rest is too short.
    """
    heard, seen = len(samples) / RATE, len(motion) / fps
    begin, end = max(0.0, offset), min(heard, offset + seen)
    lost = max(heard, seen) - max(end - begin, 0)
    about = f"the sound lasts {heard:.2f} s, the face {seen:.2f} s"
    if offset:
        about += f" and begins at {offset:+.2f} s"
    if lost > MAX_DIFFERENCE:
        raise CaptureError(f"{name}: {about}: they differ by {lost:.2f} s, more than {MAX_DIFFERENCE:.0f} s")
    first = int(np.ceil(begin * FPS - 1e-6))
    frames = int(np.floor(end * FPS + 1e-6)) - first
    if frames < MIN_SECONDS * FPS:
        raise CaptureError(f"{name}: {about}: less than {MIN_SECONDS:.0f} s of both")
    middle = (first + np.arange(frames) + 0.5) / FPS
    notes = (f"{about}; cut to the {frames / FPS:.2f} s of both",) if lost > NOTED_DIFFERENCE else ()
    cut = np.ascontiguousarray(samples[first * SAMPLES : (first + frames) * SAMPLES], np.float32)
    return cut, between(motion, (middle - offset) * fps - 0.5), notes


def between(motion: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """`motion` [m, M] read at fractional frame numbers [n] by a Catmull-Rom spline, float32 [n, M]; ends are held.

    Straight lines would turn 25 or 30 frames per second into motion that starts and stops at every captured frame.
    """
    motion = np.asarray(motion, np.float32)
    positions = np.clip(positions, 0, len(motion) - 1)
    whole = np.floor(positions).astype(int)
    t = (positions - whole).astype(np.float32)[:, None]
    a, b, c, d = (motion[np.clip(whole + k, 0, len(motion) - 1)] for k in (-1, 0, 1, 2))
    return b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))


