"""Figures on motions whose figures are known."""

import numpy as np
import pytest

from toktalk_node.evaluation.motion_metrics import (
    Compared,
    Tally,
    blink_tally,
    face_regions,
    near_boundaries,
    tallies,
    variety,
    vertex_figures,
)
from toktalk_node.evaluation.motion_stats import difference, estimate, ratio
from toktalk_node.face.arkit import INDEX, MOTION_WIDTH
from toktalk_node.speech.phones import Phone


def motion(frames: int = 50, **curves: object) -> np.ndarray:
    """A motion [frames, 55] in which the named shapes follow the given values."""
    out = np.zeros((frames, MOTION_WIDTH), np.float32)
    for name, values in curves.items():
        out[:, INDEX[name]] = values
    return out


def lengths(name: str, vertices: str = "face") -> np.ndarray:
    """Displacement in mm of each vertex at weight 1."""
    return np.linalg.norm(getattr(face_regions(), vertices).shapes[INDEX[name]], axis=1)


def figures(truth: np.ndarray, prediction: np.ndarray, chunk: int | None = None) -> dict[str, float]:
    found = vertex_figures(Compared(truth, prediction, []), chunk)
    return {name: total / count for name, (total, count) in found.items()}


def test_the_mesh_is_of_human_size():
    lips, face = face_regions().lips.rest, face_regions().face
    assert 45 < np.ptp(lips[:, 0]) < 58
    assert 25 < face_regions().opening(motion(1, jawOpen=1.0))[0] < 50
    assert face.share.sum() == pytest.approx(1, abs=1e-5)


def test_a_constant_difference_has_the_known_mse_lve_and_mod():
    found = figures(motion(jawOpen=0.3), motion(jawOpen=0.5))
    assert found["mse"] == pytest.approx(0.2 * (lengths("jawOpen") @ face_regions().face.share), rel=1e-4)
    assert found["lve"] == pytest.approx(0.2 * lengths("jawOpen", "lips").max(), rel=1e-4)
    assert found["mod"] == pytest.approx(0.2 * face_regions().opening(motion(1, jawOpen=1.0))[0], rel=1e-4)
    assert found["fdd"] == pytest.approx(0, abs=1e-5) and found["jitter"] == pytest.approx(0, abs=1e-4)


def test_lips_that_are_shut_are_not_open_however_hard_they_press():
    openings = face_regions().opening(motion(3, jawOpen=[0.4, 0.4, 0.4], mouthClose=[0.0, 0.4, 0.8]))
    assert openings[0] > 10 and openings[1:] == pytest.approx(0, abs=1e-3)


def test_doubled_brow_motion_has_the_known_fdd():
    curve = 0.25 + 0.25 * np.sin(np.arange(50))
    at = face_regions()
    share = at.face.share[at.upper] / at.face.share[at.upper].sum()
    size = np.square(lengths("browInnerUp")[at.upper]) @ share
    found = figures(motion(browInnerUp=curve), motion(browInnerUp=2 * curve))
    assert found["fdd"] == pytest.approx((np.square(curve).std() - np.square(2 * curve).std()) * size, rel=1e-3)
    assert found["fdd_abs"] == -found["fdd"] > 0
    assert figures(motion(browInnerUp=curve), motion())["fdd"] > 0
    assert figures(motion(jawOpen=curve), motion())["fdd"] == pytest.approx(0, abs=0.01)


def test_jitter_sees_acceleration_alone():
    assert figures(motion(), motion(jawOpen=np.linspace(0, 0.5, 50)))["jitter"] == pytest.approx(0, abs=1e-4)
    jump = motion(5, jawOpen=[0, 0, 0.1, 0, 0])
    expected = 0.1 * (1 + 2 + 1) / 3 * (lengths("jawOpen") @ face_regions().face.share)
    assert figures(motion(5), jump)["jitter"] == pytest.approx(expected, rel=1e-4)
    nod = motion(5)
    nod[2, -2] = 0.01
    found = figures(motion(5), nod)
    assert found["head_jitter"] == pytest.approx(10 * 4 / 3, rel=1e-4) and found["jitter"] == 0


