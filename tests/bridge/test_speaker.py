"""The sound of a bridge on a loudspeaker: by the sample, and through a real sound server."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.bridge.measure_speaker import measure
from tests.speech.pulse import PulseServer, available
from toktalk_node.bridge.speaker import SKEW, Speaker, SpeakerError, SpeakerStats, Track

RATE = 16_000
T0 = 1_700_000_000_123_456_789
NEEDS_PULSE = pytest.mark.skipif(not available(), reason="needs pulseaudio, pulseaudio-utils and libasound2-plugins")


def ns(samples: float) -> int:
    return T0 + round(samples * 1e9 / RATE)


@pytest.fixture
def track() -> Track:
    return Track(RATE, SpeakerStats())


def test_pieces_are_heard_at_their_time_without_a_seam(track: Track):
    sound = np.arange(1, 4001, dtype=np.float32)
    for start in range(0, 4000, 333):
        track.push(T0 + start * 1_000_000_000 // RATE, sound[start : start + 333])
    heard = np.concatenate([track.read(ns(first), 512) for first in range(-1024, 5120, 512)])
    np.testing.assert_array_equal(heard[1024:5024], sound)
    assert not heard[:1024].any() and not heard[5024:].any()
    assert track._stats == SpeakerStats(samples=4000)


def test_times_of_buffers_may_shake_but_a_drift_is_set_right(track: Track):
    """Jitter of 6 ms leaves no seam; a loudspeaker of 300 ppm is never off by more than SKEW and a buffer."""
    rng = np.random.default_rng(0)
    seconds = 60
    track.push(T0, np.arange(1, seconds * RATE + 1, dtype=np.float32))
    off, position = [], 0.0
    while position < (seconds - 1) * RATE:
        heard = track.read(ns(position + rng.uniform(-0.006, 0.006) * RATE), 320)
        assert (np.diff(heard) == 1).all(), "a seam within a buffer"
        off.append(abs(heard[0] - 1 - position) / RATE)
        position += 320 * 1.0003
    assert max(off) < SKEW + 0.007
    assert 1 <= track._stats.jumps <= 6


def test_a_loudspeaker_that_ran_empty_goes_on_at_the_right_place(track: Track):
    """20 ms were lost: what is heard next has its own time at once, not after the times of many buffers."""
    track.push(T0, np.arange(1, 2 * RATE + 1, dtype=np.float32))
    for first in range(0, RATE, 320):
        assert track.read(ns(first), 320)[0] == first + 1
    assert track.read(ns(RATE + 320), 320, broken=True)[0] == RATE + 321
    assert (track._stats.jumps, track._stats.late_samples) == (0, 320)


def test_sound_that_comes_late_is_left_out_and_what_is_void_is_not_heard(track: Track):
    assert not track.read(ns(0), 800).any()
    track.push(ns(0), np.ones(1600, np.float32))
    heard = track.read(ns(800), 800)
    assert heard.all() and track._stats.late_samples == 800
    track.push(ns(1600), np.ones(1600, np.float32))
    track.cut(ns(2000))
    assert track.read(ns(1600), 1600).sum() == 400


def test_what_is_said_after_an_interruption_is_heard_before_what_waits(track: Track):
    track.push(ns(8000), np.full(1600, 0.5, np.float32))
    track.push(ns(0), np.ones(1600, np.float32))
    assert track.read(ns(0), 1600).all() and track.read(ns(8000), 1600).sum() == 800


def test_sound_that_is_never_played_is_bounded(track: Track):
    for second in range(200):
        track.push(ns(second * RATE), np.zeros(RATE, np.float32))
    assert len(track._pieces) <= 31


def test_a_loudspeaker_that_is_none_is_named():
    with pytest.raises(SpeakerError, match="loudspeaker"):
        Speaker("tcp://127.0.0.1:1", "no such loudspeaker")
    with pytest.raises(ValueError, match="delay of the sound is nan"):
        Speaker("tcp://127.0.0.1:1", delay=float("nan"))


@pytest.mark.peer
@pytest.mark.slow
@NEEDS_PULSE
def test_face_and_sound_are_applied_within_10_ms():
    """The face that a Client gives, against what leaves the loudspeaker then; once more where the machine is busy."""
    for _ in range(2):
        figures = measure(12.0)
        print(f"\n{json.dumps(figures)}")
        if figures["p99_ms"] <= 10:
            break
    assert figures["compared"] > 400 and figures["silent"] < 20 and figures["device_errors"] == 0
    assert figures["p99_ms"] <= 10


@pytest.mark.peer
@pytest.mark.slow
@NEEDS_PULSE
def test_a_microphone_hears_clicks_at_their_time(tmp_path: Path):
    with PulseServer(tmp_path) as pulse:
        run = subprocess.run(
            [sys.executable, "-m", "tests.bridge.loudspeaker", "0.1"],
            env=pulse.env,
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert run.returncode == 0, run.stderr
    figures = json.loads(run.stdout)
    print(f"\n{figures}")
    assert figures["clicks"] == 8 and figures["device_errors"] == 0
    assert figures["late_samples"] < 4800, "a busy machine may lose a buffer, no more"
    assert abs(np.median(figures["lag_ms"])) < 15
