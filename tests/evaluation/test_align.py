"""Alignment and phone recognition of real synthetic speech, against the times its engine gives."""

import numpy as np
import pytest
import soxr

from toktalk_node.evaluation.align import align, covering, words_of
from toktalk_node.evaluation.peers import PHONE_PEERS, loudness_jaw
from toktalk_node.evaluation.visemes import CLASSES, viseme_errors
from toktalk_node.face.arkit import INDEX
from toktalk_node.speech.phones import PHONES, Phone

pytest.importorskip("pocketsphinx")
espeakng_loader = pytest.importorskip("espeakng_loader")
TEXT = "My friend Zorblax keeps a big map of the moon."


@pytest.fixture(scope="module")
def spoken() -> tuple[np.ndarray, list[Phone]]:
    from toktalk_node.speech.espeak import synthesize

    samples, rate, phones = synthesize(TEXT, "en-us")
    return soxr.resample(samples, rate, 16_000), phones


def test_alignment_finds_the_lips_where_the_engine_put_them(spoken):
    samples, truth = spoken
    phones = align(samples, TEXT)
    assert phones[0].start == 0 and phones[-1].end == pytest.approx(len(samples) / 16_000)
    assert all(a.end == b.start for a, b in zip(phones, phones[1:], strict=False))
    expected = [p.centre for p in truth if p.label in "P B M".split()]
    found = [p.centre for p in phones if p.label in "P B M".split()]
    assert len(found) == len(expected)
    assert np.median(np.abs(np.subtract(found, expected))) < 0.04


def test_text_that_is_no_text_is_refused(spoken):
    with pytest.raises(ValueError, match="no words"):
        align(spoken[0], "... !")
    with pytest.raises(ValueError, match="sound"):
        align(np.zeros(10, np.float32), TEXT)


def test_words_lose_their_punctuation():
    assert words_of("Don’t — 'stop' re-do it!") == ["don't", "stop", "re", "do", "it"]


@pytest.mark.parametrize("peer", sorted(PHONE_PEERS))
def test_peers_hear_more_than_chance(spoken, peer: str):
    samples, truth = spoken
    wrong, frames = viseme_errors(PHONE_PEERS[peer](samples), truth)
    assert frames > 100 and wrong / frames < 0.75
    assert PHONE_PEERS[peer](np.zeros(100, np.float32))[-1].end == pytest.approx(100 / 16_000)


def test_loudness_moves_the_jaw_alone():
    tone = np.sin(np.arange(16_000) * 0.1) * np.linspace(0, 1, 16_000)
    motion = loudness_jaw(tone)
    jaw = motion[:, INDEX["jawOpen"]]
    assert len(motion) == 50 and jaw[-1] > 0.95 and jaw[0] < 0.2
    assert np.delete(motion, INDEX["jawOpen"], axis=1).max() == 0
    assert loudness_jaw(np.zeros(0)).shape == (0, 55)


def test_every_phone_has_a_viseme_and_truth_has_no_error():
    assert sorted(" ".join(CLASSES.values()).split()) == sorted(PHONES)
    truth = [Phone("SIL", 0, 0.1), Phone("P", 0.1, 0.2), Phone("AA", 0.2, 0.4)]
    assert viseme_errors(truth, truth) == (0, 30)
    assert viseme_errors([Phone("B", 0.0, 0.4)], truth) == (20, 30)
    assert viseme_errors([], truth) == (30, 30)


def test_gaps_and_unknown_names_become_silence():
    phones = covering([("AA", 0.1, 0.2), ("+NSN+", 0.2, 0.3), ("SIL", 0.3, 0.35), ("B", 0.5, 0.9)], 0.8)
    assert [p.label for p in phones] == ["SIL", "AA", "SIL", "B"]
    assert phones[2] == ("SIL", 0.2, 0.5) and phones[-1].end == 0.8
