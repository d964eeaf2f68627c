"""The performance says what the phones say: figures of the lips, life of the face, and no surprises."""

import time

import numpy as np
import pytest

from toktalk_node.corpus.performance import cover, frame_count, perform
from toktalk_node.evaluation.lips import LipMeter, aperture
from toktalk_node.face.arkit import INDEX
from toktalk_node.face.rest import MOUTH, REST
from toktalk_node.speech.phones import BILABIALS, PHONES, TONGUE_CONSONANTS, VOWELS, Phone

FPS = 50


def line(text: str, length: float = 0.08, pause: float = 0.4) -> list[Phone]:
    """Phones of `length` seconds between two pauses; SIL in `text` is a pause too."""
    phones, at = [Phone("SIL", 0.0, pause)], pause
    for label in text.split():
        end = at + (pause if label == "SIL" else length)
        phones.append(Phone(label, at, end))
        at = end
    return [*phones, Phone("SIL", at, at + pause)]


def chatter(seed: int, count: int = 150) -> list[Phone]:
    """Random syllables at the lengths of speech, 45-150 ms a phone, with a pause now and then."""
    rng = np.random.default_rng(seed)
    consonants = sorted(set(PHONES) - VOWELS - {"SIL"})
    phones, at = [Phone("SIL", 0.0, 0.3)], 0.3
    for k in range(count):
        label = "SIL" if k % 25 == 24 else str(rng.choice(consonants if k % 2 else sorted(VOWELS)))
        end = at + (0.35 if label == "SIL" else rng.uniform(0.06, 0.15) if k % 2 == 0 else rng.uniform(0.045, 0.11))
        phones.append(Phone(label, at, end))
        at = end
    return phones


def shape(motion: np.ndarray, name: str) -> np.ndarray:
    return motion[:, INDEX[name]]


def at(phone: Phone, fps: int = FPS) -> int:
    return int(phone.centre * fps)


@pytest.mark.parametrize("fps", [25, 50, 60])
def test_the_lips_tell_the_phones_apart(fps: int):
    meter = LipMeter()
    for seed in range(12):
        phones = chatter(seed)
        motion = perform(phones, phones[-1].end, seed, fps=fps)
        meter.add(motion, fps, phones, reference=motion)
    figures = meter.figures()
    assert figures.closure >= 0.98 and figures.false_closure == 0
    assert figures.auc_open > 0.995 and figures.auc_rounding > 0.99 and figures.auc_labiodental > 0.99
    assert figures.auc_tongue >= 0.98


@pytest.mark.parametrize("length", [0.04, 0.08, 0.16])
@pytest.mark.parametrize("label", sorted(BILABIALS))
def test_lips_shut_between_open_vowels_at_any_speed(label: str, length: float):
    phones = line(f"AA {label} AE {label} AA", length)
    motion = perform(phones, phones[-1].end, 3)
    opening = aperture(motion)
    for phone in phones:
        around = slice(int((phone.start - 0.02) * FPS), int((phone.end + 0.02) * FPS) + 1)
        if phone.label == label:
            assert opening[around].min() < 0
            assert shape(motion, "jawOpen")[around].min() > 0.05, "the jaw need not shut with the lips"
            assert shape(motion, "mouthPressLeft")[around].max() > 0.1
        elif phone.label in VOWELS:
            assert opening[at(phone)] > 0.1


def test_lips_at_rest_do_not_part_for_a_bilabial_beside_silence():
    for label in sorted(BILABIALS):
        phones = line(f"{label} AA T AA M", 0.09)
        opening = aperture(perform(phones, phones[-1].end, 2))
        assert opening[: int(phones[1].centre * FPS)].max() < 0.05
        assert opening[int(phones[-2].centre * FPS) :].max() < 0.03, "the lips stay shut after a last m"


