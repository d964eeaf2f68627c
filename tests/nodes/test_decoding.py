"""The decoding thread beside a small model of known answers: jawOpen is the index of the frame / 1000."""

import time

import numpy as np
import pytest

pytest.importorskip("rclpy")
from toktalk_node.face.rest import to_rest  # noqa: E402
from toktalk_node.nodes.conversions import Sound  # noqa: E402
from toktalk_node.nodes.decoding import DecodingThread, Tokens  # noqa: E402
from toktalk_node.nodes.playout import (  # noqa: E402
    FAULT,
    INTERRUPTED,
    STREAM_ENDED,
    STREAM_STARTED,
    UNDERRUN,
    FaceFrame,
    Happening,
    Playout,
    Sounding,
)
from toktalk_node.signals import FaceChunk, TokenChunk  # noqa: E402
from toktalk_node.stream import Interruption, SessionStats  # noqa: E402

SECOND = 1_000_000_000
NOW = 1_000 * SECOND


class CountingModel:
    """Gives frames in chunks of six with two frames of look-ahead."""

    fps = 50
    look_ahead = 0.16

    def __init__(self) -> None:
        self.stats = SessionStats()
        self.reset()

    def reset(self) -> None:
        self.samples, self.frame, self.rate, self.over = 0, 0, 0, False

    def push_audio(self, pcm: np.ndarray, rate: int) -> FaceChunk:
        if self.over:
            self.reset()
        self.stats.seconds += len(pcm) / rate
        self.stats.bad_values += int(np.isnan(pcm).sum())
        self.samples, self.rate = self.samples + len(pcm), rate
        return self._give(max(self.samples * self.fps // rate - 2, 0) // 6 * 6)

    def push_tokens(self, chunk: TokenChunk) -> FaceChunk:
        if chunk.space != "phonetic":
            raise ValueError(f"tokens of space {chunk.space!r}")
        return self._give(chunk.end)

    def finish(self) -> FaceChunk:
        self.over = True
        return self._give(max(-(-self.samples * self.fps // max(self.rate, 1)), self.frame) + 10)

    def interrupt(self, played_ns: int | None = None) -> Interruption:
        given, self.over = self.frame, True
        played = given if played_ns is None else min(played_ns * self.fps // SECOND, given)
        self.frame = played + 10
        pose = np.zeros(55, np.float32)
        pose[17] = (played - 1) / 1000
        rest = to_rest(pose, 10, self.fps)
        return Interruption(played, given - played, FaceChunk(rest[:, :52], rest[:, 52:], self.fps, played))

    def _give(self, end: int) -> FaceChunk:
        start, self.frame = self.frame, max(end, self.frame)
        weights = np.zeros((self.frame - start, 52), np.float32)
        weights[:, 17] = np.arange(start, self.frame) / 1000
        return FaceChunk(weights, np.zeros((len(weights), 3), np.float32), self.fps, start)


class Bench:
    """A decoding thread on a clock that the test holds."""

    def __init__(self, timeout: float = 30.0) -> None:
        self.now = NOW
        self.playout = Playout(0)
        self.thread = DecodingThread(
            CountingModel(), self.playout, lambda: self.now, delay_ns=SECOND // 2, timeout=timeout
        )

    def push(self, seconds: float, start: int | None = 0, rate: int = 16000, **fields: object) -> None:
        samples = fields.pop("samples", np.full(round(seconds * rate), 0.1, np.float32))
        self.thread.push(Sound(samples, rate, fields.pop("stamp_ns", NOW), start, **fields))

    def collect(self, until: int = STREAM_ENDED) -> list[tuple[int, object]]:
        """Everything up to the first event of the type `until`."""
        seen: list[tuple[int, object]] = []
        deadline = time.monotonic() + 5
        while not any(item.type == until for _, item in of(Happening, seen)):
            assert time.monotonic() < deadline, f"no event {until} in {of(Happening, seen)}"
            seen += self.playout.due(NOW + 3600 * SECOND)
            time.sleep(0.005)
        return seen


@pytest.fixture
def bench():
    made: list[Bench] = []

    def make(**options: float) -> Bench:
        made.append(Bench(**options))
        return made[-1]

    yield make
    for item in made:
        item.thread.stop()


def of(kind: type, seen: list[tuple[int, object]]) -> list[tuple[int, object]]:
    return [(pts, item) for pts, item in seen if isinstance(item, kind)]


def event(seen: list[tuple[int, object]], kind: int) -> tuple[int, Happening]:
    """The last event of a type."""
    return [(pts, item) for pts, item in of(Happening, seen) if item.type == kind][-1]


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000])
def test_sound_and_face_of_an_instant_carry_the_same_time(bench, rate: int) -> None:
    b = bench()
    for i in range(10):
        b.push(0.033, start=i * round(0.033 * rate), rate=rate)
    b.push(0.033, start=10 * round(0.033 * rate), rate=rate, last=True)
    seen = b.collect()
    epoch = NOW + SECOND // 2
    frames, sounds = of(FaceFrame, seen), of(Sounding, seen)
    assert [item.frame for _, item in frames] == list(range(len(frames)))
    assert all(pts == epoch + item.frame * SECOND // 50 for pts, item in frames)
    total = 11 * round(0.033 * rate)
    assert sum(len(item.chunk.samples) for _, item in sounds) == total and sounds[-1][1].last
    face_times = np.array([pts for pts, _ in frames])
    for pts, item in sounds:
        assert pts == epoch + item.chunk.start * SECOND // rate
        assert np.abs(face_times - pts).min() < SECOND / rate  # every block begins where a frame does


def test_lost_and_invalid_samples_become_silence_and_are_counted(bench) -> None:
    b = bench()
    bad = np.full(1600, np.nan, np.float32)
    b.push(0.1, samples=bad)
    b.push(0.1, start=3200, last=True)
    sounds = of(Sounding, b.collect())
    heard = np.concatenate([item.chunk.samples for _, item in sounds])
    assert not heard[:3200].any() and np.allclose(heard[3200:], 0.1) and len(heard) == 4800
    assert (b.thread.session.stats.bad_values, b.thread.stats.lost_samples) == (1600, 1600)


def test_sound_that_stops_without_saying_so_ends_the_stream(bench) -> None:
    b = bench(timeout=0.1)
    b.push(0.2)
    seen = b.collect()
    assert "no sound" in event(seen, STREAM_ENDED)[1].detail
    assert of(FaceFrame, seen)[-1][1].frame == 19


def test_a_rate_that_cannot_be_is_a_fault_and_the_next_stream_plays(bench) -> None:
    b = bench()
    b.push(0.1)
    b.push(0.1, start=1600, rate=-5, samples=np.zeros(10, np.float32))
    seen = b.collect(FAULT)
    assert "-5" in event(seen, FAULT)[1].detail
    b.now += SECOND
    b.push(0.5, last=True, stamp_ns=b.now)
    seen = b.collect()
    while event(seen, STREAM_ENDED)[0] < b.now:
        seen += b.collect()
    assert event(seen, STREAM_STARTED)[0] == b.now + SECOND // 2
    assert len([pts for pts, _ in of(FaceFrame, seen) if pts >= b.now + SECOND // 2]) == 35


def test_tokens_of_an_unknown_space_are_a_fault_that_names_it(bench) -> None:
    b = bench()
    b.thread.push(Tokens(TokenChunk("martian", np.zeros((5, 1), np.int32)), NOW, False))
    assert "martian" in event(b.collect(FAULT), FAULT)[1].detail


def test_the_words_of_a_stream_come_with_its_beginning(bench) -> None:
    b = bench()
    b.push(0.3, text="Hello, papa.")
    b.push(0.1, start=4800, text="of no use here", last=True)
    b.push(0.3, last=True)
    seen: list[tuple[int, object]] = []
    while len(ends := [item for _, item in of(Happening, seen) if item.type == STREAM_ENDED]) < 2:
        seen += b.collect()
    begun = [item.text for _, item in of(Happening, seen) if item.type == STREAM_STARTED]
    assert begun == ["Hello, papa.", ""] and not any(item.text for item in ends)


def test_sound_that_comes_too_late_goes_on_as_a_new_stream(bench) -> None:
    b = bench()
    b.push(0.2)
    b.collect(STREAM_STARTED)
    b.now += 2 * SECOND
    b.push(0.2, start=3200, stamp_ns=0, last=True)
    seen = b.collect(STREAM_STARTED)
    assert event(seen, STREAM_STARTED)[0] == b.now - SECOND // 5 + SECOND // 2  # the message's sound ended now


def test_a_microphone_with_a_slow_clock_gets_a_new_one_before_frames_are_late_for_long(bench) -> None:
    b = bench()
    for i in range(40):
        b.push(0.1, start=1600 * i, stamp_ns=b.now - SECOND // 10)
        while b.thread.session.stats.seconds < (i + 1) * 0.1 - 0.01:
            time.sleep(0.002)
        b.now += SECOND // 10 + (SECOND // 5 if i == 5 else SECOND // 50)  # 120 ms for every 100 ms of sound
    assert b.thread.stats.streams == 2 and b.thread.stats.faults == 0


def test_a_new_utterance_takes_the_place_of_the_old_ones_way_to_rest(bench) -> None:
    b = bench()
    b.push(0.2, last=True)
    b.push(0.2, stamp_ns=NOW + SECOND // 5, last=True)
    deadline = time.monotonic() + 5
    while b.thread.stats.streams < 2 and time.monotonic() < deadline:
        time.sleep(0.005)
    time.sleep(0.05)
    times = [pts for pts, _ in of(FaceFrame, b.playout.due(NOW + 3600 * SECOND))]
    assert len(times) == len(set(times))


@pytest.mark.parametrize("ended", [False, True])
def test_an_interruption_drops_what_was_not_played_and_comes_to_rest_from_there(bench, ended: bool) -> None:
    b = bench()
    b.push(2.0, last=ended)
    deadline = time.monotonic() + 5
    while len(b.playout) < 190 and time.monotonic() < deadline:
        time.sleep(0.005)
    epoch = NOW + SECOND // 2
    shown = of(FaceFrame, b.playout.due(epoch + SECOND // 2))
    assert shown[-1][1].frame == 25
    result = b.thread.interrupt(epoch + SECOND // 2 + 1)
    assert result.played_frames == 25 and result.dropped_frames >= 60
    seen = b.collect()
    assert [item.type for _, item in of(Happening, seen) if item.type != UNDERRUN] == [INTERRUPTED, STREAM_ENDED]
    rest = of(FaceFrame, seen)
    assert [item.frame for _, item in rest][0] == 25 and len(rest) == 10
    jaw = [item.weights[17] for _, item in rest]
    assert jaw[0] == pytest.approx(0.024, abs=0.002) and jaw[-1] == pytest.approx(0.02)
    assert not of(Sounding, seen)


def test_after_an_interruption_the_rest_of_the_utterance_is_not_spoken(bench) -> None:
    b = bench()
    b.push(0.5)
    b.collect(STREAM_STARTED)
    b.thread.interrupt(NOW)
    b.push(0.1, start=8000)
    time.sleep(0.05)
    b.now += SECOND
    b.push(0.5, stamp_ns=b.now, last=True)
    seen = b.collect(STREAM_STARTED)
    assert event(seen, STREAM_STARTED)[0] == b.now + SECOND // 2 and b.thread.stats.streams == 2


def test_a_decoder_slower_than_sound_gives_up_the_stream_and_hears_the_next(bench) -> None:
    b = bench()
    push = b.thread.session.push_audio

    def slow_push(pcm: np.ndarray, rate: int) -> FaceChunk:
        b.now += SECOND // 2
        return push(pcm, rate)

    b.thread.session.push_audio = slow_push
    b.push(5.0)
    assert "slower" in event(b.collect(FAULT), FAULT)[1].detail
    b.thread.session.push_audio = push
    b.push(0.5, stamp_ns=b.now, last=True)
    b.collect()
    assert b.thread.stats.faults == 1 and b.thread.stats.streams == 2


def test_more_input_than_can_be_kept_is_dropped_with_a_fault(bench) -> None:
    b = bench()
    block = np.zeros(16000 * 50, np.float32)
    for i in range(3):
        b.push(0, start=i * len(block), samples=block)
    assert "waited" in event(b.collect(FAULT), FAULT)[1].detail
