"""The thread that turns sound or tokens into face frames with presentation times. Knows nothing of ROS.

The session knows what was decoded, and how a face comes to rest; the thread knows the clock and what waits.
A stream begins with the first sound after silence on the topic and gets its clock then: its epoch is the
time of its first sample plus the playout delay. Sound and frames go to the playout with times by that clock.
Whatever is wrong with the input ends the stream with a fault, brings the face to rest and waits for the next.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np

from toktalk_node.nodes.conversions import Sound
from toktalk_node.nodes.playout import (
    FAULT,
    INTERRUPTED,
    STREAM_ENDED,
    STREAM_STARTED,
    STYLE_CHANGED,
    FaceFrame,
    Happening,
    Playout,
    Sounding,
)
from toktalk_node.signals import NANOSECONDS, AudioChunk, Clock, FaceChunk, TokenChunk, media_time_ns
from toktalk_node.speech.source import check_rate, clean
from toktalk_node.stream.session import Interruption, SessionStats

if TYPE_CHECKING:
    from toktalk_node.motion.style import Style

_PIECE = 0.1
"""Seconds of sound that go through the decoder at once, so that a long message speaks before it is all decoded."""
_MUTE_NS = 250_000_000
"""After an interruption, sound still on its way from the source is dropped for this long."""
_TRUSTED_NS = 10 * NANOSECONDS
"""A stamp further than this from the clock is another clock's."""
_TOO_LATE_NS = 100_000_000
"""Sound that arrives this long after it should have been heard begins a new stream."""
_TIGHT_NS = 2 * NANOSECONDS
_Answer = TypeVar("_Answer")


class TooSlow(RuntimeError):
    """Computing takes longer than the sound lasts."""


class Decoder(Protocol):
    """What is asked of `toktalk_node.stream.Session`."""

    fps: int
    look_ahead: float
    stats: SessionStats

    def push_audio(self, pcm: np.ndarray, rate: int) -> FaceChunk: ...
    def push_tokens(self, chunk: TokenChunk) -> FaceChunk: ...
    def finish(self) -> FaceChunk: ...
    def interrupt(self, played_ns: int | None = None) -> Interruption: ...
    def set_style(self, style: "str | Style") -> None: ...
    def reset(self) -> None: ...


@dataclass(frozen=True)
class Tokens:
    """Tokens as they came in."""

    chunk: TokenChunk
    stamp_ns: int
    last: bool
    text: str = ""
    """What a stream that begins with them says."""


