"""A live microphone by PortAudio (sounddevice), whose stream goes on when the device does not.

The stream's time is the machine's: where the microphone gives nothing, because it was unplugged or its sound server
stopped, silence takes its place at the same rate, and the device is opened again as soon as it is back.
"""

import importlib
import logging
import queue
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from toktalk_node.signals import AudioChunk

from .source import check_rate, clean

LOGGER = logging.getLogger(__name__)
SILENT_AFTER = 0.3
START_WITHIN = 2.5
"""Seconds until a device that was opened counts as lost; sound servers that slept take up to two."""
RETRY_EVERY = 1.0
_QUEUE = 500


class MicrophoneError(RuntimeError):
    """No microphone to record from; the message says what there is and what to do."""


def portaudio() -> Any:
    """The sounddevice module; raises MicrophoneError where it or PortAudio is missing."""
    try:
        return importlib.import_module("sounddevice")
    except ImportError as error:
        raise MicrophoneError("the microphone needs sounddevice: pip install sounddevice") from error
    except OSError as error:
        raise MicrophoneError("the microphone needs PortAudio: sudo apt install libportaudio2") from error
    except Exception as error:  # PortAudioError, whose class the failed import takes with it
        raise MicrophoneError(f"the sound system cannot be used: {error}") from error


def microphones() -> list[str]:
    """Input devices as "index: name (rate Hz)". Raises MicrophoneError without PortAudio."""
    return [
        f"{device['index']}: {device['name']} ({device['default_samplerate']:.0f} Hz)"
        for device in portaudio().query_devices()
        if device["max_input_channels"] > 0
    ]


class MicrophoneSource:
    """Sound of a microphone, mono, in chunks of `block` seconds.

    `device` is an index, a part of a name, or None for the default; `rate` in Hz is the device's own where not given.
    Raises MicrophoneError where the device cannot be opened at first. Later losses are bridged with silence: `lost`
    counts them, `connected` tells the state, `silence` the samples put in, `dropped` those that nobody fetched in 5 s.
    """

    def __init__(self, device: int | str | None = None, rate: int | None = None, block: float = 0.01) -> None:
        self._portaudio = portaudio()
        self._device = int(device) if isinstance(device, str) and device.isdigit() else device
        self.rate = check_rate(rate) if rate is not None else 0
        self._block_seconds = block
        self._queue: queue.Queue[np.ndarray] = queue.Queue(_QUEUE)
        self._stream: Any = None
        self._closed = False
        self.lost = self.silence = self.dropped = 0
        try:
            self._open()
        except (self._portaudio.PortAudioError, ValueError) as error:
            raise MicrophoneError(self._complaint(error)) from error

    @property
    def connected(self) -> bool:
        """Whether the device is giving sound."""
        return self._stream is not None

    def _open(self) -> None:
        device = self._portaudio.query_devices(self._device, "input")
        if not self.rate:
            self.rate = check_rate(int(device["default_samplerate"]))
        self._block = max(round(self._block_seconds * self.rate), 1)
        self._stream = self._portaudio.InputStream(
            samplerate=self.rate,
            device=self._device,
            channels=min(device["max_input_channels"], 2),
            blocksize=self._block,
            dtype="float32",
            latency="low",
            callback=self._receive,
        )
        self._stream.start()

    def _receive(self, pcm: np.ndarray, frames: int, times: object, status: object) -> None:
        try:
            self._queue.put_nowait(pcm.copy())
        except queue.Full:
            self.dropped += frames

    def _complaint(self, error: Exception) -> str:
        try:
            found = microphones()
        except (MicrophoneError, self._portaudio.PortAudioError):
            found = []
        which = "the default microphone" if self._device is None else f"microphone {self._device!r}"
        there = "; ".join(found) if found else "none; plug one in, or start PulseAudio or PipeWire"
        return f"{which} cannot be opened ({error}). Microphones here: {there}"

    def _lose(self) -> None:
        if self._stream is not None:
            self.lost += 1
            LOGGER.warning("the microphone gives no sound; the stream goes on with silence until it is back")
            self._abandon()

    def _abandon(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            try:
                stream.abort()
                stream.close()
            except self._portaudio.PortAudioError:
                LOGGER.debug("the lost device could not be closed", exc_info=True)

    def _reopen(self) -> bool:
        try:
            self._portaudio._terminate()  # PortAudio lists its devices once, when it starts
            self._portaudio._initialize()
            self._open()
        except (self._portaudio.PortAudioError, ValueError, OSError):
            self._stream = None
            return False
        LOGGER.warning("the microphone is back")
        return True

    def __iter__(self) -> Iterator[AudioChunk]:
        start = 0
        origin: float | None = None
        deadline = time.monotonic() + START_WITHIN
        retry = 0.0
        while not self._closed:
            try:
                samples, _ = clean(self._queue.get(timeout=self._block_seconds))
                now = time.monotonic()
                deadline = now + SILENT_AFTER
                origin = now - len(samples) / self.rate if origin is None else origin
            except queue.Empty:
                now = time.monotonic()
                if now < deadline and self._stream is not None and origin is None:
                    continue
                if now > deadline:
                    self._lose()
                if self._stream is None and now > retry:
                    retry = now + RETRY_EVERY
                    if self._reopen():
                        deadline = time.monotonic() + START_WITHIN
                origin = now if origin is None else origin
                due = int((now - SILENT_AFTER - origin) * self.rate) - start
                if due <= 0:
                    continue
                samples = np.zeros(due, np.float32)
                self.silence += due
            yield AudioChunk(samples, self.rate, start)
            start += len(samples)

    def close(self) -> None:
        """Stop recording and end the iteration."""
        self._closed = True
        self._abandon()
