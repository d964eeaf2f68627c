"""A bridge followed on behalf of browsers: its messages framed for WebSockets, and each browser's own way to ask it.

A message on a WebSocket is binary: one byte with the topic's length, the topic, the msgpack body.
"""

import asyncio
import contextlib
import logging
from collections.abc import Collection
from dataclasses import dataclass

import zmq
import zmq.asyncio

from toktalk_node.bridge import keys as curve
from toktalk_node.bridge import protocol
from toktalk_node.bridge.client import SILENCE
from toktalk_node.bridge.protocol import AUDIO, EVENT, FACE, ProtocolError

log = logging.getLogger(__name__)

QUEUE = 256
"""Messages kept for a browser before it loses some."""
LOOK = 1.0
"""Seconds between looks where the bridge publishes, and that a new connection to it may take."""
MAX_TOPIC = 255
"""Most bytes of a topic: its length is one byte."""


@dataclass
class WebStats:
    """Counters since the viewer began."""

    browsers: int = 0
    dropped: int = 0
    """Messages that a slow browser did not get."""
    cut: int = 0
    """Browsers that took nothing for a while."""
    refused: int = 0
    """Connections from a foreign page, or one too many."""
    errors: int = 0
    """Messages that could not be read: of a browser, which is cut off, or of the bridge."""
    unanswered: int = 0
    """Requests of browsers while the bridge was away; they were told."""


class Outbox(asyncio.Queue[bytes]):
    """What waits for one browser, of the streams that it asked for (none named: all)."""

    def __init__(self, streams: Collection[str], stats: WebStats) -> None:
        super().__init__(QUEUE)
        self._topics = {f"{kind}/{name}".encode() for kind in (FACE, AUDIO, EVENT) for name in streams}
        self._stats = stats

    def wants(self, topic: bytes) -> bool:
        return not self._topics or topic in self._topics

    def offer(self, message: bytes) -> None:
        """Keep `message`; a full outbox loses it, with a count."""
        if self.full():
            self._stats.dropped += 1
        else:
            self.put_nowait(message)


class Relay:
    """What browsers get of the bridge at `endpoint`, wherever it publishes. Made and used in one event loop.

    Args:
        endpoint: the bridge's control endpoint.
        keys: this receiver's keys, for a bridge that encrypts.
        stats: where all that happens is counted.

    Raises:
        ValueError: `endpoint` is none.
    """

    def __init__(self, endpoint: str, keys: curve.ClientKeys | None, stats: WebStats) -> None:
        self.outboxes: set[Outbox] = set()
        self._endpoint, self._keys, self._stats = endpoint, keys, stats
        self._context = zmq.asyncio.Context()
        self._pub, self._said = "", ""
        self._subscriber = self._socket(zmq.SUB)
        for kind in (FACE, AUDIO, EVENT):
            self._subscriber.subscribe(f"{kind}/".encode())
        try:
            self._control = self.control()
        except zmq.ZMQError as error:
            self.close()
            raise ValueError(f"{endpoint!r} is no endpoint: give one like tcp://127.0.0.1:5591") from error

    def close(self) -> None:
        """Disconnect, and close all that `control` gave."""
        self._context.destroy(linger=0)

    async def run(self) -> None:
        """Follow the bridge and hand out what it publishes, until cancelled."""
        await asyncio.gather(self._follow(), self._hand_out())

    def control(self) -> zmq.asyncio.Socket:
        """A connection for requests. It takes none while the bridge is away, so that nothing is done too late."""
        socket = self._socket(zmq.DEALER)
        socket.setsockopt(zmq.IMMEDIATE, True)
        socket.connect(self._endpoint)
        return socket

    async def request(self, control: zmq.asyncio.Socket, outbox: Outbox, parts: list[bytes]) -> None:
        """Pass on what a browser asks; one that asks while the bridge is away is told. ProtocolError: it is none."""
        _, request = protocol.decode_request(parts)
        try:
            await control.send_multipart(parts, zmq.NOBLOCK)
        except zmq.Again:
            self._stats.unanswered += 1
            refusal = protocol.Refused(id=request.id, error="the bridge is away")
            outbox.offer(framed([b"error", protocol.encode(refusal)]))

    async def answers(self, control: zmq.asyncio.Socket, outbox: Outbox) -> None:
        """Replies of the bridge to one browser, until cancelled."""
        while True:
            parts = await control.recv_multipart()
            if self._sound(parts):
                outbox.offer(framed(parts))

    async def _hand_out(self) -> None:
        while True:
            parts = await self._subscriber.recv_multipart()
            if not self._sound(parts):
                continue
            message = framed(parts)
            for outbox in self.outboxes:
                if outbox.wants(parts[0]):
                    outbox.offer(message)

    async def _follow(self) -> None:
        """Stay subscribed to where the bridge publishes: one that was started again may do so at another port."""
        hello = [b"hello", protocol.encode(protocol.Hello(id=1, client="toktalk web"))]
        wait = round(1000 * LOOK)
        while True:
            if not await self._control.poll(wait, zmq.POLLOUT):
                continue
            with contextlib.suppress(zmq.Again):
                await self._control.send_multipart(hello, zmq.NOBLOCK)
            if await self._control.poll(wait):
                while await self._control.poll(0):
                    self._heed(await self._control.recv_multipart())
                await asyncio.sleep(LOOK)

    def _heed(self, parts: list[bytes]) -> None:
        """Subscribe where the reply `parts` says."""
        try:
            _, reply = protocol.decode_reply(parts)
            if not isinstance(reply, protocol.HelloReply):
                raise ProtocolError(f"it answers hello with {reply}"[:200])
        except ProtocolError as error:
            self._stats.errors += 1
            if str(error) != self._said:
                self._said = str(error)
                log.warning("the bridge at %s cannot be followed: %s", self._endpoint, error)
            return
        pub = f"{self._endpoint.rpartition(':')[0]}:{reply.pub_port}"
        if pub == self._pub:
            return
        if self._pub:
            self._subscriber.disconnect(self._pub)
        self._subscriber.connect(pub)
        self._pub, self._said = pub, ""

    def _sound(self, parts: list[bytes]) -> bool:
        """Whether `parts` of the bridge can be framed; counted when not."""
        if len(parts) == 2 and len(parts[0]) <= MAX_TOPIC:
            return True
        self._stats.errors += 1
        return False

    def _socket(self, kind: int) -> zmq.asyncio.Socket:
        socket = self._context.socket(kind)
        socket.setsockopt(zmq.MAXMSGSIZE, protocol.MAX_BODY)
        socket.setsockopt(zmq.IPV6, "[" in self._endpoint)
        socket.setsockopt(zmq.HEARTBEAT_IVL, SILENCE // 3)
        socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, SILENCE)
        if self._keys is not None:
            self._keys.apply(socket)
        return socket


def framed(parts: list[bytes]) -> bytes:
    """The WebSocket message of [topic, body]; the topic has at most MAX_TOPIC bytes."""
    return bytes([len(parts[0])]) + parts[0] + parts[1]


def unframed(data: bytes) -> list[bytes]:
    """[topic, body] of a WebSocket message that is not empty."""
    end = 1 + data[0]
    return [bytes(data[1:end]), bytes(data[end:])]
