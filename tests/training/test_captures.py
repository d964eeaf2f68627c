"""A folder of a person's recordings becomes training data of that person: cut at pauses, tokenised, once."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from typer.testing import CliRunner

from toktalk_node.commands.train import train as command
from toktalk_node.corpus.captures import CaptureError
from toktalk_node.corpus.captures.base import Capture
from toktalk_node.corpus.captures.store import import_captures
from toktalk_node.face import livelink
from toktalk_node.face.arkit import INDEX, MOTION_WIDTH
from toktalk_node.motion.checkpoint import read_about
from toktalk_node.stream.session import WEIGHTS, Session
from toktalk_node.tokens import phonetic
from toktalk_node.training.captures import cut_at_pauses, prepare_recordings, resting_face
from toktalk_node.training.posteriors import embeddings
from toktalk_node.training.shards import DataError, read_shards

REST_JAW = 0.07


def quiet(*args: object) -> None:
    """No progress bar."""


def talking(seconds: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Sound at 16 kHz and face at 50 fps: noise for two seconds, then half a second of pause, and so on."""
    rng = np.random.default_rng(seed)
    times = np.arange(round(seconds * 16_000)) / 16_000
    samples = 0.2 * rng.standard_normal(len(times)) * (times % 2.5 < 2.0)
    frames = np.arange(round(seconds * 50)) / 50
    motion = np.zeros((len(frames), MOTION_WIDTH), np.float32)
    motion[:, INDEX["jawOpen"]] = np.where(frames % 2.5 < 2.0, 0.5 + 0.1 * rng.standard_normal(len(frames)), REST_JAW)
    return samples.astype(np.float32), motion.clip(0, 1)


def record(folder: Path, name: str, seconds: float) -> None:
    """A Live Link Face take with its sound."""
    samples, motion = talking(seconds)
    folder.mkdir(parents=True, exist_ok=True)
    livelink.write(folder / f"{name}.csv", motion, 50)
    soundfile.write(folder / f"{name}.wav", samples, 16_000)


def test_recordings_become_shards_of_their_person_once(tmp_path: Path):
    mine, out = tmp_path / "anna", tmp_path / "shards"
    record(mine, "one", 20.0)
    record(mine, "two", 3.0)
    (mine / "two.wav").unlink()
    notes = prepare_recordings(mine, out, None, quiet)
    assert [name for name, _ in notes.left_out] == ["two"]

    data = read_shards(out)
    assert (data.space, data.face, data.fps, data.condition_width) == ("phonetic", "arkit", 50, 64)
    assert {item.actor for item in data.utterances} == {"anna"} and data.frames == 1000
    assert 2 <= len(data.utterances) <= 3 and max(map(len, data.utterances)) <= 700
    assert data.rests["anna"][INDEX["jawOpen"]] == pytest.approx(REST_JAW, abs=0.02)

    stamp = (out / "captures-000.safetensors").stat().st_mtime_ns
    assert prepare_recordings(mine, out, None, quiet) == notes
    assert (out / "captures-000.safetensors").stat().st_mtime_ns == stamp
    record(mine, "two", 4.0)
    assert not prepare_recordings(mine, out, None, quiet).left_out
    assert read_shards(out).frames == 1200


def test_conditions_are_what_the_tokenizer_streams():
    tokenizer = phonetic.load(WEIGHTS / "phonetic")
    sounds = [talking(1.0, 1)[0], talking(1.5, 2)[0][:13_001]]
    for samples, found in zip(sounds, embeddings(tokenizer.model, sounds), strict=True):
        stream = tokenizer.stream()
        streamed = tokenizer.embed(np.concatenate([stream.push(samples), stream.finish()]))
        assert found.shape == streamed.shape
        same = np.isclose(found.numpy(), streamed, atol=1e-3).all(axis=1)
        assert same.mean() > 0.95


def test_long_takes_are_cut_in_their_pauses():
    samples, _ = talking(60.0)
    cuts = cut_at_pauses(samples)
    assert cuts[0][0] == 0 and cuts[-1][1] == 3000
    assert all(a[1] == b[0] for a, b in zip(cuts, cuts[1:], strict=False))
    assert all((start / 50) % 2.5 > 2.0 for start, _ in cuts[1:])


def test_a_take_without_pauses_has_no_resting_face():
    samples, motion = talking(5.0)
    assert resting_face(Capture("a", "train", "a", samples, motion))[INDEX["jawOpen"]] == pytest.approx(REST_JAW)
    assert resting_face(Capture("a", "train", "a", 0.1 + 0 * samples, motion)) is None


