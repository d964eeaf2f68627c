"""The viewer's server survives its bridge: one that comes back elsewhere, a line that dies silently, nonsense."""

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator

import aiohttp
import numpy as np
import pytest

from tests.bridge.test_fuzz import Hostile
from toktalk_node.bridge import protocol, relay
from toktalk_node.bridge.relay import framed, unframed
from toktalk_node.bridge.server import Bridge
from toktalk_node.bridge.web import WebViewer
from toktalk_node.signals import Clock, FaceChunk

Browser = aiohttp.ClientWebSocketResponse


@contextlib.asynccontextmanager
async def browser(viewer: WebViewer) -> AsyncIterator[Browser]:
    async with aiohttp.ClientSession() as session, session.ws_connect(viewer.url + "ws") as socket:
        yield socket


async def face_of(bridge: Bridge, socket: Browser, start: int, seconds: float = 10.0) -> None:
    """Publish until the face that begins with frame `start` arrives."""
    chunk = FaceChunk(np.zeros((1, 52), np.float32), np.zeros((1, 3), np.float32), 50, start)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        bridge.publish_face(chunk, Clock(0))
        with contextlib.suppress(TimeoutError):
            topic, body = unframed((await socket.receive(timeout=0.05)).data)
            if topic == b"face/default" and protocol.decode(body, protocol.Face).start == start:
                return
    raise AssertionError(f"no face came in {seconds} s")


async def ask(
    socket: Browser, topic: str, request: protocol.Request, timeout: float = 5.0
) -> tuple[str, protocol.Request]:
    """The reply to `request`; what else comes meanwhile, and what cannot be read, is left."""
    await socket.send_bytes(framed([topic.encode(), protocol.encode(request)]))
    while True:
        parts = unframed((await socket.receive(timeout=timeout)).data)
        with contextlib.suppress(protocol.ProtocolError):
            name, reply = protocol.decode_reply(parts)
            if reply.id == request.id:
                return name, reply


def test_a_bridge_that_comes_back_at_another_port_is_followed_and_nothing_is_done_too_late():
    """The browser's connection stays; what it asked meanwhile is refused, not kept for the next bridge."""
    asked = []

    async def run() -> None:
        bridge = Bridge(pub_port=0, control_port=0)
        control, first = bridge.control_port, bridge.pub_port
        with WebViewer(bridge.control_endpoint, port=0) as viewer:
            async with browser(viewer) as socket:
                await face_of(bridge, socket, 1)
                assert (await ask(socket, "ping", protocol.Ping(id=1)))[0] == "ping"
                bridge.close()
                interrupt = protocol.Interrupt(id=2, stream="default", played_ns=0)
                name = ""
                while name != "error":  # that the connection is lost takes a moment to be known
                    with contextlib.suppress(TimeoutError):
                        name, refused = await ask(socket, "interrupt", interrupt, timeout=0.2)
                assert refused.error == "the bridge is away" and viewer.stats.unanswered == 1

                def on_interrupt(stream: str, played_ns: int) -> tuple[int, int]:
                    asked.append(stream)
                    return 0, 0

                with Bridge(pub_port=0, control_port=control, on_interrupt=on_interrupt) as second:
                    assert second.pub_port != first
                    begin = time.monotonic()
                    await face_of(second, socket, 2)
                    assert time.monotonic() - begin < 5
                    assert (await ask(socket, "ping", protocol.Ping(id=3)))[0] == "ping"
            assert viewer.stats.errors == 0

    asyncio.run(run())
    assert asked == []


class Line:
    """The way to 127.0.0.1:`port` by way of 127.0.0.2, which can die without a word: no end, no reset, no bytes."""

    def __init__(self) -> None:
        self.ends: list[asyncio.StreamWriter] = []
        self.pumps: list[asyncio.Task] = []
        self.servers: list[asyncio.Server] = []

    async def open(self, port: int) -> None:
        async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            there, back = await asyncio.open_connection("127.0.0.1", port)
            self.ends += [writer, back]
            self.pumps += [asyncio.create_task(pump(reader, back)), asyncio.create_task(pump(there, writer))]

        async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while data := await reader.read(65536):
                writer.write(data)

        self.servers.append(await asyncio.start_server(connect, "127.0.0.2", port))

    def die(self) -> None:
        """What is connected stays so and hears nothing more; who connects anew gets through."""
        for pump in self.pumps:
            pump.cancel()
        self.pumps = []

    async def close(self) -> None:
        self.die()
        for server in self.servers:
            server.close()
        for end in self.ends:
            end.close()


