"""The face in browsers: serves the viewer, the drawn face and the element <toktalk-face>, and relays a bridge to them.

    with WebViewer("tcp://127.0.0.1:5591") as viewer:
        print(viewer.url)

Pages speak the wire of protocol.py over a WebSocket at /ws. Each message is binary: one byte with the topic's length,
the topic, the msgpack body. From the bridge come its PUB messages, of the streams named by `?stream=` when there are
any, and the replies to what the page asks of ROUTER.
"""

import asyncio
import contextlib
import ipaddress
import logging
import socket as network
import threading
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import zmq
import zmq.asyncio
from aiohttp import WSMessage, WSMsgType, web

from toktalk_node.bridge import keys as curve
from toktalk_node.bridge import protocol
from toktalk_node.bridge.client import Client
from toktalk_node.bridge.protocol import AUDIO, EVENT, FACE, ProtocolError
from toktalk_node.face.head import HEAD_FILE

log = logging.getLogger(__name__)

PORT = 8765
VIEWER = Path(__file__).with_name("viewer")
PAGES = {
    "/": (VIEWER / "index.html", "text/html"),
    "/screen": (VIEWER / "screen.html", "text/html"),
    "/style.css": (VIEWER / "style.css", "text/css"),
}
PARTS = {
    "/head.glb": (HEAD_FILE, "model/gltf-binary"),
    "/LICENSES.txt": (VIEWER / "dist" / "LICENSES.txt", "text/plain"),
    **{f"/{path.name}": (path, "text/javascript") for path in sorted((VIEWER / "dist").glob("*.js"))},
}
"""What pages of other origins may load as well, to show a face of their own."""
FILES = PAGES | PARTS
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self' blob: data:; "
        "img-src 'self' blob: data:; media-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
QUEUE = 256
"""Messages kept for a browser before it loses some."""
RETRY = 0.5
"""Seconds between looks for a bridge that is not there yet."""
STUCK = 15.0
"""Seconds after which a browser that takes nothing is cut off."""
MAX_BROWSERS = 64


@dataclass
class WebStats:
    """Counters since the viewer began."""

    browsers: int = 0
    dropped: int = 0
    """Messages that a slow browser did not get."""
    cut: int = 0
    """Browsers that took nothing for STUCK seconds."""
    refused: int = 0
    """Connections from a foreign page, or one too many."""
    errors: int = 0
    """Messages that could not be read; a browser that sends one is cut off."""


class _Outbox(asyncio.Queue[bytes]):
    """What waits for one browser, of the streams that it asked for (none named: all)."""

    def __init__(self, streams: Collection[str]) -> None:
        super().__init__(QUEUE)
        self._topics = {f"{kind}/{name}".encode() for kind in (FACE, AUDIO, EVENT) for name in streams}

    def wants(self, topic: bytes) -> bool:
        return not self._topics or topic in self._topics


