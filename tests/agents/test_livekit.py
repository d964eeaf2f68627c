"""FaceAudioOutput inside a real AgentSession, FaceVideo inside a real AvatarRunner; no server, no room."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import numpy as np
import pytest

pytest.importorskip("livekit.agents", reason='pip install "livekit-agents>=1.8,<2"')
from livekit import rtc  # noqa: E402
from livekit.agents import Agent, AgentSession  # noqa: E402
from livekit.agents.voice.avatar import AudioSegmentEnd, AvatarRunner, QueueAudioOutput  # noqa: E402
from livekit.agents.voice.io import AudioOutput, AudioOutputCapabilities, TextOutput  # noqa: E402
from livekit.agents.voice.transcription import TranscriptSynchronizer  # noqa: E402

from examples.agents.espeak_livekit import EspeakTTS  # noqa: E402
from tests.agents.counting import CountingSession  # noqa: E402
from tests.agents.receiver import Receiver  # noqa: E402
from toktalk_node.agents.livekit import FaceAudioOutput, FaceTextOutput  # noqa: E402
from toktalk_node.agents.livekit_video import FaceVideo  # noqa: E402
from toktalk_node.motion.checkpoint import CheckpointError  # noqa: E402
from toktalk_node.speech import espeak  # noqa: E402

RATE = 24_000
LATE = 0.15
"""Seconds by which a busy machine may be late in these tests."""
PADDING = 0.021
"""Seconds of silence with which livekit-agents ends what a TTS says."""


class ToneTTS(EspeakTTS):
    """Says "0.8" as a tone of so many seconds."""

    def __init__(self) -> None:
        super().__init__()
        self._sample_rate = RATE

    def spoken(self, text: str) -> np.ndarray:
        return tone(float(text)) / 32767


class Sink(AudioOutput):
    """An output that plays in real time into nothing, as a room's does."""

    def __init__(self) -> None:
        super().__init__(label="sink", capabilities=AudioOutputCapabilities(pause=False), sample_rate=RATE)
        self.samples = np.zeros(0, np.int16)
        self.began = self.cleared_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._first = 0

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        await super().capture_frame(frame)
        if not self.began:
            self.began, self._first = time.time(), len(self.samples)
            self.on_playback_started(created_at=self.began)
        self.samples = np.concatenate([self.samples, np.frombuffer(frame.data, np.int16)])

    def flush(self) -> None:
        super().flush()
        left = self.began + self._length - time.time()
        self._timer = asyncio.get_running_loop().call_later(max(left, 0), self._over, False)

    def clear_buffer(self) -> None:
        if self.began:
            self.cleared_at = time.time()
            if self._timer:
                self._timer.cancel()
            self._over(True)

    @property
    def _length(self) -> float:
        return (len(self.samples) - self._first) / RATE

    def _over(self, interrupted: bool) -> None:
        played = min(time.time() - self.began, self._length)
        self.began = 0.0
        self.on_playback_finished(playback_position=played, interrupted=interrupted)


class Transcript(TextOutput):
    """Keeps the words, as a room's transcription does: a text of each segment."""

    def __init__(self) -> None:
        super().__init__(label="transcript", next_in_chain=None)
        self.segments = [""]

    async def capture_text(self, text: str) -> None:
        self.segments[-1] += text

    def flush(self) -> None:
        self.segments.append("")


def tone(seconds: float) -> np.ndarray:
    return (3000 * np.sin(np.arange(round(seconds * RATE)) / 20)).astype(np.int16)


def frame(samples: np.ndarray, rate: int = RATE) -> rtc.AudioFrame:
    return rtc.AudioFrame(samples.tobytes(), rate, 1, len(samples))


def converse(face: FaceAudioOutput, talk: Callable[[AgentSession], Awaitable[None]]) -> list:
    """Run `talk(session)` in an agent session with that output; the events of playback, in order."""
    events = []

    async def whole() -> None:
        face.on("playback_started", events.append)
        face.on("playback_finished", events.append)
        session = AgentSession(tts=ToneTTS())
        session.output.audio = face
        await session.start(agent=Agent(instructions=""))
        try:
            await talk(session)
        finally:
            await session.aclose()
            await face.aclose()

    asyncio.run(whole())
    return events


