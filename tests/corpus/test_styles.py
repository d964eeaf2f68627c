"""Styles differ as people do, are told apart from seconds of motion, and never cost the lips a closure."""

from dataclasses import replace

import numpy as np
import pytest

from tests.corpus.test_performance import at, chatter, line, shape
from toktalk_node.corpus.emotion import EMOTIONS
from toktalk_node.corpus.eyes import blink_times
from toktalk_node.corpus.performance import frame_count, perform
from toktalk_node.corpus.styles import AVERAGE, NAMED, SPLITS, SpeakingStyle, actor_style, actors
from toktalk_node.evaluation.lips import LipMeter, aperture
from toktalk_node.face.arkit import INDEX
from toktalk_node.face.rest import MOUTH
from toktalk_node.speech.phones import Phone

FPS = 50
EXTREMES = {
    **NAMED,
    **{name: AVERAGE.feeling(name, 1.0) for name in EMOTIONS},
    "rounded": SpeakingStyle(protrusion=1.0, jaw=0.5, lips=0.55, effort=0.6),
    "spread": SpeakingStyle(protrusion=-1.0, smile=0.5, parted=0.08, effort=1.45, jaw=1.5, lips=1.4),
    "grim": SpeakingStyle(tension=0.35, chin=0.2, smile=-0.35, sneer=0.25, effort=0.6, lips=0.55),
}


def performed(style: SpeakingStyle | None, seed: int, phones: list[Phone], **options) -> np.ndarray:
    return perform(phones, phones[-1].end, seed, style=style, **options)


@pytest.mark.parametrize("name", EXTREMES)
def test_lips_are_right_in_every_style(name: str):
    meter = LipMeter()
    for seed in range(4):
        phones = chatter(seed)
        meter.add(performed(EXTREMES[name], seed, phones), FPS, phones, reference=performed(None, seed, phones))
    figures = meter.figures()
    assert figures.closure >= 0.98 and figures.false_closure == 0
    assert figures.auc_open > 0.995 and figures.auc_tongue >= 0.97
    assert figures.auc_rounding > 0.98 and figures.auc_labiodental > 0.99
    assert abs(figures.lag_ms) < 5


@pytest.mark.parametrize("name", EXTREMES)
def test_a_closure_is_whole_whatever_the_face_shows(name: str):
    phones = line("AA M AA F AA TH IY", 0.12)
    motion = performed(EXTREMES[name], 1, phones)
    m, f, th = (at(phones[index]) for index in (2, 4, 6))
    assert aperture(motion)[m] < 0
    for part in ("mouthUpperUp", "mouthLowerDown"):
        for side in ("Left", "Right"):
            assert shape(motion, part + side)[m] < 0.02, "nothing draws the lips apart"
    assert shape(motion, "mouthRollLower")[f] > 0.4 and shape(motion, "tongueOut")[th] > 0.1
    assert aperture(motion)[th] > 0.02


def test_style_explains_much_of_how_faces_differ():
    """What two performances of one actor differ by is little against what two actors differ by."""
    phones, people = chatter(3), actors("valid")[:16]
    first, again = ([performed(actor_style(a), seed, phones) for a in people] for seed in (1, 2))
    same = np.mean([np.square(a - b).mean(axis=0) for a, b in zip(first, again, strict=True)], axis=0)
    other = np.mean([np.square(a - b).mean(axis=0) for a, b in zip(first, again[1:], strict=False)], axis=0)
    assert same.mean() < 0.4 * other.mean() and same[MOUTH].mean() < 0.2 * other[MOUTH].mean()


def test_an_actor_is_recognised_by_three_seconds_of_other_words():
    people = actors("test")[:12]
    features = []
    for seed in (1, 2):
        phones = chatter(seed, 40)
        clips = [performed(actor_style(a), seed, phones)[20:170] for a in people]
        features.append([np.concatenate([c.mean(axis=0), c.std(axis=0)]) for c in clips])
    distance = np.linalg.norm(np.array(features[0])[:, None] - np.array(features[1]), axis=-1)
    assert (distance.argmin(axis=1) == np.arange(len(people))).mean() > 0.8


