"""FaceProcessor inside real pipecat pipelines: worker, runner, a TTS, an output transport that plays in real time."""

import asyncio
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from functools import partial

import numpy as np
import pytest

pytest.importorskip("pipecat", reason="pip install pipecat-ai")
from loguru import logger  # noqa: E402
from pipecat.frames.frames import (  # noqa: E402
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    EndFrame,
    ErrorFrame,
    Frame,
    InterruptionFrame,
    OutputAudioRawFrame,
    SpeechOutputAudioRawFrame,
    StartFrame,
    TextFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    TTSStartedFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from pipecat.pipeline.pipeline import Pipeline  # noqa: E402
from pipecat.pipeline.worker import PipelineWorker  # noqa: E402
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor  # noqa: E402
from pipecat.transports.base_output import BaseOutputTransport  # noqa: E402
from pipecat.transports.base_transport import TransportParams  # noqa: E402
from pipecat.workers.runner import WorkerRunner  # noqa: E402

from examples.agents.espeak_tts import EspeakTTS  # noqa: E402
from tests.agents.counting import CountingSession  # noqa: E402
from toktalk_node.agents.pipecat import TRANSPORT_LATENCY, FaceMotionFrame, FaceProcessor, FaceStyleFrame  # noqa: E402
from toktalk_node.bridge.server import Bridge  # noqa: E402

RATE = 24_000
LATE = 0.15
"""Seconds by which a busy machine may be late in these tests."""
logger.remove()
logger.add(sys.stderr, level="ERROR")


class Loudspeaker(BaseOutputTransport):
    """An output transport that plays into nothing, in real time."""

    def __init__(self) -> None:
        super().__init__(
            TransportParams(audio_out_enabled=True, audio_out_sample_rate=RATE, audio_out_end_silence_secs=0)
        )
        self.played: list[tuple[float, bytes]] = []
        self._free = 0.0

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        self._free = max(self._free, time.monotonic()) + frame.num_frames / frame.sample_rate
        self.played.append((time.time(), frame.audio))
        await asyncio.sleep(max(self._free - time.monotonic(), 0))
        return True

    @property
    def samples(self) -> np.ndarray:
        return np.frombuffer(b"".join(audio for _, audio in self.played), "<i2")


class Watch(FrameProcessor):
    """Remembers what passes, and when."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[float, Frame, FrameDirection]] = []

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        self.seen.append((time.time(), frame, direction))
        await self.push_frame(frame, direction)

    def of(self, *kinds: type[Frame], direction: FrameDirection = FrameDirection.DOWNSTREAM) -> list[Frame]:
        return [f for _, f, d in self.seen if isinstance(f, kinds) and d is direction]

    def when(self, kind: type[Frame]) -> list[float]:
        return [at for at, frame, _ in self.seen if isinstance(frame, kind)]

    async def until(self, kind: type[Frame], count: int = 1, direction=FrameDirection.DOWNSTREAM) -> None:
        deadline = time.monotonic() + 20
        while len(self.of(kind, direction=direction)) < count:
            assert time.monotonic() < deadline, f"no {count} x {kind.__name__} in {[f.name for _, f, _ in self.seen]}"
            await asyncio.sleep(0.01)


class Rig:
    """A pipeline: watch, TTS, face, transport, watch."""

    def __init__(
        self, bridge: Bridge | Callable[[], Bridge], tts: FrameProcessor | None = None, **options: object
    ) -> None:
        options = {"bridge": bridge, "session": CountingSession()} | options
        self.face = FaceProcessor(**options)
        self.session = options["session"]
        self.above, self.below, self.transport = Watch(), Watch(), Loudspeaker()
        parts = [self.above, tts or EspeakTTS(), self.face, self.transport, self.below]
        self.worker = PipelineWorker(Pipeline(parts), idle_timeout_secs=None)
        self.errors: list[str] = []

        @self.worker.event_handler("on_pipeline_error")
        async def on_pipeline_error(_: PipelineWorker, frame: ErrorFrame) -> None:
            self.errors.append(frame.error)

    async def say(self, *texts: str) -> None:
        await self.worker.queue_frames([TTSSpeakFrame(text) for text in texts])

    async def put(self, *frames: Frame) -> None:
        await self.worker.queue_frames(list(frames))

    def run(self, talk: Callable[["Rig"], Awaitable[None]], end: bool = True) -> None:
        """Run the pipeline while `talk` uses it, then let it end."""

        async def whole() -> None:
            runner = WorkerRunner(handle_sigint=False)
            await runner.add_workers(self.worker)
            running = asyncio.create_task(runner.run())
            await talk(self)
            if end:
                await self.worker.queue_frame(EndFrame())
            await asyncio.wait_for(running, 30)

        asyncio.run(whole())


class PassOn(FrameProcessor):
    """In place of a TTS, where a test makes the sound itself."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)


def tone(seconds: float, rate: int = RATE, channels: int = 1, **fields: object) -> TTSAudioRawFrame:
    wave = (3000 * np.sin(np.arange(round(seconds * rate)) / 20)).astype("<i2")
    return TTSAudioRawFrame(np.repeat(wave, channels).tobytes(), rate, channels, **fields)


def test_receivers_hear_and_see_in_time_and_the_pipeline_knows_when_the_bot_speaks(bridge, receiver):
    rig = Rig(bridge, plays="receivers")

    async def talk(rig: Rig) -> None:
        await rig.say("Maybe Bob may buy five puppies.")
        await rig.above.until(BotStoppedSpeakingFrame, direction=FrameDirection.UPSTREAM)
        await asyncio.sleep(0.5)
        await rig.say("How do you do?")
        await rig.above.until(BotStoppedSpeakingFrame, 2, FrameDirection.UPSTREAM)

    rig.run(talk)
    receiver.until("end", 2)
    assert [event.kind for event in receiver.events] == ["start", "end"] * 2
    texts = [event.data["text"] for event in receiver.events if event.kind == "start"]
    assert texts == ["Maybe Bob may buy five puppies.", "How do you do?"]
    for stream in receiver.streams():
        assert stream.sound_epochs == stream.face_epochs == {stream.epoch_ns}
        assert stream.frames == list(range(len(stream.frames))) and stream.late == 0
        assert len(stream.frames) / 50 - len(stream.sound) / 22_050 == pytest.approx(0.2, abs=0.021)
    assert not rig.transport.played and not rig.below.of(OutputAudioRawFrame)
    for stream, began, ended in zip(
        receiver.streams(),
        rig.below.when(BotStartedSpeakingFrame),
        rig.below.when(BotStoppedSpeakingFrame),
        strict=True,
    ):
        assert began == pytest.approx(stream.epoch_ns / 1e9, abs=LATE)
        assert ended == pytest.approx(stream.last_ns / 1e9, abs=LATE)
    text, stopped = rig.below.when(TTSTextFrame)[0], rig.below.when(TTSStoppedFrame)[0]
    assert stopped >= text >= receiver.streams()[0].last_ns / 1e9 - 0.01, "text went on before it was heard"
    assert rig.face.face._thread is None and not rig.errors


def test_the_transport_plays_every_sample_and_the_face_follows_its_clock(bridge, receiver):
    rig = Rig(bridge, PassOn())

    async def talk(rig: Rig) -> None:
        await rig.put(TTSStartedFrame(), tone(1.0, context_id="c"), TTSStoppedFrame())
        await rig.below.until(BotStoppedSpeakingFrame)

    rig.run(talk)
    receiver.until("end", 1)
    (stream,) = receiver.streams()
    assert not len(stream.sound), "the receivers would play it a second time"
    np.testing.assert_array_equal(rig.transport.samples[:RATE], np.frombuffer(tone(1.0).audio, "<i2"))
    assert not rig.transport.samples[RATE:].any()
    begun = rig.transport.played[0][0] + TRANSPORT_LATENCY
    assert max(stream.face_epochs) / 1e9 == pytest.approx(begun, abs=LATE)
    assert {frame.context_id for frame in rig.below.of(TTSAudioRawFrame)} <= {"c", None}
    shown = rig.below.of(FaceMotionFrame)
    assert [frame.index for frame in shown] == list(range(60))
    held = [at - frame.index / 50 for at, frame, _ in rig.below.seen if isinstance(frame, FaceMotionFrame)]
    assert np.median(held) == pytest.approx(begun, abs=LATE), "the transport did not hold the frames"


@pytest.mark.parametrize("plays", ["transport", "receivers"])
def test_an_interruption_cuts_sound_face_and_text_and_the_next_speaks(bridge, receiver, plays):
    rig = Rig(bridge, PassOn(), plays=plays)

    async def talk(rig: Rig) -> None:
        speech = [TTSStartedFrame(), *(tone(0.1, context_id="a") for _ in range(80)), TextFrame("unheard")]
        await rig.put(TextFrame("before"), *speech, TTSStoppedFrame())
        await rig.below.until(BotStartedSpeakingFrame)
        await asyncio.sleep(1.0)
        rig.cut_at = time.time()
        await rig.put(InterruptionFrame())
        await rig.below.until(InterruptionFrame)
        await rig.put(InterruptionFrame())
        await asyncio.sleep(0.4)
        rig.played = len(rig.transport.samples)
        await rig.put(TTSStartedFrame(), tone(0.5, context_id="b"), TTSStoppedFrame(), TextFrame("heard"))
        await rig.below.until(BotStoppedSpeakingFrame, 2)

    rig.run(talk)
    receiver.until("end", 2)
    kinds = [event.kind for event in receiver.events]
    assert kinds.count("interrupted") == 1 and kinds.count("start") == 2
    cut = next(event for event in receiver.events if event.kind == "interrupted")
    assert cut.pts_ns / 1e9 == pytest.approx(rig.cut_at, abs=LATE)
    assert cut.data["played_ns"] / 1e9 == pytest.approx(1.0, abs=0.2 + LATE) and cut.data["dropped_frames"] > 0
    first = receiver.streams()[0]
    rest = [weights[17] for weights in first.weights]
    assert len(first.frames) / 50 < 2.0 and rest[-1] < 0.03, "the face spoke on"
    if plays == "transport":
        assert rig.played / RATE < 1.0 + 0.3 + LATE, "the transport was given sound after the interruption"
        assert len(rig.transport.samples) - rig.played >= RATE // 2
    assert [frame.text for frame in rig.below.of(TextFrame)] == ["before", "heard"]
    assert not rig.errors


def test_an_end_that_waits_behind_speech_survives_an_interruption(bridge):
    rig = Rig(bridge, PassOn(), plays="receivers")

    async def talk(rig: Rig) -> None:
        await rig.put(TTSStartedFrame(), *(tone(0.1) for _ in range(200)), TTSStoppedFrame(), EndFrame())
        await rig.below.until(BotStartedSpeakingFrame)
        await rig.worker._pipeline.queue_frame(InterruptionFrame())

    begun = time.monotonic()
    rig.run(talk, end=False)
    assert time.monotonic() - begun < 10


def test_a_receivers_interruption_reaches_the_pipeline(bridge, receiver):
    rig = Rig(bridge, PassOn(), plays="receivers")

    async def talk(rig: Rig) -> None:
        await rig.put(TTSStartedFrame(), *(tone(0.1, context_id="a") for _ in range(100)), TTSStoppedFrame())
        await rig.below.until(BotStartedSpeakingFrame)
        with receiver.paused():
            reply = await asyncio.to_thread(receiver.client.interrupt)
        assert reply.dropped_frames > 0
        await rig.above.until(InterruptionFrame, direction=FrameDirection.UPSTREAM)
        await rig.below.until(InterruptionFrame)
        await rig.below.until(BotStoppedSpeakingFrame)
        await rig.put(TTSStartedFrame(), tone(0.3, context_id="b"), TTSStoppedFrame())
        await rig.below.until(BotStoppedSpeakingFrame, 2)

    rig.run(talk)


def test_cancelling_leaves_no_thread_and_no_port():
    with Bridge(pub_port=0, control_port=0) as probe:
        ports = {"pub_port": probe.pub_port, "control_port": probe.control_port}
    rig = Rig(partial(Bridge, **ports), plays="receivers")

    async def talk(rig: Rig) -> None:
        await rig.say("This sentence is much too long to be heard to its end, whatever happens.")
        await rig.below.until(BotStartedSpeakingFrame)
        await rig.worker.cancel()

    rig.run(talk, end=False)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("toktalk-")]
    Bridge(**ports).close()