def test_an_agent_speaks_is_heard_and_seen_and_told_so(bridge, receiver):
    face = FaceAudioOutput(bridge=bridge, session=CountingSession())

    async def talk(session: AgentSession) -> None:
        await session.say("0.8")
        await session.say("0.5")

    first, over, second, end = converse(face, talk)
    receiver.until("end", 2)
    assert not over.interrupted and over.playback_position == pytest.approx(0.8, abs=PADDING)
    assert not end.interrupted and end.playback_position == pytest.approx(0.5, abs=PADDING)
    streams = receiver.streams()
    for stream, started, finished in zip(streams, (first, second), (over, end), strict=True):
        assert len(stream.sound) / RATE == pytest.approx(finished.playback_position, abs=1e-6)
        assert stream.sound_epochs == stream.face_epochs == {stream.epoch_ns} and not stream.late
        assert started.created_at == pytest.approx(stream.epoch_ns / 1e9, abs=0.03)
    assert not [t for t in threading.enumerate() if t.name == "toktalk-speaker"]


def texts(receiver: Receiver) -> list[str | None]:
    """What receivers were told of the words of each utterance."""
    return [event.data.get("text") for event in receiver.events if event.kind == "start"]


def test_receivers_get_the_words_of_what_they_hear(bridge, receiver):
    face, transcript = FaceAudioOutput(bridge=bridge, session=CountingSession()), Transcript()

    async def pieces() -> AsyncIterator[str]:
        for piece in ("0.", "5 "):
            yield piece

    async def recorded() -> AsyncIterator[rtc.AudioFrame]:
        yield frame(tone(0.4))

    async def talk(session: AgentSession) -> None:
        session.output.transcription = FaceTextOutput(face, next_in_chain=transcript)
        await session.say("0.3")
        await session.say(pieces())
        handle = session.say("20.0")
        await asyncio.sleep(1.0)
        handle.interrupt()
        await handle
        await session.say("A recording.", audio=recorded())

    converse(face, talk)
    receiver.until("end", 4)
    assert texts(receiver) == ["0.3", "0.5", "20.0", "A recording."]
    assert transcript.segments == ["0.3", "0.5 ", "20.0", "A recording.", ""]


def test_words_without_sound_are_not_those_of_the_next(bridge, receiver):
    face = FaceAudioOutput(bridge=bridge, session=CountingSession())
    words = FaceTextOutput(face)

    async def say(*texts: str) -> None:
        await face.capture_frame(frame(tone(0.3)))
        for text in texts:
            await words.capture_text(text)
        words.flush()
        face.flush()
        await asyncio.wait_for(face.wait_for_playout(), 5)

    async def use() -> None:
        await words.capture_text("The TTS failed.")
        words.flush()
        face.flush()
        await say("late ", "words")
        await say()
        await words.capture_text("Nobody listened.")
        words.flush()
        await words.capture_text("Known")
        await say(" in time")
        await face.aclose()

    asyncio.run(use())
    receiver.until("end", 3)
    assert texts(receiver) == [None, None, "Known"]


def test_in_a_room_words_go_to_receivers_and_on_to_the_rooms_transcription(bridge, receiver):
    """The outputs of a room are those of livekit-agents' synchronizer of sound and words."""
    transcript, spoken = Transcript(), []

    async def use() -> None:
        room = TranscriptSynchronizer(next_in_chain_audio=Sink(), next_in_chain_text=transcript)
        session = AgentSession(tts=ToneTTS())
        session.output.audio, session.output.transcription = room.audio_output, room.text_output
        await session.start(agent=Agent(instructions=""))
        face = FaceAudioOutput(next_in_chain=session.output.audio, bridge=bridge, session=CountingSession())
        session.output.audio = face
        session.output.transcription = FaceTextOutput(face, next_in_chain=session.output.transcription)
        try:
            for text in ("0.6", "0.4"):
                handle = session.say(text)
                await handle
                spoken.extend(item.text_content for item in handle.chat_items)
        finally:
            await session.aclose()
            await face.aclose()
            await room.aclose()

    asyncio.run(use())
    receiver.until("end", 2)
    assert texts(receiver) == spoken == ["0.6", "0.4"]
    assert [text for text in transcript.segments if text] == ["0.6", "0.4"]