def test_actors_are_the_same_every_time_and_in_one_split_only():
    ids = [actor for split in SPLITS for actor in actors(split)]
    assert len(set(ids)) == len(ids) == sum(SPLITS.values())
    assert actor_style("train-017") == actor_style("train-017") != actor_style("train-018")
    shown = [actor_style(actor).emotion for actor in actors("train")]
    assert set(shown) == set(EMOTIONS) and 0.35 < np.mean([emotion == "neutral" for emotion in shown]) < 0.65


def test_another_seed_is_another_performance_with_the_same_lips():
    phones = chatter(5)
    for style in (AVERAGE, actor_style("valid-003")):
        one, two = (performed(style, seed, phones) for seed in (1, 2))
        np.testing.assert_array_equal(one, performed(style, 1, phones))
        assert np.corrcoef(aperture(one), aperture(two))[0, 1] > 0.98
        assert np.abs(one - two)[:, INDEX["jawOpen"]].mean() > 0.001
        for name in ("eyeBlinkLeft", "browInnerUp"):
            assert np.corrcoef(shape(one, name), shape(two, name))[0, 1] < 0.9
        assert np.abs(one - two)[:, 52:].mean() > 0.003


def test_effort_is_undershoot_and_mumbling_opens_less():
    phones = line("T AE T AA T IY T UW T", 0.09)
    careful, mumbled = (performed(NAMED[name], 1, phones) for name in ("over-articulated", "mumbling"))
    assert shape(careful, "jawOpen").max() > 2 * shape(mumbled, "jawOpen").max()
    assert shape(careful, "mouthPucker").max() > 1.5 * shape(mumbled, "mouthPucker").max()
    lazy = performed(SpeakingStyle(effort=0.6), 1, phones)
    busy = slice(at(phones[1]), at(phones[-2]))
    assert np.ptp(shape(lazy, "jawOpen")[busy]) < 0.8 * np.ptp(shape(performed(AVERAGE, 1, phones), "jawOpen")[busy])


@pytest.mark.parametrize(
    ("emotion", "mark"),
    [
        ("anger", "browDownLeft"),
        ("happiness", "mouthSmileRight"),
        ("fear", "eyeWideLeft"),
        ("disgust", "noseSneerLeft"),
        ("sadness", "mouthFrownLeft"),
        ("contempt", "mouthDimpleLeft"),
        ("surprise", "browOuterUpLeft"),
    ],
)
def test_emotions_show_and_grow_with_intensity(emotion: str, mark: str):
    phones = chatter(2, 60)
    still, slight, strong = (
        shape(performed(AVERAGE.feeling(emotion, intensity), 3, phones), mark).mean() for intensity in (0.0, 0.4, 0.9)
    )
    assert strong > slight + 0.05 > still + 0.1


def test_contempt_is_on_one_side():
    motion = performed(NAMED["contempt"], 1, line("T IY T AA T"))
    assert shape(motion, "mouthDimpleLeft").mean() > shape(motion, "mouthDimpleRight").mean() + 0.15


def test_a_smile_gives_way_to_a_rounded_vowel():
    phones = line("AH UW AH", 0.2)
    smile = shape(performed(NAMED["happiness"], 1, phones), "mouthSmileLeft")
    assert smile[at(phones[2])] < 0.75 * smile[10]


def test_brows_and_head_follow_the_voice_as_far_as_the_style_says():
    phones = chatter(4, 60)
    frames = frame_count(phones[-1].end, FPS)
    pitch = 150 + 60 * np.sin(2 * np.pi * np.arange(frames) / 90)
    follow = []
    for response in (0.2, 2.5):
        style = SpeakingStyle(pitch_response=response)
        brows = np.mean([shape(performed(style, s, phones, pitch=pitch), "browInnerUp") for s in range(6)], axis=0)
        follow.append(np.cov(brows, pitch)[0, 1])
    assert follow[1] > 3 * follow[0] > 0


