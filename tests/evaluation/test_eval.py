"""`toktalk eval lips` on a small corpus and on recordings with texts."""

import json
import shutil
from pathlib import Path

import pytest
import soundfile
from typer.testing import CliRunner

from toktalk_node.cli import build_app

pytest.importorskip("espeakng_loader")
TEXTS = ["My big map.", "Bob put five good fish on the moon.", "We keep a cow at the farm."]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    from toktalk_node.speech.espeak import synthesize

    folder = tmp_path_factory.mktemp("corpus")
    with (folder / "manifest.jsonl").open("w") as manifest:
        for k, text in enumerate(TEXTS):
            samples, rate, phones = synthesize(text, "en-us+f2")
            soundfile.write(folder / f"{k}.flac", samples, rate)
            (folder / f"{k}.txt").write_text(text)
            row = {"id": f"e-{k}", "split": "heldout", "audio": f"{k}.flac", "phones": phones, "seed": k}
            manifest.write(json.dumps(row) + "\n")
    return folder


def run(*words: object):
    return CliRunner().invoke(build_app("eval"), ["eval", "lips", *map(str, words)])


def test_systems_stand_side_by_side(corpus):
    systems = ["--system", "true-phones", "--system", "loudness"]
    done = run("--corpus", corpus, "--json", *systems)
    assert done.exit_code == 0, done.output
    scores = json.loads(done.stdout)
    assert scores["true-phones"]["closure"] == 1.0 and scores["true-phones"]["viseme_error"] == 0.0
    assert abs(scores["true-phones"]["lag_ms"]) < 10
    assert scores["loudness"]["auc_tongue"] < scores["true-phones"]["auc_tongue"]
    assert scores["loudness"]["viseme_error"] is None
    assert scores["loudness"]["utterances"] == 3
    done = run("--corpus", corpus, "--limit", 1, *systems)
    assert "true-phones" in done.stdout and "PocketSphinx running" in done.stdout


def test_a_style_and_the_solver_s_schedule_count(corpus):
    found = set()
    for words in ([], ["--style", "mumbling"], ["--steps", 2, "--schedule", "uniform"]):
        done = run("--corpus", corpus, "--json", "--limit", 1, "--preset", "mini-live", *words)
        assert done.exit_code == 0, done.output
        found.add(done.stdout)
    assert len(found) == 3
    for words, said in ((["--style", "me.csv"], "me.csv cannot be read"), (["--schedule", "late"], "cosine and")):
        done = run("--corpus", corpus, *words)
        assert done.exit_code == 1 and said in " ".join(done.output.split()), done.output


def test_recordings_are_aligned_and_bad_ones_left_out(corpus, tmp_path, caplog):
    pytest.importorskip("pocketsphinx")
    for k in range(2):
        (tmp_path / f"{k}.flac").write_bytes((corpus / f"{k}.flac").read_bytes())
        (tmp_path / f"{k}.txt").write_text(TEXTS[k])
    (tmp_path / "bad.wav").write_bytes(b"")
    (tmp_path / "bad.txt").write_text("Hello.")
    done = run("--wav-folder", tmp_path, "--json", "--system", "pocketsphinx-offline")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["pocketsphinx-offline"]["utterances"] == 2
    assert "bad.wav is left out" in caplog.text


def test_sound_of_a_corpus_that_cannot_be_read_is_left_out(corpus, tmp_path, caplog):
    folder = tmp_path / "corpus"
    shutil.copytree(corpus, folder)
    (folder / "0.flac").unlink()
    whole = (folder / "1.flac").read_bytes()
    (folder / "1.flac").write_bytes(whole[: len(whole) // 2])
    done = run("--corpus", folder, "--json", "--system", "true-phones")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["true-phones"]["utterances"] == 1
    assert "0.flac: no such file" in caplog.text and "1.flac: " in caplog.text and "phones up to" in caplog.text


def test_what_is_missing_is_named(tmp_path):
    for words, said in [
        (["--corpus", tmp_path], "toktalk corpus build"),
        (["--wav-folder", tmp_path, "--system", "loudness"], "NAME.wav"),
        (["--wav-folder", tmp_path, "--limit", 0], "limit"),
    ]:
        done = run(*words)
        assert done.exit_code != 0 and said in " ".join(done.output.split())


def test_an_unknown_system_is_named(corpus):
    done = run("--corpus", corpus, "--system", "nobody")
    assert done.exit_code == 1 and "nobody" in done.output and "true-phones" in " ".join(done.output.split())
