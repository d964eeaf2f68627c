"""The front end against PocketSphinx's own, and its independence of packets."""

from pathlib import Path

import numpy as np
import pytest

from toktalk_node.tokens import frontend
from toktalk_node.tokens.frontend import CEPSTRA, MEL, FrontEnd, FrontEndMeans

MEANS = FrontEndMeans(np.zeros(CEPSTRA), np.zeros(MEL), np.zeros(CEPSTRA))


def voice(seconds: float, pitch: float = 120.0, level: float = 0.2) -> np.ndarray:
    """A buzz with formants and a slow envelope: enough like a voice for a front end."""
    t = np.arange(int(seconds * frontend.SAMPLE_RATE)) / frontend.SAMPLE_RATE
    buzz = sum(np.sin(2 * np.pi * pitch * k * t) / k for k in range(1, 30))
    noise = np.random.default_rng(0).normal(0, 0.01, len(t))
    return (level * (buzz * (0.55 + 0.45 * np.sin(2 * np.pi * 3 * t)) + noise)).astype(np.float32)


def features(samples: np.ndarray, cuts: list[int], block: int = 2) -> np.ndarray:
    front = FrontEnd(MEANS, block)
    blocks = [b for part in np.split(samples, cuts) for b in front.push(part)]
    return np.concatenate([np.concatenate([b.cepstra, b.mel, b.prosody], axis=1) for b in blocks])


def test_cepstra_equal_those_of_pocketsphinx(tmp_path: Path):
    pocketsphinx = pytest.importorskip("pocketsphinx")
    samples = (voice(1.0) * 20_000).astype(np.int16)
    decoder = pocketsphinx.Decoder(mfclogdir=str(tmp_path), loglevel="FATAL")
    decoder.start_utt()
    decoder.process_raw(samples.tobytes(), full_utt=True)
    decoder.end_utt()
    theirs = np.frombuffer(next(tmp_path.iterdir()).read_bytes(), ">f4", offset=4).reshape(-1, CEPSTRA)
    ours = np.concatenate([b.raw[:, :CEPSTRA] for b in FrontEnd(MEANS).push(samples / 32768)])
    assert len(ours) >= 90
    difference = np.abs(ours - theirs[: len(ours)])
    assert difference.mean() < 0.1  # they count with 32-bit floats, and we add one bit of dither


def test_packets_of_any_size_give_the_same_bits():
    samples = voice(1.5)
    whole = features(samples, [])
    rng = np.random.default_rng(1)
    for _ in range(5):
        cuts = sorted(rng.integers(0, len(samples), 40).tolist())
        assert np.array_equal(features(samples, cuts), whole)


def test_pitch_follows_the_voice():
    low, high = voice(0.8, 120), voice(0.8, 180)
    front = FrontEnd(MEANS)
    prosody = np.concatenate([b.prosody for b in front.push(np.concatenate([low, high]))])
    assert (prosody[20:70, 1] > 0.8).mean() > 0.9, "a buzz is voiced"
    rise = np.median(prosody[100:140, 0]) - np.median(prosody[30:70, 0])
    assert abs(rise - np.log2(180 / 120)) < 0.25, "in octaves, while the speaker's mean moves along"


def test_silence_noise_and_full_scale_give_finite_features():
    noise = np.random.default_rng(2).uniform(-1, 1, 8000)
    for samples in (np.zeros(8000), np.ones(8000), noise, np.sign(noise)):
        assert np.isfinite(features(samples, [])).all()