def test_lips_stay_open_for_the_tongue():
    for label in sorted(TONGUE_CONSONANTS):
        phones = line(f"AA {label} AA {label} IY")
        motion = perform(phones, phones[-1].end, 1)
        speech = slice(int(0.4 * FPS), int((phones[-1].start) * FPS))
        assert aperture(motion)[speech].min() > 0.08
        assert shape(motion, "mouthLowerDownLeft")[at(phones[2])] > 0.1


def test_the_lower_lip_meets_the_teeth():
    phones = line("AA F AA V IY")
    motion = perform(phones, phones[-1].end, 1)
    for phone in (phones[2], phones[4]):
        assert shape(motion, "mouthRollLower")[at(phone)] > 0.4 and shape(motion, "mouthUpperUpLeft")[at(phone)] > 0.2
        assert 0.03 < aperture(motion)[at(phone)] < 0.3
    assert shape(motion, "mouthRollLower")[at(phones[3])] < 0.05


def test_vowels_open_the_jaw_in_their_order():
    jaw = {}
    for label in ("AA", "AE", "EH", "IH", "IY"):
        phones = line(f"T {label} T", 0.12)
        jaw[label] = shape(perform(phones, phones[-1].end, 1), "jawOpen")[at(phones[2])]
    assert jaw["AA"] > jaw["AE"] > jaw["EH"] > jaw["IH"] > jaw["IY"] > 0.1


def test_rounding_spreading_and_tongue():
    phones = line("S UW T SH AA T IY T TH AA W AA", 0.1)
    motion = perform(phones, phones[-1].end, 1)
    face = {phone.label: motion[at(phone)] for phone in phones[1:-1]}
    assert face["UW"][INDEX["mouthPucker"]] > 0.6 and face["W"][INDEX["mouthPucker"]] > 0.4
    assert face["SH"][INDEX["mouthFunnel"]] > 0.3
    assert face["IY"][INDEX["mouthSmileLeft"]] > 0.2 and face["IY"][INDEX["mouthPucker"]] < 0.1
    assert 0.1 < face["TH"][INDEX["tongueOut"]] < 0.5 and face["AA"][INDEX["tongueOut"]] < 0.02


def test_nothing_is_anticipated_by_more_than_the_model_can_hear():
    """The motion model hears 0.2 s ahead at most: what comes later must not move the face now."""
    for last in ("UW", "M", "F", "AA"):
        stem = "T AE T AH T IY"
        known, changed = line(f"{stem} S T"), line(f"{stem} S {last}")
        motions = [perform(phones, phones[-1].end, 4)[:, MOUTH] for phones in (known, changed)]
        early = int((known[8].start - 0.12) * FPS)
        assert np.abs(motions[0][:early] - motions[1][:early]).max() < 0.04


def test_silence_is_the_relaxed_face_that_lives():
    motion = perform([], 30.0, 5)
    assert motion.shape == (1500, 55) and motion.dtype == np.float32
    mouth = np.abs(motion[:, MOUTH] - REST[MOUTH])
    assert mouth.max() < 0.09  # no more than a speaker's lasting smile
    assert 4 <= (np.diff((shape(motion, "eyeBlinkLeft") > 0.5).astype(int)) == 1).sum() <= 16
    assert motion[:, 52:].std(axis=0).min() > 0.002
    phones = line("AA B AA", 0.1, pause=1.0)
    motion = perform(phones, phones[-1].end, 5)
    after = int((phones[-1].start + 0.3) * FPS)
    assert aperture(motion)[after:].max() < 0.03, "the mouth shuts when the sound ends"


def test_blinks_come_as_often_as_people_blink():
    rates = []
    for seed in range(10):
        lids = shape(perform([], 120.0, seed), "eyeBlinkLeft")
        rates.append((np.diff((lids > 0.5).astype(int)) == 1).sum() / 120)
        assert lids.max() > 0.85
    assert 1 / 4.5 < np.mean(rates) < 1 / 2.5


