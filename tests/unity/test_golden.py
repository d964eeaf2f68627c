"""The golden vectors of the wire, in C#."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.unity.mono import Peer, floats

pytestmark = pytest.mark.peer

GOLDEN = Path(__file__).parents[1] / "bridge" / "golden"
REQUESTS = {"Hello", "ClockAsk", "Interrupt", "SetStyle", "Ping"}
BULK = {"weights", "head", "samples"}


def load(name: str) -> list[dict]:
    return json.loads((GOLDEN / name).read_text())


@pytest.fixture(scope="module")
def peer(program):
    with Peer(program, "vectors") as peer:
        yield peer


def ask(peer: Peer, *words: str) -> dict | str:
    peer.send(" ".join(words))
    return next(peer.lines())


def decoded(peer: Peer, topic: str, body: bytes) -> dict:
    socket = "pub" if "/" in topic else "reply"
    return ask(peer, socket, topic.encode().hex(), body.hex())


def assert_same(found: dict, fields: dict) -> None:
    """Every described field was found; what is not described was not there."""
    for name in {*found, *fields}:
        expected, value = fields.get(name), found.get(name)
        if name in BULK and isinstance(expected, dict):
            np.testing.assert_array_equal(floats(value), np.asarray(expected["float32"], "<f4"))
        elif name == "streams":
            assert len(value) == len(expected)
            for a, b in zip(value, expected, strict=True):
                assert_same(a, b)
        elif name == "face" and expected is not None:
            assert_same(value, expected)
        else:
            assert value == expected, name


CASES = load("golden.json")


@pytest.mark.parametrize("case", [c for c in CASES if c["type"] not in REQUESTS], ids=lambda case: case["file"])
def test_bodies_decode_to_the_described_fields(peer, case):
    assert_same(decoded(peer, case["topic"], (GOLDEN / case["file"]).read_bytes()), case["fields"])


@pytest.mark.parametrize("case", [c for c in CASES if c["type"] in REQUESTS], ids=lambda case: case["file"])
def test_requests_are_the_very_bytes_that_python_writes(peer, case):
    words = [word for name, value in case["fields"].items() if name not in ("v", "id")
             for word in (name, str(value).encode().hex())]  # fmt: skip
    written = ask(peer, "request", str(case["fields"]["id"]), *words)
    assert bytes.fromhex(written) == (GOLDEN / case["file"]).read_bytes()


@pytest.mark.parametrize("case", load("tolerated.json"), ids=lambda case: case["why"])
def test_what_a_later_bridge_may_send_is_tolerated(peer, case):
    assert_same(decoded(peer, case["topic"], bytes.fromhex(case["hex"])), case["fields"])


@pytest.mark.parametrize("case", [c for c in load("refused.json") if c["socket"] != "request"], ids=lambda c: c["why"])
def test_bad_messages_are_refused_with_a_reason(peer, case):
    assert set(ask(peer, case["socket"], *case["parts"])) == {"refused"}


@pytest.mark.parametrize("case", load("clock.json"), ids=lambda case: case["why"])
def test_the_clock_filter_holds_what_python_holds(peer, case):
    peer.send("forget")
    for exchange in case["exchanges"]:
        found = ask(peer, "clock", *(str(exchange[name]) for name in ("t1", "t2", "t3", "t4")))
        assert found["offset"] == pytest.approx(exchange["offset"], abs=1000)
        assert found["delay"] == pytest.approx(exchange["delay"], abs=1000)
