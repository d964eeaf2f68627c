"""From a corpus to a tokenizer and to shards, by the commands a user would type."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from toktalk_node.commands.corpus import corpus as corpus_command
from toktalk_node.commands.train import train as train_command
from toktalk_node.corpus.build import build
from toktalk_node.corpus.dataset import load_audio, read_manifest
from toktalk_node.corpus.voices import SOURCES
from toktalk_node.face.arkit import INDEX
from toktalk_node.stream.session import WEIGHTS
from toktalk_node.tokens import phonetic
from toktalk_node.training.posteriors import hear, posteriors
from toktalk_node.training.shards import read_shards


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("corpus")
    espeak = [s for s in SOURCES if s.engine == "espeak" and s.language == "en"]
    list(build(root, 60 / 3600, jobs=1, seed=1, sources=espeak, say=lambda _: None))
    return root


def test_training_hears_what_the_stream_hears(corpus):
    tokenizer = phonetic.load(WEIGHTS / "phonetic")
    utterances = sorted(read_manifest(corpus), key=lambda u: u.duration)[:3]
    sounds = [load_audio(u, corpus) for u in utterances]
    model = tokenizer.model
    at_once = posteriors(model, [hear(model.means(), sound) for sound in sounds])
    for sound, found in zip(sounds, at_once, strict=True):
        stream = tokenizer.stream()
        ids = np.concatenate([stream.push(sound), stream.finish()])
        heard = tokenizer.phones(ids)
        assert len(found) == len(heard)
        assert (found.argmax(axis=1) == heard.argmax(axis=1)).mean() > 0.85, "the quantizer loses little"


@pytest.mark.slow
def test_shards_hold_embeddings_beside_the_performance_of_their_phones(corpus, tmp_path):
    result = CliRunner().invoke(corpus_command, ["prepare", str(corpus), "--out", str(tmp_path), "--jobs", "1"])
    assert result.exit_code == 0, result.output
    data = read_shards(tmp_path)
    assert (data.space, data.fps, data.condition_width) == ("phonetic", 50, 64)
    assert len(data.utterances) == 2 * len(read_manifest(corpus, ("train", "valid")))
    one, other = data.utterances[:2]
    assert torch.equal(one.condition, other.condition) and one.actor != other.actor
    assert not torch.equal(one.motion, other.motion)
    assert {item.actor for item in data.utterances} <= data.rests.keys()
    for item in data.utterances:
        assert item.condition.shape[0] == item.motion.shape[0]
    opening = np.concatenate([u.motion[:, INDEX["jawOpen"]].numpy() for u in data.utterances])
    assert opening.max() > 0.2


@pytest.mark.slow
def test_prepare_goes_on_without_the_sound_that_cannot_be_read(corpus, tmp_path, caplog):
    """What `corpus prepare` chooses is also what `train tokens`, `train codec` and `train adapter` choose."""
    root = tmp_path / "corpus"
    shutil.copytree(corpus, root)
    missing, cut, *rest = (u for u in read_manifest(root) if u.split in ("train", "valid"))
    (root / missing.audio).unlink()
    whole = (root / cut.audio).read_bytes()
    (root / cut.audio).write_bytes(whole[: len(whole) // 2])
    arguments = ["prepare", str(root), "--out", str(tmp_path / "shards"), "--jobs", "1", "--actors", "1"]
    result = CliRunner().invoke(corpus_command, arguments)
    assert result.exit_code == 0, result.output
    made = {item.id for item in read_shards(tmp_path / "shards").utterances}
    assert made == {f"{u.id}-0-0" for u in rest}
    for gone, reason in ((missing, "no such file"), (cut, "not a recording")):
        assert any(gone.audio in message and reason in message for message in caplog.messages), gone.audio


@pytest.mark.slow
def test_a_tokenizer_is_trained_by_one_command(corpus, tmp_path):
    pytest.importorskip("pocketsphinx")
    arguments = ["tokens", "--corpus", str(corpus), "--out", str(tmp_path), "--minutes", "0.2", "--jobs", "1"]
    result = CliRunner().invoke(train_command, arguments)
    assert result.exit_code == 0, result.output
    made = phonetic.load(tmp_path)
    stream = made.stream()
    sound = load_audio(read_manifest(corpus)[0], corpus)
    assert len(np.concatenate([stream.push(sound), stream.finish()])) == -(-len(sound) // 320)
    shipped = phonetic.load(WEIGHTS / "phonetic").model.acoustic
    assert (made.model.acoustic.quadratic - shipped.quadratic).abs().max() < 1e-3, "PocketSphinx's Gaussians"


def test_a_missing_corpus_is_named(tmp_path):
    for command, arguments in ((corpus_command, ["prepare"]), (train_command, ["tokens", "--corpus"])):
        result = CliRunner().invoke(command, [*arguments, str(tmp_path / "none")])
        assert result.exit_code == 1
        assert "toktalk corpus build" in result.output
