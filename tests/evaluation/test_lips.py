"""The lip figures on motions whose figures can be said beforehand."""

import json
import math

import numpy as np
import pytest

from toktalk_node.evaluation.lips import LipMeter, auc, table
from toktalk_node.face.arkit import INDEX, MOTION_WIDTH
from toktalk_node.speech.phones import BILABIALS, LABIODENTALS, PHONES, ROUNDED_VOWELS, VOWELS, Phone

FPS = 50


def speech(seed: int, count: int = 60) -> list[Phone]:
    """Random phones of 80-160 ms with 0.2 s of silence before and after; consonants and vowels alternate."""
    rng = np.random.default_rng(seed)
    consonants = [p for p in PHONES if p not in VOWELS and p != "SIL"]
    phones, time = [Phone("SIL", 0.0, 0.2)], 0.2
    for k in range(count):
        end = time + rng.uniform(0.08, 0.16)
        phones.append(Phone(str(rng.choice(sorted(VOWELS) if k % 2 else consonants)), time, end))
        time = end
    return [*phones, Phone("SIL", time, time + 0.2)]


def knowing_face(phones: list[Phone], late: float = 0.0, shut: bool = True) -> np.ndarray:
    """A face that takes each phone's shape for its whole length, `late` seconds late."""
    frames = math.ceil(phones[-1].end * FPS)
    motion = np.zeros((frames, MOTION_WIDTH), np.float32)
    for k in range(frames):
        time = (k + 0.5) / FPS - late
        label = next((p.label for p in phones if p.start <= time < p.end), "SIL")
        motion[k, INDEX["jawOpen"]] = 0.6 if label in VOWELS else 0.2
        motion[k, INDEX["mouthClose"]] = 0.2 if shut and label in BILABIALS else 0.0
        motion[k, INDEX["mouthFunnel"]] = 0.7 if label in ROUNDED_VOWELS else 0.0
        motion[k, INDEX["mouthRollLower"]] = 0.5 if label in LABIODENTALS else 0.0
    return motion


def measured(**face: float | bool) -> LipMeter:
    meter = LipMeter()
    for seed in range(5):
        phones = speech(seed)
        meter.add(knowing_face(phones, **face), FPS, phones, reference=knowing_face(phones))
    return meter


def test_a_face_that_knows_its_phones_scores_full_marks():
    figures = measured().figures()
    assert figures.closure == 1.0 and figures.false_closure == 0.0
    assert figures.auc_open == figures.auc_rounding == figures.auc_labiodental == 1.0
    assert figures.auc_tongue == 1.0
    assert abs(figures.lag_ms) < 1


def test_a_jaw_without_lips_cannot_tell_p_from_t():
    figures = measured(shut=False).figures()
    assert figures.auc_tongue == pytest.approx(0.5, abs=0.05)
    assert figures.closure == 0.0


@pytest.mark.parametrize("late", [0.06, -0.04, 0.12])
def test_a_late_face_has_a_positive_lag(late: float):
    assert measured(late=late).figures().lag_ms == pytest.approx(1000 * late, abs=5)


def test_lips_that_never_open_shut_no_consonant():
    meter = LipMeter()
    phones = speech(0)
    meter.add(np.zeros((10, 55)), FPS, phones, reference=knowing_face(phones))
    figures = meter.figures()
    assert figures.closure == 0.0 and figures.auc_tongue == 0.5 and math.isnan(figures.lag_ms)


def test_nothing_added_prints_and_serialises():
    figures = LipMeter().figures()
    assert json.loads(json.dumps(figures.to_dict(), allow_nan=False))["closure"] is None
    assert table({"ours": figures}).row_count == 4


def test_auc_counts_ties_half():
    assert auc([1, 2], [1, 0]) == 0.875
    assert math.isnan(auc([], [1]))


def test_a_motion_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="finite"):
        LipMeter().add(np.full((5, 55), np.nan), FPS, speech(0))