@dataclass
class InputStats:
    """What became of the input since activation, beside the session's own figures."""

    streams: int = 0
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
    pending: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    """Sound that does not fill a frame yet."""
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
        self.stats, self.session.stats = InputStats(), SessionStats()
        self._queue: deque[tuple[int, Sound | Tokens | Callable[[], None]]] = deque()
        self._waiting = 0.0
        self._wake = threading.Condition()
        self._stopped = False
        self._stream: _Stream | None = None
        self._latest: _Stream | None = None
        """The stream that goes on, or the one before: it is decoded before it is played."""
        self._muted_until_ns = 0
        self._thread = threading.Thread(target=self._run, name="decoder", daemon=True)
        self._thread.start()

    def push(self, item: Sound | Tokens) -> None:
        """Queue input. When more than `backlog` seconds wait, all of it is dropped and the stream ends in a fault."""
        now = self.now()
        with self._wake:
            for part in self._parts(item, now):
                self._waiting += _seconds(part)
                self._queue.append((now, part))
            if self._waiting > self.backlog:
                self._drop_input()
                detail = f"more than {self.backlog:.0f} s of sound waited: the decoder is too slow"
                self._queue.append((now, lambda: self._fault(detail)))
            self._wake.notify()

    def interrupt(self, played_ns: int) -> Interruption:
        """Drop everything from presentation time `played_ns` on, and what waits; the face comes to rest."""
        self.playout.drop_from(played_ns)
        with self._wake:
            self._drop_input()
        return self.ask(lambda: self._interrupt(played_ns))

    def set_style(self, style: "str | Style", name: str) -> None:
        """Speak in `style` from the next chunk on; receivers are told its `name`. Raises what the session raises."""

        def change() -> None:
            self.session.set_style(style)
            stream = self._stream
            at_ns = stream.clock.pts_ns(stream.frames, self.session.fps) if stream else self.now()
            self.playout.push(at_ns, Happening(STYLE_CHANGED, stream.frames if stream else 0, name))

        self.ask(change)

    def ask(self, question: Callable[[], _Answer]) -> _Answer:
        """What `question` returns or raises in the decoding thread, before what waits there."""
        answer: Future[_Answer] = Future()

        def call() -> None:
            try:
                answer.set_result(question())
            except Exception as error:
                answer.set_exception(error)

        with self._wake:
            self._queue.appendleft((self.now(), call))
            self._wake.notify()
        return answer.result(timeout=10)

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

    def _handle(self, item: Sound | Tokens | Callable[[], None] | None, arrived_ns: int) -> None:
        if item is None:
            stream = self._stream
            if stream and time.monotonic() - stream.heard_at > self.timeout:
                self._end(f"no sound for {self.timeout:g} s")
        elif isinstance(item, Sound):
            self._hear(item, arrived_ns)
        elif isinstance(item, Tokens):
            self._read(item, arrived_ns)
        else:
            item()

    def _parts(self, item: Sound | Tokens, now: int) -> list[Sound | Tokens]:
        """Input in pieces of a moment each, so that a long message speaks, and can be interrupted, as it is decoded.

        A stamp of no use gives way to the time when the message's sound must have begun.
        """
        trusted = abs(item.stamp_ns - now) <= _TRUSTED_NS
        stamp_ns = item.stamp_ns if trusted else now - int(_seconds(item) * NANOSECONDS)
        if isinstance(item, Tokens) or item.rate < 1:
            return [replace(item, stamp_ns=stamp_ns)]
        length, step = len(item.samples), max(int(_PIECE * item.rate), 1)
        return [
            Sound(
                item.samples[i : i + step],
                item.rate,
                stamp_ns + media_time_ns(i, item.rate),
                None if item.start is None else item.start + i,
                item.last and i + step >= length,
                "" if i else item.text,
            )
            for i in range(0, max(length, 1), step)
        ]

    def _drop_input(self) -> None:
        """Forget the sound and the tokens that wait, called with the lock held; what was asked is still answered."""
        self._queue = deque(entry for entry in self._queue if callable(entry[1]))
        self._waiting = 0.0

    def _hear(self, sound: Sound, arrived_ns: int) -> None:
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
        if not self._stream and not len(sound.samples):
            return
        stream = self._stream or self._begin(sound.stamp_ns, rate, sound.start or 0, sound.text)
        lost = 0 if sound.start is None else sound.start - stream.first - stream.received
        if lost > 0:
            self.stats.lost_samples += lost
            if lost > self.timeout * rate:
                self._end(f"{lost / rate:.1f} s of sound were lost")
                stream = self._begin(sound.stamp_ns, rate, sound.start)
            else:
                self._take(stream, np.zeros(lost, np.float32), arrived_ns)
        self._take(stream, sound.samples, arrived_ns)
        if sound.last:
            self._end()

    def _take(self, stream: _Stream, pcm: np.ndarray, arrived_ns: int) -> None:
        """Sound that follows on what the stream has, to the playout and through the decoder."""
        stream.heard_at = time.monotonic()
        self._sound(stream, clean(pcm)[0])
        self._show(stream, self.session.push_audio(pcm, stream.rate), arrived_ns)

    def _read(self, tokens: Tokens, arrived_ns: int) -> None:
        if self.now() < self._muted_until_ns:
            return
        stream = self._stream
        if stream and (stream.rate or tokens.chunk.start < stream.first + stream.received):
            self._end("a new stream began")
        stream = self._stream or self._begin(tokens.stamp_ns, 0, tokens.chunk.start, tokens.text)
        stream.heard_at = time.monotonic()
        chunk = replace(tokens.chunk, start=tokens.chunk.start - stream.first)
        stream.received = chunk.end
        self._show(stream, self.session.push_tokens(chunk), arrived_ns)
        if tokens.last:
            self._end()

    def _begin(self, stamp_ns: int, rate: int, first: int, text: str = "") -> _Stream:
        """A new stream, whose first sample or token has this time, and which says `text`."""
        epoch_ns = max(stamp_ns, self.now() - self.delay_ns) + self.delay_ns
        self.playout.drop_from(epoch_ns, (FaceFrame,))  # the old stream was only coming to rest
        self._stream = self._latest = _Stream(Clock(epoch_ns), rate, first)
        self.stats.streams += 1
        self.playout.push(epoch_ns, Happening(STREAM_STARTED, text=text))
        return self._stream

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

    def _show(self, stream: _Stream, chunk: FaceChunk, arrived_ns: int | None = None) -> None:
        """Hand frames to the playout. Those of sound that arrived at `arrived_ns` must not come ever later."""
        for i, (weights, head) in enumerate(zip(chunk.weights, chunk.head, strict=True)):
            frame = chunk.start + i
            self.playout.push(stream.clock.pts_ns(frame, chunk.fps), FaceFrame(weights, head, frame, chunk.fps))
        if not len(chunk):
            return
        stream.frames = chunk.end
        if arrived_ns is None:
            return
        now = self.now()
        self.stats.reaction.append((now - arrived_ns) / NANOSECONDS)
        behind = (now - stream.clock.pts_ns(chunk.end, chunk.fps)) / NANOSECONDS
        if behind > self.patience:
            with self._wake:
                self._drop_input()
            raise TooSlow(
                f"frames come {behind:.1f} s too late: this machine computes slower than sound passes; the sound that "
                "waited was dropped. Take fewer steps, a smaller preset or another device"
            )

    def _end(self, detail: str = "") -> None:
        """Decode what the session holds back; the face comes to rest."""
        stream = self._stream
        if stream.rate:
            self._sound(stream, np.zeros(0, np.float32), last=True)
        self._show(stream, self.session.finish())
        self._close(stream, detail)

    def _close(self, stream: _Stream, detail: str = "") -> None:
        """The stream is over after its last frame and its last sample."""
        end_ns = stream.clock.pts_ns(stream.frames, self.session.fps)
        if stream.rate:
            end_ns = max(end_ns, stream.clock.pts_ns(stream.received, stream.rate))
        self.playout.push(end_ns, Happening(STREAM_ENDED, stream.frames, detail))
        self._stream = None

    def _interrupt(self, at_ns: int) -> Interruption:
        """The session's answer to an interruption at presentation time `at_ns`; its way to rest is shown."""
        self.playout.drop_from(at_ns)  # what was decoded since the caller did so
        self._muted_until_ns = self.now() + _MUTE_NS
        stream = self._latest
        media_ns = max(at_ns - stream.clock.epoch_ns, 0) if stream else 0
        answer = self.session.interrupt(media_ns)
        self.playout.push(at_ns, Happening(INTERRUPTED, answer.played_frames))
        if stream and (self._stream or len(answer.rest)):
            stream.received = min(stream.received, media_ns * stream.rate // NANOSECONDS)
            self._show(stream, answer.rest)
            self._close(stream)
        return answer

    def _fault(self, detail: str) -> None:
        self.stats.faults += 1
        self.stats.last_fault = detail
        rest = self.session.interrupt().rest
        stream = self._stream
        self.playout.push(self.now(), Happening(FAULT, stream.frames if stream else 0, detail))
        if stream:
            self._show(stream, rest)
            self._close(stream)


def _seconds(item: Sound | Tokens) -> float:
    return len(item.samples) / item.rate if isinstance(item, Sound) and item.rate else 0.0
