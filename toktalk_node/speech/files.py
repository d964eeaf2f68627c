"""Recordings as speech: every format, rate and channel count that libsndfile reads."""

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from toktalk_node.signals import AudioChunk

from .source import MAX_CHANNELS, check_rate, clean

LOGGER = logging.getLogger(__name__)
MAX_SECONDS = 12 * 3600
_UNKNOWN = 1 << 62


class AudioFileError(ValueError):
    """A file that holds no sound to use; the message names the file and the reason."""


class FileSource:
    """The sound of a file, mono, at the file's own `rate`, in chunks of `block` seconds.

    The header is read at once, so that `rate` and `duration` (seconds, by the header) are known before iterating.
    Raises AudioFileError where the file is missing, empty, longer than 12 hours or not sound. A file that ends before
    its header says gives what it has; `warning` then says so (empty otherwise), as for values that are not finite.
    """

    def __init__(self, path: str | Path, block: float = 0.02) -> None:
        self.path = Path(path)
        self.warning = ""
        if self.path.is_dir():
            raise AudioFileError(f"{path}: is a folder, not a recording")
        if not self.path.exists():
            raise AudioFileError(f"{path}: no such file")
        if self.path.stat().st_size == 0:
            raise AudioFileError(f"{path}: the file is empty")
        try:
            self._file = soundfile.SoundFile(self.path)
        except (soundfile.LibsndfileError, OSError, TypeError) as error:
            reason = getattr(error, "error_string", None) or str(error)
            raise AudioFileError(f"{path}: not a recording that libsndfile reads ({reason})") from error
        try:
            self.rate = check_rate(self._file.samplerate)
            self._frames = 0 if self._file.frames >= _UNKNOWN else self._file.frames
            self._check()
        except ValueError as error:
            self._file.close()
            raise AudioFileError(f"{path}: {error}") from error
        self._block = max(round(block * self.rate), 1)

    def _check(self) -> None:
        if self._file.frames == 0:
            raise ValueError("the recording has no samples")
        if self._file.channels > MAX_CHANNELS:
            raise ValueError(f"{self._file.channels} channels; up to {MAX_CHANNELS} are read")
        if self.duration > MAX_SECONDS:
            raise ValueError(f"{self.duration / 3600:.1f} hours by its header; up to {MAX_SECONDS // 3600} are read")

    @property
    def duration(self) -> float:
        """Length in seconds as the header has it; 0 where the header leaves it open, as recorders that stream do."""
        return self._frames / self.rate

    def __iter__(self) -> Iterator[AudioChunk]:
        start, bad, reason = 0, 0, ""
        while not self._file.closed:
            try:
                pcm = self._file.read(self._block, dtype="float32", always_2d=True)
            except soundfile.LibsndfileError as error:
                pcm, reason = np.zeros((0, 1), np.float32), f" ({error.error_string})"
            if len(pcm) == 0:
                break
            if start > MAX_SECONDS * self.rate:
                self._warn(f"only the first {MAX_SECONDS // 3600} hours are read")
                break
            samples, count = clean(pcm)
            bad += count
            yield AudioChunk(samples, self.rate, start)
            start += len(samples)
        else:
            return
        if start < self._frames:
            self._warn(f"ends after {start / self.rate:.2f} of {self.duration:.2f} s{reason}")
        if bad:
            self._warn(f"{bad} values were not finite; they became silence")
        if start == 0:
            raise AudioFileError(f"{self.path}: {self.warning or 'no samples can be read'}")

    def _warn(self, text: str) -> None:
        self.warning = f"{self.warning}; {text}" if self.warning else text
        LOGGER.warning("%s: %s", self.path, text)

    def close(self) -> None:
        """End the iteration."""
        self._file.close()


def read_audio(path: str | Path) -> tuple[np.ndarray, int]:
    """The whole sound of a file, mono float32 [n], and its rate in Hz; raises AudioFileError."""
    source = FileSource(path, block=0.1)
    try:
        return np.concatenate([chunk.samples for chunk in source]), source.rate
    finally:
        source.close()
