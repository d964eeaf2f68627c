"""docs/protocol.md says what protocol.py does, and its bytes open a real bridge."""

import re
import socket
import time

import msgspec
import numpy as np

from toktalk_node.bridge import document, protocol
from toktalk_node.bridge.server import Bridge
from toktalk_node.signals import Clock, FaceChunk

PAGE = document.PAGE.read_text()


def hex_of(part: str) -> bytes:
    """The bytes that the page shows in a made part."""
    text = re.search(rf"<!-- made: {part} -->\n```text\n(.*?)```", PAGE, re.S)[1]
    return bytes.fromhex("".join(line[:48] for line in text.splitlines()))


def test_the_page_is_up_to_date():
    assert document.page(PAGE) == PAGE, "run: python -m toktalk_node.bridge.document"


def test_every_message_event_and_limit_is_explained():
    kinds = {*protocol.PUBLISHED.values(), *protocol.REQUESTS.values(), *protocol.REPLIES.values(), protocol.StreamInfo}
    for kind in kinds:
        assert f"<!-- made: {kind.__name__} -->" in PAGE
        for field in msgspec.structs.fields(kind):
            assert f"`{field.name}`" in PAGE
    assert {f"{getattr(protocol, name):,}" for name in document.LIMITS} <= set(re.findall(r"[\d,]+", PAGE))


def test_links_within_the_page_lead_somewhere():
    headings = {re.sub(r"[^\w -]", "", line.lstrip("# ")).lower().replace(" ", "-")
                for line in PAGE.splitlines() if line.startswith("#")}  # fmt: skip
    assert set(re.findall(r"\(#([\w-]+)\)", PAGE)) <= headings


class Plain:
    """A TCP connection that reads ZMTP frames."""

    def __init__(self, port: int, greeting: bytes, ready: bytes) -> None:
        self._connection = socket.create_connection(("127.0.0.1", port), timeout=5)
        self._reader = self._connection.makefile("rb")
        self.send(greeting)
        theirs = self._reader.read(64)
        assert (theirs[0], theirs[9], theirs[10]) == (0xFF, 0x7F, 3)
        self.send(ready)
        assert self.frame()[0] & 4

    def send(self, data: bytes) -> None:
        self._connection.sendall(data)

    def frame(self) -> tuple[int, bytes]:
        """(flags, data) of the next frame."""
        flags = self._reader.read(1)[0]
        return flags, self._reader.read(int.from_bytes(self._reader.read(8 if flags & 2 else 1), "big"))

    def __enter__(self) -> "Plain":
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()
        self._connection.close()


def test_the_bytes_of_the_page_are_answered_by_a_bridge():
    sent = hex_of("greeting")
    with Bridge(pub_port=0, control_port=0) as bridge:
        bridge.announce("robot")
        with Plain(bridge.control_port, sent[:64], sent[64:94]) as connection:
            connection.send(sent[94:])
            name, reply = protocol.decode_reply([connection.frame()[1], connection.frame()[1]])
    assert (name, reply.id, reply.streams[0].name) == ("hello", 1, "robot")


def test_the_subscription_of_the_page_brings_faces():
    subscription = bytes.fromhex(re.search(r"`(00 06 01[ 0-9a-f]+)` subscribes", PAGE)[1])
    ready = bytes.fromhex("0419") + b"\x05READY\x0bSocket-Type\0\0\0\x03SUB"
    chunk = FaceChunk(np.full((1, 52), 0.25, np.float32), np.zeros((1, 3), np.float32), 50)
    with Bridge(pub_port=0, control_port=0) as bridge, Plain(bridge.pub_port, hex_of("greeting")[:64], ready) as plain:
        plain.send(subscription)
        for _ in range(20):
            time.sleep(0.01)
            bridge.publish_face(chunk, Clock(0))
        stream, message = protocol.decode_published([plain.frame()[1], plain.frame()[1]])
    assert (stream, message.arrays()[0][0, 0]) == ("default", 0.25)


def test_the_face_of_the_page_is_what_it_says():
    assert protocol.decode(hex_of("example"), protocol.Face) == document.EXAMPLE
    weights, head = document.EXAMPLE.arrays()
    assert weights.tolist() == [[0.25, 0.5]] and head[0, 0] == np.float32(0.1)
