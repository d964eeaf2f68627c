"""The viewer's server: what it serves, to whom, and that a slow browser harms nobody."""

import asyncio
import threading
import time

import aiohttp
import numpy as np
import pytest

from toktalk_node.bridge import protocol
from toktalk_node.bridge.server import Bridge
from toktalk_node.bridge.web import WebViewer
from toktalk_node.signals import Clock, FaceChunk


@pytest.fixture
def bridge():
    with Bridge(pub_port=0, control_port=0) as bridge:
        bridge.announce(fps=50, audio_rate=16000)
        yield bridge


@pytest.fixture
def viewer(bridge):
    with WebViewer(bridge.control_endpoint, port=0) as viewer:
        yield viewer


def publish(bridge: Bridge, start: int, frames: int = 1) -> None:
    chunk = FaceChunk(np.full((frames, 52), 0.25, np.float32), np.zeros((frames, 3), np.float32), 50, start)
    bridge.publish_face(chunk, Clock(0))


def unframed(data: bytes) -> tuple[bytes, bytes]:
    return data[1 : 1 + data[0]], data[1 + data[0] :]


async def first_face(socket: aiohttp.ClientWebSocketResponse, bridge: Bridge, start: int) -> protocol.Face:
    """Publish until a face arrives: the relay's subscription takes a moment."""
    for _ in range(100):
        publish(bridge, start)
        try:
            topic, body = unframed((await socket.receive(timeout=0.05)).data)
        except TimeoutError:
            continue
        assert topic == b"face/default"
        return protocol.decode(body, protocol.Face)
    raise AssertionError("no face arrived")


def test_the_page_and_its_parts_are_served_from_here(viewer):
    async def run() -> None:
        async with aiohttp.ClientSession(viewer.url) as session:
            for path, kind in (
                ("/", "text/html"),
                ("/style.css", "text/css"),
                ("/viewer.js", "text/javascript"),
                ("/head.glb", "model/gltf-binary"),
            ):
                async with session.get(path) as response:
                    body = await response.read()
                    assert (response.status, response.content_type) == (200, kind)
                    assert "default-src 'self'" in response.headers["Content-Security-Policy"]
                    assert len(body) > 1000
            for path in ("/../web.py", "/web.py", "/dist/viewer.js", "/src/main.js"):
                async with session.get(path) as response:
                    assert response.status == 404

    asyncio.run(run())


def test_the_browser_speaks_the_wire(bridge, viewer):
    heard = []
    bridge.on_interrupt = lambda stream, played_ns: heard.append((stream, played_ns)) or (5, 6)

    async def run() -> None:
        async with aiohttp.ClientSession() as session, session.ws_connect(viewer.url + "ws") as socket:

            async def ask(topic: str, request: protocol.Request) -> tuple[str, protocol.Request]:
                name = topic.encode()
                await socket.send_bytes(bytes([len(name)]) + name + protocol.encode(request))
                return protocol.decode_reply(list(unframed((await socket.receive(timeout=2)).data)))

            _, hello = await ask("hello", protocol.Hello(id=1))
            assert len(hello.names) == 52
            assert await ask("interrupt", protocol.Interrupt(id=2, stream="default", played_ns=7)) == (
                "interrupt",
                protocol.InterruptReply(id=2, played_frames=5, dropped_frames=6),
            )
            assert heard == [("default", 7)]
            message = await first_face(socket, bridge, 3)
            assert (message.start, message.arrays()[0][0, 0]) == (3, 0.25)
            await socket.send_bytes(b"\x04ping\xc1")
            assert (await socket.receive(timeout=2)).type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)

    asyncio.run(run())


def test_a_foreign_page_and_a_foreign_name_are_refused(viewer):
    async def run() -> None:
        async with aiohttp.ClientSession() as session:
            for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Host": "evil.example"}):
                with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                    await session.ws_connect(viewer.url + "ws", headers=headers)
                assert caught.value.status == 403
            async with session.get(viewer.url, headers={"Host": "evil.example"}) as response:
                assert response.status == 403
            async with session.ws_connect(viewer.url + "ws", headers={"Origin": viewer.url.rstrip("/")}) as socket:
                assert not socket.closed

    asyncio.run(run())
    assert viewer.stats.refused == 3


def test_a_browser_that_stops_reading_loses_messages_and_the_other_none(bridge, viewer):
    total = 1200

    async def run() -> None:
        async with aiohttp.ClientSession() as session:
            async with (
                session.ws_connect(viewer.url + "ws") as reader,
                session.ws_connect(viewer.url + "ws") as sleeper,
            ):
                await first_face(reader, bridge, 0)
                sleeper._response.connection.transport.pause_reading()
                starts = []

                def feed() -> None:
                    for k in range(total):
                        publish(bridge, 10_000 + k, frames=250)
                        if k % 10 == 0:
                            time.sleep(0.01)

                thread = threading.Thread(target=feed)
                thread.start()
                while not starts or starts[-1] < 10_000 + total - 1:
                    _, body = unframed((await reader.receive(timeout=10)).data)
                    starts.append(protocol.decode(body, protocol.Face).start)
                thread.join()
                assert [s for s in starts if s >= 10_000] == list(range(10_000, 10_000 + total))

    asyncio.run(run())
    assert viewer.stats.dropped > 0


def test_a_taken_port_is_named_and_closing_leaves_nothing(bridge, viewer):
    with pytest.raises(OSError, match=f"127.0.0.1:{viewer.port}.*another port"):
        WebViewer(bridge.control_endpoint, port=viewer.port)
    viewer.close()
    viewer.close()
    assert not [t for t in threading.enumerate() if t.name == "toktalk-web"]
    with WebViewer(bridge.control_endpoint, port=viewer.port):
        pass


def test_no_bridge_is_said():
    with pytest.raises(ConnectionError, match="is TokTalk running there"):
        WebViewer("tcp://127.0.0.1:1", port=0)
