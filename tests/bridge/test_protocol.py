"""The wire: golden bytes, and messages that must not pass."""

import importlib.util
import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toktalk_node.bridge import protocol
from toktalk_node.bridge.protocol import ProtocolError
from toktalk_node.signals import AudioChunk, FaceChunk

GOLDEN = Path(__file__).parent / "golden"
CASES = json.loads((GOLDEN / "golden.json").read_text())
TYPES = {t.__name__: t for t in {*protocol.PUBLISHED.values(), *protocol.REQUESTS.values(), *protocol.REPLIES.values()}}


TOLERATED = json.loads((GOLDEN / "tolerated.json").read_text())
REFUSED = json.loads((GOLDEN / "refused.json").read_text())
DECODERS = {
    "pub": protocol.decode_published,
    "reply": protocol.decode_reply,
    "request": protocol.decode_request,
}


def wire(value: object) -> object:
    """Described fields, with lists of floats turned to the bytes that the wire carries."""
    if isinstance(value, dict) and "float32" in value:
        return np.asarray(value["float32"], "<f4").tobytes()
    if isinstance(value, dict):
        return {name: wire(item) for name, item in value.items()}
    return [wire(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["file"])
def test_golden_bytes_are_what_python_writes_and_reads(case):
    body = (GOLDEN / case["file"]).read_bytes()
    kind = TYPES[case["type"]]
    message = msgspec.convert(wire(case["fields"]), kind)
    assert protocol.encode(message) == body
    assert protocol.decode(body, kind) == message


@pytest.mark.parametrize("case", TOLERATED, ids=lambda case: case["why"])
def test_what_a_later_bridge_may_add_is_ignored(case):
    kind = TYPES[case["type"]]
    assert protocol.decode(bytes.fromhex(case["hex"]), kind) == msgspec.convert(wire(case["fields"]), kind)


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case["why"])
def test_what_the_wire_does_not_allow_is_refused(case):
    with pytest.raises(ProtocolError):
        DECODERS[case["socket"]]([bytes.fromhex(part) for part in case["parts"]])


def test_the_golden_files_are_what_their_script_writes():
    spec = importlib.util.spec_from_file_location("write", GOLDEN / "write.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert {name: (GOLDEN / name).read_bytes() for name in script.files()} == script.files()


def test_every_message_has_a_golden_vector():
    assert {case["type"] for case in CASES} == set(TYPES)


def test_face_survives_the_wire_bit_for_bit():
    rng = np.random.default_rng(0)
    chunk = FaceChunk(rng.random((7, 52), np.float32), rng.normal(size=(7, 3)).astype(np.float32), 50, 21)
    message = protocol.face_message(chunk, 10**18)
    stream, back = protocol.decode_published([protocol.topic("face", "robot"), protocol.encode(message)])
    assert (stream, back.start, back.fps, back.pts_ns) == ("robot", 21, 50, 10**18)
    weights, head = back.arrays()
    np.testing.assert_array_equal(weights, chunk.weights)
    np.testing.assert_array_equal(head, chunk.head)


def test_values_that_are_not_finite_become_rest():
    weights = np.full((1, 52), np.nan, np.float32)
    weights[0, :2] = np.inf, -np.inf
    message = protocol.face_message(FaceChunk(weights, np.full((1, 3), np.nan, np.float32), 50), 0)
    message.check()
    assert message.arrays()[0].ravel().tolist() == [1.0, *[0.0] * 51]
    sound = protocol.audio_message(AudioChunk(np.array([np.nan, 2.0, -3.0], np.float32), 16000), 0)
    assert sound.array().tolist() == [0.0, 1.0, -1.0]


def test_another_version_is_named():
    body = msgspec.msgpack.encode({"v": 2, "id": 1})
    with pytest.raises(ProtocolError, match="version 2, this side speaks 1"):
        protocol.decode(body, protocol.Ping)
    with pytest.raises(ProtocolError, match="`v`"):
        protocol.decode(msgspec.msgpack.encode({"id": 1}), protocol.Ping)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"count": 3}, "expected 24"),
        ({"weights": b"\x00\x00\xc0\x7f" * 2}, "not finite"),
        ({"fps": 0}, r">= 1 - at `\$.fps`"),
        ({"count": -1}, r">= 0 - at `\$.count`"),
        ({"count": 10**9}, r"<= 1024 - at `\$.count`"),
        ({"width": 10**6}, "width"),
        ({"weights": "text"}, "weights"),
        ({"seq": None}, "seq"),
    ],
)
def test_bad_faces_are_refused_with_the_reason(change, reason):
    good = {"v": 1, "seq": 0, "pts_ns": 0, "fps": 50, "start": 0, "count": 1, "width": 2,
            "weights": bytes(8), "head": bytes(12)}  # fmt: skip
    protocol.decode(msgspec.msgpack.encode(good), protocol.Face)
    with pytest.raises(ProtocolError, match=reason):
        protocol.decode(msgspec.msgpack.encode(good | change), protocol.Face)


def test_sizes_are_bounded():
    with pytest.raises(ProtocolError, match="at most"):
        protocol.decode(bytes(protocol.MAX_BODY + 1), protocol.Face)
    with pytest.raises(ProtocolError, match=r"length <= 256 - at `\$.style`"):
        protocol.decode(protocol.encode(protocol.SetStyle(id=1, stream="default", style="x" * 300)), protocol.SetStyle)
    for name in ("", "a b", "x" * 65, "new\nline"):
        with pytest.raises(ProtocolError, match="stream name"):
            protocol.topic("face", name)


@given(st.lists(st.binary(max_size=200), max_size=4), st.sampled_from(sorted(TYPES)))
def test_noise_raises_nothing_but_protocol_error(parts, kind):
    for decode in (protocol.decode_published, protocol.decode_request, protocol.decode_reply):
        with pytest.raises(ProtocolError):
            decode(parts)
    for part in parts:
        with pytest.raises(ProtocolError):
            protocol.decode(part, TYPES[kind])


@given(st.data())
def test_damaged_golden_bytes_raise_nothing_but_protocol_error(data):
    case = data.draw(st.sampled_from(CASES))
    body = bytearray((GOLDEN / case["file"]).read_bytes())
    position = data.draw(st.integers(0, len(body) - 1))
    body[position] ^= data.draw(st.integers(1, 255))
    damaged = bytes(body[: data.draw(st.integers(0, len(body)))])
    try:
        protocol.decode(damaged, TYPES[case["type"]])
    except ProtocolError:
        pass