@pytest.mark.parametrize("plays", ["transport", "receivers"])
def test_without_weights_speech_passes_without_a_face(bridge, plays):
    rig = Rig(bridge, PassOn(), session=None, preset="no-such-model", plays=plays)

    async def talk(rig: Rig) -> None:
        await rig.put(TTSStartedFrame(), tone(0.2), TTSStoppedFrame())
        await rig.below.until(BotStoppedSpeakingFrame)

    rig.run(talk)
    assert any("no-such-model" in error for error in rig.errors) and not rig.face.is_usable
    assert len(rig.transport.samples) >= 0.2 * RATE


def test_a_taken_port_is_said_clearly():
    with Bridge(pub_port=0, control_port=0) as first:
        rig = Rig(partial(Bridge, pub_port=first.pub_port, control_port=0), PassOn())
        rig.run(lambda rig: asyncio.sleep(0.1))
    assert any("another TokTalk running" in error for error in rig.errors)


def test_any_sound_is_spoken_and_what_is_none_does_no_harm(bridge, receiver):
    rig = Rig(bridge, PassOn(), plays="receivers")

    async def talk(rig: Rig) -> None:
        odd = tone(0.3, 16_000)
        odd.audio += b"\0"
        await rig.put(
            TTSStartedFrame(),
            TTSAudioRawFrame(b"", RATE, 1),
            tone(0.5, 48_000, 2),
            odd,
            OutputAudioRawFrame(b"\0\0", 7, 1),
            SpeechOutputAudioRawFrame(tone(0.3, 8_000).audio, 8_000, 1),
            TTSStoppedFrame(),
        )
        await rig.below.until(TTSStoppedFrame)
        await rig.put(tone(0.3))
        await rig.put(TTSStoppedFrame())
        await rig.below.until(TTSStoppedFrame, 2)

    rig.run(talk)
    receiver.until("end", 4)
    assert [len(stream.sound) for stream in receiver.streams()] == [24_000, 4_800, 2_400, 7_200]
    assert len(rig.errors) == 1 and "sample rate 7" in rig.errors[0]