def test_a_line_that_dies_silently_is_noticed_and_made_anew(monkeypatch):
    """Half-open TCP: a router was switched off, a laptop moved to another network."""
    monkeypatch.setattr(relay, "SILENCE", 1500)

    async def run() -> None:
        line = Line()
        with Bridge(pub_port=0, control_port=0) as bridge:
            for port in (bridge.pub_port, bridge.control_port):
                await line.open(port)
            with WebViewer(f"tcp://127.0.0.2:{bridge.control_port}", port=0, wait=True) as viewer:
                async with browser(viewer) as socket:
                    await face_of(bridge, socket, 1)
                    assert (await ask(socket, "ping", protocol.Ping(id=1)))[0] == "ping"
                    line.die()
                    with pytest.raises(AssertionError, match="no face came"):
                        await face_of(bridge, socket, 2, seconds=0.5)
                    await face_of(bridge, socket, 3, seconds=15)
                    until = time.monotonic() + 15  # two connections are made anew, each in its time
                    while (await ask(socket, "ping", protocol.Ping(id=2)))[0] != "ping":
                        assert time.monotonic() < until, "no request is answered"
                        await asyncio.sleep(0.1)
            await line.close()

    asyncio.run(run())


def test_a_hostile_bridge_is_counted_and_the_browser_stays():
    """Topics that do not fit, replies of one part and of three, floods: others' messages still come."""
    junk = [[b"x" * 256, b""], [b"ping"], [b"ping", b"", b""], [b"\xff" * 4000, bytes(100)]]
    published = [[b"face/" + b"y" * 300, b""], [b"face/default"], [b"event/z", b"", b""]]

    async def run() -> None:
        with Hostile() as hostile, WebViewer(f"tcp://127.0.0.1:{hostile.port}", port=0) as viewer:
            async with browser(viewer) as socket:
                hostile.junk = junk
                errors = viewer.stats.errors
                assert (await ask(socket, "ping", protocol.Ping(id=1)))[0] == "ping"
                assert viewer.stats.errors >= errors + len(junk)
                hostile.junk = []
                while True:  # until its own look for the bridge is past the junk and it is subscribed
                    hostile.publish(hostile.good())
                    with contextlib.suppress(TimeoutError):
                        if (await socket.receive(timeout=0.05)).data.startswith(b"\x0cface/default"):
                            break
                errors = viewer.stats.errors
                for parts in published:
                    hostile.publish(parts)
                hostile.publish(hostile.good(pts_ns=7))
                while (parts := unframed((await socket.receive(timeout=5)).data))[0] != b"face/default" or (
                    protocol.decode(parts[1], protocol.Face).pts_ns != 7
                ):
                    pass
                assert viewer.stats.errors == errors + len(published)
                # more replies than a browser takes: some are lost, with a count, and the rest of the wire works
                hostile.junk = [[b"ping", bytes(1 << 17)]] * 600
                socket._response.connection.transport.pause_reading()
                await socket.send_bytes(framed([b"ping", protocol.encode(protocol.Ping(id=5))]))
                for _ in range(300):
                    if viewer.stats.dropped:
                        break
                    await asyncio.sleep(0.02)
                hostile.junk = []
                assert viewer.stats.dropped > 0
                socket._response.connection.transport.resume_reading()
                for number in range(10, 20):  # a reply that comes while the outbox is still full is lost as well
                    with contextlib.suppress(TimeoutError):
                        assert (await ask(socket, "hello", protocol.Hello(id=number), timeout=1))[0] == "hello"
                        return
                raise AssertionError("it does not answer again")

    asyncio.run(run())
    assert not [thread for thread in threading.enumerate() if thread.name == "toktalk-web"]


def test_an_endpoint_that_is_none_is_said_at_once():
    with pytest.raises(ValueError, match="'nonsense' is no endpoint: give one like tcp://"):
        WebViewer("nonsense", port=0, wait=True)
