"""Writes what protocol.py says into docs/protocol.md: ``python -m toktalk_node.bridge.document``.

The text between ``<!-- made: NAME -->`` and ``<!-- end -->`` is made here; all else in the page is written by hand.
"""

import re
import sys
from pathlib import Path

import msgspec
from msgspec import inspect

from toktalk_node.bridge import protocol

PAGE = Path(__file__).parents[2] / "docs" / "protocol.md"
MADE = re.compile(r"(?<=<!-- made: )(?P<name>\S+)( -->\n).*?(?=<!-- end -->)", re.S)
LIMITS = ("MAX_BODY", "MAX_CONTROL", "MAX_FRAMES", "MAX_WIDTH", "MAX_SAMPLES", "MAX_STREAMS", "MAX_STREAM_NAME",
          "MAX_TEXT", "MAX_DATA", "MAX_STYLES")  # fmt: skip
EXAMPLE = protocol.Face(
    seq=3,
    pts_ns=1760000000420000000,
    fps=50,
    start=21,
    count=1,
    width=2,
    weights=bytes.fromhex("0000803e0000003f"),
    head=bytes.fromhex("cdcccc3d0000000000000000"),
)
INT64_BOUNDS = (-protocol.INT64 - 1, protocol.INT64)


def page(text: str) -> str:
    """The page `text` with every made part made again; KeyError names a part that nothing makes."""
    parts = {
        "requests": requests,
        "events": events,
        "limits": limits,
        "greeting": lambda: dump(greeting()),
        "example": lambda: dump(annotated(protocol.encode(EXAMPLE))),
    }
    structs = [*protocol.PUBLISHED.values(), *protocol.REQUESTS.values(), *protocol.REPLIES.values()]
    for kind in (*structs, protocol.StreamInfo):
        parts[kind.__name__] = lambda kind=kind: fields(kind)
    return MADE.sub(lambda match: f"{match['name']} -->\n{parts[match['name']]()}", text)


def fields(kind: type[msgspec.Struct]) -> str:
    """What a message is, and a table of its fields."""
    rows = ["| field | type | unit | bounds | meaning |", "|---|---|---|---|---|"]
    for field in inspect.type_info(kind).fields:
        named, nullable = _named(field.type)
        unit, meaning, bounds, name = _described(named)
        optional = field.default is inspect.NODEFAULT and not field.required
        name = f"{name}, may be absent" if optional else name
        name = f"{name} or nil" if nullable else name
        rows.append(f"| `{field.name}` | {name} | {unit} | {bounds} | {meaning} |")
    if kind in (protocol.Ping, protocol.Done):
        return f"{kind.__doc__} `v` and `id`, nothing else.\n"
    return f"{kind.__doc__}\n\n" + "\n".join(rows) + "\n"


def requests() -> str:
    """A table of requests and their replies."""
    rows = ["| topic | request | reply |", "|---|---|---|"]
    rows += [f"| `{name}` | {kind.__name__} | {protocol.REPLIES[name].__name__} |"
             for name, kind in protocol.REQUESTS.items()]  # fmt: skip
    return "\n".join(rows) + "\n"


def events() -> str:
    """A table of the kinds of events."""
    rows = ["| kind | data | meaning |", "|---|---|---|"]
    rows += [f"| `{kind}` | {data or 'none'} | {meaning} |" for kind, (data, meaning) in protocol.EVENTS.items()]
    return "\n".join(rows) + "\n"


def limits() -> str:
    """A table of the limits, with the words of protocol.py."""
    source = Path(protocol.__file__).read_text()
    rows = ["| limit | value |", "|---|---|"]
    for name in LIMITS:
        meaning = re.search(rf'^{name} = .*\n"""(.*)\."""', source, re.M)[1]
        rows.append(f"| {meaning[0].lower()}{meaning[1:]} | {getattr(protocol, name):,} |")
    return "\n".join(rows) + "\n"