def test_an_interruption_tells_the_position_that_was_heard(bridge, receiver):
    face = FaceAudioOutput(bridge=bridge, session=CountingSession())

    async def talk(session: AgentSession) -> None:
        begun = asyncio.Event()
        face.on("playback_started", lambda _: begun.set())
        handle = session.say("20.0")
        await asyncio.wait_for(begun.wait(), 10)
        await asyncio.sleep(0.8)
        handle.interrupt()
        await handle
        handle = session.say("20.0")
        handle.interrupt()
        await handle
        await session.say("0.4")

    events = converse(face, talk)
    receiver.until("end", 2)
    finished = [event for event in events if hasattr(event, "interrupted")]
    cut = next(event for event in receiver.events if event.kind == "interrupted")
    assert finished[0].interrupted
    assert finished[0].playback_position == pytest.approx(cut.data["played_ns"] / 1e9, abs=0.001)
    assert 0.75 < finished[0].playback_position < 0.8 + LATE
    assert not finished[-1].interrupted and finished[-1].playback_position == pytest.approx(0.4, abs=PADDING)
    first = receiver.streams()[0]
    assert len(first.frames) / 50 < 2.0 and first.weights[-1][17] < 0.03


def test_a_receivers_interruption_is_told_to_the_agent(bridge, receiver):
    face = FaceAudioOutput(bridge=bridge, session=CountingSession())

    async def talk(session: AgentSession) -> None:
        handle = session.say("5.0")
        await asyncio.sleep(1.0)
        with receiver.paused():
            await asyncio.to_thread(receiver.client.interrupt)
        await asyncio.wait_for(handle.wait_for_playout(), 3)

    events = converse(face, talk)
    assert events[-1].interrupted and events[-1].playback_position < 1.0 + LATE


def test_another_output_plays_and_the_face_follows_it(bridge, receiver):
    sink = Sink()
    face = FaceAudioOutput(next_in_chain=sink, bridge=bridge, session=CountingSession())
    began = []
    sink.on("playback_started", lambda event: began.append(event.created_at))

    async def talk(session: AgentSession) -> None:
        await session.say("0.8")
        handle = session.say("20.0")
        await asyncio.sleep(1.2)
        handle.interrupt()
        await handle
        assert sink.cleared_at

    events = converse(face, talk)
    receiver.until("end", 2)
    np.testing.assert_array_equal(sink.samples[: round(0.8 * RATE)], tone(0.8))
    assert len(sink.samples) / RATE < 0.8 + 1.2 + 0.3 + LATE
    finished = [event for event in events if hasattr(event, "interrupted")]
    assert [event.interrupted for event in finished] == [False, True]
    assert finished[0].playback_position == pytest.approx(0.8, abs=PADDING)
    for stream, start in zip(receiver.streams(), began, strict=True):
        assert not len(stream.sound)
        assert max(stream.face_epochs) / 1e9 == pytest.approx(start + 0.2, abs=LATE)


