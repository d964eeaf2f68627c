"""A face that stops speaking comes to rest, and goes on living."""

import numpy as np
import pytest

from toktalk_node.face.arkit import INDEX, MOTION_WIDTH
from toktalk_node.face.rest import REST, clamp, fade, gate, to_rest


def test_the_gate_closes_the_mouth_and_leaves_the_eyes():
    motion = np.full((3, MOTION_WIDTH), 0.6, np.float32)
    gated = gate(motion, np.array([1.0, 0.5, 0.0]))
    np.testing.assert_array_equal(gated[0], motion[0])
    assert gated[1, INDEX["jawOpen"]] == pytest.approx((0.6 + REST[INDEX["jawOpen"]]) / 2)
    assert gated[2, INDEX["jawOpen"]] == REST[INDEX["jawOpen"]] and gated[2, INDEX["mouthPucker"]] == 0
    assert gated[2, INDEX["tongueOut"]] == 0
    for name in ("eyeBlinkLeft", "browInnerUp", "eyeLookUpRight"):
        assert gated[2, INDEX[name]] == np.float32(0.6)
    assert (gated[2, 52:] == np.float32(0.6)).all()
    assert (motion == np.float32(0.6)).all()


def test_a_gate_of_another_length_is_refused():
    with pytest.raises(ValueError, match=r"\(2,\), expected \(3,\)"):
        gate(np.zeros((3, MOTION_WIDTH)), np.zeros(2))


def test_to_rest_ends_at_rest_without_a_jump():
    last = np.full(MOTION_WIDTH, 0.8, np.float32)
    path = to_rest(last, 20, 50, seconds=0.2)
    assert np.abs(path[0] - last).max() < 0.05
    assert (np.diff(path[:, INDEX["jawOpen"]]) <= 0).all()
    np.testing.assert_allclose(path[9:], np.tile(REST, (11, 1)), atol=1e-6)


def test_the_fade_takes_as_long_at_any_rate():
    assert fade(30, 60, 0.2)[11] == pytest.approx(0, abs=1e-6) and fade(30, 60, 0.2)[5] == pytest.approx(0.5, abs=1e-6)


def test_clamp_keeps_weights_in_range_and_heads_free():
    motion = np.full((4, MOTION_WIDTH), -2.0)
    motion[1], motion[2], motion[3] = 3.0, np.nan, np.inf
    clamped = clamp(motion)
    assert clamped.dtype == np.float32 and (clamped[0, :52] == 0).all() and (clamped[1, :52] == 1).all()
    assert (clamped[0, 52:] == -2).all()
    np.testing.assert_array_equal(clamped[2], REST)
    np.testing.assert_array_equal(clamped[3], REST)
