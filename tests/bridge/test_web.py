"""The viewer's server: what it serves, to whom, and that a slow browser harms nobody."""

import asyncio
import hashlib
import random
import re
import socket as network
import threading
import time
from collections.abc import Callable

import aiohttp
import msgspec
import numpy as np
import psutil
import pytest

from toktalk_node.bridge import protocol
from toktalk_node.bridge.server import Bridge
from toktalk_node.bridge.web import VIEWER, WebViewer
from toktalk_node.face.head import HEAD_FILE
from toktalk_node.signals import Clock, FaceChunk


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


def test_the_pages_and_their_parts_are_served_from_here(viewer):
    """Every part that a page asks for comes from this server; other origins may load the element, not the pages."""

    async def run() -> None:
        async with aiohttp.ClientSession(viewer.url) as session:
            scripts = set()
            for path, kind, shared in (
                ("/", "text/html", False),
                ("/screen", "text/html", False),
                ("/style.css", "text/css", False),
                ("/toktalk-face.js", "text/javascript", True),
                ("/head.glb", "model/gltf-binary", True),
                ("/LICENSES.txt", "text/plain", True),
            ):
                async with session.get(path) as response:
                    body = await response.read()
                    assert (response.status, response.content_type) == (200, kind)
                    assert "default-src 'self'" in response.headers["Content-Security-Policy"]
                    assert ("Access-Control-Allow-Origin" in response.headers) == shared
                    scripts |= set(re.findall(r'src="([\w-]+\.js)"', body.decode(errors="replace")))
            done = set()
            while scripts - done:
                name = (scripts - done).pop()
                done.add(name)
                async with session.get(f"/{name}") as response:
                    assert response.status == 200, name
                    scripts |= set(re.findall(r'"\./([\w-]+\.js)"', await response.text()))
            assert {"page.js", "kiosk.js"} < done and len(done) > 6
            for path in ("/../web.py", "/web.py", "/dist/page.js", "/src/page.js", "/package.json"):
                async with session.get(path) as response:
                    assert response.status == 404

    asyncio.run(run())


def test_what_is_served_was_built_from_the_sources():
    """`npm run build` leaves a hash of what it read."""
    root = VIEWER
    digest = hashlib.sha256()
    for path in [*sorted((root / "src").iterdir()), root / "package-lock.json", root / "build.mjs"]:
        digest.update(path.read_bytes())
    assert (root / "dist" / "sources.sha256").read_text().strip() == digest.hexdigest(), f"npm run build in {root}"


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


def test_an_origin_that_was_named_may_show_the_face(bridge):
    async def run() -> None:
        async with aiohttp.ClientSession() as session:
            headers = {"Origin": "https://shop.example"}
            async with session.ws_connect(viewer.url + "ws", headers=headers) as socket:
                assert not socket.closed
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await session.ws_connect(viewer.url + "ws", headers={"Origin": "http://shop.example"})
            async with session.get(viewer.url, headers={"Host": f"{network.gethostname()}.local:80"}) as response:
                assert response.status == 200

    with WebViewer(bridge.control_endpoint, port=0, origins=["https://shop.example/"]) as viewer:
        asyncio.run(run())


def test_avatars_are_those_that_were_named_for_those_who_may_see_them(bridge, tmp_path):
    """Files and a folder's files by name, the first file as the head; neither other files nor other origins."""
    (tmp_path / "heads" / "deeper").mkdir(parents=True)
    inside = ["ada.vrm", "bo b.GLB", "notes.txt", "deeper/x.glb"]
    for name in ("me.glb", "secret.glb", *(f"heads/{name}" for name in inside)):
        (tmp_path / name).write_bytes(name.encode())

    async def run() -> None:
        async with aiohttp.ClientSession(viewer.url) as session:
            for path, content in {
                "/head.glb": b"me.glb",
                "/me.glb": b"me.glb",
                "/ada.vrm": b"heads/ada.vrm",
                "/bo%20b.GLB": b"heads/bo b.GLB",
            }.items():
                for origin, allowed in (("https://shop.example", True), ("https://evil.example", False)):
                    async with session.get(path, headers={"Origin": origin}) as response:
                        assert (response.status, response.content_type) == (200, "model/gltf-binary")
                        assert await response.read() == content
                        assert (response.headers.get("Access-Control-Allow-Origin") == origin) == allowed
            for path in "/secret.glb /notes.txt /x.glb /deeper/x.glb /heads/ada.vrm /%2e%2e/secret.glb".split():
                async with session.get(path) as response:
                    assert response.status == 404, path

    named = [tmp_path / "me.glb", tmp_path / "heads"]
    with WebViewer(bridge.control_endpoint, port=0, origins=["https://shop.example"], avatars=named) as viewer:
        assert viewer.avatars == ["me.glb", "ada.vrm", "bo b.GLB"]
        asyncio.run(run())
    with WebViewer(bridge.control_endpoint, port=0, avatars=[tmp_path / "heads"]) as viewer:
        assert viewer.avatars == ["ada.vrm", "bo b.GLB"]

        async def built_in() -> None:
            async with aiohttp.ClientSession() as session, session.get(viewer.url + "head.glb") as response:
                assert await response.read() == HEAD_FILE.read_bytes()

        asyncio.run(built_in())