def dump(pieces: list[tuple[bytes, str]]) -> str:
    """Bytes as hex, a piece a line, with what each means."""
    lines = []
    for data, meaning in pieces:
        rows = [data[i : i + 16].hex(" ") for i in range(0, len(data), 16)]
        lines += [f"{row:<48}{meaning if k == 0 else ''}".rstrip() for k, row in enumerate(rows)]
    return "```text\n" + "\n".join(lines) + "\n```\n"


def greeting() -> list[tuple[bytes, str]]:
    """What a client that speaks ZMTP 3.0 sends to ROUTER: greeting, READY and a hello."""
    body = protocol.encode(protocol.Hello(id=1, client="my client"))
    return [
        (b"\xff" + bytes(8) + b"\x7f", "signature"),
        (b"\x03\x00", "version 3.0"),
        (b"NULL".ljust(20, b"\0"), "mechanism"),
        (bytes(32), "not a server, filler: 64 bytes so far; the bridge sends 64 too"),
        (b"\x04\x1c\x05READY", "a command of 28 bytes: READY"),
        (b"\x0bSocket-Type\x00\x00\x00\x06DEALER", "its property; wait here for the bridge's READY"),
        (b"\x01\x05hello", "a part of 5 bytes, more to come: the topic"),
        (bytes([0, len(body)]), f"a part of {len(body)} bytes, the last: the body"),
        *annotated(body),
    ]


def annotated(body: bytes) -> list[tuple[bytes, str]]:
    """The pieces of a msgpack map of scalars as protocol.py writes it: up to 15 entries, a bin below 256 bytes."""
    pieces = [(body[:1], f"map of {body[0] & 15}")]
    for name, value in msgspec.msgpack.decode(body).items():
        key, data = msgspec.msgpack.encode(name), msgspec.msgpack.encode(value)
        if isinstance(value, bytes):
            pieces += [(key, name), (data[:2], f"bin of {len(value)} bytes"), (data[2:], "float32, little-endian")]
        else:
            pieces.append((key + data, f"{name}: {value}"))
    return pieces


def _named(kind: inspect.Type) -> tuple[inspect.Type, bool]:
    """(the type without nil, whether it may be nil)."""
    if isinstance(kind, inspect.UnionType):
        return next(t for t in kind.types if not isinstance(t, inspect.NoneType)), True
    return kind, False


def _described(kind: inspect.Type) -> tuple[str, str, str, str]:
    """(unit, meaning, bounds, name of the type in msgpack's words)."""
    unit, meaning = "", ""
    if isinstance(kind, inspect.Metadata):
        unit, meaning = (kind.extra or {}).get("unit", ""), (kind.extra_json_schema or {}).get("description", "")
        kind = kind.type
    match kind:
        case inspect.IntType():
            return unit, meaning, _range(kind.ge, kind.le), "int"
        case inspect.BytesType():
            return unit, meaning, f"at most {kind.max_length:,} bytes", "bin"
        case inspect.StrType():
            return unit, meaning, f"at most {kind.max_length} characters", "str"
        case inspect.BoolType():
            return unit, meaning, "", "bool"
        case inspect.ListType():
            return unit, meaning, f"at most {kind.max_length}", f"array of {_described(kind.item_type)[3]}"
        case inspect.DictType():
            return unit, meaning, f"at most {kind.max_length} entries", "map of str to scalar"
        case inspect.StructType():
            return unit, meaning, "", f"map: {kind.cls.__name__}"
    raise TypeError(f"no words for {kind}")


def _range(low: int | None, high: int | None) -> str:
    if (low, high) == INT64_BOUNDS:
        return "64 bits, with sign"
    if low is None and high is None:
        return str(protocol.VERSION)
    return f"{low} or more" if high == protocol.INT64 else f"{low:,} to {high:,}"


if __name__ == "__main__":
    path = Path(sys.argv[1]) if sys.argv[1:] else PAGE
    path.write_text(page(path.read_text()))
