"""The audio output of a LiveKit agent, with a face: sound and face leave on one clock.

    face = FaceAudioOutput()                                # the receivers of the bridge play the sound
    session.output.audio = face
    session.output.transcription = FaceTextOutput(face)     # its words, for subtitles
    await session.start(agent=agent)

In a room that plays the sound itself, the output goes before the room's and the face follows what the room plays:

    await session.start(agent=agent, room=ctx.room)
    session.output.audio = face = FaceAudioOutput(next_in_chain=session.output.audio)
    session.output.transcription = FaceTextOutput(face, next_in_chain=session.output.transcription)

`playback_finished` tells the position that was heard, to the sample, so that an interrupted agent remembers what it
said. Made for livekit-agents 1.x. A face as video in the room: livekit_video.py.
"""

import asyncio
import logging
import time
from dataclasses import dataclass

import numpy as np
from livekit import rtc
from livekit.agents.voice.io import AudioOutput, AudioOutputCapabilities, PlaybackStartedEvent, TextOutput

from toktalk_node.agents.outputs import Cut, Output, Passed, Sounding, Started
from toktalk_node.agents.speaker import FaceSpeaker, pcm16
from toktalk_node.signals import NANOSECONDS

log = logging.getLogger(__name__)

SAMPLE_RATE = 24_000
"""Rate in Hz that the agent is asked for, where no room has one."""
ROOM_LATENCY = 0.2
"""Seconds from the moment when a room's output takes sound to the moment when it is heard, unless one knows better."""


@dataclass(eq=False)
class _Segment:
    """What the agent says between two flushes, in nanoseconds of all that was said."""

    begin_ns: int
    end_ns: int = 0
    relayed: bool = False
    """Whether the output behind has sound of it, and tells when that was played."""


@dataclass(frozen=True)
class _First:
    """Mark behind the first `duration` seconds of a segment."""

    segment: _Segment
    duration: float


@dataclass(frozen=True)
class _Last:
    """Mark behind a segment."""

    segment: _Segment