class WebViewer:
    """Serves the page and relays a bridge to browsers, in a thread of its own.

    Args:
        endpoint: the bridge's control endpoint.
        host, port: where to serve, loopback by default; port 0 for any free one.
        origins: pages of other servers that may show the face, as browsers name them: "https://shop.example".
        keys: this receiver's keys, or the file with them, for a bridge that encrypts.
        avatar: the .glb or .vrm that pages show as /head.glb where they name no other.
        wait: serve at once, also while there is no bridge yet.

    Raises:
        ConnectionError: no bridge answers, unless `wait`.
        ValueError: the file of keys cannot be read.
        OSError: the port is taken; the message names it.
    """

    def __init__(
        self,
        endpoint: str = f"tcp://127.0.0.1:{protocol.CONTROL_PORT}",
        *,
        host: str = "127.0.0.1",
        port: int = PORT,
        origins: Collection[str] = (),
        keys: curve.ClientKeys | str | Path | None = None,
        avatar: Path = HEAD_FILE,
        wait: bool = False,
    ) -> None:
        self.stats = WebStats()
        self.host, self.port = host, port
        self._endpoint = endpoint
        self._files = FILES | {"/head.glb": (avatar, "model/gltf-binary")}
        self._origins = frozenset(origin.rstrip("/") for origin in origins)
        own = network.gethostname().lower()
        self._hosts = {"localhost", host, own, f"{own}.local"}
        self._queues: set[_Outbox] = set()
        self._serving: set[asyncio.Task] = set()
        self._keys = curve.load(keys, curve.ClientKeys) if isinstance(keys, str | Path) else keys
        self._pub = "" if wait else self._find()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        ready = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(ready,), name="toktalk-web", daemon=True)
        self._thread.start()
        ready.wait()
        if self._failure is not None:
            self._thread.join()
            raise self._failure

    @property
    def url(self) -> str:
        """The page's address."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host
        return f"http://{host}:{self.port}/"

    def close(self) -> None:
        """Stop serving and cut all browsers. Closing twice is fine."""
        if self._thread.is_alive():
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()

    def __enter__(self) -> "WebViewer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _find(self) -> str:
        """Where the bridge publishes; ConnectionError when none answers."""
        with Client(self._endpoint, keys=self._keys) as client:
            return client.pub_endpoint

    def _run(self, ready: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._main(ready))
        except BaseException as error:
            self._failure = error
        finally:
            self._loop.close()
            ready.set()

    async def _main(self, ready: threading.Event) -> None:
        self._context = zmq.asyncio.Context()
        runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=1.0)
        relay: asyncio.Task | None = None
        try:
            await runner.setup()
            try:
                site = web.TCPSite(runner, self.host, self.port)
                await site.start()
            except OSError as error:
                raise OSError(
                    error.errno, f"cannot serve http://{self.host}:{self.port}: {error.strerror}; choose another port"
                ) from error
            self.port = runner.addresses[0][1]
            relay = asyncio.create_task(self._relay())
            ready.set()
            await self._stop.wait()
        finally:
            if relay is not None:
                relay.cancel()
                await asyncio.gather(relay, return_exceptions=True)
            if self._serving:
                await asyncio.wait(self._serving, timeout=3.0)
            await runner.cleanup()
            self._context.destroy(linger=0)

    def _app(self) -> web.Application:
        app = web.Application(client_max_size=protocol.MAX_CONTROL)
        for path in self._files:
            app.router.add_get(path, self._file)
        app.router.add_get("/ws", self._socket)
        return app

    async def _file(self, request: web.Request) -> web.StreamResponse:
        if not self._known_host(request):
            raise web.HTTPForbidden(text="this address is not the viewer's own")
        path, kind = self._files[request.path]
        if not path.is_file():
            raise web.HTTPNotFound(text=f"{path.name} is missing: run `npm run build` in {VIEWER}")
        shared = {"Access-Control-Allow-Origin": "*"} if request.path in PARTS else {}
        response = web.FileResponse(path, headers=HEADERS | shared)
        response.content_type = kind
        return response

    def _known_host(self, request: web.Request) -> bool:
        """Whether the page was asked by an address, not by a name that somebody pointed here (DNS rebinding)."""
        name = urlsplit(f"//{request.host}").hostname or ""
        if name in self._hosts:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    async def _relay(self) -> None:
        """Bridge to browsers: a full queue loses the message, nobody waits."""
        while not self._pub:
            try:
                self._pub = await asyncio.to_thread(self._find)
            except (OSError, RuntimeError, ValueError) as error:  # absent, unwilling, or of another version
                log.info("no bridge yet: %s", error)
                await asyncio.sleep(RETRY)
        subscriber = self._connected(zmq.SUB, self._pub)
        for kind in (FACE, AUDIO, EVENT):
            subscriber.subscribe(f"{kind}/".encode())
        while True:
            parts = await subscriber.recv_multipart()
            if len(parts) != 2 or len(parts[0]) > 255:
                self.stats.errors += 1
                continue
            message = _framed(parts)
            for queue in self._queues:
                if not queue.wants(parts[0]):
                    continue
                if queue.full():
                    self.stats.dropped += 1
                else:
                    queue.put_nowait(message)

    def _connected(self, kind: int, endpoint: str) -> zmq.asyncio.Socket:
        socket = self._context.socket(kind)
        socket.setsockopt(zmq.MAXMSGSIZE, protocol.MAX_BODY)
        socket.setsockopt(zmq.IPV6, "[" in endpoint)
        if self._keys is not None:
            self._keys.apply(socket)
        socket.connect(endpoint)
        return socket

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        origin = request.headers.get("Origin")
        foreign = origin is not None and origin not in self._origins and urlsplit(origin).netloc != request.host
        if foreign or not self._known_host(request) or len(self._queues) >= MAX_BROWSERS:
            self.stats.refused += 1
            raise web.HTTPForbidden(text="the viewer's socket serves its own pages and the origins that it was told")
        socket = web.WebSocketResponse(max_msg_size=protocol.MAX_CONTROL, heartbeat=10.0, compress=False)
        await socket.prepare(request)
        queue = _Outbox(request.query.getall("stream", ()))
        control = self._connected(zmq.DEALER, self._endpoint)
        self._queues.add(queue)
        served = asyncio.current_task()
        self._serving.add(served)
        self.stats.browsers += 1
        tasks = [
            asyncio.create_task(self._send(socket, queue)),
            asyncio.create_task(_answers(control, queue)),
            asyncio.create_task(self._requests(socket, control)),
            asyncio.create_task(self._stop.wait()),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._queues.discard(queue)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            control.close(linger=0)
            with contextlib.suppress(asyncio.TimeoutError, ConnectionError):
                await asyncio.wait_for(socket.close(), 1.0)
            self._serving.discard(served)
        return socket

    async def _send(self, socket: web.WebSocketResponse, queue: asyncio.Queue[bytes]) -> None:
        while True:
            message = await queue.get()
            try:
                await asyncio.wait_for(socket.send_bytes(message), STUCK)
            except TimeoutError:
                self.stats.cut += 1
                return
            except ConnectionError:
                return

    async def _requests(self, socket: web.WebSocketResponse, control: zmq.asyncio.Socket) -> None:
        """What the page asks, checked before it goes to the bridge; a page that talks nonsense is cut off."""
        async for message in socket:
            try:
                parts = _unframed(message)
                protocol.decode_request(parts)
            except ProtocolError as error:
                self.stats.errors += 1
                log.info("a browser was cut off: %s", error)
                return
            with contextlib.suppress(zmq.Again):
                await control.send_multipart(parts, zmq.NOBLOCK)


async def _answers(control: zmq.asyncio.Socket, queue: asyncio.Queue[bytes]) -> None:
    while True:
        parts = await control.recv_multipart()
        if len(parts) == 2 and not queue.full():
            queue.put_nowait(_framed(parts))


def _framed(parts: list[bytes]) -> bytes:
    return bytes([len(parts[0])]) + parts[0] + parts[1]


def _unframed(message: WSMessage) -> list[bytes]:
    if message.type is not WSMsgType.BINARY or not message.data:
        raise ProtocolError(f"a {message.type.name} message, or an empty one")
    length = message.data[0]
    return [bytes(message.data[1 : 1 + length]), bytes(message.data[1 + length :])]
