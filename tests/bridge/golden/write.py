"""Writes the golden vectors: ``python tests/bridge/golden/write.py``. README.md says what they are.

The bodies come from the fields in golden.json as plain maps, not through the types that they test.
"""

import json
import struct
from pathlib import Path

import msgspec
import numpy as np

from toktalk_node.bridge.clock import ClockFilter

HERE = Path(__file__).parent
PING = {"v": 1, "id": 5}
FACE = {"v": 1, "seq": 0, "pts_ns": 1760000000000000000, "fps": 50, "start": 0, "count": 1, "width": 2,
        "weights": bytes(8), "head": bytes(12)}  # fmt: skip
AUDIO = {"v": 1, "seq": 0, "pts_ns": 1760000000000000000, "rate": 16000, "start": 0, "count": 2, "samples": bytes(8)}
EVENT = {"v": 1, "seq": 0, "pts_ns": 1760000000000000000, "kind": "end", "data": {}}
HELLO = {"v": 1, "id": 1, "names": ["jawOpen"], "head": ["headYaw", "headPitch", "headRoll"], "streams": [],
         "pub_port": 5590}  # fmt: skip
NAN, INFINITE = struct.pack("<ff", float("nan"), 0), struct.pack("<ff", 0, float("-inf"))

pack = msgspec.msgpack.encode


def body(fields: dict) -> bytes:
    """The msgpack map of described fields: lists of floats become the bytes that the wire carries."""

    def wire(value: object) -> object:
        if isinstance(value, dict) and "float32" in value:
            return np.asarray(value["float32"], "<f4").tobytes()
        if isinstance(value, dict):
            return {name: wire(item) for name, item in value.items()}
        return [wire(item) for item in value] if isinstance(value, list) else value

    return pack(wire(fields))


def described(fields: dict) -> dict:
    """Fields as JSON says them: bytes become the floats that they hold."""
    return {
        name: {"float32": np.frombuffer(value, "<f4").tolist()} if isinstance(value, bytes) else value
        for name, value in fields.items()
    }


def long_map(fields: dict) -> bytes:
    """`fields` in the longest forms that msgpack has: map32, str32, int64, bin32."""
    out = struct.pack(">BI", 0xDF, len(fields))
    for name, value in fields.items():
        out += struct.pack(">BI", 0xDB, len(name)) + name.encode()
        if isinstance(value, bytes):
            out += struct.pack(">BI", 0xC6, len(value)) + value
        else:
            out += struct.pack(">Bq", 0xD3, value)
    return out


def tolerated() -> list[dict]:
    """Messages that a receiver must take although no bridge of today writes them."""
    cases = [
        ("ping", "Done", pack(PING | {"mood": "fine"}), PING, "an unknown field"),
        ("ping", "Done", pack(PING | {"later": {"deep": [1, {"x": None}], "sound": b"\x00"}}), PING,
         "an unknown field that holds maps and lists"),
        ("ping", "Done", b"\x83" + pack("later") + b"\xc7\x03\x05abc" + pack("id") + pack(5) + pack("v") + pack(1),
         PING, "an unknown field of a msgpack extension type, and keys in another order"),
        ("ping", "Done", long_map(PING), PING, "integers and texts in the longest forms of msgpack"),
        ("face/default", "Face", long_map(FACE), FACE, "a face in the longest forms of msgpack"),
        ("face/default", "Face", pack(dict(reversed(FACE.items()))), FACE, "keys in reverse order"),
        ("event/default", "Event", pack(EVENT | {"kind": "applause", "data": {"hands": 2}}),
         EVENT | {"kind": "applause", "data": {"hands": 2}}, "an unknown kind of event: nothing happens"),
        ("event/default", "Event", pack({name: EVENT[name] for name in ("v", "seq", "pts_ns", "kind")}), EVENT,
         "an event without data"),
        ("hello", "HelloReply", pack(HELLO | {"streams": [{"name": "robot"}]}),
         HELLO | {"streams": [{"name": "robot"}]}, "a stream of which nothing is known yet"),
        ("hello", "HelloReply", pack(HELLO | {"streams": [{"name": "robot", "colour": "red"}]}),
         HELLO | {"streams": [{"name": "robot"}]}, "an unknown field of a stream"),
    ]  # fmt: skip
    return [
        {"why": why, "topic": topic, "type": kind, "hex": data.hex(), "fields": described(fields)}
        for topic, kind, data, fields, why in cases
    ]