def test_frames_after_the_end_and_clears_of_nothing_do_no_harm(bridge):
    face = FaceAudioOutput(bridge=bridge, session=CountingSession())

    async def use() -> None:
        face.clear_buffer()
        face.flush()
        await face.capture_frame(frame(tone(1.0)))
        face.clear_buffer()
        face.clear_buffer()
        await face.capture_frame(frame(tone(1.0)))
        face.flush()
        event = await asyncio.wait_for(face.wait_for_playout(), 3)
        assert event.interrupted
        stereo = np.repeat(tone(0.3), 2)
        await face.capture_frame(rtc.AudioFrame(stereo.tobytes(), RATE, 2, len(stereo) // 2))
        face.flush()
        event = await asyncio.wait_for(face.wait_for_playout(), 5)
        assert not event.interrupted and event.playback_position == pytest.approx(0.3, abs=1e-4)
        await face.capture_frame(frame(tone(1.0)))
        await face.aclose()
        assert (await asyncio.wait_for(face.wait_for_playout(), 1)).interrupted

    asyncio.run(use())


def test_without_weights_a_room_is_heard_and_receivers_alone_are_told_why(bridge):
    sink = Sink()
    face = FaceAudioOutput(next_in_chain=sink, bridge=bridge, preset="no-such-model")

    async def talk(session: AgentSession) -> None:
        await session.say("0.4")

    finished = converse(face, talk)[-1]
    assert not finished.interrupted and len(sink.samples) >= 0.4 * RATE

    async def alone() -> None:
        with pytest.raises(CheckpointError, match="no-such-model"):
            await FaceAudioOutput(bridge=bridge, preset="no-such-model").capture_frame(frame(tone(0.1)))

    asyncio.run(alone())


class Runner(AvatarRunner):
    """A runner whose room is nowhere: tracks need no publication."""

    async def _publish_track(self) -> None:
        self._video_publication = "nowhere"


def test_the_avatar_runner_shows_the_face_and_is_interrupted():
    shown = []

    async def use() -> None:
        output, video = QueueAudioOutput(wait_playback_start=True), FaceVideo(session=CountingSession())
        finished = []
        output.on("playback_finished", finished.append)
        runner = Runner(rtc.Room(), audio_recv=output, video_gen=video, options=FaceVideo.OPTIONS)
        push = runner.av_sync.push

        async def pushed(item: rtc.VideoFrame | rtc.AudioFrame) -> None:
            shown.append(item)
            await push(item)

        runner.av_sync.push = pushed
        await runner.start()
        try:
            await output.capture_frame(frame(tone(0.5)))
            output.flush()
            first = await asyncio.wait_for(output.wait_for_playout(), 20)
            await output.capture_frame(frame(tone(8.0)))
            output.flush()
            while sum(isinstance(item, rtc.AudioFrame) for item in shown) < 25:
                await asyncio.sleep(0.01)
            output.clear_buffer()
            second = await asyncio.wait_for(output.wait_for_playout(), 20)
        finally:
            await runner.aclose()
            video.close()
        assert not first.interrupted and first.playback_position == pytest.approx(0.5, abs=0.001)
        assert second.interrupted and second.playback_position < 2.0

    asyncio.run(use())
    pictures = [item for item in shown if isinstance(item, rtc.VideoFrame)]
    assert {(picture.width, picture.height) for picture in pictures} == {(320, 320)}
    sound = np.concatenate([np.frombuffer(item.data, np.int16) for item in shown if isinstance(item, rtc.AudioFrame)])
    np.testing.assert_array_equal(sound[: RATE // 2], tone(0.5))


def test_pictures_and_sound_of_an_instant_come_together_and_the_face_rests():
    pcm, rate, _ = espeak.synthesize("My papa.", "en-us")
    options = FaceVideo.OPTIONS.__class__(64, 64, 25, rate, 1)

    async def use() -> tuple[list, float]:
        video, poses = FaceVideo(options), []
        draw, video._drawn = video._drawn, lambda pose: poses.append(pose) or draw(pose)
        items = []
        await video.push_audio(frame((pcm * 32767).astype(np.int16), rate))
        await video.push_audio(AudioSegmentEnd())
        async for item in video:
            items.append(item)
            if isinstance(item, AudioSegmentEnd):
                break
        video.close()
        with pytest.raises(ValueError, match="7000 Hz"):
            await video.push_audio(frame(tone(0.1), 7_000))
        return items, max(pose[17] for pose in poses)

    items, opened = asyncio.run(use())
    sounds = [len(item.data) for item in items if isinstance(item, rtc.AudioFrame)]
    pictures = sum(isinstance(item, rtc.VideoFrame) for item in items)
    assert sum(sounds) == len(pcm) and opened > 0.2
    assert pictures == len(sounds) == -(-len(pcm) * 25 // rate)