def test_sound_for_another_destination_has_no_face(bridge, receiver):
    rig = Rig(bridge, PassOn())

    async def talk(rig: Rig) -> None:
        music = tone(0.2)
        music.transport_destination = "music"
        await rig.put(music, TextFrame("after"))
        await rig.below.until(TextFrame)

    rig.run(talk)
    assert not receiver.events


def test_a_style_frame_changes_what_follows_and_a_wrong_one_is_an_error(bridge):
    rig = Rig(bridge, PassOn(), plays="receivers")

    async def talk(rig: Rig) -> None:
        await rig.put(FaceStyleFrame("warm"), FaceStyleFrame("nobody"), tone(0.2), TTSStoppedFrame())
        await rig.below.until(TTSStoppedFrame)
        await rig.face.set_style("lively")

    rig.run(talk)
    assert rig.session.styles == ["warm", "lively"] and any("nobody" in error for error in rig.errors)


def test_the_real_model_speaks_in_the_pipeline(bridge, receiver):
    rig = Rig(bridge, session=None, plays="receivers", patience=60.0)

    async def talk(rig: Rig) -> None:
        await rig.say("My papa may buy a map.")
        await rig.below.until(BotStoppedSpeakingFrame)
        await asyncio.to_thread(receiver.until, "end", 1)

    rig.run(talk)
    (stream,) = receiver.streams()
    jaw = np.array([weights[17] for weights in stream.weights])
    assert jaw.max() > 0.25 and jaw[-1] < 0.1


def test_many_interruptions_at_once_leave_one_voice(bridge, receiver):
    rig = Rig(bridge, PassOn(), plays="receivers")

    async def talk(rig: Rig) -> None:
        await rig.put(TTSStartedFrame(), *(tone(0.1, context_id="a") for _ in range(100)))
        await rig.below.until(BotStartedSpeakingFrame)
        with receiver.paused():
            reply = asyncio.create_task(asyncio.to_thread(receiver.client.interrupt))
            for _ in range(5):
                await rig.put(InterruptionFrame())
            await reply
        await rig.below.until(BotStoppedSpeakingFrame)
        await asyncio.sleep(0.3)
        await rig.put(TTSStartedFrame(), tone(0.3, context_id="b"), TextFrame("once"), TTSStoppedFrame())
        await rig.below.until(BotStoppedSpeakingFrame, 2)

    rig.run(talk)
    assert [frame.text for frame in rig.below.of(TextFrame)] == ["once"]
    receiver.until("end", 2)
    assert len(receiver.streams()[-1].sound) == round(0.3 * RATE) and not rig.errors
