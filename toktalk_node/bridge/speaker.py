"""Plays the sound of a bridge's streams on a loudspeaker of this machine, each sample at its presentation time.

    with Speaker("tcp://127.0.0.1:5591") as speaker:
        ...                              # plays until it is closed; speaker.stats counts

For receivers that show the face but carry no sound, such as Live Link and VMC. A sample leaves the loudspeaker `delay`
seconds after its time, as far as the sound system tells its own latency.
"""

import bisect
import contextlib
import logging
import math
import threading
import time
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import zmq

from toktalk_node.bridge.client import BridgeError, Client
from toktalk_node.bridge.keys import ClientKeys, load
from toktalk_node.bridge.protocol import Audio, Event, ProtocolError
from toktalk_node.signals import NANOSECONDS
from toktalk_node.speech.microphone import MicrophoneError, portaudio

log = logging.getLogger(__name__)

MAX_DELAY = 5.0
"""Most seconds that sound may be delayed."""
KEPT = 30
"""Seconds of sound that wait for their time at most; what is furthest ahead goes first."""
MAX_STREAMS = 16
"""Most streams that are heard at once."""
LATENCY = 0.05
"""Seconds of buffer that the sound system is asked for."""
SKEW = 0.004
"""Seconds by which sound may be off before it is set right by a jump."""
_BREAK = 0.04
"""Seconds by which a buffer's time differs from those before it when the loudspeaker was interrupted."""
_SMOOTH = 0.05
"""Share of the newest buffer's time in the estimate: single ones shake by milliseconds."""
_ANSWER, _RETRY, _POLL, _END = 1.0, 1.0, 0.2, 3.0


class SpeakerError(RuntimeError):
    """No loudspeaker to play on; the message says what there is."""


@dataclass
class SpeakerStats:
    """Counters since the speaker began."""

    samples: int = 0
    """Samples of streams that were played."""
    late_samples: int = 0
    """Samples that came after their time and were left out."""
    jumps: int = 0
    """Times that playing sound was set right, because the loudspeaker's clock runs otherwise than the stream's."""
    device_errors: int = 0
    """Times that the loudspeaker could not be opened or stopped by itself."""
    errors: int = 0
    """Messages of the bridge that were refused."""


