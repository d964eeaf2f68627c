"""The speaking thread on a clock that the test holds, beside a session of known answers."""

import time
from concurrent.futures import Future

import numpy as np
import pytest

from tests.agents.counting import JAW, REST_FRAMES, CountingSession
from toktalk_node.agents.outputs import Cut, Ended, Failed, Passed, Showing, Sounding, Started, Starved, Styled
from toktalk_node.agents.pacing import SpeakingThread
from toktalk_node.signals import NANOSECONDS as SECOND

NOW = 1_000 * SECOND
RATE = 16_000


class Bench:
    """A speaking thread whose clock stands still until the test moves it."""

    def __init__(self, **options: float) -> None:
        self.now, self.seen = NOW, []
        self.session = CountingSession()
        options = {"latency": 0.1, "prebuffer": 0.1, "ahead": 0.3, "timeout": 30.0} | options
        self.thread = SpeakingThread(self.session, self.seen.append, now=lambda: self.now, **options)

    def say(self, seconds: float, rate: int = RATE, value: float = 0.1) -> Future:
        return self.thread.say(np.full(round(seconds * rate), value, np.float32), rate)

    def settle(self) -> None:
        """Wait until the thread has nothing more to do at this time."""
        quiet, before, deadline = 0, -1, time.monotonic() + 10
        while quiet < 3:
            assert time.monotonic() < deadline, "the thread finds no rest"
            self.thread.ask(lambda: None).result(5)
            time.sleep(0.003)
            count = len(self.seen)
            quiet, before = (quiet + 1 if count == before else 0), count

    def advance(self, seconds: float, step: float = 0.1) -> None:
        for _ in range(round(seconds / step)):
            self.now += round(step * SECOND)
            self.settle()

    def of(self, kind: type) -> list:
        return [output for output in self.seen if isinstance(output, kind)]

    def sound(self) -> np.ndarray:
        """All sound that left, which must follow on."""
        at = 0
        for output in self.of(Sounding):
            assert output.chunk.start == at
            at = output.chunk.end
        return np.concatenate([np.zeros(0, np.float32), *(o.chunk.samples for o in self.of(Sounding))])


@pytest.fixture
def bench():
    made: list[Bench] = []

    def make(**options: float) -> Bench:
        made.append(Bench(**options))
        return made[-1]

    yield make
    for item in made:
        item.thread.close()


def test_sound_and_face_begin_together_and_carry_one_clock(bench):
    b = bench()
    b.say(1.0)
    b.settle()
    (started,) = b.of(Started)
    assert started.clock.epoch_ns == NOW + SECOND // 10
    assert {o.clock for o in b.of(Showing) + b.of(Sounding)} == {started.clock}
    b.thread.end()
    b.advance(1.5)
    assert len(b.sound()) == RATE
    frames = np.concatenate([o.chunk.weights[:, JAW] for o in b.of(Showing)])
    np.testing.assert_allclose(frames, np.arange(50 + REST_FRAMES) / 1000)
    assert b.of(Ended)[0].pts_ns == started.clock.pts_ns(60, 50)
    assert b.thread.stats.late_frames == 0


def test_a_minute_of_sound_in_a_moment_leaves_in_real_time(bench):
    b = bench(backlog=10.0)
    room = b.say(60.0)
    b.settle()
    assert not room.done(), "nobody was asked to wait"
    for passed in (0.0, 1.0, 2.0):
        b.now = NOW + round(passed * SECOND)
        b.settle()
        assert passed + 0.3 <= len(b.sound()) / RATE <= passed + 0.33
        assert sum(map(len, b.session.pushed)) / RATE <= passed + 0.3 + 0.2 + 0.05, "decoded too early"
    b.thread.interrupt().result(5)
    assert room.done(), "whoever waits to say more after an interruption waits for ever"


def test_sound_that_runs_out_is_filled_with_silence_and_both_wait(bench):
    b = bench()
    b.say(0.6)
    b.settle()
    b.advance(1.0, 0.02)
    assert b.thread.stats.underruns == 1 and len(b.of(Starved)) == 1
    assert b.of(Starved)[0].pts_ns == b.of(Started)[0].clock.pts_ns(round(0.6 * RATE), RATE)
    b.say(0.5, value=0.5)
    b.thread.end()
    b.advance(2.0)
    sound = b.sound()
    assert (sound == 0).sum() == round(b.thread.stats.silence * RATE) > 0
    assert (sound == 0.5).sum() == RATE // 2 and (sound == np.float32(0.1)).sum() == round(0.6 * RATE)
    frames = [o.chunk for o in b.of(Showing)]
    assert all(a.end == c.start for a, c in zip(frames, frames[1:], strict=False)), "the face broke off"
    assert len(b.of(Started)) == 1 and b.thread.stats.late_frames == 0


