"""The build: balanced, resumable, repeatable; engines that are missing are named and left out."""

import itertools
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from typer.testing import CliRunner

from toktalk_node.commands.corpus import corpus
from toktalk_node.corpus.build import build, record, split_of
from toktalk_node.corpus.dataset import load_audio, read_manifest
from toktalk_node.corpus.engines import EngineMissing, Request, speak_batch
from toktalk_node.corpus.voices import SOURCES, Source

ESPEAK = [s for s in SOURCES if s.engine == "espeak" and s.language in ("en", "de", "ru")]


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Forty seconds of three languages by espeak-ng."""
    root = tmp_path_factory.mktemp("corpus")
    made = [u for _, u in build(root, 40 / 3600, jobs=1, seed=3, sources=ESPEAK)]
    return root, made


def test_manifest_and_sound_agree(small):
    root, made = small
    read = read_manifest(root)
    assert [u.id for u in read] == [u.id for u in made] and {u.language for u in read} == {"en", "de", "ru"}
    for u in read:
        samples = load_audio(u, root)
        assert len(samples) / 16000 == pytest.approx(u.duration, abs=1e-3)
        assert u.phones[0].start == 0.0 and u.phones[-1].end == pytest.approx(u.duration, abs=1e-3)
        assert all(a.end == b.start and a.end > a.start for a, b in itertools.pairwise(u.phones))
        silent = np.concatenate(
            [samples[int(p.start * 16000) : int(p.end * 16000)] for p in u.phones if p.label == "SIL"]
        )
        assert np.sqrt(np.mean(silent**2)) < 0.2 * np.sqrt(np.mean(samples**2))


def test_build_goes_on_after_a_torn_line(small, tmp_path):
    root, made = small
    torn = tmp_path / "torn"
    torn.mkdir()
    lines = (root / "manifest.jsonl").read_text("utf-8").splitlines(keepends=True)
    (torn / "manifest.jsonl").write_text("".join(lines[:4]) + lines[4][:50], "utf-8")
    list(build(torn, 40 / 3600, jobs=1, seed=3, sources=ESPEAK))
    again = {u.id: u for u in read_manifest(torn)}
    assert len(again) == len((torn / "manifest.jsonl").read_text("utf-8").splitlines())
    both = [u for u in made if u.id in again]
    assert len(both) > 5
    assert all(
        (u.text, u.voice, u.seed, u.split) == (v.text, v.voice, v.seed, v.split) for u in both for v in [again[u.id]]
    )
    assert all([p.label for p in u.phones] == [p.label for p in again[u.id].phones] for u in both)


def test_finished_build_adds_nothing(small):
    root, _ = small
    assert list(build(root, 20 / 3600, jobs=1, seed=3, sources=ESPEAK)) == []


def test_missing_engines_are_named_and_the_rest_goes_on(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineMissing, match="apt install flite"):
        list(speak_batch("flite", "slt", [Request("hello")]))
    with pytest.raises(EngineMissing, match="apt install festival festvox-kallpc16k"):
        list(speak_batch("festival", "kal_diphone", [Request("hello")]))
    said: list[str] = []
    sources = [Source("flite", "slt", "en", 1.0), *ESPEAK[:1]]
    made = [u for _, u in build(tmp_path / "c", 10 / 3600, jobs=1, sources=sources, say=said.append)]
    assert made and {u.engine for u in made} == {"espeak"}
    assert "apt install flite" in said[0]


def test_kept_out_voices_never_train():
    rms = next(s for s in SOURCES if s.voice == "rms")
    human = next(s for s in SOURCES if s.engine == "ru-human")
    assert {split_of(rms, i) for i in range(120)} == {"heldout"}
    splits = [split_of(human, i) for i in range(620)]
    assert splits.count("heldout-human") == pytest.approx(620 / 3, abs=1)
    assert {"train", "valid"} <= {split_of(ESPEAK[0], i) for i in range(300)}


def test_espeak_is_a_minority_and_english_leads():
    total = sum(s.weight for s in SOURCES)
    assert sum(s.weight for s in SOURCES if s.engine == "espeak") / total < 0.2
    assert sum(s.weight for s in SOURCES if s.language == "en") / total > 0.6


def test_command_line(small, tmp_path):
    root, _ = small
    told = CliRunner().invoke(corpus, ["info", str(root)])
    assert told.exit_code == 0 and "espeak" in told.stdout
    none = CliRunner().invoke(corpus, ["info", str(tmp_path)])
    assert none.exit_code == 1 and "toktalk corpus build" in " ".join(none.output.split())
    wrong = CliRunner().invoke(corpus, ["build", "--voices", "hal9000", "--out", str(tmp_path)])
    assert wrong.exit_code == 2 and "hal9000" in wrong.output and "flite-slt" in wrong.output


def test_interrupt_leaves_a_whole_manifest(tmp_path):
    command = [sys.executable, "-m", "toktalk_node.cli", "corpus", "build", "--voices", "espeak", "--hours", "1"]
    running = subprocess.Popen([*command, "--out", str(tmp_path)], stderr=subprocess.PIPE, start_new_session=True)
    manifest = tmp_path / "manifest.jsonl"
    until = time.monotonic() + 60
    while not (manifest.exists() and manifest.stat().st_size) and time.monotonic() < until:
        time.sleep(0.05)
    os.killpg(running.pid, signal.SIGINT)
    _, told = running.communicate(timeout=60)
    assert running.returncode == 130 and b"the same command goes on" in told
    assert manifest.read_text("utf-8").endswith("\n") and read_manifest(tmp_path)


def _loudness_of(utterance, root, labels):
    samples = load_audio(utterance, root)
    parts = [samples[int(p.start * 16000) : int(p.end * 16000)] for p in utterance.phones if p.label in labels]
    return np.sqrt(np.mean(np.concatenate(parts) ** 2)) if parts else np.nan


@pytest.mark.peer
@pytest.mark.parametrize("source", [s for s in SOURCES if s.engine != "espeak"], ids=lambda s: s.key)
def test_each_installed_voice_has_quiet_pauses_and_loud_vowels(source, tmp_path):
    try:
        entries = record(source, range(4), 0, tmp_path)
    except EngineMissing as missing:
        pytest.skip(str(missing))
    assert len(entries) == 4
    vowels = np.nanmean([_loudness_of(u, tmp_path, {"AA", "AH", "EH", "OW", "IY", "AO", "AE"}) for u in entries])
    pauses = np.nanmean([_loudness_of(u, tmp_path, {"SIL"}) for u in entries])
    stops = np.nanmean([_loudness_of(u, tmp_path, {"P", "T", "K"}) for u in entries])
    assert pauses < 0.25 * vowels and stops < 0.6 * vowels
    assert json.loads(entries[0].to_json())["engine"] == source.engine
