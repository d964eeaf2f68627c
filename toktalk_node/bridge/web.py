"""The viewer: a web page with the 3D head, fed by a bridge over a WebSocket.

    with WebViewer("tcp://127.0.0.1:5591") as viewer:
        print(viewer.url)

The page speaks the wire of protocol.py. Each WebSocket message is binary: one byte with the topic's length, the
topic, the msgpack body. From the bridge come its PUB messages and the replies to what the page asks of ROUTER.
"""

import asyncio
import contextlib
import ipaddress
import logging
import threading
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import zmq
import zmq.asyncio
from aiohttp import WSMsgType, web

from toktalk_node.bridge import protocol
from toktalk_node.bridge.client import Client
from toktalk_node.bridge.protocol import AUDIO, EVENT, FACE, ProtocolError
from toktalk_node.face.head import HEAD_FILE

log = logging.getLogger(__name__)

PORT = 8765
VIEWER = Path(__file__).with_name("viewer")
FILES = {
    "/": (VIEWER / "index.html", "text/html"),
    "/style.css": (VIEWER / "style.css", "text/css"),
    "/viewer.js": (VIEWER / "dist" / "viewer.js", "text/javascript"),
    "/head.glb": (HEAD_FILE, "model/gltf-binary"),
}
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self' blob: data:; "
        "img-src 'self' blob: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
QUEUE = 256
"""Messages kept for a browser before it loses some."""
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


class WebViewer:
    """Serves the page and relays a bridge to browsers, in a thread of its own.

    Args:
        endpoint: the bridge's control endpoint.
        host, port: where to serve, loopback by default; port 0 for any free one.

    Raises:
        ConnectionError: no bridge answers.
        OSError: the port is taken; the message names it.
    """

    def __init__(
        self, endpoint: str = f"tcp://127.0.0.1:{protocol.CONTROL_PORT}", *, host: str = "127.0.0.1", port: int = PORT
    ) -> None:
        self.stats = WebStats()
        self.host, self.port = host, port
        self._endpoint = endpoint
        self._queues: set[asyncio.Queue[bytes]] = set()
        self._serving: set[asyncio.Task] = set()
        with Client(endpoint) as client:
            self._pub = client.pub_endpoint
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
        for path in FILES:
            app.router.add_get(path, self._file)
        app.router.add_get("/ws", self._socket)
        return app

    async def _file(self, request: web.Request) -> web.StreamResponse:
        if not self._known_host(request):
            raise web.HTTPForbidden(text="this address is not the viewer's own")
        path, kind = FILES[request.path]
        if not path.is_file():
            raise web.HTTPNotFound(text=f"{path.name} is missing: run `npm run build` in {VIEWER}")
        response = web.FileResponse(path, headers=HEADERS)
        response.content_type = kind
        return response

    def _known_host(self, request: web.Request) -> bool:
        """Whether the page was asked by an address, not by a name that somebody pointed here (DNS rebinding)."""
        name = urlsplit(f"//{request.host}").hostname or ""
        if name in ("localhost", self.host):
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    async def _relay(self) -> None:
        """Bridge to browsers: a full queue loses the message, nobody waits."""
        subscriber = self._context.socket(zmq.SUB)
        subscriber.setsockopt(zmq.MAXMSGSIZE, protocol.MAX_BODY)
        subscriber.connect(self._pub)
        for kind in (FACE, AUDIO, EVENT):
            subscriber.subscribe(f"{kind}/".encode())
        while True:
            parts = await subscriber.recv_multipart()
            if len(parts) != 2 or len(parts[0]) > 255:
                continue
            message = _framed(parts)
            for queue in self._queues:
                if queue.full():
                    self.stats.dropped += 1
                else:
                    queue.put_nowait(message)

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        origin = request.headers.get("Origin")
        foreign = origin is not None and urlsplit(origin).netloc != request.host
        if foreign or not self._known_host(request) or len(self._queues) >= MAX_BROWSERS:
            self.stats.refused += 1
            raise web.HTTPForbidden(text="the viewer's socket serves the viewer's own page only")
        socket = web.WebSocketResponse(max_msg_size=protocol.MAX_CONTROL, heartbeat=10.0, compress=False)
        await socket.prepare(request)
        queue: asyncio.Queue[bytes] = asyncio.Queue(QUEUE)
        control = self._context.socket(zmq.DEALER)
        control.connect(self._endpoint)
        self._queues.add(queue)
        served = asyncio.current_task()
        self._serving.add(served)
        self.stats.browsers += 1
        tasks = [
            asyncio.create_task(self._send(socket, queue)),
            asyncio.create_task(_answers(control, queue)),
            asyncio.create_task(_requests(socket, control)),
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


async def _answers(control: zmq.asyncio.Socket, queue: asyncio.Queue[bytes]) -> None:
    while True:
        parts = await control.recv_multipart()
        if len(parts) == 2 and not queue.full():
            queue.put_nowait(_framed(parts))


async def _requests(socket: web.WebSocketResponse, control: zmq.asyncio.Socket) -> None:
    """What the page asks, checked before it goes to the bridge; a page that talks nonsense is cut off."""
    async for message in socket:
        if message.type is not WSMsgType.BINARY or not message.data:
            return
        length = message.data[0]
        parts = [bytes(message.data[1 : 1 + length]), bytes(message.data[1 + length :])]
        try:
            protocol.decode_request(parts)
        except ProtocolError as error:
            log.info("a browser was cut off: %s", error)
            return
        with contextlib.suppress(zmq.Again):
            await control.send_multipart(parts, zmq.NOBLOCK)


def _framed(parts: list[bytes]) -> bytes:
    return bytes([len(parts[0])]) + parts[0] + parts[1]