def test_what_is_said_in_time_after_an_end_goes_on_without_a_seam(bench):
    b = bench()
    b.say(0.5)
    b.thread.end()
    b.settle()
    b.say(0.5, value=0.3)
    b.thread.end()
    b.advance(2.0)
    assert len(b.of(Started)) == 1 and len(b.of(Ended)) == 1
    assert len(b.sound()) == RATE


def test_a_new_stream_waits_until_the_face_before_rests(bench):
    b = bench()
    b.say(0.5)
    b.thread.end()
    b.advance(0.5)
    b.say(0.5)
    b.settle()
    b.thread.end()
    b.advance(2.0)
    first, second = b.of(Started)
    assert second.clock.epoch_ns == b.of(Ended)[0].pts_ns > first.clock.epoch_ns


def test_an_interruption_drops_what_was_not_heard_and_rests_from_the_frame_shown(bench):
    b = bench()
    b.say(3.0)
    b.thread.end()
    b.thread.mark("after")
    b.settle()
    b.advance(1.1)
    epoch = b.of(Started)[0].clock.epoch_ns
    cut = b.thread.interrupt().result(5)
    assert cut.pts_ns == b.now and cut.played_ns == cut.heard_ns == b.now - epoch == SECOND
    assert cut.played_frames == 50 and cut.dropped_frames > 0 and cut.marks == ("after",)
    b.settle()
    rest = b.of(Showing)[-1].chunk
    assert rest.start == 50 and len(rest) == REST_FRAMES
    assert rest.weights[0, JAW] <= 0.049 and rest.weights[-1, JAW] < 0.021
    left = len(b.sound())
    b.advance(1.0)
    assert len(b.sound()) == left, "sound left after the interruption"
    again = b.thread.interrupt().result(5)
    assert again.dropped_frames == 0 and len(b.of(Ended)) == 1


def test_heard_counts_what_was_said_not_the_silence_between(bench):
    b = bench()
    b.say(0.6)
    b.settle()
    b.advance(1.0)
    inserted = b.thread.stats.silence
    b.say(1.0)
    b.advance(1.0)
    cut = b.thread.interrupt().result(5)
    assert inserted > 0.3
    assert cut.heard_ns == pytest.approx(cut.played_ns - b.thread.stats.silence * SECOND, abs=2)


def test_two_interruptions_and_one_before_the_first_frame_are_harmless(bench):
    b = bench()
    cut = b.thread.interrupt().result(5)
    assert (cut.played_frames, cut.dropped_frames, cut.heard_ns) == (0, 0, 0)
    b.say(0.1)
    b.settle()
    cut = b.thread.interrupt().result(5)
    assert (cut.played_frames, cut.heard_ns) == (0, 0) and not b.of(Started)
    b.say(1.0)
    b.settle()
    b.advance(0.5)
    first, second = b.thread.interrupt().result(5), b.thread.interrupt().result(5)
    assert first.dropped_frames > 0 == second.dropped_frames
    b.say(0.5)
    b.thread.end()
    b.advance(2.0)
    assert len(b.of(Started)) == 2


def test_an_interruption_between_decoding_and_hearing_is_by_what_was_heard(bench):
    b = bench()
    b.say(0.5)
    b.thread.end()
    b.settle()
    b.advance(0.3)
    cut = b.thread.interrupt().result(5)
    assert cut.played_ns == round(0.2 * SECOND) and cut.played_frames == 10


def test_marks_pass_behind_the_sound_before_them(bench):
    b = bench()
    b.thread.mark("first")
    b.say(1.0)
    b.thread.mark("second")
    b.settle()
    assert [o.mark for o in b.of(Passed)] == ["first"]
    b.thread.end()
    b.advance(2.0)
    assert [o.mark for o in b.of(Passed)] == ["first", "second"]
    assert b.of(Passed)[1].pts_ns == b.of(Started)[0].clock.pts_ns(RATE, RATE)


def test_another_rate_begins_another_stream(bench):
    b = bench()
    b.say(0.5, 16_000)
    b.say(0.5, 48_000)
    b.thread.end()
    b.advance(2.5)
    assert [o.rate for o in b.of(Started)] == [16_000, 48_000]
    assert not b.of(Failed) and sum(len(o.chunk.samples) for o in b.of(Sounding)) == 8_000 + 24_000


