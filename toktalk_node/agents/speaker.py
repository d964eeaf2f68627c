"""A face that speaks what an agent says, for asyncio: paced, interruptible, on the bridge.

    async with FaceSpeaker() as face:
        await face.say(samples, 24_000)     # as the TTS makes them, as fast as it likes
        await face.finish()                 # when all of it was heard
        cut = await face.interrupt()        # barge-in: what was not heard is dropped, the face comes to rest

Receivers find it at tcp://127.0.0.1:5591, as every TokTalk stream. The session computes in a thread of its own, so the
event loop never waits for it.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import zmq

from toktalk_node.agents.outputs import Cut, Ended, Failed, Output, Passed, Showing, Sounding, Started, Starved, Styled
from toktalk_node.agents.pacing import SpeakerStats, SpeakingThread
from toktalk_node.bridge.protocol import MAX_CONTROL, ProtocolError
from toktalk_node.bridge.server import Bridge
from toktalk_node.signals import NANOSECONDS
from toktalk_node.stream.session import LIVE_PRESET, REST_SECONDS, Session

if TYPE_CHECKING:
    from toktalk_node.motion.style import Style

_BLOCK = 1.0
"""Seconds of sound that are read at once, so that a long array does not hold up the event loop."""
_WARM_UP = 16_000
"""Samples, one second: the first chunks of a process take long."""
_ANSWER = 10.0
"""Seconds that a receiver's request may take."""
_TICK = 0.002
"""Seconds by which the event loop's timers may be early."""
_LAST_WORDS = 0.05
"""Seconds that sockets get to send the way to rest before they close."""
_Answer = TypeVar("_Answer")


