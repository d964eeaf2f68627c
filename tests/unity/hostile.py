"""A server of ZMTP made of bytes, for what no real one sends (https://rfc.zeromq.org/spec/23/)."""

import socket
import threading

from toktalk_node.bridge.server import Bridge

GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x01" + b"NULL".ljust(20, b"\0") + bytes(32)


def frame(body: bytes, flags: int = 0) -> bytes:
    """A ZMTP frame: 1 = more, 4 = command."""
    if len(body) < 256:
        return bytes([flags, len(body)]) + body
    return bytes([flags | 2]) + len(body).to_bytes(8, "big") + body


def ready(kind: bytes) -> bytes:
    return GREETING + frame(b"\x05READY\x0bSocket-Type" + len(kind).to_bytes(4, "big") + kind, 4)


class HostileServer:
    """A real bridge whose PUB is none: each connection to it gets the next of `answers`; all but the last are closed.

    `received` holds what the client sent to each.
    """

    def __init__(self, answers: list[bytes]) -> None:
        self.bridge = Bridge(pub_port=0, control_port=0)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.bridge.pub_port = self._listener.getsockname()[1]
        self._answers = answers
        self.received: list[bytes] = []
        self._last: socket.socket | None = None
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        for k, answer in enumerate(self._answers):
            connection, _ = self._listener.accept()
            connection.settimeout(0.3)
            data = b""
            try:
                connection.sendall(answer)
                while block := connection.recv(4096):
                    data += block
            except OSError:
                pass
            self.received.append(data)
            if k < len(self._answers) - 1:
                connection.close()
            else:
                self._last = connection

    def send(self, data: bytes) -> None:
        self._last.sendall(data)

    def wait(self, timeout: float) -> None:
        self._thread.join(timeout)
        assert self._last is not None, f"only {len(self.received)} of {len(self._answers)} connections came"

    def __enter__(self) -> "HostileServer":
        return self

    def __exit__(self, *_: object) -> None:
        self.bridge.close()
        self._listener.close()
        if self._last is not None:
            self._last.close()


def message(*parts: bytes) -> bytes:
    return b"".join(frame(part, k < len(parts) - 1) for k, part in enumerate(parts))
