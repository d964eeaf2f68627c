"""The thread that turns sound or tokens into face frames with presentation times. Knows nothing of ROS.

A stream begins with the first sound after silence on the topic and gets its clock then: its epoch is the
time of its first sample plus the playout delay. Sound and frames go to the playout with times by that clock.
Whatever is wrong with the input ends the stream with a fault, brings the face to rest and waits for the next.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from toktalk_node.face.rest import REST, to_rest
from toktalk_node.nodes.conversions import Sound
from toktalk_node.nodes.playout import FaceFrame, Happening, Playout, Sounding
from toktalk_node.signals import NANOSECONDS, AudioChunk, Clock, FaceChunk, TokenChunk
from toktalk_node.speech.source import check_rate, clean

STREAM_STARTED, STREAM_ENDED, INTERRUPTED, FAULT = 1, 2, 3, 6
"""FaceEvent's numbers."""
_PIECE = 0.1
"""Seconds of sound that go through the decoder at once, so that a long message speaks before it is all decoded."""
_MUTE_NS = 250_000_000
"""After an interruption, sound still on its way from the source is dropped for this long."""
_TRUSTED_NS = 10 * NANOSECONDS
"""A stamp further than this from the clock is another clock's."""
_TOO_LATE_NS = 100_000_000
"""Sound that arrives this long after it should have been heard begins a new stream."""
_TIGHT_NS = 2 * NANOSECONDS
_REST_SECONDS = 0.2


class TooSlow(RuntimeError):
    """Computing takes longer than the sound lasts."""


class Decoder(Protocol):
    """What is asked of `toktalk_node.stream.Session`."""

    fps: int
    look_ahead: float

    def push_audio(self, pcm: np.ndarray, rate: int) -> FaceChunk: ...
    def push_tokens(self, chunk: TokenChunk) -> FaceChunk: ...
    def finish(self) -> FaceChunk: ...
    def reset(self) -> None: ...


@dataclass(frozen=True)
class Tokens:
    """Tokens as they came in."""

    chunk: TokenChunk
    stamp_ns: int
    last: bool


@dataclass(frozen=True)
class Interruption:
    """Face frames up to the interruption, and frames that will not be shown."""

    played_frames: int
    dropped_frames: int


@dataclass
class InputStats:
    """What came in since activation."""

    streams: int = 0
    seconds: float = 0.0
    bad_values: int = 0
    """Samples that were not finite; they became silence."""
    lost_samples: int = 0
    """Samples missing between messages; they became silence."""
    faults: int = 0
    last_fault: str = ""
    reaction: deque[float] = field(default_factory=lambda: deque(maxlen=2000))
    """Seconds from the arrival of the sound that completed frames until the frames were ready."""


@dataclass
class _Stream:
    """One stream on its way: its clock and where it is."""

    clock: Clock
    rate: int = 0
    first: int = 0
    """The source's index of our sample 0."""
    received: int = 0
    """Samples, or tokens where `rate` is 0."""
    sounded: int = 0
    frames: int = 0
    end_ns: int = 0
    """When it is over, once that is known."""
    pending: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    """Sound that does not fill a frame yet."""
    poses: deque[tuple[int, np.ndarray]] = field(default_factory=lambda: deque(maxlen=3000))
    """(frame, motion [55]) of the latest frames, to come to rest from where the face is."""
    heard_at: float = 0.0
    tight_since: int | None = None
    """Since when, in ns, sound has arrived too late for its frames to be in time."""