def test_a_style_begins_where_it_was_asked_for_and_a_wrong_one_harms_nothing(bench):
    b = bench()
    b.say(3.0)
    b.thread.set_style("warm")
    b.thread.set_style("nobody")
    b.thread.end()
    b.advance(2.0)
    assert b.session.styles == []
    b.advance(2.0)
    assert b.session.styles == ["warm"]
    assert [o.name for o in b.of(Styled)] == ["warm"] and "nobody" in b.of(Failed)[0].detail
    assert len(b.sound()) == 3 * RATE
    with pytest.raises(ValueError, match="nobody"):
        b.thread.set_style_now("nobody").result(5)


def test_a_stream_that_nobody_ends_ends_by_itself(bench):
    b = bench(timeout=0.2)
    b.say(0.6)
    b.settle()
    time.sleep(0.25)
    b.advance(1.5)
    assert b.of(Ended)[0].detail == "no sound for 0.2 s"


def test_a_later_start_of_the_player_moves_what_follows(bench):
    b = bench()
    b.say(2.0)
    b.settle()
    before = b.of(Started)[0].clock.epoch_ns
    b.thread.shift(30_000_000).result(5)
    b.advance(1.0)
    assert b.of(Showing)[-1].clock.epoch_ns == before + 30_000_000


@pytest.mark.parametrize(
    ("pcm", "rate", "words"),
    [
        (np.zeros(10, np.complex64), RATE, "complex64"),
        (np.zeros((1, 2, 3), np.float32), RATE, "samples"),
        (np.zeros(10, np.float32), 0, "sample rate 0"),
        (np.zeros(10, np.float32), 1_000_000, "sample rate 1000000"),
    ],
)
def test_sound_that_is_none_is_refused_and_the_next_is_heard(bench, pcm, rate, words):
    b = bench()
    with pytest.raises(ValueError, match=words):
        b.thread.say(pcm, rate)
    b.thread.say(np.zeros(0, np.float32), RATE)
    b.thread.say(np.full((RATE, 2), np.nan, np.float32), RATE)
    b.thread.end()
    b.advance(1.5)
    assert b.sound().tolist() == [0.0] * RATE and b.session.stats.bad_values == 2 * RATE


def test_a_session_that_fails_ends_the_stream_and_the_next_speaks(bench):
    b = bench()
    b.session.push_audio, push = lambda *_: 1 / 0, b.session.push_audio
    b.say(1.0)
    b.settle()
    assert b.of(Failed)[0].detail == "division by zero" and isinstance(b.seen[-1], Cut)
    b.session.push_audio = push
    b.say(0.5)
    b.thread.end()
    b.advance(1.5)
    assert b.of(Ended)


def test_a_face_that_cannot_keep_up_rests_and_the_sound_goes_on(bench):
    b = bench(patience=0.5)
    b.say(3.0)
    b.thread.end()
    b.settle()
    give, b.session._give = b.session._give, lambda end: CountingSession()._give(0)
    b.advance(1.5)
    assert "computes slower than sound passes" in b.of(Failed)[0].detail
    b.session._give = give
    b.advance(2.5)
    assert len(b.sound()) == 3 * RATE and b.of(Ended)


def test_after_close_nothing_is_said_and_nobody_waits_for_ever(bench):
    b = bench(backlog=1.0)
    room = b.say(10.0)
    answer = b.thread.interrupt()
    b.thread.close()
    assert room.done() and isinstance(answer.result(1), Cut)
    with pytest.raises(RuntimeError, match="closed"):
        b.say(1.0)
    b.thread.close()


def test_a_mark_behind_all_speech_is_passed_when_that_was_heard_not_when_the_face_rests(bench):
    b = bench()
    b.say(0.5)
    b.thread.end()
    b.advance(0.5)
    b.thread.mark("after")
    b.settle()
    assert b.of(Passed)[0].pts_ns == b.of(Started)[0].clock.pts_ns(RATE // 2, RATE)


def test_what_waited_in_the_queue_was_not_heard(bench):
    b = bench()
    b.say(0.5)
    b.thread.end()
    b.advance(2.0)
    with b.thread._inbox.lock:  # the thread has no time to take what is said now
        b.say(3.0)
        answer = b.thread.interrupt()
    assert answer.result(5).heard_ns == SECOND // 2