def test_avatars_that_cannot_be_are_refused_with_their_names(bridge, tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    (tmp_path / "other").mkdir()
    for name in ("a.txt", "a.glb", "other/a.glb", "other/head.glb"):
        (tmp_path / name).write_bytes(b"0123456789")
    for names, said in (
        (["a.txt"], r"a\.txt is no avatar: give a \.glb"),
        (["none.glb"], r"none\.glb is no avatar"),
        (["empty"], "empty holds no avatar"),
        (["a.glb", "other/a.glb"], r"a\.glb and .*other/a\.glb have one address, /a\.glb: rename one"),
        (["a.glb", "other/head.glb"], r"have one address, /head\.glb"),
    ):
        with pytest.raises(ValueError, match=said):
            WebViewer(bridge.control_endpoint, port=0, avatars=[tmp_path / name for name in names])
    monkeypatch.setattr("toktalk_node.bridge.web.MAX_AVATAR", 9)
    with pytest.raises(ValueError, match=r"a\.glb has 10 bytes, an avatar may have 9"):
        WebViewer(bridge.control_endpoint, port=0, avatars=[tmp_path / "a.glb"])


def test_a_proxy_that_speaks_tls_passes_pages_and_sockets(bridge):
    """Both ways of proxies: the visitor's own Host, or the one that they connect to; other names stay refused."""

    async def run() -> None:
        async with aiohttp.ClientSession() as session:
            for host in ("face.example", f"127.0.0.1:{viewer.port}"):
                headers = {"Host": host, "Origin": "https://face.example"}
                async with session.get(viewer.url, headers=headers) as response:
                    assert response.status == 200
                async with session.ws_connect(viewer.url + "ws", headers=headers) as socket:
                    assert not socket.closed
            async with session.get(viewer.url, headers={"Host": "evil.example"}) as response:
                assert response.status == 403

    with WebViewer(bridge.control_endpoint, port=0, origins=["https://face.example"]) as viewer:
        asyncio.run(run())


def test_a_phone_in_the_network_gets_page_and_face_by_the_machines_address(bridge):
    addresses = [a.address for found in psutil.net_if_addrs().values() for a in found if a.family is network.AF_INET]
    address = next((a for a in addresses if not a.startswith("127.")), None)
    if address is None:
        pytest.skip("this machine has no network")

    async def run() -> None:
        page = f"http://{address}:{viewer.port}"
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{page}/screen") as response:
                assert response.status == 200
            async with session.ws_connect(f"{page}/ws", headers={"Origin": page}) as socket:
                await first_face(socket, bridge, 1)

    with WebViewer(bridge.control_endpoint, host="0.0.0.0", port=0) as viewer:
        assert viewer.url == f"http://127.0.0.1:{viewer.port}/"
        asyncio.run(run())


def test_a_browser_gets_the_streams_that_it_asks_for(bridge, viewer):
    async def run() -> None:
        async with aiohttp.ClientSession() as session, session.ws_connect(viewer.url + "ws?stream=default") as socket:
            await first_face(socket, bridge, 0)
            chunk = FaceChunk(np.zeros((1, 52), np.float32), np.zeros((1, 3), np.float32), 50)
            bridge.publish_face(chunk, Clock(0), "other")
            publish(bridge, 77)
            topic, body = unframed((await socket.receive(timeout=2)).data)
            while protocol.decode(body, protocol.Face).start == 0:
                topic, body = unframed((await socket.receive(timeout=2)).data)
            assert (topic, protocol.decode(body, protocol.Face).start) == (b"face/default", 77)

    asyncio.run(run())


PING = msgspec.msgpack.encode({"v": 1, "id": 1})
NONSENSE: list[bytes | str] = [
    b"",
    b"\xff",
    b"\x04pi",
    b"\x04ping",
    b"\x04ping" + PING[:-1],
    b"\x04ping" + PING + b"\x00",
    b"\x04nope" + PING,
    b"\x04ping" + msgspec.msgpack.encode({"v": 2, "id": 1}),
    b"\x04ping" + b"\x91" * 20_000,
    b"\x04ping\xdf\xff\xff\xff\xff",
    b"\xff" + b"\xfe" * 300,
    bytes(protocol.MAX_CONTROL + 1),
    "ping",
    *(random.Random(k).randbytes(40) for k in range(12)),
]


def test_nonsense_of_a_browser_is_counted_and_cuts_off_nobody_else(bridge, viewer):
    process = psutil.Process()

    async def run() -> None:
        async with aiohttp.ClientSession() as session, session.ws_connect(viewer.url + "ws") as other:
            await first_face(other, bridge, 1)
            before = process.num_fds()
            for nonsense in NONSENSE:
                async with session.ws_connect(viewer.url + "ws") as socket:
                    await (socket.send_str if isinstance(nonsense, str) else socket.send_bytes)(nonsense)
                    while (message := await socket.receive(timeout=5)).type is aiohttp.WSMsgType.BINARY:
                        pass
                    assert message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED), nonsense[:40]
            await until(lambda: process.num_fds() <= before + 3)
            await other.send_bytes(b"\x04ping" + PING)
            while unframed((await other.receive(timeout=2)).data)[0] != b"ping":
                pass

    asyncio.run(run())
    assert viewer.stats.errors == len(NONSENSE)


async def until(true: Callable[[], object]) -> None:
    for _ in range(200):
        if true():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("never true")


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
    with pytest.raises(OSError, match=f"127.0.0.1:{viewer.port}.*already.*--port {viewer.port + 1}"):
        WebViewer(bridge.control_endpoint, port=viewer.port)
    viewer.close()
    viewer.close()
    assert not [t for t in threading.enumerate() if t.name == "toktalk-web"]
    with WebViewer(bridge.control_endpoint, port=viewer.port):
        pass


def test_no_bridge_is_said():
    with pytest.raises(ConnectionError, match="is TokTalk running there"):
        WebViewer("tcp://127.0.0.1:1", port=0)
