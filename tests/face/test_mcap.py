"""MCAP as Foxglove will find it: read back by MCAP's own library, messages held against Foxglove's own definitions."""

import base64
import importlib
import json
import math

import numpy as np
import pytest
import soundfile

from toktalk_node.face import mcap as face_mcap
from toktalk_node.face import npz
from toktalk_node.face.arkit import BLENDSHAPES, HEAD, INDEX, MOTION_WIDTH

make_reader = pytest.importorskip("mcap.reader", reason="no mcap here: pip install mcap").make_reader

FPS, RATE, START = 50, 22_050, 1_760_000_000_000_000_000


@pytest.fixture
def written(tmp_path):
    """(path, motion, samples): 0.7 s of face and sound."""
    rng = np.random.default_rng(1)
    motion = rng.uniform(0, 1, (35, MOTION_WIDTH)).astype(np.float32)
    motion[:, -3:] = motion[:, -3:] / 3
    samples = rng.integers(-20_000, 20_000, 15_435).astype(np.int16)
    soundfile.write(tmp_path / "in.wav", samples, RATE)
    with soundfile.SoundFile(tmp_path / "in.wav") as sound:
        assert face_mcap.write(tmp_path / "out.mcap", motion, FPS, sound, start_ns=START, name="in.wav") == 35
    return tmp_path / "out.mcap", motion, samples


def messages(path, topic: str) -> list[tuple[int, dict]]:
    with open(path, "rb") as file:
        return [(m.log_time, json.loads(m.data)) for _, _, m in make_reader(file).iter_messages(topics=[topic])]


def test_face_and_sound_are_there_on_one_clock(written):
    path, motion, samples = written
    faces, heads, sounds = (messages(path, f"/face/{kind}") for kind in ("blendshapes", "head", "audio"))
    assert [time for time, _ in faces] == [time for time, _ in heads] == [START + k * 20_000_000 for k in range(35)]
    for time, message in faces + heads + sounds:
        assert message["timestamp"]["sec"] * 10**9 + message["timestamp"]["nsec"] == time
    values = [[message[name] for name in (*BLENDSHAPES, *HEAD)] for _, message in faces]
    np.testing.assert_allclose(values, motion, atol=1e-6)
    heard = np.concatenate([np.frombuffer(base64.b64decode(message["data"]), "<i2") for _, message in sounds])
    np.testing.assert_array_equal(heard, samples)
    assert {(m["format"], m["sample_rate"], m["number_of_channels"]) for _, m in sounds} == {("pcm-s16", RATE, 1)}
    assert [time for time, _ in sounds] == [START + k * 2205 * 10**9 // RATE for k in range(7)]


def test_the_head_turns_in_the_axes_of_robots(written, tmp_path):
    with soundfile.SoundFile(tmp_path / "in.wav") as sound:
        motion = np.zeros((3, MOTION_WIDTH), np.float32)
        motion[0, -3], motion[1, -2], motion[2, -1] = 0.2, 0.2, 0.2
        face_mcap.write(tmp_path / "turns.mcap", motion, FPS, sound)
    turns = [message["rotation"] for _, message in messages(tmp_path / "turns.mcap", "/face/head")]
    # REP 103: x forward, y to the left, z up; to look up is to turn about y backwards, to lean left about x backwards
    for turn, axis, sign in zip(turns, "zyx", (1, -1, -1), strict=True):
        wanted = {**dict.fromkeys("xyz", 0.0), axis: sign * math.sin(0.1), "w": math.cos(0.1)}
        assert turn == pytest.approx(wanted, abs=1e-6)


def test_schemas_are_inside_and_every_message_keeps_to_them(written):
    path, _, _ = written
    with open(path, "rb") as file:
        reader = make_reader(file, validate_crcs=True)
        summary = reader.get_summary()
        assert {c.topic: summary.schemas[c.schema_id].name for c in summary.channels.values()} == face_mcap.CHANNELS
        assert summary.statistics.message_count == 35 + 35 + 7
        (about,) = [m.metadata for m in reader.iter_metadata()]
        assert about["recording"] == "in.wav" and about["fps"] == "50" and about["audio_rate"] == str(RATE)
        for schema, channel, message in reader.iter_messages():
            assert (schema.encoding, channel.message_encoding) == ("jsonschema", "json")
            assert conforms(json.loads(message.data), json.loads(schema.data))


def conforms(value: object, schema: dict) -> bool:
    """Whether `value` is what the part of JSON Schema that we use says."""
    kinds = {"object": dict, "string": str, "integer": int, "number": (int, float)}
    if not isinstance(value, kinds[schema["type"]]):
        return False
    if schema["type"] == "object":
        return set(value) == set(schema["required"]) and all(
            conforms(value[name], part) for name, part in schema["properties"].items()
        )
    return schema["type"] == "string" or schema.get("minimum", value) <= value <= schema.get("maximum", value)


def test_foxglove_knows_the_schemas_by_name_and_field(written):
    pytest.importorskip("foxglove_schemas_protobuf", reason="pip install foxglove-schemas-protobuf")
    path, _, _ = written
    for topic, schema in face_mcap.CHANNELS.items():
        if not schema.startswith("foxglove."):
            continue
        name = schema.removeprefix("foxglove.")
        kind = getattr(importlib.import_module(f"foxglove_schemas_protobuf.{name}_pb2"), name)
        assert kind.DESCRIPTOR.full_name == schema
        _, message = messages(path, topic)[0]
        assert set(message) == {field.name for field in kind.DESCRIPTOR.fields}


def test_npz_holds_plain_arrays_that_name_themselves(written, tmp_path):
    _, motion, samples = written
    assert npz.write(tmp_path / "out.npz", motion, FPS, samples, RATE) == 35
    with np.load(tmp_path / "out.npz", allow_pickle=False) as face:
        assert face["weights"].shape == (35, 52) and face["weights"].dtype == np.float32
        names = face["names"].tolist()
        np.testing.assert_array_equal(face["weights"][:, names.index("jawOpen")], motion[:, INDEX["jawOpen"]])
        np.testing.assert_array_equal(face["head"], motion[:, -3:])
        assert face["head_names"].tolist() == list(HEAD) and (int(face["fps"]), int(face["audio_rate"])) == (FPS, RATE)
        np.testing.assert_array_equal(face["audio"], samples)
