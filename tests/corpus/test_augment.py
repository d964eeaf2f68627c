"""Augmentation keeps sound and phones together, is repeatable, and survives odd input."""

import numpy as np
import pytest

from toktalk_node.corpus.augment import augment, reverberate, stretch
from toktalk_node.speech.espeak import synthesize
from toktalk_node.speech.phones import Phone


@pytest.fixture(scope="module")
def spoken():
    import soxr

    samples, rate, phones = synthesize("The happy baby bought a peach, maybe.", "en-us")
    return soxr.resample(samples, rate, 16000), phones


def test_phones_cover_the_changed_sound(spoken):
    samples, phones = spoken
    for seed in range(20):
        out, moved = augment(samples, phones, np.random.default_rng(seed), babble=[samples])
        assert out.dtype == np.float32 and np.abs(out).max() <= 1.0 and np.isfinite(out).all()
        assert [p.label for p in moved] == [p.label for p in phones]
        assert moved[-1].end == pytest.approx(len(out) / 16000, abs=0.002)


def test_same_seed_same_result_other_seed_other_sound(spoken):
    a, b, c = (augment(*spoken, np.random.default_rng(seed))[0] for seed in (5, 5, 6))
    assert np.array_equal(a, b) and not (len(a) == len(c) and np.allclose(a, c))


@pytest.mark.parametrize("factor", [0.75, 1.0, 1.3])
def test_stretch_keeps_pitch_and_moves_events_in_proportion(factor):
    t = np.arange(16000) / 16000
    tone = np.where(t < 0.5, 0, np.sin(2 * np.pi * 200 * t)).astype(np.float32)
    out = stretch(tone, factor)
    assert len(out) == pytest.approx(16000 * factor, abs=2)
    onset = np.argmax(np.abs(out) > 0.3) / 16000
    assert onset == pytest.approx(0.5 * factor, abs=0.012)
    middle = out[int(0.6 * factor * 16000) : int(0.6 * factor * 16000) + 3200]
    assert np.argmax(np.abs(np.fft.rfft(middle * np.hanning(3200)))) * 5 == pytest.approx(200, abs=6)


def test_reverberation_does_not_delay_the_sound():
    click = np.zeros(8000, np.float32)
    click[2000] = 1.0
    out = reverberate(click, np.random.default_rng(0))
    assert np.argmax(np.abs(out)) == 2000 and np.allclose(out[:1999], 0, atol=1e-5)


def test_silence_nan_and_tiny_sounds_do_not_fail():
    rng = np.random.default_rng(0)
    phones = [Phone("SIL", 0.0, 1.0)]
    assert np.isfinite(augment(np.zeros(16000, np.float32), phones, rng)[0]).all()
    assert np.isfinite(augment(np.full(16000, np.nan, np.float32), phones, rng)[0]).all()
    assert len(augment(np.zeros(0, np.float32), [], rng)[0]) == 0