class DecodingThread:
    """Owns the session while it runs. `push`, `interrupt` and `stop` are called from any thread.

    Args:
        now: the clock of presentation times, nanoseconds.
        delay_ns: from the time of a sample to its presentation.
        timeout: seconds without input after which a stream is over.
        backlog: seconds of input that may wait; more is a fault.
        patience: seconds that frames may be late; more is a fault, and what waits is dropped.
    """

    def __init__(
        self,
        session: Decoder,
        playout: Playout,
        now: Callable[[], int],
        *,
        delay_ns: int,
        timeout: float = 0.5,
        backlog: float = 65.0,
        patience: float = 2.0,
    ) -> None:
        self.session, self.playout, self.now = session, playout, now
        self.delay_ns, self.timeout, self.backlog, self.patience = delay_ns, timeout, backlog, patience
        self.stats = InputStats()
        self._queue: deque[tuple[int, Sound | Tokens | Future | str]] = deque()
        self._waiting = 0.0
        self._wake = threading.Condition()
        self._stopped = False
        self._stream: _Stream | None = None
        self._ended: _Stream | None = None
        self._played_ns = 0
        self._muted_until_ns = 0
        self._thread = threading.Thread(target=self._run, name="decoder", daemon=True)
        self._thread.start()

    def push(self, item: Sound | Tokens) -> None:
        """Queue input. When more than `backlog` seconds wait, all of it is dropped and the stream ends in a fault."""
        with self._wake:
            self._waiting += _seconds(item)
            self._queue.append((self.now(), item))
            if self._waiting > self.backlog:
                self._queue.clear()
                self._waiting = 0.0
                self._queue.append((0, f"more than {self.backlog:.0f} s of sound waited: the decoder is too slow"))
            self._wake.notify()

    def interrupt(self, played_ns: int) -> Interruption:
        """Drop everything from presentation time `played_ns` on, and what waits; the face comes to rest."""
        dropped = self.playout.drop_from(played_ns)
        answer: Future[int] = Future()
        with self._wake:
            self._queue.clear()
            self._waiting = 0.0
            self._played_ns = played_ns
            self._queue.append((0, answer))
            self._wake.notify()
        played, more = answer.result(timeout=10)
        return Interruption(played, dropped + more)

    def stop(self) -> None:
        """End the thread; what was not decoded is dropped."""
        with self._wake:
            self._stopped = True
            self._wake.notify()
        self._thread.join()
        self.session.reset()

    def _run(self) -> None:
        while True:
            with self._wake:
                if not self._queue and not self._stopped:
                    self._wake.wait(self.timeout / 4)
                if self._stopped:
                    return
                arrived_ns, item = self._queue.popleft() if self._queue else (0, None)
                if isinstance(item, Sound | Tokens):
                    self._waiting -= _seconds(item)
            try:
                self._handle(item, arrived_ns)
            except Exception as error:  # whatever the input did, the node goes on
                self._fault(str(error) or type(error).__name__)

    def _handle(self, item: object, arrived_ns: int) -> None:
        if item is None:
            stream = self._stream
            if stream and time.monotonic() - stream.heard_at > self.timeout:
                self._end(f"no sound for {self.timeout:g} s")
        elif isinstance(item, Sound):
            self._hear(item, arrived_ns)
        elif isinstance(item, Tokens):
            self._read(item, arrived_ns)
        elif isinstance(item, Future):
            try:
                item.set_result(self._interrupt())
            except Exception as error:
                item.set_exception(error)
                raise
        else:
            self._fault(item)

    def _hear(self, sound: Sound, arrived_ns: int) -> None:
        samples, bad = clean(sound.samples)
        self.stats.bad_values += bad
        rate = check_rate(sound.rate)
        stream = self._stream
        again = stream and sound.start is not None and sound.start < stream.first + stream.received
        if stream and (again or stream.rate != rate):
            self._end("a new stream began")
            self._muted_until_ns = 0
        if self._stream and self._too_late(self._stream, arrived_ns):
            self._end("the sound came too late to be heard in time; it goes on as a new stream")
        if self.now() < self._muted_until_ns:
            self._muted_until_ns = 0 if sound.last else self._muted_until_ns
            return
        if not self._stream:
            if not len(samples):
                return
            self._begin(self._time_of(sound.stamp_ns, len(samples) / rate), rate, sound.start or 0)
        stream = self._stream
        stream.heard_at = time.monotonic()
        lost = 0 if sound.start is None else sound.start - stream.first - stream.received
        if lost > 0:
            self.stats.lost_samples += lost
            if lost > self.timeout * rate:
                self._end(f"{lost / rate:.1f} s of sound were lost")
                self._begin(self._time_of(sound.stamp_ns, len(samples) / rate), rate, sound.start)
                stream = self._stream
            else:
                samples = np.concatenate([np.zeros(lost, np.float32), samples])
        self.stats.seconds += len(samples) / rate
        step = max(int(_PIECE * rate), 1)
        for i in range(0, len(samples), step):
            piece = samples[i : i + step]
            self._sound(stream, piece)
            self._decode(stream, lambda piece=piece: self.session.push_audio(piece, rate), arrived_ns)
            if self._interrupted():
                return
        if sound.last:
            self._end()

    def _read(self, tokens: Tokens, arrived_ns: int) -> None:
        if self.now() < self._muted_until_ns:
            return
        stream = self._stream
        if stream and (stream.rate or tokens.chunk.start < stream.first + stream.received):
            self._end("a new stream began")
        if not self._stream:
            self._begin(self._time_of(tokens.stamp_ns, 0.0), 0, tokens.chunk.start)
        stream = self._stream
        stream.heard_at = time.monotonic()
        chunk = TokenChunk(tokens.chunk.space, tokens.chunk.ids, tokens.chunk.start - stream.first)
        stream.received = chunk.end
        before = stream.frames
        self._decode(stream, lambda: self.session.push_tokens(chunk), arrived_ns)
        self.stats.seconds += (stream.frames - before) / self.session.fps
        if tokens.last:
            self._end()

    def _begin(self, epoch_ns: int, rate: int, first: int) -> None:
        self.session.reset()
        self.playout.drop_from(epoch_ns, (FaceFrame,))  # the old stream was only coming to rest
        self._stream = _Stream(Clock(epoch_ns), rate, first)
        self.stats.streams += 1
        self.playout.push(epoch_ns, Happening(STREAM_STARTED))

    def _time_of(self, stamp_ns: int, duration: float) -> int:
        """The epoch of a stream whose first message has this stamp, or none that can be trusted."""
        now = self.now()
        if abs(stamp_ns - now) > _TRUSTED_NS:
            stamp_ns = now - int(duration * NANOSECONDS)
        return max(stamp_ns, now - self.delay_ns) + self.delay_ns

    def _too_late(self, stream: _Stream, arrived_ns: int) -> bool:
        """Whether the stream needs a new clock: its sound came overdue, or for a while now too late for its frames.

        A microphone whose clock is slow, by some parts in a million, comes to this after hours.
        """
        late_ns = arrived_ns - stream.clock.pts_ns(stream.received, stream.rate)
        tight = late_ns > -self.session.look_ahead * NANOSECONDS
        if not tight:
            stream.tight_since = None
        elif stream.tight_since is None:
            stream.tight_since = arrived_ns
        return late_ns > _TOO_LATE_NS or (tight and arrived_ns - stream.tight_since > _TIGHT_NS)

    def _sound(self, stream: _Stream, samples: np.ndarray, last: bool = False) -> None:
        """Hand sound to the playout in blocks that begin where face frames do."""
        stream.received += len(samples)
        stream.pending = np.concatenate([stream.pending, samples])
        fps, ending = self.session.fps, False
        while stream.pending.size:
            block = stream.sounded * fps // stream.rate + 1
            end = -(-block * stream.rate // fps)
            if end > stream.received and not last:
                return
            part, stream.pending = np.split(stream.pending, [end - stream.sounded])
            ending = last and not stream.pending.size
            self._play(stream, part, ending)
        if last and not ending:
            self._play(stream, stream.pending, True)

    def _play(self, stream: _Stream, samples: np.ndarray, last: bool) -> None:
        chunk = AudioChunk(samples, stream.rate, stream.sounded)
        self.playout.push(stream.clock.pts_ns(stream.sounded, stream.rate), Sounding(chunk, last))
        stream.sounded += len(samples)

    def _decode(self, stream: _Stream, step: Callable[[], FaceChunk], arrived_ns: int) -> None:
        chunk = step()
        self._show(stream, chunk)
        if not len(chunk):
            return
        now = self.now()
        self.stats.reaction.append((now - arrived_ns) / NANOSECONDS)
        behind = (now - stream.clock.pts_ns(chunk.end, chunk.fps)) / NANOSECONDS
        if behind > self.patience:
            with self._wake:
                self._queue = deque(item for item in self._queue if isinstance(item[1], Future))
                self._waiting = 0.0
            raise TooSlow(
                f"frames come {behind:.1f} s too late: this machine computes slower than sound passes; the sound that "
                "waited was dropped. Take fewer steps, a smaller preset or another device"
            )

    def _show(self, stream: _Stream, chunk: FaceChunk) -> None:
        for i, (weights, head) in enumerate(zip(chunk.weights, chunk.head, strict=True)):
            frame = chunk.start + i
            self.playout.push(stream.clock.pts_ns(frame, chunk.fps), FaceFrame(weights, head, frame, chunk.fps))
            stream.poses.append((frame, np.concatenate([weights, head])))
        if len(chunk):
            stream.frames = chunk.end

    def _end(self, detail: str = "") -> None:
        """Decode what the session holds back; the face comes to rest."""
        stream = self._stream
        if stream.rate:
            self._sound(stream, np.zeros(0, np.float32), last=True)
        self._decode(stream, self.session.finish, self.now())
        self._close(detail)

    def _close(self, detail: str = "") -> None:
        """The stream is over after its last frame and its last sample."""
        stream, self._stream = self._stream, None
        stream.end_ns = stream.clock.pts_ns(stream.frames, self.session.fps)
        if stream.rate:
            stream.end_ns = max(stream.end_ns, stream.clock.pts_ns(stream.received, stream.rate))
        self.playout.push(stream.end_ns, Happening(STREAM_ENDED, stream.frames, detail))
        self._ended = stream

    def _interrupted(self) -> bool:
        with self._wake:
            return any(isinstance(item, Future) for _, item in self._queue)

    def _interrupt(self) -> tuple[int, int]:
        """(frames played, further frames dropped); the face comes to rest from the frame that was shown."""
        at_ns = self._played_ns
        more = self.playout.drop_from(at_ns)  # what was decoded meanwhile
        self._muted_until_ns = self.now() + _MUTE_NS
        if self._stream:
            self.session.reset()
        elif self._ended and self._ended.end_ns > at_ns:  # decoded to its end, but not yet played
            self._stream = self._ended
        stream = self._stream
        media_ns = max(at_ns - stream.clock.epoch_ns, 0) if stream else 0
        played = min(media_ns * self.session.fps // NANOSECONDS, stream.frames) if stream else 0
        self.playout.push(at_ns, Happening(INTERRUPTED, played))
        if stream:
            stream.frames = played
            stream.received = min(stream.received, media_ns * stream.rate // NANOSECONDS)
            self._rest(stream)
            self._close()
        return played, more

    def _rest(self, stream: _Stream) -> None:
        """Frames from the pose before `stream.frames` to rest."""
        fps = self.session.fps
        pose = next((pose for frame, pose in reversed(stream.poses) if frame < stream.frames), REST)
        motion = to_rest(pose, int(_REST_SECONDS * fps) + 1, fps, _REST_SECONDS)
        self._show(stream, FaceChunk(motion[:, :52], motion[:, 52:], fps, stream.frames))

    def _fault(self, detail: str) -> None:
        self.stats.faults += 1
        self.stats.last_fault = detail
        self.session.reset()
        stream = self._stream
        self.playout.push(self.now(), Happening(FAULT, stream.frames if stream else 0, detail))
        if stream:
            self._rest(stream)
            self._close()


def _seconds(item: Sound | Tokens) -> float:
    return len(item.samples) / item.rate if isinstance(item, Sound) and item.rate else 0.0
