"""Resampling: packets change no bit, time stays aligned, speech passes and aliases do not."""

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from toktalk_node.speech.resample import Resampler, resample
from toktalk_node.speech.source import clean

RATES = [8_000, 11_025, 16_000, 22_050, 24_000, 44_100, 48_000, 96_000, 192_000, 44_117]


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(RATES), st.lists(st.integers(0, 900), min_size=1, max_size=12), st.integers(0, 99))
def test_packets_change_no_bit(rate: int, sizes: list[int], seed: int):
    samples = np.random.default_rng(seed).uniform(-1, 1, sum(sizes)).astype(np.float32)
    stream = Resampler(rate)
    pieces = [stream.push(piece) for piece in np.split(samples, np.cumsum(sizes)[:-1])]
    out = np.concatenate([*pieces, stream.finish()])
    assert len(out) == -(-len(samples) * 16_000 // rate)
    np.testing.assert_array_equal(out, resample(samples, rate))


@pytest.mark.parametrize("rate", RATES)
def test_a_tone_keeps_its_phase_and_level(rate: int):
    tone = lambda r: 0.5 * np.sin(2 * np.pi * 1234 * np.arange(r // 2) / r)  # noqa: E731
    out = resample(tone(rate), rate)
    assert len(out) == 8_000
    error = (out - tone(16_000))[200:-200]
    assert np.sqrt((error**2).mean()) < (1e-4 if rate != 44_117 else 1e-3)


def test_what_16_khz_cannot_hold_is_gone():
    tone = np.sin(2 * np.pi * 9_000 * np.arange(24_000) / 48_000)
    assert np.abs(resample(tone, 48_000)[200:-200]).max() < 2e-4


def test_speech_band_agrees_with_soxr():
    noise = soxr.resample(np.random.default_rng(0).uniform(-1, 1, 14_000), 14_000, 48_000, quality="VHQ")
    ours, theirs = resample(noise, 48_000), soxr.resample(noise, 48_000, 16_000, quality="VHQ")
    assert np.sqrt(((ours - theirs)[300:-300] ** 2).mean() / (theirs**2).mean()) < 1e-3


def test_an_output_waits_about_three_milliseconds():
    stream = Resampler(48_000)
    assert stream.delay < 0.0035
    assert len(stream.push(np.zeros(4_800))) / 16_000 > 0.1 - stream.delay - 1e-3


@pytest.mark.parametrize("rate", [0, -16_000, 44_100.5, 10**9])
def test_impossible_rates_are_refused(rate: float):
    with pytest.raises(ValueError, match="sample rate"):
        Resampler(rate)


def test_clean_takes_any_pcm():
    stereo = np.array([[0.5, -0.5], [np.nan, 1.0], [4.0, np.inf]], np.float64)
    samples, bad = clean(stereo)
    np.testing.assert_array_equal(samples, np.array([0, 0.5, 0.5], np.float32))
    assert bad == 2 and samples.dtype == np.float32
    np.testing.assert_array_equal(clean(np.array([-32768, 16384], np.int16))[0], [-1, 0.5])
    np.testing.assert_array_equal(clean(np.array([0, 192], np.uint8))[0], [-1, 0.5])
    assert len(clean(np.zeros((0, 2), np.float32))[0]) == 0
    with pytest.raises(ValueError, match="channels"):
        clean(np.zeros((4, 4, 4)))
    with pytest.raises(ValueError, match="type"):
        clean(np.array(["a"]))