def test_boundary_jitter_looks_at_boundaries():
    assert np.flatnonzero(near_boundaries(20, 8)).tolist() == [6, 7, 8, 9, 14, 15, 16, 17]
    assert not near_boundaries(8, 8).any()
    step = motion(24, jawOpen=np.arange(24) >= 12)
    assert figures(step, step, 12)["boundary_jitter"] > figures(step, step)["jitter"] > 0
    assert figures(step, step, 8)["boundary_jitter"] == 0
    assert "boundary_jitter" not in figures(step, step)


def test_bilabial_closure_is_measured_against_the_truth():
    phones = [Phone("AA", 0.0, 0.4), Phone("B", 0.4, 0.6), Phone("AA", 0.6, 1.0)]
    truth = motion(jawOpen=0.5)
    truth[20:30, INDEX["jawOpen"]] = np.linspace(0, 0.45, 10)
    shut = truth.copy()
    shut[20:30, INDEX["jawOpen"]] = 0
    for prediction, bcs, closure in ((truth, 0.7, 1), (shut, 1, 1), (motion(jawOpen=0.5), 0, 0)):
        found = tallies([Compared(truth, prediction, phones)])
        assert found["bcs"].value == pytest.approx(bcs) and found["closure"].value == closure
    assert np.isnan(tallies([Compared(truth, truth, phones[:1])])["bcs"].value)


def test_blinks_are_counted_per_minute():
    blinking = motion(150, eyeBlinkLeft=np.arange(150) % 50 > 40, eyeBlinkRight=np.arange(150) % 50 > 40)
    assert blink_tally([blinking], 50).value == pytest.approx(60)


def test_variety_is_the_deviation_between_samples():
    truth = motion(100, browInnerUp=np.arange(100) % 2)
    same, other = motion(100), motion(100, browInnerUp=0.5)
    other[:, -1] = np.radians(2)
    absolute, relative = variety([truth], [same], [other])
    assert absolute["head"].value == pytest.approx(0.5 * 4 / 3, rel=1e-4)
    assert absolute["brows"].value == pytest.approx(0.5 * 0.25 / 5, rel=1e-4)
    assert relative["brows"].value == pytest.approx(0.5, rel=1e-4)
    assert absolute["lips"].value == pytest.approx(0, abs=1e-12) and absolute["blinks"].value == 0


def test_bad_motions_are_named():
    with pytest.raises(ValueError, match="49 frames were predicted for 50"):
        Compared(motion(50), motion(49), [])
    with pytest.raises(ValueError, match="predicted motion must be finite"):
        Compared(motion(), motion(jawOpen=np.nan), [])


def test_intervals_hold_the_figure_and_pairs_are_sharper():
    rng = np.random.default_rng(0)
    hard = rng.normal(10, 3, 60)
    first, second = Tally(hard, np.ones(60)), Tally(hard + rng.normal(0.3, 0.1, 60), np.ones(60))
    e, more = estimate(first), difference(second, first)
    assert e.low < e.value < e.high and e.high - e.low == pytest.approx(2 * 1.96 * hard.std() / 60**0.5, rel=0.1)
    assert 0 < more.low < more.value < more.high < e.high - e.low
    assert ratio(first, first).low == ratio(first, first).high == 1
    assert estimate(first) == e
    with pytest.raises(ValueError, match="60 and of 2 utterances"):
        difference(first, Tally(np.ones(2), np.ones(2)))


def test_utterances_weigh_by_what_was_counted():
    assert Tally(np.array([10.0, 0.0]), np.array([10.0, 30.0])).value == 0.25
    assert np.isnan(estimate(Tally(np.zeros(3), np.zeros(3))).low)
