"""FaceSpeaker in asyncio, on a real bridge with a real client."""

import asyncio
import socket
import threading
import time

import numpy as np
import pytest

from tests.agents.counting import CountingSession
from toktalk_node.agents.outputs import Ended, Started
from toktalk_node.agents.speaker import FaceSpeaker
from toktalk_node.bridge.client import BridgeError
from toktalk_node.bridge.server import Bridge
from toktalk_node.motion.checkpoint import CheckpointError
from toktalk_node.speech import espeak
from toktalk_node.stream import Session

RATE = 24_000


def tone(seconds: float) -> np.ndarray:
    return (0.1 * np.sin(np.arange(round(seconds * RATE)) / 20)).astype(np.float32)


def test_ten_lines_speak_and_are_interrupted(bridge, receiver):
    async def talk() -> None:
        async with FaceSpeaker(bridge=bridge, session=CountingSession()) as face:
            await face.say(tone(0.5), RATE, "One half.")
            assert await face.finish()
            await face.say(tone(5.0), RATE)
            await asyncio.sleep(0.6)
            waiting = asyncio.create_task(face.finish())
            await asyncio.sleep(0.1)
            cut = await face.interrupt()
            assert not await waiting
            assert 0.3 < cut.played_ns / 1e9 < 1.5
            await face.say(tone(0.3), RATE)
            assert await face.finish()

    begun = time.monotonic()
    asyncio.run(talk())
    assert time.monotonic() - begun < 8, "what was not heard was spoken after all"
    receiver.until("end", 3)
    kinds = [event.kind for event in receiver.events]
    assert kinds == ["start", "end", "start", "interrupted", "end", "start", "end"]
    assert [event.data for event in receiver.events if event.kind == "start"] == [{"text": "One half."}, {}, {}]
    streams = receiver.streams()
    assert [len(stream.sound) for stream in (streams[0], streams[2])] == [RATE // 2, round(0.3 * RATE)]
    for stream in streams:
        assert stream.sound_epochs | stream.face_epochs == {stream.epoch_ns}, "sound and face are on two clocks"
        assert stream.frames == list(range(len(stream.frames)))


def test_the_real_model_moves_the_mouth_and_shuts_it(bridge, receiver):
    pcm, rate, _ = espeak.synthesize("My papa may buy a map.", "en-us")

    async def talk() -> None:
        outputs = []
        async with FaceSpeaker(bridge=bridge, patience=60.0, on_output=outputs.append) as face:
            assert "warm" in bridge.styles and set(bridge.styles) == set(face.session.styles)
            await face.say((pcm * 32767).astype(np.int16), rate)
            assert await face.finish()
            while not isinstance(outputs[-1], Ended):  # a busy machine shows later than it plays
                await asyncio.sleep(0.02)

    asyncio.run(talk())
    receiver.until("end", 1)
    assert "warm" in receiver.client.styles, "who was there before the model learns its styles"
    (stream,) = receiver.streams()
    jaw = np.array([weights[17] for weights in stream.weights])
    assert jaw.max() > 0.25 and jaw[-1] < 0.1
    assert len(jaw) / 50 == pytest.approx(len(pcm) / rate + 0.2, abs=0.1)
    np.testing.assert_allclose(np.concatenate(stream.sound_parts), pcm, atol=1e-4)


def test_the_event_loop_goes_on_while_the_model_computes(bridge):
    pcm, rate, _ = espeak.synthesize("Maybe Bob may buy five puppies.", "en-us")

    async def talk() -> float:
        stamps = []

        async def tick() -> None:
            while True:
                stamps.append(time.perf_counter())
                await asyncio.sleep(0.005)

        async with FaceSpeaker(bridge=bridge, patience=60.0) as face:
            ticker = asyncio.create_task(tick())
            await face.say(pcm, rate)
            await face.finish()
            ticker.cancel()
        return float(np.median(np.diff(stamps)))

    assert asyncio.run(talk()) < 0.02


def test_a_receiver_interrupts_and_asks_for_a_style(bridge, receiver):
    barged = []

    async def talk() -> None:
        session = CountingSession()
        async with FaceSpeaker(bridge=bridge, session=session, on_barge_in=lambda: barged.append(1)) as face:
            await face.say(tone(5.0), RATE)
            await asyncio.sleep(0.7)
            reply = await asyncio.to_thread(receiver.client.interrupt)
            assert 0 < reply.played_frames < 60
            assert not await face.finish() or not face.stats.late_frames
            await asyncio.to_thread(receiver.client.set_style, "warm")
            assert session.styles == ["warm"]
            with pytest.raises(BridgeError, match="nobody"):
                await asyncio.to_thread(receiver.client.set_style, "nobody")
            assert barged

    with receiver.paused():
        asyncio.run(talk())


def test_two_speakers_share_a_bridge_and_requests_find_theirs(bridge, receiver):
    async def talk() -> None:
        a, b = CountingSession(), CountingSession()
        async with (
            FaceSpeaker(bridge=bridge, stream="a", session=a),
            FaceSpeaker(bridge=bridge, stream="b", session=b),
        ):
            await asyncio.to_thread(receiver.client.set_style, "warm", "b")
            assert (a.styles, b.styles) == ([], ["warm"])
            with pytest.raises(ValueError, match="already has a speaker 'a'"):
                async with FaceSpeaker(bridge=bridge, stream="a", session=CountingSession()):
                    pass
            assert bridge.on_interrupt("a", -1) == (0, 0), "the refused speaker took the stream with it"
        with pytest.raises(BridgeError, match="no stream 'b'"):
            await asyncio.to_thread(receiver.client.set_style, "warm", "b")

    with receiver.paused():
        asyncio.run(talk())


def test_a_bridge_that_is_closed_too_early_does_no_harm():
    async def talk() -> None:
        bridge = Bridge(pub_port=0, control_port=0)
        async with FaceSpeaker(bridge=bridge, session=CountingSession()) as face:
            await face.say(tone(0.3), RATE)
            bridge.close()
            assert await asyncio.wait_for(face.finish(), 5)

    asyncio.run(talk())


def test_leaving_ends_thread_and_ports_even_in_mid_speech():
    async def talk() -> None:
        async with FaceSpeaker(session=CountingSession()) as face:
            await face.say(tone(60.0)[: 20 * RATE], RATE)
            await asyncio.sleep(0.3)
            assert face.bridge is not None
        with pytest.raises(RuntimeError, match="not open"):
            await face.say(tone(0.1), RATE)
        await face.close()

    if not _free(5590) or not _free(5591):
        pytest.skip("the bridge's default ports are taken on this machine")
    asyncio.run(talk())
    assert not [t for t in threading.enumerate() if t.name.startswith("toktalk-")]
    assert _free(5590) and _free(5591)


def test_what_is_missing_or_taken_is_said_clearly():
    async def enter(**options: object) -> None:
        async with FaceSpeaker(**options):
            pass

    with pytest.raises(CheckpointError, match="no-such-model"):
        asyncio.run(enter(preset="no-such-model"))
    with pytest.raises(ValueError, match="no-such-style"):
        asyncio.run(enter(style="no-such-style"))
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", 5590))
            taken.listen()
        except OSError:
            pass  # taken by another program: as good
        with pytest.raises(OSError, match="5590.*another TokTalk"):
            asyncio.run(enter(session=CountingSession()))
    with pytest.raises(ValueError, match="ahead is 0.01 s"):
        asyncio.run(enter(session=CountingSession(), ahead=0.01))


def test_a_given_session_speaks_without_a_second_load(bridge):
    session = Session.load()

    async def talk() -> None:
        outputs = []
        async with FaceSpeaker(bridge=bridge, session=session, on_output=outputs.append) as face:
            await face.say(tone(0.2), RATE)
            await face.finish()
        assert isinstance(outputs[0], Started) and face.session is session

    asyncio.run(talk())


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
