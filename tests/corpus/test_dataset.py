"""Reading a corpus: good lines are read back, bad ones are named, and sound stays inside the folder."""

import json
import logging

import numpy as np
import pytest
import soundfile

from toktalk_node.corpus import dataset
from toktalk_node.corpus.dataset import Utterance, hours_by_voice, load_audio, read_manifest, readable
from toktalk_node.speech.phones import Phone


def utterance(**changes) -> Utterance:
    phones = (Phone("SIL", 0.0, 0.1), Phone("M", 0.1, 0.2), Phone("AA", 0.2, 1.0))
    fields = dict(id="a-b-00000", engine="a", voice="b", language="en", split="train", text="ma", audio="x.flac")
    return Utterance(**(fields | dict(duration=1.0, phones=phones, seed=1) | changes))


def test_a_line_is_read_back():
    assert Utterance.from_json(utterance().to_json()) == utterance()


@pytest.mark.parametrize("line", ["", "[]", "{}", '{"phones": 3}', "not json"])
def test_a_bad_line_is_named(line):
    with pytest.raises(ValueError, match="not a manifest line"):
        Utterance.from_json(line)


def test_an_unknown_phone_is_named():
    fields = json.loads(utterance().to_json()) | {"phones": [["QQ", 0, 1]]}
    with pytest.raises(ValueError, match="QQ"):
        Utterance.from_json(json.dumps(fields))


def test_manifest_splits_and_missing_corpus(tmp_path):
    with pytest.raises(FileNotFoundError, match="toktalk corpus build"):
        read_manifest(tmp_path)
    lines = [utterance().to_json(), utterance(id="a-b-00001", split="heldout").to_json()]
    (tmp_path / "manifest.jsonl").write_text("\n".join(lines) + '\n{"id": "torn', "utf-8")
    assert [u.id for u in read_manifest(tmp_path, ["heldout"])] == ["a-b-00001"]
    assert len(read_manifest(tmp_path)) == 2


def test_sound_outside_the_corpus_or_of_another_rate_is_refused(tmp_path):
    with pytest.raises(ValueError, match="outside"):
        load_audio(utterance(audio="../../etc/passwd"), tmp_path)
    soundfile.write(tmp_path / "x.flac", np.zeros(8000), 8000)
    with pytest.raises(ValueError, match="16 kHz"):
        load_audio(utterance(), tmp_path)


def test_sound_that_is_missing_damaged_or_cut_off_is_named_and_the_rest_goes_on(tmp_path, caplog, monkeypatch):
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, 16_000)
    for name in ("good", "damaged", "also-good"):
        soundfile.write(tmp_path / f"{name}.flac", noise, 16_000)
    whole = (tmp_path / "damaged.flac").read_bytes()
    (tmp_path / "damaged.flac").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.flac").write_bytes(b"")
    soundfile.write(tmp_path / "short.flac", noise[:4000], 16_000)
    names = ("good", "missing", "damaged", "empty", "short", "also-good")
    found = list(readable([utterance(id=name, audio=f"{name}.flac") for name in names], tmp_path))
    assert [u.id for u in found] == ["good", "also-good"]
    assert len(caplog.messages) == 4 and all(record.levelno == logging.WARNING for record in caplog.records)
    for name, reason in (("missing", "no such file"), ("damaged", "lost sync"), ("empty", "not a recording"),
                         ("short", "0.25 s of sound, but phones up to 1.00 s")):  # fmt: skip
        assert any(f"{name}.flac: " in message and reason in message for message in caplog.messages), name

    caplog.clear()
    monkeypatch.setattr(dataset, "NAMED", 2)
    assert not list(readable([utterance(audio=f"{k}.flac") for k in range(9)], tmp_path))
    assert len(caplog.messages) == 3 and "7 more" in caplog.messages[-1]


def test_hours_join_the_variants_of_espeak():
    rows = hours_by_voice([utterance(engine="espeak", voice=v, duration=1800.0) for v in ("en+f1", "en+m1")])
    assert len(rows) == 1 and rows[0].hours == pytest.approx(1.0) and rows[0].utterances == 2