class Faces:
    """A reader of captures that the test makes."""

    def __init__(self, *captures: Capture) -> None:
        self.captures = {capture.id: capture for capture in captures}
        self.ids, self.left_out = [*self.captures, "gone"], []

    def read(self, id: str) -> Capture:
        if id == "gone":
            raise OSError("gone: no such file")
        return self.captures[id]


def test_imported_captures_keep_their_split(tmp_path: Path):
    samples, motion = talking(3.0)
    flame = np.zeros((150, 56), np.float32)
    reader = Faces(
        Capture("a/1", "train", "a", samples, motion, emotion="anger", intensity=1.0, notes=("cut",)),
        Capture("b/1", "valid", "b", samples, motion),
        Capture("c/1", "train", "c", samples, None),
        Capture("d/1", "train", "d", samples, flame, space="flame-50"),
    )
    summary = import_captures(reader, tmp_path / "captures", quiet)
    assert (summary.captures, summary.actors, summary.emotions["anger"]) == (4, ["a", "b", "c", "d"], 1)
    assert summary.hours_with_face == pytest.approx(9 / 3600, abs=1e-4) and summary.left_out[0].name == "gone"
    assert json.loads((tmp_path / "captures/summary.json").read_text())["left_out"] == [["gone", "gone: no such file"]]
    assert import_captures(reader, tmp_path / "captures", quiet) == summary

    notes = prepare_recordings(tmp_path / "captures", tmp_path / "shards", None, quiet)
    left_out = dict(notes.left_out)
    assert notes.used == [("a/1", "cut")] and "without a face" in left_out["c/1"] and "flame-50" in left_out["d/1"]
    data = read_shards(tmp_path / "shards")
    styles = [(item.actor, item.split) for item in data.utterances]
    assert styles == [("a anger", "train"), ("b", "valid")], "a style is of a person in a mood"
    assert torch.allclose(data.utterances[0].motion.float(), torch.from_numpy(motion), atol=1e-3)


def test_recordings_of_a_person_give_the_model_that_person_s_style(tmp_path: Path):
    record(tmp_path / "anna", "one", 12.0)
    arguments = ["motion", "--data", str(tmp_path / "anna"), "--base", "mini", "--out", str(tmp_path / "run")]
    done = CliRunner().invoke(command, [*arguments, "--steps", "2", "--batch", "2"])
    assert done.exit_code == 0 and "styles of their own: neutral, anna" in done.output, done.output
    told = read_about(tmp_path / "run")["training"]
    assert told["config"]["base"] == "mini" and told["config"]["data"] == str(tmp_path / "anna")
    session = Session.load(str(tmp_path / "run"))
    assert torch.equal(session.styles["anna"].vector, session.styles["neutral"].vector), "who asks for none speaks so"
    shipped = Session.load("mini").styles["neutral"].vector
    assert (session.styles["anna"].vector - shipped).square().mean().sqrt() > 0.3
    assert {"happiness", "tired"} <= set(session.styles)


def test_flame_faces_stay_flame(tmp_path: Path):
    samples, _ = talking(2.0)
    flame = np.random.default_rng(0).normal(0, 1, (100, 56)).astype(np.float32)
    import_captures(Faces(Capture("a/1", "train", "a", samples, flame, space="flame-50")), tmp_path / "captures", quiet)
    prepare_recordings(tmp_path / "captures", tmp_path / "shards", None, quiet)
    data = read_shards(tmp_path / "shards")
    assert data.face == "flame-50" and data.utterances[0].motion.shape == (100, 56)


def test_an_import_that_was_cut_short_goes_on(tmp_path: Path):
    samples, motion = talking(1.0)
    import_captures(Faces(Capture("a", "train", "a", samples, motion)), tmp_path, quiet)
    with open(tmp_path / "captures.jsonl", "a") as manifest:
        manifest.write('{"id": "b", "spl')
    summary = import_captures(Faces(Capture("b", "train", "a", samples, motion)), tmp_path, quiet)
    assert summary.captures == 2


def test_a_folder_with_nothing_to_use_says_why(tmp_path: Path):
    with pytest.raises(CaptureError, match="no such folder"):
        prepare_recordings(tmp_path / "none", tmp_path / "out", None, quiet)
    record(tmp_path / "mine", "one", 0.4)
    with pytest.raises(DataError, match="none of the 1 recordings can be used.*less than 1 s"):
        prepare_recordings(tmp_path / "mine", tmp_path / "out", None, quiet)
