"""A change of frame rate keeps the motion in time and does not depend on packets."""

import numpy as np
import pytest

from toktalk_node.face.retarget import Resampler, resample


def test_a_straight_line_stays_the_same_line():
    frames = np.arange(100)
    line = ((frames + 0.5) / 50)[:, None]
    faster = resample(line, 50, 60)
    assert len(faster) == 120
    np.testing.assert_allclose(faster[1:-1, 0], (np.arange(1, 119) + 0.5) / 60, atol=1e-6)


@pytest.mark.parametrize("rates", [(50, 60), (50, 25), (50, 30), (50, 50), (25, 60), (60, 50), (50, 1000), (100, 3)])
def test_packets_do_not_change_a_bit(rates: tuple[int, int]):
    rng = np.random.default_rng(0)
    for frames in (1, 2, 37):
        motion = rng.random((frames, 3), dtype=np.float32)
        whole = resample(motion, *rates)
        assert len(whole) == -(-frames * rates[1] // rates[0])
        stream, at, got = Resampler(*rates), 0, []
        while at < frames:
            step = int(rng.integers(0, 5))
            got.append(stream.push(motion[at : at + step]))
            at += step
        np.testing.assert_array_equal(np.concatenate([*got, stream.finish()]), whole)


def test_a_frame_waits_for_one_input_frame_at_most():
    stream = Resampler(50, 60)
    made = 0
    for k in range(200):
        made += len(stream.push(np.full((1, 55), k, np.float32)))
        assert made / 60 >= k / 50 - 1 / 60


def test_a_finished_resampler_starts_anew():
    stream = Resampler(50, 60)
    motion = np.random.default_rng(1).random((9, 2), dtype=np.float32)
    first = np.concatenate([stream.push(motion), stream.finish()])
    np.testing.assert_array_equal(np.concatenate([stream.push(motion), stream.finish()]), first)


def test_nothing_in_nothing_out():
    assert resample(np.zeros((0, 55), np.float32), 50, 60).shape == (0, 55)


@pytest.mark.parametrize("rate", [0, -50, 29.97, 2000])
def test_a_rate_that_makes_no_sense_is_named(rate: float):
    with pytest.raises(ValueError, match="fps_out"):
        Resampler(50, rate)