def test_blinks_are_as_frequent_as_people_blink_and_end_phrases():
    rng = np.random.default_rng(0)
    talk = []
    for k in range(100):
        talk += [Phone("SIL", 3.0 * k, 3.0 * k + 0.4), Phone("AA", 3.0 * k + 0.4, 3.0 * k + 3.0)]
    spoken = np.concatenate([blink_times(talk, 300.0, rng) for _ in range(8)])
    silent = [blink_times([Phone("SIL", 0, 300.0)], 300.0, rng) for _ in range(8)]
    assert 22 < len(spoken) / 8 / 5 < 29 and 14.5 < np.mean([len(b) for b in silent]) / 5 < 19.5
    near_end = ((spoken % 3.0) < 0.15).mean()
    assert near_end > 0.2, "0.05 would be chance"
    gaps = np.concatenate([np.diff(b) for b in silent])
    assert gaps.min() > 0.4 and np.median(gaps) < np.mean(gaps) and 0.35 < gaps.std() / gaps.mean() < 0.7
    assert len(blink_times([Phone("SIL", 0, 300.0)], 300.0, rng, rate=2.0)) > 1.6 * np.mean([len(b) for b in silent])


def test_a_breath_opens_the_mouth_before_a_phrase():
    opening = aperture(performed(AVERAGE, 1, line("AH T AA T", pause=0.8)))
    before = slice(int(0.58 * FPS), int(0.68 * FPS))
    assert 0.01 < opening[before].max() < 0.12 and opening[: int(0.4 * FPS)].max() < 0.02
    closed = aperture(performed(AVERAGE, 1, line("M AA T", pause=0.8)))
    assert closed[: int(0.72 * FPS)].max() < 0.02, "lips that are about to meet stay together"


def test_laughter_smiles_squints_and_bobs():
    laugh, talk = (line(text, 0.1, pause=1.0) for text in ("HH AA HH AA HH AA HH AA", "T AA T AA T AA T AA"))
    merry, plain = (performed(AVERAGE, 1, phones) for phones in (laugh, talk))
    middle = slice(int(1.2 * FPS), int(1.8 * FPS))
    for name in ("mouthSmileLeft", "cheekSquintLeft", "eyeSquintLeft"):
        assert shape(merry, name)[middle].mean() > shape(plain, name)[middle].mean() + 0.2
    assert merry[middle, 53].mean() > plain[middle, 53].mean() + 0.015
    assert np.abs(np.diff(merry[middle, 53])).mean() > 1.5 * np.abs(np.diff(plain[middle, 53])).mean()
    who_has = performed(AVERAGE, 1, line("HH UW HH AE Z", 0.1))
    assert shape(who_has, "eyeSquintLeft").max() < 0.25, "two words with h are no laugh"


def test_eyes_leave_the_listener_as_often_as_the_style_says():
    phones = chatter(6, 400)
    away = []
    for aversion in (0.2, 2.4):
        motion = performed(replace(AVERAGE, aversion=aversion), 1, phones)
        away.append(np.mean(np.maximum(shape(motion, "eyeLookOutLeft"), shape(motion, "eyeLookInLeft")) > 0.12))
    assert away[1] > 2 * away[0]


def test_every_style_is_smooth_in_range_and_the_same_at_any_frame_rate():
    phones = chatter(7)
    for name, style in EXTREMES.items():
        motion = performed(style, 1, phones)
        assert np.isfinite(motion).all() and motion[:, :52].min() >= 0 and motion[:, :52].max() <= 1
        assert np.abs(np.diff(shape(motion, "jawOpen"))).max() < 0.27, name
        assert np.abs(motion[:, 52:]).max() < 0.26 and np.abs(np.diff(motion[:, 52:], axis=0)).max() < 0.03, name
        fast = performed(style, 1, phones, fps=150)
        np.testing.assert_allclose(motion, fast[1::3][: len(motion)], atol=1e-5)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: AVERAGE.feeling("joy", 0.5), "no emotion named 'joy'"),
        (lambda: AVERAGE.feeling("anger", 1.5), "intensity of anger is 1.5"),
        (lambda: SpeakingStyle(jaw=float("nan")), "jaw of a style is nan"),
        (lambda: actors("dev"), "no split named 'dev'"),
    ],
)
def test_styles_that_make_no_sense_are_named(make, reason: str):
    with pytest.raises(ValueError, match=reason):
        make()