def refused() -> list[dict]:
    """Multipart messages that must be refused and counted, and must do nothing else."""
    face, audio, event, good = b"face/default", b"audio/default", b"event/default", pack(FACE)
    cases: list[tuple[str, list[bytes], str]] = [
        ("pub", [good], "one part"),
        ("pub", [face, good, b""], "three parts"),
        ("pub", [b"smell/default", good], "an unknown kind of topic"),
        ("pub", [b"face", good], "a topic without a stream"),
        ("pub", [b"face/" + b"x" * 65, good], "the name of a stream of 65 characters"),
        ("pub", [b"face/\xff\xfe", good], "a topic that is not UTF-8"),
        ("pub", [face, b""], "an empty body"),
        ("pub", [face, good[:-1]], "a body cut short"),
        ("pub", [face, good + b"\xc0"], "a byte after the map"),
        ("pub", [face, b"\xc1" * 40], "a byte that msgpack does not have"),
        ("pub", [face, pack(list(FACE.values()))], "a list in place of a map"),
        ("pub", [face, b"\xdf\xff\xff\xff\xff"], "a map that says it has 4 billion entries"),
        ("pub", [face, b"\x81\xa1v\xc6\xff\xff\xff\xff"], "a bin that says it has 4 GB"),
        ("pub", [face, b"\x91" * 2000 + b"\xc0"], "lists within lists, 2,000 deep"),
        ("pub", [face, pack(FACE | {"v": 2})], "another version"),
        ("pub", [face, pack({k: v for k, v in FACE.items() if k != "v"})], "no version"),
        ("pub", [face, pack(FACE | {"v": "1"})], "a version that is a text"),
        ("pub", [face, pack({k: v for k, v in FACE.items() if k != "pts_ns"})], "a face without its time"),
        ("pub", [face, pack(FACE | {"pts_ns": 2**63})], "a time beyond 64 bits with sign"),
        ("pub", [face, pack(FACE | {"pts_ns": 1.5})], "a time that is a float"),
        ("pub", [face, pack(FACE | {"fps": 0})], "0 frames per second"),
        ("pub", [face, pack(FACE | {"fps": 1001})], "1001 frames per second"),
        ("pub", [face, pack(FACE | {"count": -1})], "a negative count"),
        ("pub", [face, pack(FACE | {"count": 1025})], "1025 frames"),
        ("pub", [face, pack(FACE | {"width": 0, "weights": b""})], "no weights at all"),
        ("pub", [face, pack(FACE | {"width": 513, "weights": bytes(2052)})], "513 weights"),
        ("pub", [face, pack(FACE | {"count": 2})], "fewer weights than the count says"),
        ("pub", [face, pack(FACE | {"head": bytes(8)})], "two angles of three"),
        ("pub", [face, pack(FACE | {"weights": NAN})], "a weight that is not a number"),
        ("pub", [face, pack(FACE | {"weights": INFINITE})], "a weight that is infinite"),
        ("pub", [face, pack(FACE | {"weights": "\0" * 8})], "weights in a text"),
        ("pub", [audio, pack(AUDIO | {"rate": 999})], "a rate of 999 Hz"),
        ("pub", [audio, pack(AUDIO | {"count": 3})], "fewer samples than the count says"),
        ("pub", [audio, pack(AUDIO | {"samples": NAN})], "a sample that is not a number"),
        ("pub", [event, pack(EVENT | {"kind": "x" * 257})], "a kind of 257 characters"),
        ("pub", [event, pack(EVENT | {"data": {"deep": {"x": 1}}})], "data that are not scalars"),
        ("pub", [event, pack(EVENT | {"data": {str(k): k for k in range(65)}})], "65 entries of data"),
        ("reply", [b"hello", pack(HELLO | {"names": "jawOpen"})], "names that are no list"),
        ("reply", [b"hello", pack(HELLO | {"pub_port": 65536})], "a port that cannot be"),
        ("reply", [b"hello", pack(HELLO | {"styles": "warm"})], "styles that are no list"),
        ("reply", [b"hello", pack(HELLO | {"styles": [1]})], "a style without a name"),
        ("reply", [b"hello", pack(HELLO | {"styles": ["x"] * 257})], "257 styles"),
        ("reply", [b"hello", pack(HELLO | {"streams": [{"fps": 50}]})], "a stream without a name"),
        ("reply", [b"clock", pack({"v": 1, "id": 1, "t1_ns": 0, "t2_ns": 0})], "a clock without its third stamp"),
        ("reply", [b"nope", pack(PING)], "an unknown reply"),
        ("reply", [b"ping", pack(PING | {"id": -1})], "a negative id"),
        ("request", [b"nope", pack(PING)], "an unknown request"),
        ("request", [b"ping"], "a request of one part"),
        ("request", [b"ping", pack({"v": 1})], "a request without an id"),
        ("request", [b"ping", pack(PING | {"v": 2})], "a request of another version"),
        ("request", [b"interrupt", pack(PING | {"stream": "default"})], "an interrupt without its time"),
        ("request", [b"set_style", pack(PING | {"stream": "default", "style": "x" * 257})], "a style too long"),
    ]
    return [{"why": why, "socket": socket, "parts": [part.hex() for part in parts]} for socket, parts, why in cases]