class Track:
    """The sound of one stream by presentation time, read at the pace of a loudspeaker. Thread safe.

    rate: Hz of the sound and of the loudspeaker.
    """

    def __init__(self, rate: int, stats: SpeakerStats) -> None:
        self.rate = rate
        self._stats = stats
        self._pieces: list[tuple[int, np.ndarray]] = []
        self._next: int | None = None
        self._read = 0
        """Samples that the loudspeaker took so far."""
        self._line = 0.0
        """Where its sample 0 lies among those of the stream, as far as the times of its buffers tell."""
        self._buffers = 0
        """That the line was drawn through."""
        self._lock = threading.Lock()

    def push(self, pts_ns: int, samples: np.ndarray) -> None:
        """Sound that is heard from `pts_ns` on."""
        place = self._place(pts_ns)
        with self._lock:
            if self._pieces and abs(place - (end := self._pieces[-1][0] + len(self._pieces[-1][1]))) <= 1:
                place = end  # nanoseconds were rounded
            bisect.insort(self._pieces, (place, samples), key=itemgetter(0))
            while self._pieces[-1][0] - self._pieces[0][0] > KEPT * self.rate:
                self._pieces.pop()

    def cut(self, pts_ns: int) -> None:
        """Forget what would be heard at `pts_ns` or later."""
        end = self._place(pts_ns)
        with self._lock:
            kept = [(place, samples[: max(end - place, 0)]) for place, samples in self._pieces]
            self._pieces = [(place, samples) for place, samples in kept if len(samples)]

    def read(self, pts_ns: int, count: int, broken: bool = False) -> np.ndarray:
        """The `count` samples, float32, that the loudspeaker plays from `pts_ns` on; silence where there are none.

        Times of single buffers vary, so the place is that of the line through all of them, and playing goes on from
        where the last buffer ended as long as that is right. broken: the loudspeaker ran empty before this buffer.
        """
        out = np.zeros(count, np.float32)
        with self._lock:
            self._buffers = 0 if broken else self._buffers
            wanted = self._along_line(self._place(pts_ns))
            self._read += count
            allowed = SKEW if self._buffers * _SMOOTH > 1 else _BREAK
            if self._next is None or not self._pieces or broken:
                self._next = wanted
            elif abs(self._next - wanted) > allowed * self.rate:
                self._stats.jumps += 1
                self._next = wanted
            start, self._next = self._next, self._next + count
            while self._pieces:
                place, samples = self._pieces[0]
                if place >= start + count:
                    break
                begin, end = max(place, start), min(place + len(samples), start + count)
                if end > begin:
                    out[begin - start : end - start] = samples[begin - place : end - place]
                    self._stats.samples += end - begin
                late = min(max(start - place, 0), len(samples))
                self._stats.late_samples += late
                if place + len(samples) > start + count:
                    self._pieces[0] = (start + count, samples[start + count - place :])
                    break
                del self._pieces[0]
        return out

    def _along_line(self, place: int) -> int:
        """The place of the next buffer, which its own time says is `place`, by the line through those before it too."""
        line = place - self._read
        if self._buffers == 0 or abs(line - self._line) > _BREAK * self.rate:
            self._line, self._buffers = line, 0
        self._buffers += 1
        self._line += max(_SMOOTH, 1 / self._buffers) * (line - self._line)
        return round(self._line) + self._read

    def _place(self, pts_ns: int) -> int:
        """Index of the sample that is heard at `pts_ns`."""
        return (pts_ns * self.rate + NANOSECONDS // 2) // NANOSECONDS


class Speaker:
    """Follows a bridge from a thread of its own and plays what its streams say.

    Args:
        endpoint: the bridge's control endpoint.
        device: number or part of the name of the loudspeaker, None for the default.
        stream: the stream to play, None for all.
        delay: seconds from a sample's presentation time to the loudspeaker.
        keys: this receiver's keys, or their file, for a bridge that encrypts.

    Raises:
        SpeakerError: there is no such loudspeaker.
        ValueError: `delay` is more than MAX_DELAY, or not finite; the file of keys cannot be read.
    """

    def __init__(
        self,
        endpoint: str,
        device: int | str | None = None,
        *,
        stream: str | None = None,
        delay: float = 0.0,
        keys: ClientKeys | str | Path | None = None,
    ) -> None:
        if not abs(delay) <= MAX_DELAY:
            raise ValueError(f"delay of the sound is {delay} s, use -{MAX_DELAY:g} to {MAX_DELAY:g}")
        self.stats = SpeakerStats()
        self._endpoint, self._stream, self._delay_ns = endpoint, stream, round(delay * NANOSECONDS)
        self._keys = load(keys, ClientKeys) if isinstance(keys, str | Path) else keys
        self._device = int(device) if isinstance(device, str) and device.isdigit() else device or None
        self._sound = _sound_system(self._device)
        self._offset_ns = 0
        self._voices: dict[str, tuple[Track, Any]] = {}
        self._retry = -math.inf
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="toktalk-speaker", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop playing. Closing twice is fine."""
        self._stop.set()
        self._thread.join(_END)

    def __enter__(self) -> "Speaker":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _follow(self) -> None:
        try:
            while not self._stop.is_set():
                try:
                    with Client(self._endpoint, stream=self._stream, timeout=_ANSWER, keys=self._keys) as client:
                        self._play(client)
                except (ConnectionError, ProtocolError, BridgeError, zmq.ZMQError) as error:
                    log.debug("%s", error)
                    self._stop.wait(_RETRY)
        finally:
            for stream in list(self._voices):
                self._drop(stream)

    def _play(self, client: Client) -> None:
        for stream, info in client.streams.items():
            if info.audio_rate and self._stream in (None, stream):
                self._track(stream, info.audio_rate)  # a loudspeaker takes its time to open
        refused = self.stats.errors
        while not self._stop.is_set():
            self.stats.errors = refused + client.stats.errors
            for stream, message in client.messages(timeout=_POLL):
                self._offset_ns = client.clock_offset_ns
                self.stats.errors = refused + client.stats.errors
                if isinstance(message, Audio) and (track := self._track(stream, message.rate)):
                    track.push(message.pts_ns, message.array())
                elif isinstance(message, Event) and stream in self._voices:
                    if message.kind == "interrupted":
                        self._voices[stream][0].cut(message.pts_ns)
                    elif message.kind == "gone":
                        self._drop(stream)
                if self._stop.is_set():
                    return

    def _track(self, stream: str, rate: int) -> Track | None:
        """The track of `stream`, on a loudspeaker that plays; None while there is none."""
        if stream in self._voices:
            track, output = self._voices[stream]
            if track.rate == rate and output.active:
                return track
            self.stats.device_errors += track.rate == rate
            self._drop(stream)
        if len(self._voices) >= MAX_STREAMS or time.monotonic() < self._retry:
            return None
        track = Track(rate, self.stats)
        try:
            output = self._sound.OutputStream(
                samplerate=rate, device=self._device, channels=1, latency=LATENCY, callback=self._callback(track)
            )
            output.start()
        except (self._sound.PortAudioError, ValueError) as error:
            self.stats.device_errors += 1
            self._retry = time.monotonic() + _RETRY
            log.warning("the loudspeaker does not play %s at %s Hz: %s", stream, rate, error)
            return None
        self._voices[stream] = track, output
        return track

    def _drop(self, stream: str) -> None:
        _, output = self._voices.pop(stream)
        with contextlib.suppress(self._sound.PortAudioError):
            output.abort()
            output.close()

    def _callback(self, track: Track) -> Any:
        def fill(out: np.ndarray, count: int, times: Any, status: Any) -> None:
            ahead = times.outputBufferDacTime - times.currentTime
            heard_ns = time.time_ns() + round(max(ahead, 0.0) * NANOSECONDS)
            place_ns = heard_ns + self._offset_ns - self._delay_ns
            out[:, 0] = track.read(place_ns, count, status.output_underflow)

        return fill


def _sound_system(device: int | str | None) -> Any:
    """The sounddevice module, when it has the loudspeaker `device`."""
    try:
        sound = portaudio()
    except MicrophoneError as error:
        raise SpeakerError(str(error).replace("microphone", "loudspeaker")) from error
    try:
        sound.query_devices(device, "output")
    except (sound.PortAudioError, ValueError) as error:
        found = [f"{d['index']}: {d['name']}" for d in sound.query_devices() if d["max_output_channels"] > 0]
        which = "the default loudspeaker" if device is None else f"loudspeaker {device!r}"
        raise SpeakerError(f"{which} cannot be used ({error}). Here are: {'; '.join(found) or 'none'}") from error
    return sound