class FaceAudioOutput(AudioOutput):
    """Takes the agent's speech, gives it a face on the bridge, and tells what was heard.

    Args:
        next_in_chain: the output that plays the sound, a room's for example; None: the receivers of the bridge.
        sample_rate: Hz that the agent is asked for; None: what `next_in_chain` wants, else 24 kHz.
        latency: seconds from the moment when sound leaves to the moment when it is heard; None: 0.1, with
            `next_in_chain` 0.2.
        speaker: what FaceSpeaker takes: bridge, stream, session, preset, style, threads, prebuffer, ahead, ...

    It starts with the first sound, or by `start()`, which raises what FaceSpeaker raises; `aclose()` ends it. Where it
    cannot start, an output behind it plays without a face.
    """

    def __init__(
        self,
        *,
        next_in_chain: AudioOutput | None = None,
        sample_rate: int | None = None,
        latency: float | None = None,
        **speaker: object,
    ) -> None:
        rate = sample_rate or (next_in_chain.sample_rate if next_in_chain else None) or SAMPLE_RATE
        super().__init__(
            label="TokTalk",
            capabilities=AudioOutputCapabilities(pause=False),
            next_in_chain=next_in_chain,
            sample_rate=rate,
        )
        relays = next_in_chain is not None
        latency = (ROOM_LATENCY if relays else 0.1) if latency is None else latency
        self._latency_ns = round(latency * NANOSECONDS)
        self.face = FaceSpeaker(sound=not relays, on_output=self._output, latency=latency, **speaker)
        self.words = ""
        """What the agent is about to say, as far as a FaceTextOutput was told."""
        self._starting = asyncio.Lock()
        self._started = self._faceless = False
        self._segment: _Segment | None = None
        self._pending: list[_Segment] = []
        """Segments that were not heard to their end, nor given whole to the output behind."""
        self._cleared: list[_Segment] = []
        """Those that were interrupted; how much of them was heard is not known yet."""
        self._timers: set[asyncio.TimerHandle] = set()
        self._tasks: set[asyncio.Task] = set()
        self._planned_ns = 0
        self._relay: asyncio.Queue[Sounding | _First | _Last] = asyncio.Queue()
        self._relay_task: asyncio.Task | None = None
        if relays:
            self.next_in_chain.on("playback_started", self._next_began)

    async def start(self) -> None:
        """Load the model and open the bridge. The first sound does it otherwise, and waits for it."""
        async with self._starting:
            if not self._started:
                await self.face.start()
                self._started = True
                if self.next_in_chain:
                    self._relay_task = asyncio.create_task(self._relayed())

    async def _try(self) -> None:
        try:
            await self.start()
        except Exception as error:
            if self.next_in_chain is None:
                raise
            self._faceless = True
            log.error("speech without a face: %s", error)

    async def aclose(self) -> None:
        """The face comes to rest; thread and ports are given back."""
        self._started = False
        await self.face.close()
        for task in [self._relay_task, *self._tasks]:
            if task:
                task.cancel()
        await asyncio.gather(*filter(None, [self._relay_task, *self._tasks]), return_exceptions=True)
        self._forget()

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        """Take sound of the agent, as early as it comes; waits while more than the backlog is ahead of its time."""
        if not self._started and not self._faceless:
            await self._try()
        if self._segment is None and not self.words:
            await asyncio.sleep(0)  # words of sound that is there at once come in the same turn of the event loop
        await super().capture_frame(frame)
        if self._faceless:
            await self.next_in_chain.capture_frame(frame)
            return
        segment, begins = self._segment, False
        if segment is None:
            segment = self._segment = _Segment(self.face.said_ns)
            self._pending.append(segment)
            begins = True
        if segment not in self._pending:
            return  # it was interrupted, and the agent does not know yet
        samples = np.frombuffer(frame.data, np.int16).reshape(-1, frame.num_channels)
        await self.face.say(samples, frame.sample_rate, self.words.strip() if begins else "")
        segment.end_ns = self.face.said_ns
        if begins:
            self.face.mark(_First(segment, frame.duration))

    def flush(self) -> None:
        """The segment is complete."""
        super().flush()
        if self._faceless:
            self.next_in_chain.flush()
        segment, self._segment = self._segment, None
        if segment is None:
            self.words = ""  # of speech that has no sound
        if segment in self._pending:
            segment.end_ns = self.face.said_ns
            self.face.end()
            self.face.mark(_Last(segment))

    def clear_buffer(self) -> None:
        """Interruption: what was not heard is dropped, the face comes to rest, and the agent is told what was heard."""
        if self._faceless:
            self.next_in_chain.clear_buffer()
        elif self._started and (self._pending or self.next_in_chain):
            self._cleared += self._pending
            self._forget()
            self.face.interrupt_soon()

    def on_playback_finished(self, **what: object) -> None:
        """A segment was heard, or cut; the agent's next words are of another one."""
        self.words = ""
        super().on_playback_finished(**what)

    def _interrupted(self, cut: Cut) -> None:
        """Tell how much was heard of what was interrupted: by the agent, or by a receiver."""
        segments = self._cleared or list(self._pending)
        if not self._cleared:
            self._forget()
        self._cleared = []
        if self.next_in_chain:
            if any(segment.relayed for segment in segments):
                self.next_in_chain.flush()
            self.next_in_chain.clear_buffer()
        for segment in segments:
            if not segment.relayed:  # else the output behind tells
                heard_ns = min(max(cut.heard_ns - segment.begin_ns, 0), max(segment.end_ns - segment.begin_ns, 0))
                self.on_playback_finished(playback_position=heard_ns / NANOSECONDS, interrupted=True)

    def _forget(self) -> None:
        """Nothing is pending any more."""
        self._pending.clear()
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self._planned_ns = 0
        while not self._relay.empty():
            self._relay.get_nowait()

    def _output(self, output: Output) -> None:
        """An output of the speaker, in the event loop."""
        match output:
            case Started(clock):
                self._planned_ns = clock.epoch_ns
            case Cut():
                self._interrupted(output)
            case Sounding() if self.next_in_chain:
                self._relay.put_nowait(output)
            case Passed(_First() | _Last() as mark, pts_ns) if mark.segment in self._pending:
                if self.next_in_chain:
                    self._relay.put_nowait(mark)
                elif isinstance(mark, _First):
                    begin_ns = pts_ns - round(mark.duration * NANOSECONDS)
                    self._at(begin_ns, lambda: self.on_playback_started(created_at=begin_ns / NANOSECONDS))
                else:
                    self._at(pts_ns, lambda: self._ended(mark.segment))

    def _ended(self, segment: _Segment) -> None:
        self._pending.remove(segment)
        position = (segment.end_ns - segment.begin_ns) / NANOSECONDS
        self.on_playback_finished(playback_position=position, interrupted=False)

    def _at(self, pts_ns: int, call: object) -> None:
        """Call at presentation time `pts_ns`, unless an interruption comes before."""

        def due() -> None:
            self._timers.discard(timer)
            call()

        wait = max((pts_ns - time.time_ns()) / NANOSECONDS, 0.0)
        timer = asyncio.get_running_loop().call_later(wait, due)
        self._timers.add(timer)

    def _keep(self, task: asyncio.Task) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _relayed(self) -> None:
        """Hand sound to the output behind, with its segments; that output tells what it played."""
        while True:
            item = await self._relay.get()
            if isinstance(item, _Last):
                self.next_in_chain.flush()
                self._pending.remove(item.segment)
            elif isinstance(item, Sounding):
                if self._pending:
                    self._pending[0].relayed = True
                pcm = pcm16(item.chunk.samples)
                await self.next_in_chain.capture_frame(rtc.AudioFrame(pcm.tobytes(), item.chunk.rate, 1, len(pcm)))

    def _next_began(self, event: PlaybackStartedEvent) -> None:
        """The output behind began to play; where that was later than planned, the face waits for it."""
        planned_ns, self._planned_ns = self._planned_ns, 0
        late_ns = round(event.created_at * NANOSECONDS) + self._latency_ns - planned_ns
        if planned_ns and late_ns > 0 and self._started:
            self._keep(asyncio.create_task(self.face.shift(late_ns)))


class FaceTextOutput(TextOutput):
    """Takes the agent's words beside `face`: the event `start` carries those that are known when the sound begins.

    These are all of them where the agent says a text, and with an LLM at least what the TTS made its first sound of.
    `next_in_chain` gets them as well, the room's transcription for example.
    """

    def __init__(self, face: FaceAudioOutput, *, next_in_chain: TextOutput | None = None) -> None:
        super().__init__(label="TokTalk", next_in_chain=next_in_chain)
        self._face = face
        self._complete = False

    async def capture_text(self, text: str) -> None:
        """Take the words that follow."""
        if self._complete:
            self._face.words, self._complete = "", False
        self._face.words += text
        if self.next_in_chain:
            await self.next_in_chain.capture_text(text)

    def flush(self) -> None:
        """What the agent says now has no more words."""
        self._complete = True
        if self.next_in_chain:
            self.next_in_chain.flush()