def clock() -> list[dict]:
    """Clock exchanges in milliseconds, and the offset and delay that a receiver holds after each of them."""
    stories = {
        "the quickest exchange counts": [(0, 500, 500, 10), (2000, 2510, 2512, 2030), (4000, 4503, 4503, 4004)],
        "a slow exchange does not disturb a quick one": [(0, 502, 502, 4), (2000, 2540, 2540, 2042)],
        "an old exchange gives way to a fresh one that is nearly as quick": [(0, 501, 501, 2), (60000, 60502, 60502,
                                                                                              60003)],
        "a server's clock that was set is followed at once": [(0, 502, 502, 4), (2000, 1502, 1502, 2004)],
        "an exchange that ended before it began is left out": [(0, 502, 502, 4), (2000, 2502, 2502, 1000)],
    }  # fmt: skip
    cases = []
    for why, stamps in stories.items():
        held, exchanges = ClockFilter(), []
        for stamp in stamps:
            t1, t2, t3, t4 = (round(ms * 1_000_000) for ms in stamp)
            held.add(t1, t2, t3, t4)
            exchanges.append({"t1": t1, "t2": t2, "t3": t3, "t4": t4, "offset": held.offset_ns, "delay": held.delay_ns})
        cases.append({"why": why, "exchanges": exchanges})
    return cases


def lines(cases: list[dict]) -> str:
    """A JSON list, one case per line."""
    return "[\n" + ",\n".join("  " + json.dumps(case, ensure_ascii=False) for case in cases) + "\n]\n"


def files() -> dict[str, bytes]:
    """Every file that this script writes, by name."""
    golden = json.loads((HERE / "golden.json").read_text())
    made = {"tolerated.json": tolerated(), "refused.json": refused(), "clock.json": clock()}
    return {case["file"]: body(case["fields"]) for case in golden} | {
        name: lines(cases).encode() for name, cases in made.items()
    }


if __name__ == "__main__":
    for name, data in files().items():
        (HERE / name).write_bytes(data)
