"""The wire in GDScript: the golden vectors, noise, and that both add-ons have the same core."""

import base64
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.godot import engine
from toktalk_node.bridge import protocol
from toktalk_node.face.arkit import BLENDSHAPES

GOLDEN = Path(__file__).resolve().parents[1] / "bridge" / "golden"
SHARED = ("msgpack.gd", "clock.gd", "wire.gd", "names.gd", "playout.gd", "idle.gd")
REPLIES = {"hello": "HelloReply", "clock": "ClockReply", "interrupt": "InterruptReply", "set_style": "Done"}


def cases(name: str) -> list[dict]:
    return json.loads((GOLDEN / f"{name}.json").read_text())


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def body_of(case: dict) -> bytes:
    return (GOLDEN / case["file"]).read_bytes() if "file" in case else bytes.fromhex(case["hex"])


def described(fields: dict) -> dict:
    """Golden fields as the add-on holds them: floats unpacked."""
    return {name: value["float32"] if isinstance(value, dict) and "float32" in value else
            described(value) if isinstance(value, dict) else
            [described(v) if isinstance(v, dict) else v for v in value] if isinstance(value, list) else value
            for name, value in fields.items()}  # fmt: skip


def holds(value: object, wanted: object) -> bool:
    """Whether a decoded value has all that is wanted; what may be absent is null."""
    if isinstance(wanted, dict):
        return isinstance(value, dict) and all(holds(value.get(name), part) for name, part in wanted.items())
    if isinstance(wanted, list):
        return len(value) == len(wanted) and all(map(holds, value, wanted))
    return value == (pytest.approx(wanted, abs=1e-6) if isinstance(wanted, float) else wanted)


def answers(version: int, home: Path, start: str, **environment: str) -> list[str]:
    with engine.run(version, "golden.gd", home, **environment) as running:
        running.until("DONE")
        running.finish()
        return running.said(start)


def test_both_add_ons_have_the_same_core():
    """What is tested in the engine of Godot 3 is, to the byte, what the add-on of Godot 4 runs."""
    for name in SHARED:
        four, three = (engine.PROJECTS[v] / "addons" / "toktalk" / name for v in (4, 3))
        assert four.read_bytes() == three.read_bytes(), f"copy {four} to {three}"


@pytest.mark.peer
@pytest.mark.parametrize("version", engine.ENGINES)
def test_golden_messages_are_read(version, tmp_path):
    to_clients = [c for c in cases("golden") + cases("tolerated") if c["topic"].find("/") > 0 or
                  c["type"] in (*REPLIES.values(), "Done", "Refused")]  # fmt: skip
    assert len(to_clients) > 15
    lines = " ".join(f"{b64(c['topic'].encode())}|{b64(body_of(c))}" for c in to_clients)
    said = answers(version, tmp_path, "MESSAGE", MESSAGES=lines)
    assert len(said) == len(to_clients)
    for line, case in zip(said, to_clients, strict=True):
        assert holds(json.loads(line), described(case["fields"])), (case, line)


@pytest.mark.peer
@pytest.mark.parametrize("version", engine.ENGINES)
def test_what_the_wire_does_not_allow_is_refused_and_counted(version, tmp_path):
    bad = [c for c in cases("refused") if c["socket"] != "request" and len(c["parts"]) == 2]
    lines = " ".join("|".join(b64(bytes.fromhex(part)) for part in c["parts"]) for c in bad)
    said = answers(version, tmp_path, "REFUSED", MESSAGES=lines)
    assert [line[:2] for line in said] == ["1 "] * len(bad), [c["why"] for c in bad]


@pytest.mark.peer
@pytest.mark.parametrize("version", engine.ENGINES)
def test_requests_are_written_as_the_bridge_reads_them(version, tmp_path):
    asked = [c for c in cases("golden") if c["type"] in ("Hello", "ClockAsk", "Interrupt", "SetStyle", "Ping")]
    said = answers(version, tmp_path, "MAP", MAPS=" ".join(b64(body_of(c)) for c in asked))
    for line, case in zip(said, asked, strict=True):
        kind = protocol.REQUESTS[case["topic"]]
        assert protocol.decode(base64.b64decode(line), kind) == protocol.decode(body_of(case), kind)


@pytest.mark.peer
@pytest.mark.parametrize("version", engine.ENGINES)
def test_clocks_hold_what_the_golden_exchanges_say(version, tmp_path):
    lists = cases("clock")
    lines = ["|".join(",".join(str(e[t]) for t in ("t1", "t2", "t3", "t4")) for e in c["exchanges"]) for c in lists]
    said = answers(version, tmp_path, "CLOCK", CLOCKS=" ".join(lines))
    for line, case in zip(said, lists, strict=True):
        for held, exchange in zip(json.loads(line), case["exchanges"], strict=True):
            assert held == pytest.approx([exchange["offset"], exchange["delay"]], abs=1000), case["why"]


@pytest.mark.peer
@pytest.mark.parametrize("version", engine.ENGINES)
def test_noise_is_refused_and_the_engine_goes_on(version, tmp_path):
    chance = random.Random(5)
    packets = [chance.randbytes(chance.randrange(60)) for _ in range(200)]
    for case in cases("golden") * 6:
        topic = case["topic"].encode()
        whole = bytearray(bytes([len(topic)]) + topic + body_of(case))
        whole[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
        packets.append(bytes(whole[: chance.randrange(len(whole) + 1)]))
    packets += [b"", b"\xff", b"\x00", bytes([4]) + b"ping" + b"\x91" * 5000]
    said = answers(version, tmp_path, "PACKET", PACKETS=" ".join(b64(p) for p in packets if p))
    assert len(said) == len([p for p in packets if p]) and said.count("refused") > 0.9 * len(said)


@pytest.mark.peer
@pytest.mark.parametrize("version", engine.ENGINES)
def test_names_of_other_meshes_are_understood(version, tmp_path):
    targets = ["Wolf3D_Head.jawOpen", "eyeBlink_L", "MOUTH_SMILE_R", "jawLeft", "mouthLeft", "smile"]
    (line,) = answers(version, tmp_path, "MATCHED", NAMES=" ".join(BLENDSHAPES), TARGETS=" ".join(targets))
    found = [BLENDSHAPES[i] if i >= 0 else None for i in json.loads(line)]
    assert found == ["jawOpen", "eyeBlinkLeft", "mouthSmileRight", "jawLeft", "mouthLeft", None]


def test_godot_4_scripts_are_valid_gdscript_2():
    """The parser of gdtoolkit, which follows Godot 4's grammar; the engine itself where it is installed."""
    pytest.importorskip("gdtoolkit", reason="pip install gdtoolkit")
    scripts = sorted((engine.PROJECTS[4]).glob("addons/**/*.gd")) + sorted(engine.PROJECTS[4].glob("example/*.gd"))
    assert len(scripts) > len(SHARED)
    command = [sys.executable, "-m", "gdtoolkit.parser", *map(str, scripts)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