class FaceSpeaker:
    """One speaker: a Session, its clock, and the bridge that its face and sound leave by.

    Args:
        bridge: where to publish: a Bridge, which may carry many speakers, each with a `stream` of its own, and passes
            receivers' requests to the one they name unless its owner does; or what opens one for this speaker alone,
            as `partial(Bridge, pub_port=6000)`.
        stream: name on the bridge.
        session: who decodes, e.g. `Session(decoder, tokenizer)` to share a model; None loads `preset`.
        preset, style: see `Session.load`.
        threads: threads that PyTorch may use in threads that begin from now on; more than 1 is slower on a busy
            machine. 0 leaves its own choice. A `session` that is given is used as it is.
        sound: whether sound goes over the bridge too; False where something else plays it.
        on_output: called in the event loop with each Output, in order.
        on_barge_in: called in the event loop after a receiver of the bridge interrupted.
        pacing: latency, prebuffer, ahead, backlog, timeout, patience: see SpeakingThread.

    Raises, when entered: CheckpointError or TokenizerError where weights are missing, OSError where a port is taken,
    ValueError for a style that does not exist.
    """

    def __init__(
        self,
        *,
        bridge: Bridge | Callable[[], Bridge] = Bridge,
        stream: str = "default",
        session: Session | None = None,
        preset: str = LIVE_PRESET,
        style: str = "",
        threads: int = 1,
        sound: bool = True,
        on_output: Callable[[Output], None] | None = None,
        on_barge_in: Callable[[], None] | None = None,
        **pacing: float,
    ) -> None:
        self.bridge: Bridge | None = bridge if isinstance(bridge, Bridge) else None
        self._open_bridge = None if isinstance(bridge, Bridge) else bridge
        self.stream, self.sound = stream, sound
        self.on_output, self.on_barge_in = on_output, on_barge_in
        self._session, self._preset, self._style, self._threads = session, preset, style, threads
        self._pacing = pacing
        self._thread: SpeakingThread | None = None
        self._cuts = asyncio.Event()

    async def start(self) -> None:
        """Load the model and open the bridge; entering the context does."""
        if self._thread:
            return
        self._loop = asyncio.get_running_loop()
        self._session = await asyncio.to_thread(self._loaded)
        bridge = self._open_bridge() if self._open_bridge else self.bridge
        try:
            _Streams.of(bridge).add(self)
            bridge.announce(self.stream, fps=self._session.fps)
            if self._session.styles and not bridge.styles:
                bridge.styles = tuple(self._session.styles)
                bridge.publish_event("styles", time.time_ns(), self.stream)
            self._thread = SpeakingThread(self._session, self._out, **self._pacing)
            self.bridge = bridge
        except BaseException:
            _Streams.of(bridge).remove(self)
            if self._open_bridge:
                bridge.close()
            raise

    async def close(self) -> None:
        """The face comes to rest; thread, and the bridge that this speaker opened, end. Closing twice is fine."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        _Streams.of(self.bridge).remove(self)
        self._cuts.set()
        await asyncio.shield(asyncio.to_thread(self._close, thread))

    async def __aenter__(self) -> "FaceSpeaker":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def stats(self) -> SpeakerStats:
        """What the speaker did since it began."""
        return self._running.stats

    @property
    def session(self) -> Session | None:
        """Who decodes: what was given, or what was loaded when the speaker began."""
        return self._session

    @property
    def said_ns(self) -> int:
        """Nanoseconds of sound said since the speaker began; `Cut.heard_ns` counts the same."""
        return self._running.said_ns

    async def say(self, pcm: np.ndarray, rate: int, text: str = "") -> None:
        """Say sound [n] or [n, channels] at `rate` Hz after what was said before; waits while the backlog is full.

        text: what it says, where that is known: the event `start` carries it when an utterance begins with it. Samples
        that are not finite count as silence; another rate begins another stream. Raises ValueError for another shape,
        type or rate.
        """
        pcm = np.asarray(pcm)
        step = max(int(rate * _BLOCK), 1)
        for i in range(0, max(len(pcm) if pcm.ndim else 1, 1), step):
            room = self._running.say(pcm[i : i + step] if pcm.ndim else pcm, rate, "" if i else text)
            if not room.done():
                await asyncio.wrap_future(room)

    def end(self) -> None:
        """The utterance is complete. What is said before it is heard to its end still continues it."""
        self._running.end()

    def mark(self, mark: object) -> None:
        """Have `Passed(mark)` told once all that was said before has left."""
        self._running.mark(mark)

    async def finish(self) -> bool:
        """End the utterance and wait until it was heard; False where it was interrupted."""
        self.end()
        return await self.heard()

    async def heard(self) -> bool:
        """Wait until all that was said was heard; False where it was interrupted."""
        passed: asyncio.Future[int] = self._loop.create_future()
        cuts = self._cuts
        self.mark(passed)
        left = await passed - time.time_ns()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(cuts.wait(), max(left / NANOSECONDS, 0.0) + _TICK)
        return not cuts.is_set()

    async def interrupt(self, at_ns: int | None = None) -> Cut:
        """Barge-in: what was not heard by presentation time `at_ns` (None: now) is dropped; the face comes to rest."""
        return await self._answer(self._running.interrupt(at_ns))

    def interrupt_soon(self) -> "Future[Cut]":
        """The same, without waiting: what is said after this call is not dropped."""
        return self._running.interrupt()

    async def set_style(self, style: "str | Style") -> None:
        """Speak in `style` from the next chunk on. Raises ValueError for one that does not exist."""
        await self._answer(self._running.set_style_now(style))

    def set_style_after(self, style: "str | Style") -> None:
        """Speak what is said from here on in `style`; one that does not exist is told as Failed."""
        self._running.set_style(style)

    async def shift(self, ns: int) -> None:
        """What goes on is heard `ns` nanoseconds later than planned, says whoever plays it."""
        await self._answer(self._running.shift(ns))

    @property
    def _running(self) -> SpeakingThread:
        if self._thread is None:
            raise RuntimeError("the speaker is not open: use `async with FaceSpeaker() as face` or await start()")
        return self._thread

    @staticmethod
    async def _answer(answer: "Future[_Answer]") -> "_Answer":
        return await asyncio.wrap_future(answer)

    def _loaded(self) -> Session:
        session = self._session
        if session is None:
            return load_session(self._preset, self._style, self._threads)
        if self._style:
            session.set_style(self._style)
        return session

    def _close(self, thread: SpeakingThread) -> None:
        cut = thread.interrupt().result()
        thread.close()
        if cut.spoke:
            time.sleep(REST_SECONDS)  # receivers see the face come to rest before it is gone
        if self._open_bridge:
            time.sleep(_LAST_WORDS)
            self.bridge.close()
            self.bridge = None
        else:
            with contextlib.suppress(zmq.ZMQError):  # its owner closed it before
                self.bridge.remove(self.stream)

    def _out(self, output: Output) -> None:
        """Publish an output, in the speaking thread, and pass it to the event loop."""
        with contextlib.suppress(RuntimeError):  # the owner of the bridge closed it before the speaker
            publish(self.bridge, self.stream, output, self.sound)
        with contextlib.suppress(RuntimeError):  # the loop is gone, and with it whoever would hear
            self._loop.call_soon_threadsafe(self._told, output)

    def _told(self, output: Output) -> None:
        if isinstance(output, Passed) and isinstance(output.mark, asyncio.Future):
            if not output.mark.done():
                output.mark.set_result(output.pts_ns)
        elif isinstance(output, Cut):
            self._cuts.set()
            self._cuts = asyncio.Event()
            for mark in output.marks:
                if isinstance(mark, asyncio.Future) and not mark.done():
                    mark.set_result(output.pts_ns)
        if self.on_output:
            self.on_output(output)

    def requested_interrupt(self, played_ns: int) -> tuple[int, int]:
        """A receiver's barge-in, in the bridge's thread: (frames that were shown, frames that were dropped)."""
        cut = self._running.interrupt(played_ns=played_ns if played_ns >= 0 else None).result(_ANSWER)
        if self.on_barge_in:
            self._loop.call_soon_threadsafe(self.on_barge_in)
        return cut.played_frames, cut.dropped_frames

    def requested_style(self, style: str) -> None:
        """A receiver's wish for a style, in the bridge's thread."""
        self._running.set_style_now(style).result(_ANSWER)


def load_session(preset: str = LIVE_PRESET, style: str = "", threads: int = 1) -> Session:
    """A session that was warmed up, for `threads` threads of PyTorch (0: its own choice). Raises as `Session.load`."""
    import torch

    if threads:
        torch.set_num_threads(threads)
    session = Session.load(preset, style=style)
    session.push_audio(np.zeros(_WARM_UP, np.float32), _WARM_UP)
    session.reset()
    return session


def pcm16(samples: np.ndarray) -> np.ndarray:
    """Samples float32 in [-1, 1] as little-endian int16; what was int16 before is the same again."""
    return np.clip(np.rint(samples * 32768), -32768, 32767).astype("<i2")


def publish(bridge: Bridge, stream: str, output: Output, sound: bool = True) -> None:
    """Send an output over the bridge; `sound`: sound too."""
    match output:
        case Started(clock, _, text):
            known = {"text": text[:MAX_CONTROL]} if text else {}
            bridge.publish_event("start", clock.epoch_ns, stream, **known)
        case Sounding(chunk, clock) if sound:
            bridge.publish_audio(chunk, clock, stream)
        case Showing(chunk, clock):
            bridge.publish_face(chunk, clock, stream)
        case Cut(pts_ns, played_ns, _, dropped_frames, spoke=True):
            bridge.publish_event("interrupted", pts_ns, stream, played_ns=played_ns, dropped_frames=dropped_frames)
        case Ended(pts_ns):
            bridge.publish_event("end", pts_ns, stream)
        case Styled(name, pts_ns):
            bridge.publish_event("style", pts_ns, stream, detail=name)
        case Starved(pts_ns):
            bridge.publish_event("underrun", pts_ns, stream, detail="sound ran out; the face waits with it")
        case Failed(detail):
            bridge.publish_event("fault", time.time_ns(), stream, detail=detail)


class _Streams:
    """The speakers of one bridge, by their streams: receivers' requests find theirs."""

    def __init__(self) -> None:
        self._speakers: dict[str, FaceSpeaker] = {}
        self._lock = threading.Lock()

    @classmethod
    def of(cls, bridge: Bridge) -> "_Streams":
        """Those of `bridge`, which asks them from now on unless its owner answers himself."""
        streams = getattr(bridge.on_interrupt, "__self__", None)
        if isinstance(streams, cls):
            return streams
        streams = cls()
        bridge.on_interrupt = bridge.on_interrupt or streams.interrupt
        bridge.on_style = bridge.on_style or streams.set_style
        return streams

    def add(self, speaker: FaceSpeaker) -> None:
        with self._lock:
            if speaker.stream in self._speakers:
                raise ValueError(f"this bridge already has a speaker {speaker.stream!r}: name another stream")
            self._speakers[speaker.stream] = speaker

    def remove(self, speaker: FaceSpeaker) -> None:
        with self._lock:
            if self._speakers.get(speaker.stream) is speaker:
                del self._speakers[speaker.stream]

    def interrupt(self, stream: str, played_ns: int) -> tuple[int, int]:
        return self._named(stream).requested_interrupt(played_ns)

    def set_style(self, stream: str, style: str) -> None:
        self._named(stream).requested_style(style)

    def _named(self, stream: str) -> FaceSpeaker:
        with self._lock:
            speaker = self._speakers.get(stream)
        if speaker is None:
            raise ProtocolError(f"stream {stream!r} has no speaker any more")
        return speaker
