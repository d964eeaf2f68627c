"""The shipped tokenizer: it streams exactly, keeps its promises of delay, and hears what matters to a face."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toktalk_node.speech import espeak
from toktalk_node.speech.phones import INDEX
from toktalk_node.stream.session import WEIGHTS
from toktalk_node.tokens import phonetic
from toktalk_node.tokens.files import TokenizerError
from toktalk_node.tokens.phonetic import SAMPLES, PhoneticTokenizer


@pytest.fixture(scope="module")
def tokenizer() -> PhoneticTokenizer:
    return phonetic.load(WEIGHTS / "phonetic")


@pytest.fixture(scope="module")
def speech() -> tuple[np.ndarray, list]:
    from toktalk_node.speech.resample import resample

    samples, rate, phones = espeak.synthesize("Papa may buy a map of Boston.", "en-us")
    return resample(samples, rate), phones


def tokens(tokenizer: PhoneticTokenizer, samples: np.ndarray, cuts: list[int]) -> np.ndarray:
    stream = tokenizer.stream()
    parts = np.split(samples, sorted(cut % (len(samples) + 1) for cut in cuts))
    return np.concatenate([*(stream.push(part) for part in parts), stream.finish()])


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(0, 40_000), max_size=50))
def test_packets_of_any_size_give_the_same_ids(tokenizer, speech, cuts):
    samples = speech[0][:16_000]
    assert np.array_equal(tokens(tokenizer, samples, cuts), tokens(tokenizer, samples, []))


def test_one_token_for_every_interval_that_began(tokenizer, speech):
    for length in (0, 1, SAMPLES - 1, SAMPLES, SAMPLES + 1, 10_000):
        assert len(tokens(tokenizer, speech[0][:length], [])) == -(-length // SAMPLES)


def test_a_token_depends_on_no_sound_beyond_its_look_ahead(tokenizer, speech):
    samples, changed = speech[0], speech[0].copy()
    cut = 20_000
    changed[cut:] = np.random.default_rng(0).normal(0, 0.3, len(changed) - cut)
    safe = int((cut / 16_000 - tokenizer.look_ahead) * tokenizer.space.rate)
    assert tokenizer.look_ahead <= 0.080
    assert np.array_equal(tokens(tokenizer, samples, [])[:safe], tokens(tokenizer, changed, [])[:safe])
    stream = tokenizer.stream()
    ready = len(stream.push(samples[:cut]))
    assert ready == safe, "and a token is given as soon as it may be"


def test_lips_that_shut_can_be_told_from_vowels(tokenizer, speech):
    samples, phones = speech
    heard = tokenizer.phones(tokens(tokenizer, samples, []))
    shut = heard[:, [INDEX[p] for p in "PBM"]].sum(axis=1)

    def at(phone) -> float:
        return shut[round(phone.start * 100) : round(phone.end * 100) + 1].max()

    bilabials = [at(p) for p in phones if p.label in ("P", "B", "M")]
    vowels = [shut[min(round(p.centre * 100), len(shut) - 1)] for p in phones if p.label in ("AA", "AE", "AY")]
    assert len(bilabials) >= 6 and np.median(bilabials) > 0.6
    assert max(vowels) < 0.2


def test_loudness_hardly_changes_what_is_heard(tokenizer, speech):
    samples, _ = speech
    loud, quiet = (tokenizer.phones(tokens(tokenizer, samples * gain, [])) for gain in (1.0, 0.05))
    assert (loud.argmax(axis=1) == quiet.argmax(axis=1)).mean() > 0.8


def test_ids_out_of_range_are_refused(tokenizer):
    with pytest.raises(ValueError, match="ids run from 0 to"):
        tokenizer.embed(np.array([[-1]]))
    with pytest.raises(ValueError, match="integers"):
        tokenizer.embed(np.array([[0.5]]))


def test_damaged_files_name_the_remedy(tmp_path):
    for name in (phonetic.WEIGHTS_FILE, phonetic.CONFIG_FILE):
        (tmp_path / name).write_bytes((WEIGHTS / "phonetic" / name).read_bytes())
    about = json.loads((tmp_path / phonetic.CONFIG_FILE).read_text())
    (tmp_path / phonetic.CONFIG_FILE).write_text(json.dumps({**about, "version": 99}))
    with pytest.raises(TokenizerError, match="(?s)version 99.*toktalk train tokens"):
        phonetic.load(tmp_path)
    (tmp_path / phonetic.CONFIG_FILE).write_text(json.dumps({**about, "config": {"levels": [5, 5]}}))
    with pytest.raises(TokenizerError, match="(?s)do not fit.*toktalk train tokens"):
        phonetic.load(tmp_path)
    (tmp_path / phonetic.CONFIG_FILE).write_text(json.dumps(about))
    (tmp_path / phonetic.WEIGHTS_FILE).write_bytes(b"\0" * 100)
    with pytest.raises(TokenizerError, match="(?s)damaged.*toktalk train tokens"):
        phonetic.load(tmp_path)