def test_accents_follow_pitch_and_energy():
    phones = line("AH D AH D AH D AH D AH D AH D AH D AH", 0.12)
    frames = frame_count(phones[-1].end, FPS)
    times = (np.arange(frames) + 0.5) / FPS
    brows = np.zeros(frames)
    for seed in range(30):
        stressed = phones[7].centre
        pitch = 120 + 80 * np.exp(-(((times - stressed) / 0.08) ** 2))
        brows += shape(perform(phones, phones[-1].end, seed, pitch=pitch, energy=pitch / 1000), "browInnerUp")
    assert abs(times[brows.argmax()] - phones[7].centre) < 0.1


def test_louder_vowels_open_more():
    phones = line("AA T AA T AA T AA T", 0.12)
    frames = frame_count(phones[-1].end, FPS)
    energy = np.where(np.arange(frames) < frames / 2, 0.02, 0.2)
    jaw = shape(perform(phones, phones[-1].end, 2, energy=energy), "jawOpen")
    assert jaw[at(phones[7])] > 1.05 * jaw[at(phones[3])]


def test_same_seed_same_face_other_seed_other_face():
    phones = chatter(1)
    first, second = (perform(phones, phones[-1].end, 7) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert np.abs(first - perform(phones, phones[-1].end, 8)).max() > 0.05
    assert np.abs(shape(first, "mouthSmileLeft") - shape(first, "mouthSmileRight")).max() > 0


def test_the_frame_rate_changes_only_the_sampling():
    phones = chatter(2)
    slow, fast = (perform(phones, phones[-1].end, 7, fps=fps) for fps in (50, 150))
    np.testing.assert_allclose(slow, fast[1::3][: len(slow)], atol=1e-5)


def test_values_are_in_range_and_smooth():
    for seed in range(5):
        phones = chatter(seed)
        motion = perform(phones, phones[-1].end, seed)
        assert motion[:, :52].min() >= 0 and motion[:, :52].max() <= 1 and np.abs(motion[:, 52:]).max() < 0.15
        assert np.abs(np.diff(shape(motion, "jawOpen"))).max() < 0.16
        close, jaw = shape(motion, "mouthClose"), shape(motion, "jawOpen")
        assert (close - jaw).max() < 0.05


def test_hours_of_speech_take_minutes():
    phones = chatter(3, count=1500)
    begin = time.process_time()
    perform(phones, phones[-1].end, 3)
    assert phones[-1].end / (time.process_time() - begin) > 100


def test_gaps_are_silence_and_ends_are_cut():
    covered = cover([("AA", 0.5, 0.6), ("B", 0.6004, 0.7), ("SIL", 0.8, 1.0), ("T", 1.0, 9.0)], 1.5)
    assert [phone.label for phone in covered] == ["SIL", "AA", "B", "SIL", "T"]
    assert covered[0].start == 0 and covered[-1].end == 1.5
    assert all(a.end == b.start for a, b in zip(covered, covered[1:], strict=False))


def test_frames_cover_the_sound():
    assert [frame_count(seconds, 50) for seconds in (0, 0.001, 0.02, 1.1, 1.101)] == [0, 1, 1, 55, 56]
    assert perform([], 0.0, 1).shape == (0, 55)


@pytest.mark.parametrize(
    ("phones", "duration", "reason"),
    [
        ([("AA1", 0, 1)], 1.0, "unknown phone 'AA1'"),
        ([("AA", 0.5, 0.2)], 1.0, "its end is before its start"),
        ([("AA", 0, 0.5), ("B", 0.3, 0.6)], 1.0, "before the last one ends"),
        ([("AA", 0, float("nan"))], 1.0, "its end is before"),
        ([], -1.0, "duration is -1.0"),
        ([], float("nan"), "duration is nan"),
    ],
)
def test_phones_that_make_no_sense_are_named(phones: list, duration: float, reason: str):
    with pytest.raises(ValueError, match=reason):
        perform(phones, duration, 0)
