"""A pipecat processor: the agent's speech gets a face.

    pipeline = Pipeline([transport.input(), stt, user, llm, tts, FaceProcessor(), transport.output(), assistant])

It sits where speech leaves the TTS (or a speech-to-speech LLM) and before the transport. By default the transport plays
the sound and the face follows what the transport plays; with ``plays="receivers"`` the receivers of the bridge play
it, and the processor is the output of the pipeline: it tells when the bot speaks and passes on what follows speech when
that speech was heard. Either way frames keep their order, so that text behind sound that was interrupted is dropped
with it. Made for pipecat-ai 1.x.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from pipecat.frames.frames import (
    AggregatedTextFrame,
    BotSpeakingFrame,
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    CancelFrame,
    ControlFrame,
    DataFrame,
    EndFrame,
    Frame,
    InterruptionFrame,
    OutputAudioRawFrame,
    SpeechOutputAudioRawFrame,
    StopFrame,
    SystemFrame,
    TTSAudioRawFrame,
    TTSStoppedFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor, FrameProcessorSetup

from toktalk_node.agents.outputs import Cut, Ended, Failed, Output, Passed, Showing, Sounding, Started
from toktalk_node.agents.speaker import FaceSpeaker, pcm16
from toktalk_node.signals import NANOSECONDS

TRANSPORT_LATENCY = 0.1
"""Seconds from the moment when a transport takes sound to the moment when it is heard, unless one knows better."""
_SPEAKING_PERIOD = 0.2
"""Seconds between BotSpeakingFrames, as transports send them."""
_STALE = 0.25
"""After an interruption, sound of the same speech that was still on its way is dropped for this many seconds."""
_SAME_NS = 10_000_000
"""A transport that begins this close to the plan needs no other clock."""


@dataclass
class FaceMotionFrame(DataFrame):
    """One face frame: `weights` float32 [52] in [0, 1], ARKit order, `head` float32 [3] yaw, pitch, roll in radians.

    Frame `index` of its stream, at `fps`. `pts` is the pipeline's time at which it is to be shown: transports hold it
    until then, so that a processor behind the transport gets each frame at its instant.
    """

    weights: np.ndarray = field(default_factory=lambda: np.zeros(52, np.float32))
    head: np.ndarray = field(default_factory=lambda: np.zeros(3, np.float32))
    index: int = 0
    fps: int = 50


@dataclass
class FaceStyleFrame(ControlFrame):
    """Speak what follows in `style`: a name or a blend (`warm=0.7, happiness=0.3`)."""

    style: str = ""


@dataclass(frozen=True)
class _Kind:
    """Of which frames the sound that follows comes; it goes on in frames of the same kind."""

    frame: type[OutputAudioRawFrame]
    channels: int
    context_id: str | None
    interruptible: bool

    @classmethod
    def of(cls, frame: OutputAudioRawFrame) -> "_Kind":
        known = (TTSAudioRawFrame, SpeechOutputAudioRawFrame, OutputAudioRawFrame)
        kind = next(known_kind for known_kind in known if isinstance(frame, known_kind))
        return cls(kind, max(frame.num_channels, 1), getattr(frame, "context_id", None), frame.interruptible)

    def made(self, samples: np.ndarray, rate: int) -> OutputAudioRawFrame:
        """Samples float32 [n] as such a frame; what was 16-bit sound is the same again."""
        fields = {"context_id": self.context_id} if self.frame is TTSAudioRawFrame else {}
        frame = self.frame(np.repeat(pcm16(samples), self.channels).tobytes(), rate, self.channels, **fields)
        frame.interruptible = self.interruptible
        return frame


class FaceProcessor(FrameProcessor):
    """Gives speech a face on the bridge (and in FaceMotionFrames); see the module.

    Args:
        plays: who plays the sound. "transport": the pipeline's output transport; faces are timed by it and the
            bridge carries no sound. "receivers": those of the bridge; no sound goes on downstream.
        latency: seconds from the moment when sound leaves this processor to the moment when it is heard; None: 0.1.
        destination: which `transport_destination` has this face; sound for others passes by.
        motion_frames: whether FaceMotionFrames go downstream.
        speaker: what FaceSpeaker takes: bridge, stream, session, preset, style, threads, prebuffer, ahead, ...

    Without weights, or with a port that is taken, it reports an error that leaves it unusable, and speech passes on
    without a face.
    """

    def __init__(
        self,
        *,
        plays: Literal["transport", "receivers"] = "transport",
        latency: float | None = None,
        destination: str | None = None,
        motion_frames: bool = True,
        name: str | None = None,
        **speaker: object,
    ) -> None:
        super().__init__(name=name)
        if plays not in ("transport", "receivers"):
            raise ValueError(f"plays is {plays!r}; it may be 'transport' or 'receivers'")
        self._here = plays == "receivers"
        self._latency_ns = round((TRANSPORT_LATENCY if latency is None else latency) * NANOSECONDS)
        self._destination, self._motion_frames = destination, motion_frames
        self.face = FaceSpeaker(
            sound=self._here,
            on_output=self._output,
            on_barge_in=self._barge_in,
            latency=self._latency_ns / NANOSECONDS,
            **speaker,
        )
        self._open = False
        self._kind: _Kind | None = None
        self._sounding: _Kind | None = None
        self._cut_kind: _Kind | None = None
        self._cut_at = 0.0
        self._text = ""
        """What the TTS announced and did not begin to say."""
        self._planned_ns = 0
        """When the transport was planned to begin; 0 once it is known."""
        self._bot_speaks = False
        self._told_at = 0.0
        self._ordered: asyncio.Queue[Output] = asyncio.Queue()
        self._shown: asyncio.Queue[tuple[int, Showing]] = asyncio.Queue()
        self._cuts = 0
        self._cutting = asyncio.Lock()
        self._passing: Output | None = None
        """What the task below is busy with."""
        self._order_task: asyncio.Task | None = None
        self._show_task: asyncio.Task | None = None
        self._barged: asyncio.Task | None = None

    async def setup(self, setup: FrameProcessorSetup) -> None:
        """Load the model and open the bridge, while other processors connect."""
        await super().setup(setup)
        await self.face.start()
        self._open = True
        self._order_task = self.create_task(self._pass_on())
        self._show_task = self.create_task(self._show())

    async def cleanup(self) -> None:
        """The face comes to rest; thread and ports are given back."""
        self._open = False
        for task in (self._barged, self._order_task, self._show_task):
            if task:
                await self.cancel_task(task)
        await self.face.close()
        await super().cleanup()

    async def set_style(self, style: str) -> None:
        """Speak in `style` from the next chunk on. Raises ValueError for one that does not exist."""
        await self.face.set_style(style)

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Speech is taken, an interruption cuts it; everything else keeps its place behind the speech before it."""
        await super().process_frame(frame, direction)
        if not self._open:
            await self.push_frame(frame, direction)
        elif isinstance(frame, InterruptionFrame):
            await self._interrupt(lambda: self.push_frame(frame, direction))
        elif isinstance(frame, SystemFrame) or direction is FrameDirection.UPSTREAM:
            if isinstance(frame, BotStartedSpeakingFrame) and frame.transport_destination == self._destination:
                await self._transport_began()
            if isinstance(frame, CancelFrame):
                await self.face.interrupt()
            await self.push_frame(frame, direction)
        elif isinstance(frame, OutputAudioRawFrame) and frame.transport_destination == self._destination:
            await self._speech(frame)
        elif isinstance(frame, FaceStyleFrame):
            self.face.set_style_after(frame.style)
        else:
            if isinstance(frame, TTSStoppedFrame | EndFrame | StopFrame):
                self.face.end()
            elif isinstance(frame, AggregatedTextFrame) and frame.will_be_spoken:
                self._text = frame.text
            self.face.mark(frame)

    async def _speech(self, frame: OutputAudioRawFrame) -> None:
        kind = _Kind.of(frame)
        if kind == self._cut_kind and time.monotonic() < self._cut_at + _STALE:
            return
        samples = np.frombuffer(frame.audio, "<i2", len(frame.audio) // (2 * kind.channels) * kind.channels)
        if kind != self._kind:
            self._kind = kind
            self.face.mark(kind)
        text, self._text = self._text, ""
        try:
            await self.face.say(samples.reshape(-1, kind.channels), frame.sample_rate, text)
        except ValueError as error:
            await self.push_error(f"speech without a face: {error}", exception=error)
            self.face.mark(frame)

    async def _interrupt(self, tell: Callable[[], Awaitable[None]]) -> None:
        """What was not heard goes no further; frames that no interruption may drop go on, in their order."""
        if self._sounding and not self._sounding.interruptible:
            await tell()
            return
        now = time.time_ns()
        async with self._cutting:
            await self.cancel_task(self._order_task)
            await tell()
            await self.face.interrupt(now)
            waiting = [self._passing, *(self._ordered.get_nowait() for _ in range(self._ordered.qsize()))]
            self._cut_kind, self._cut_at = self._kind, time.monotonic()
            self._kind = self._sounding = self._passing = None
            self._planned_ns, self._text = 0, ""
            await self._bot_stopped()
            for output in waiting:
                if isinstance(output, Passed) and _lasting(output.mark):
                    self._ordered.put_nowait(output)
            self._order_task = self.create_task(self._pass_on())

    def _output(self, output: Output) -> None:
        """An output of the speaker, in the event loop."""
        if isinstance(output, Showing):
            if self._motion_frames:
                self._shown.put_nowait((self._cuts, output))
        elif isinstance(output, Cut):
            self._cuts += 1
            for mark in filter(_lasting, output.marks):
                self._ordered.put_nowait(Passed(mark, output.pts_ns))
        else:
            self._ordered.put_nowait(output)

    def _barge_in(self) -> None:
        """A receiver interrupted: so do the LLM and the TTS."""
        if self._open:
            self._barged = self.create_task(self._interrupt(self.broadcast_interruption))

    async def _show(self) -> None:
        while True:
            cuts, output = await self._shown.get()
            async with self._cutting:
                if cuts != self._cuts:
                    continue  # void: an interruption came between
            chunk = output.chunk
            # from the wall's clock, which the stream goes by, to the pipeline's
            offset_ns = self.get_clock().get_time() - time.time_ns()
            for i in range(len(chunk)):
                index = chunk.start + i
                frame = FaceMotionFrame(chunk.weights[i], chunk.head[i], index, chunk.fps)
                frame.pts = max(output.clock.pts_ns(index, chunk.fps) + offset_ns, 1)
                frame.transport_destination = self._destination
                await self.push_frame(frame)

    async def _pass_on(self) -> None:
        while True:
            self._passing = None
            self._passing = output = await self._ordered.get()
            match output:
                case Sounding(chunk, clock):
                    await self._sound(chunk.samples, chunk.rate, clock.pts_ns(chunk.start, chunk.rate))
                case Passed(mark, pts_ns):
                    if self._here:
                        await self._until(pts_ns)
                    await self._passed(mark)
                case Started(clock):
                    self._planned_ns = clock.epoch_ns - self._latency_ns
                case Ended(pts_ns):
                    if self._here:
                        await self._until(pts_ns)
                    await self._bot_stopped()
                case Failed(detail):
                    await self.push_error(detail)

    async def _passed(self, mark: object) -> None:
        if isinstance(mark, _Kind):
            self._sounding = mark
        elif isinstance(mark, EndFrame | StopFrame):
            await self.face.heard()
            await self.push_frame(mark)
        elif isinstance(mark, Frame):
            if isinstance(mark, TTSStoppedFrame):
                await self._bot_stopped()
            await self.push_frame(mark)

    async def _sound(self, samples: np.ndarray, rate: int, pts_ns: int) -> None:
        """Sound goes on to the transport; where receivers play it, it is told when they do."""
        if self._here:
            await self._until(pts_ns)
            await self._bot_speaking()
            return
        if self._sounding is None:
            return  # the rest of what a receiver interrupted
        frame = self._sounding.made(samples, rate)
        frame.transport_destination = self._destination
        await self.push_frame(frame)

    async def _transport_began(self) -> None:
        """The transport began to play; where that was later than planned, the face waits for it."""
        planned_ns, self._planned_ns = self._planned_ns, 0
        late_ns = time.time_ns() - planned_ns
        if planned_ns and late_ns > _SAME_NS and self._sounding and self._sounding.frame is TTSAudioRawFrame:
            await self.face.shift(late_ns)

    async def _bot_speaking(self) -> None:
        if not self._bot_speaks:
            self._bot_speaks = True
            await self.broadcast_frame(BotStartedSpeakingFrame)
        if time.monotonic() - self._told_at >= _SPEAKING_PERIOD:
            self._told_at = time.monotonic()
            await self.broadcast_frame(BotSpeakingFrame)

    async def _bot_stopped(self) -> None:
        if self._bot_speaks:
            self._bot_speaks = False
            await self.broadcast_frame(BotStoppedSpeakingFrame)

    @staticmethod
    async def _until(pts_ns: int) -> None:
        await asyncio.sleep(max((pts_ns - time.time_ns()) / NANOSECONDS, 0.0))


def _lasting(mark: object) -> bool:
    """Whether a mark is a frame that no interruption may drop."""
    return isinstance(mark, Frame) and not mark.interruptible
