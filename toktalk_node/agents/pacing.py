"""The thread that speaks: speech comes as fast as a TTS makes it and leaves in real time, with its face.

    thread = SpeakingThread(session, emit)      # `emit` is called in the thread with each output
    thread.say(samples, 24_000)                 # as early and as much as one likes
    thread.end()                                # of the utterance
    thread.interrupt()                          # what was not heard is dropped, the face comes to rest

Knows nothing of asyncio, sockets or agents. A node's sound has stamps of a clock outside; a TTS has none, so here the
thread chooses the clock: a stream begins when its first frames are ready. From then on sound and frames leave `ahead`
seconds before they must, and the model is given no more than that needs, so a minute of sound in a second costs the
memory of the sound alone. When sound runs out, silence takes its place in the stream, heard and shown alike, so that
one clock holds from the first sample to the last.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from toktalk_node.agents.inbox import Inbox
from toktalk_node.agents.outputs import Cut, Ended, Failed, Output, Passed, Showing, Sounding, Started, Starved, Styled
from toktalk_node.agents.streams import End, Mark, Said, Stream
from toktalk_node.signals import NANOSECONDS, AudioChunk, Clock, FaceChunk, media_time_ns
from toktalk_node.speech.source import check_rate, clean

if TYPE_CHECKING:
    from toktalk_node.motion.style import Style
    from toktalk_node.stream.session import Session

_MARGIN = 0.04
"""Seconds before sound must leave at which its face must be on its way, and silence takes the place of none."""
_MAX_SHIFT_NS = 2 * NANOSECONDS
_Answer = TypeVar("_Answer")


@dataclass
class SpeakerStats:
    """Counters since the thread began."""

    streams: int = 0
    frames: int = 0
    late_frames: int = 0
    """Frames that left after their time."""
    max_late_ns: int = 0
    samples: int = 0
    underruns: int = 0
    """Times that sound ran out within an utterance."""
    silence: float = 0.0
    """Seconds of silence that took the place of sound."""
    interruptions: int = 0
    faults: int = 0


class SpeakingThread:
    """Owns the session. Its methods may be called from any thread; they do not wait but for `interrupt`'s Future.

    Args:
        session: who decodes; no one else may use it meanwhile.
        emit: called in the thread with each Output, in order. It must not block.
        latency: seconds from the moment when sound leaves to the moment when it is heard.
        prebuffer: seconds of frames that are ready before a stream begins; more bears more jitter.
        ahead: seconds that sound and frames leave before they must.
        backlog: seconds of sound that may wait before `say` asks for patience.
        timeout: seconds without sound after which a stream is over that nobody ended.
        patience: seconds that frames may be late before the face rests for the rest of the stream.
        now: the clock of presentation times, nanoseconds since the Unix epoch.
    """

    def __init__(
        self,
        session: "Session",
        emit: Callable[[Output], None],
        *,
        latency: float = 0.1,
        prebuffer: float = 0.1,
        ahead: float = 0.3,
        backlog: float = 30.0,
        timeout: float = 1.0,
        patience: float = 1.0,
        now: Callable[[], int] = time.time_ns,
    ) -> None:
        for name, value in (("latency", latency), ("prebuffer", prebuffer), ("ahead", ahead), ("backlog", backlog)):
            if not 0 <= value <= 600:
                raise ValueError(f"{name} is {value} s; 0 to 600 s make sense")
        if ahead < 2 * _MARGIN:
            raise ValueError(f"ahead is {ahead} s; {2 * _MARGIN} s is the least that keeps sound and face in time")
        self.session, self.emit, self.now = session, emit, now
        self.latency_ns, self.ahead_ns = round(latency * NANOSECONDS), round(ahead * NANOSECONDS)
        self.prebuffer, self.timeout, self.patience = prebuffer, timeout, patience
        self.stats = SpeakerStats()
        self._inbox = Inbox(backlog)
        self._stream: Stream | None = None
        self._latest: Stream | None = None
        """The stream that goes on, or the one before: it leaves before it is heard."""
        self._heard_ns = self._free_ns = 0
        """When the stream before is heard to its end, and when its face is at rest."""
        self._thread = threading.Thread(target=self._run, name="toktalk-speaker", daemon=True)
        self._thread.start()

    @property
    def said_ns(self) -> int:
        """Nanoseconds of sound said since the thread began."""
        return self._inbox.said_ns

    def say(self, pcm: np.ndarray, rate: int, text: str = "") -> "Future[None]":
        """Queue sound [n] or [n, channels] at `rate` Hz; the Future is done when there is room for more.

        text: what it says, where that is known: a stream that begins with it tells so. Samples that are not finite
        count as silence. Raises ValueError for another shape, type or rate, RuntimeError after `close`.
        """
        samples, bad = clean(pcm)
        rate = check_rate(rate)
        self.session.stats.bad_values += bad
        return self._inbox.say(samples, rate, text)

    def end(self) -> None:
        """The utterance is complete: the face comes to rest after it, unless more is said before it is heard."""
        self._inbox.put(End())

    def mark(self, mark: object) -> None:
        """Have `Passed(mark)` told once all that was said before has left."""
        self._inbox.put(Mark(mark))

    def set_style(self, style: "str | Style", name: str = "") -> None:
        """Speak what is said from here on in `style`; a style that does not exist is told as Failed."""

        def change() -> None:
            try:
                self._style(style, name or str(style))
            except ValueError as error:
                self.emit(Failed(str(error)))

        self._inbox.put(change)

    def set_style_now(self, style: "str | Style", name: str = "") -> "Future[None]":
        """Speak in `style` from the next chunk on. The Future raises what the session raises."""
        return self.ask(lambda: self._style(style, name or str(style)))

    def interrupt(self, at_ns: int | None = None, *, played_ns: int | None = None) -> "Future[Cut]":
        """Drop what is not heard by presentation time `at_ns` (None: now), or by the stream's media time `played_ns`.

        The face comes to rest from the frame that was shown. What waits is dropped, with its marks.
        """
        at_ns = self.now() if at_ns is None else at_ns
        waited_ns, dropped = self._inbox.drop()  # what is said after this call is not dropped
        return self.ask(lambda: self._cut(at_ns, played_ns, waited_ns, dropped))

    def shift(self, ns: int) -> "Future[None]":
        """The stream that goes on is heard `ns` nanoseconds later than its clock said: its clock gives way."""
        return self.ask(lambda: self._shift(ns))

    def ask(self, question: Callable[[], _Answer]) -> "Future[_Answer]":
        """What `question` returns or raises in the thread, before what waits there."""
        return self._inbox.ask(question)

    def close(self) -> None:
        """End the thread; what was not decoded is dropped. Closing twice is fine."""
        self._inbox.close()
        self._thread.join()
        self.session.reset()

    def _run(self) -> None:
        wait: float | None = None
        while True:
            goes_on, asked = self._inbox.wait(wait)
            if not goes_on:
                return
            wait = 0.0
            try:
                if asked:
                    asked()
                else:
                    wait = self._step()
            except Exception as error:  # whatever the input did, the next stream is another chance
                self._fail(str(error) or type(error).__name__)

    def _step(self) -> float | None:
        """Whatever is due, at most one piece of it decoded; seconds until more will be, None: not before more comes."""
        self._feed()
        stream = self._stream
        if stream is None:
            return None
        self._leave(stream)
        if stream.finished:
            if stream.sounded == stream.received:
                self._close(stream)
                return 0.0
        elif stream.undecoded:
            self._decode(stream)
            return 0.0
        else:
            self._starve(stream)
        return 0.01

    def _due_ns(self, stream: Stream) -> int:
        """Media time that must leave now."""
        return self.now() + self.latency_ns - stream.clock.epoch_ns

    def _feed(self) -> None:
        """Take from the queue what the clock asks for, and what has no time."""
        while (item := self._inbox.take(self._wanted)) is not None:
            stream = self._stream
            if isinstance(item, Said):
                stream = stream or self._begin(item)
                stream.add(item.samples)
                stream.heard_at, stream.ending, stream.starved = time.monotonic(), False, False
            elif isinstance(item, Mark):
                if stream:
                    stream.marks.append((stream.received, item.mark))
                else:
                    self.emit(Passed(item.mark, max(self.now(), self._heard_ns)))
            elif isinstance(item, End):
                if stream:
                    stream.ending = True
            elif stream and not stream.finished:
                stream.undecoded.append(item)
            else:
                item()

    def _wanted(self, item: Said) -> bool:
        """Whether the next sound is due. Sound of another rate, or after the last frames, waits for a new stream."""
        stream = self._stream
        if stream is None:
            return True
        if stream.finished:
            return False
        if stream.rate != item.rate:
            stream.ending = True
            return False
        need_ns = round(self.session.look_ahead * NANOSECONDS)
        need_ns += self._due_ns(stream) + self.ahead_ns if stream.clock else round((self.prebuffer + 0.2) * NANOSECONDS)
        return media_time_ns(stream.received, stream.rate) < need_ns

    def _begin(self, first: Said) -> Stream:
        self.stats.streams += 1
        self._stream = self._latest = Stream(first.rate, first.position_ns, time.monotonic(), first.text)
        return self._stream

    def _leave(self, stream: Stream) -> None:
        """Let go the sound that is due, and the marks behind it."""
        if stream.clock is None or (due_ns := self._due_ns(stream)) < 0:
            return
        fps, rate = self.session.fps, stream.rate
        end = -(-((due_ns + self.ahead_ns) * fps // NANOSECONDS) * rate // fps)
        end = max(min(end, stream.received), stream.sounded)
        if end > stream.sounded:
            chunk = AudioChunk(stream.take(end), rate, stream.sounded)
            stream.sounded = end
            self.stats.samples += len(chunk.samples)
            self.emit(Sounding(chunk, stream.clock))
        while stream.marks and stream.marks[0][0] <= stream.sounded:
            position, mark = stream.marks.popleft()
            self.emit(Passed(mark, stream.clock.pts_ns(position, rate)))

    def _decode(self, stream: Stream) -> None:
        item = stream.undecoded.popleft()
        if callable(item):
            item()
            return
        self._show(stream, self.session.push_audio(item, stream.rate))
        if stream.clock:
            behind_ns = self._due_ns(stream) - media_time_ns(stream.frames, self.session.fps)
            if behind_ns > self.patience * NANOSECONDS:
                self._rest(stream, behind_ns)

    def _rest(self, stream: Stream, behind_ns: int) -> None:
        """The face cannot keep up: it comes to rest, and the sound goes on without it."""
        shown_ns = max(self._due_ns(stream) - self.latency_ns, 0)
        stream.faceless = True
        stream.undecoded.clear()
        self._show(stream, self.session.interrupt(shown_ns).rest, resting=True)
        self.stats.faults += 1
        self.emit(
            Failed(
                f"the face is {behind_ns / NANOSECONDS:.1f} s behind the sound and rests until it ends: this machine "
                "computes slower than sound passes. Take a smaller preset, fewer threads or another device"
            )
        )

    def _show(self, stream: Stream, chunk: FaceChunk, resting: bool = False) -> None:
        """Let go frames, once there is a clock. The way to rest after an interruption begins when it begins."""
        if not len(chunk):
            return
        stream.frames = chunk.end
        if stream.clock is None:
            stream.held.append(chunk)
            if chunk.end >= self.prebuffer * chunk.fps:
                self._start(stream)
            return
        late_ns = self.now() - stream.clock.pts_ns(chunk.start, chunk.fps)
        if late_ns > 0 and not resting:
            self.stats.late_frames += min(len(chunk), late_ns * chunk.fps // NANOSECONDS + 1)
            self.stats.max_late_ns = max(self.stats.max_late_ns, late_ns)
        self.stats.frames += len(chunk)
        self.emit(Showing(chunk, stream.clock))

    def _start(self, stream: Stream) -> None:
        """The clock begins, after the stream before is over."""
        stream.clock = Clock(max(self.now() + self.latency_ns, self._free_ns))
        self.emit(Started(stream.clock, stream.rate, stream.text))
        held, stream.held = stream.held, []
        for chunk in held:
            self._show(stream, chunk)

    def _starve(self, stream: Stream) -> None:
        """All sound that there is was decoded: wait for more, as long as time allows; then finish, or fill in."""
        if self._inbox and not stream.ending:
            return
        quiet = time.monotonic() - stream.heard_at
        if stream.clock is None:
            if stream.ending or quiet > self.timeout:
                self._finish(stream)
            return
        need_ns = self._due_ns(stream) + round((self.session.look_ahead + _MARGIN) * NANOSECONDS)
        if media_time_ns(stream.received, stream.rate) >= need_ns:
            return
        if stream.ending or quiet > self.timeout:
            self._finish(stream, "" if stream.ending else f"no sound for {self.timeout:g} s")
            return
        if not stream.starved:
            stream.starved = True
            self.stats.underruns += 1
            self.emit(Starved(stream.clock.pts_ns(stream.received, stream.rate)))
        count = stream.rate // self.session.fps
        stream.silences.append((stream.received, count))
        self.stats.silence += count / stream.rate
        stream.add(np.zeros(count, np.float32))

    def _finish(self, stream: Stream, detail: str = "") -> None:
        """The frames that the session holds back; the face comes to rest."""
        stream.finished, stream.detail = True, detail
        if not stream.faceless:
            self._show(stream, self.session.finish())
        if stream.clock is None:
            self._start(stream)

    def _close(self, stream: Stream) -> None:
        """The stream is over after its last frame and its last sample."""
        self._over(stream, stream.clock.pts_ns(stream.received, stream.rate))

    def _over(self, stream: Stream, end_ns: int) -> None:
        self._heard_ns = end_ns
        self._free_ns = stream.end_ns = max(end_ns, stream.clock.pts_ns(stream.frames, self.session.fps))
        self._stream = None
        self.emit(Ended(stream.end_ns, stream.detail))

    def _cut(self, at_ns: int, played_ns: int | None, waited_ns: int, dropped: list[object]) -> Cut:
        stream, self._stream = self._latest, None
        marks = [mark for _, mark in stream.marks] + dropped if stream else dropped
        if stream:
            stream.marks.clear()
        if stream is None or (stream.end_ns and at_ns >= stream.clock.pts_ns(stream.received, stream.rate)):
            cut = Cut(at_ns, 0, 0, 0, waited_ns, tuple(marks))  # nobody spoke: a face on its way to rest goes on
        elif stream.clock is None:
            self.session.reset()
            self._latest = None
            cut = Cut(at_ns, 0, 0, 0, stream.base_ns, tuple(marks))
        else:
            self.stats.interruptions += 1
            media_ns = max(at_ns - stream.clock.epoch_ns if played_ns is None else played_ns, 0)
            answer = self.session.interrupt(media_ns)
            heard_ns = stream.said_ns(media_ns)
            at_ns = stream.clock.epoch_ns + media_ns
            played, dropped_frames = answer.played_frames, answer.dropped_frames
            cut = Cut(at_ns, media_ns, played, dropped_frames, heard_ns, tuple(marks), spoke=True)
            self.emit(cut)
            stream.received = min(stream.received, media_ns * stream.rate // NANOSECONDS)
            stream.frames = played
            self._show(stream, answer.rest, resting=True)
            self._over(stream, at_ns)
            return cut
        self.emit(cut)
        return cut

    def _shift(self, ns: int) -> None:
        stream = self._stream
        if stream and stream.clock and abs(ns) <= _MAX_SHIFT_NS:
            stream.clock = Clock(stream.clock.epoch_ns + ns)

    def _style(self, style: "str | Style", name: str) -> None:
        self.session.set_style(style)
        stream = self._stream
        at_ns = stream.clock.pts_ns(stream.frames, self.session.fps) if stream and stream.clock else self.now()
        self.emit(Styled(name, at_ns))

    def _fail(self, detail: str) -> None:
        """Receivers are told, and the face comes to rest. What waits is dropped."""
        self.stats.faults += 1
        self.emit(Failed(detail))
        waited_ns, dropped = self._inbox.drop()
        self._cut(self.now(), None, waited_ns, dropped)
