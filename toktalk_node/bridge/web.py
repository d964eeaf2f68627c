"""The face in browsers: serves the viewer, the drawn face and the element <toktalk-face>, and relays a bridge to them.

    with WebViewer("tcp://127.0.0.1:5591") as viewer:
        print(viewer.url)

Pages speak the wire of protocol.py over a WebSocket at /ws, framed as relay.py says. From the bridge come its PUB
messages, of the streams named by `?stream=` when there are any, and the replies to what the page asks of ROUTER.
"""

import asyncio
import contextlib
import errno
import ipaddress
import logging
import socket as network
import threading
from collections.abc import Collection, Iterable
from pathlib import Path
from urllib.parse import urlsplit

import zmq
import zmq.asyncio
from aiohttp import WSMsgType, web

from toktalk_node.bridge import keys as curve
from toktalk_node.bridge import protocol
from toktalk_node.bridge.client import Client
from toktalk_node.bridge.protocol import ProtocolError
from toktalk_node.bridge.relay import LOOK, Outbox, Relay, WebStats, unframed
from toktalk_node.face.head import HEAD_FILE

log = logging.getLogger(__name__)

PORT = 8765
VIEWER = Path(__file__).with_name("viewer")
PAGES = {
    "/": (VIEWER / "index.html", "text/html"),
    "/screen": (VIEWER / "screen.html", "text/html"),
    "/style.css": (VIEWER / "style.css", "text/css"),
}
HEAD = "/head.glb"
"""What pages show that name no other avatar."""
PARTS = {
    HEAD: (HEAD_FILE, "model/gltf-binary"),
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
STUCK = 15.0
"""Seconds after which a browser that takes nothing is cut off."""
MAX_BROWSERS = 64
AVATARS = {".glb": "model/gltf-binary", ".vrm": "model/gltf-binary", ".gltf": "model/gltf+json"}
"""Ending of an avatar's file -> its type."""
MAX_AVATAR = 512 << 20
"""Most bytes of an avatar; pages refuse larger ones as well."""


def find_avatars(paths: Iterable[Path]) -> dict[str, tuple[Path, str]]:
    """Address -> (file, type) of the avatars at `paths`: files, and folders that hold some.

    A file that is the first of `paths` is the HEAD as well. ValueError: one is no avatar, is too large, or has the name
    of another.
    """
    found: dict[str, tuple[Path, str]] = {}
    for path in paths:
        models = [path]
        if path.is_dir():
            models = sorted(item for item in path.iterdir() if item.suffix.lower() in AVATARS and item.is_file())
            if not models:
                raise ValueError(f"{path} holds no avatar: no .glb, .vrm or .gltf is there")
        for model in models:
            kind = AVATARS.get(model.suffix.lower())
            if kind is None or not model.is_file():
                raise ValueError(f"{model} is no avatar: give a .glb, .vrm or .gltf, or a folder of them")
            if (size := model.stat().st_size) > MAX_AVATAR:
                raise ValueError(f"{model} has {size} bytes, an avatar may have {MAX_AVATAR}")
            for address in [f"/{model.name}"] if found or path.is_dir() else [HEAD, f"/{model.name}"]:
                if found.setdefault(address, (model, kind))[0] != model:
                    raise ValueError(f"{found[address][0]} and {model} have one address, {address}: rename one")
    return found


class WebViewer:
    """Serves the page and relays a bridge to browsers, in a thread of its own.

    Args:
        endpoint: the bridge's control endpoint.
        host, port: where to serve, loopback by default; port 0 for any free one.
        origins: pages of other servers that may show the face, as browsers name them: "https://shop.example".
        keys: this receiver's keys, or the file with them, for a bridge that encrypts.
        avatars: .glb, .vrm and .gltf files and folders of them, which pages show by `?avatar=NAME`; the first, if it is
            a file, also where they name none.
        wait: serve at once, also while there is no bridge yet.

    Raises:
        ConnectionError: no bridge answers, unless `wait`.
        ValueError: `endpoint` is none, or the file of keys or an avatar cannot be used.
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
        avatars: Collection[Path] = (),
        wait: bool = False,
    ) -> None:
        self.stats = WebStats()
        self.host, self.port = host, port
        self._endpoint = endpoint
        self._avatars = find_avatars(avatars)
        self._files = FILES | self._avatars
        self._origins = frozenset(origin.rstrip("/") for origin in origins)
        own = network.gethostname().lower()
        self._hosts = {"localhost", host, own, f"{own}.local", *(urlsplit(origin).hostname for origin in origins)}
        self._browsers: set[asyncio.Task] = set()
        self._keys = curve.load(keys, curve.ClientKeys) if isinstance(keys, str | Path) else keys
        if not wait:
            Client(endpoint, keys=self._keys).close()
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

    @property
    def avatars(self) -> list[str]:
        """Names for `?avatar=` in a page's address."""
        return [address.removeprefix("/") for address in self._avatars if address != HEAD]

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
        self._relay = Relay(self._endpoint, self._keys, self.stats)
        runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=1.0)
        following: asyncio.Task | None = None
        try:
            await runner.setup()
            try:
                site = web.TCPSite(runner, self.host, self.port)
                await site.start()
            except OSError as error:
                raise OSError(error.errno, self._why_not(error)) from error
            self.port = runner.addresses[0][1]
            following = asyncio.create_task(self._relay.run())
            ready.set()
            await self._stop.wait()
        finally:
            if following is not None:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)
            if self._browsers:
                await asyncio.wait(self._browsers, timeout=3.0)
            await runner.cleanup()
            self._relay.close()

    def _why_not(self, error: OSError) -> str:
        why = f"cannot serve http://{self.host}:{self.port}: {error.strerror}"
        if error.errno != errno.EADDRINUSE:
            return why
        return (
            f"{why}. Something serves there already, maybe the viewer of `toktalk demo` or of a launch file: "
            f"choose another port (--port {self.port + 1})"
        )

    def _app(self) -> web.Application:
        app = web.Application(client_max_size=protocol.MAX_CONTROL)
        app.router.add_get("/ws", self._socket)
        app.router.add_get("/{path:.*}", self._file)
        return app

    async def _file(self, request: web.Request) -> web.StreamResponse:
        if not self._known_host(request):
            raise web.HTTPForbidden(text="this address is not the viewer's own")
        if request.path not in self._files:
            raise web.HTTPNotFound(text="no such file; avatars are those that the viewer was told")
        path, kind = self._files[request.path]
        if not path.is_file():
            why = f": run `npm run build` in {VIEWER}" if path.is_relative_to(VIEWER) else ""
            raise web.HTTPNotFound(text=f"{path.name} is missing{why}")
        response = web.FileResponse(path, headers=HEADERS | self._sharing(request))
        response.content_type = kind
        return response

    def _sharing(self, request: web.Request) -> dict[str, str]:
        """Who else may load it: everybody the parts that we made, the origins that were named the avatars as well."""
        origin = request.headers.get("Origin")
        if request.path in self._avatars:
            allowed = {"Access-Control-Allow-Origin": origin} if origin in self._origins else {}
            return {"Vary": "Origin", **allowed}
        return {"Access-Control-Allow-Origin": "*"} if request.path in PARTS else {}

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

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        origin = request.headers.get("Origin")
        foreign = origin is not None and origin not in self._origins and urlsplit(origin).netloc != request.host
        if foreign or not self._known_host(request) or len(self._browsers) >= MAX_BROWSERS:
            self.stats.refused += 1
            raise web.HTTPForbidden(text="the viewer's socket serves its own pages and the origins that it was told")
        served = asyncio.current_task()
        self._browsers.add(served)
        try:
            return await self._serve(request)
        finally:
            self._browsers.discard(served)

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(max_msg_size=protocol.MAX_CONTROL, heartbeat=10.0, compress=False)
        await socket.prepare(request)
        outbox = Outbox(request.query.getall("stream", ()), self.stats)
        control = self._relay.control()
        self._relay.outboxes.add(outbox)
        self.stats.browsers += 1
        tasks = [
            asyncio.create_task(self._send(socket, outbox)),
            asyncio.create_task(self._relay.answers(control, outbox)),
            asyncio.create_task(self._requests(socket, control, outbox)),
            asyncio.create_task(self._stop.wait()),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._relay.outboxes.discard(outbox)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            control.close(linger=0)
            with contextlib.suppress(asyncio.TimeoutError, ConnectionError):
                await asyncio.wait_for(socket.close(), 1.0)
        return socket

    async def _send(self, socket: web.WebSocketResponse, outbox: Outbox) -> None:
        while True:
            message = await outbox.get()
            try:
                await asyncio.wait_for(socket.send_bytes(message), STUCK)
            except TimeoutError:
                self.stats.cut += 1
                return
            except ConnectionError:
                return

    async def _requests(self, socket: web.WebSocketResponse, control: zmq.asyncio.Socket, outbox: Outbox) -> None:
        """What the page asks, checked before it goes to the bridge; a page that talks nonsense is cut off."""
        await control.poll(round(1000 * LOOK), zmq.POLLOUT)
        async for message in socket:
            try:
                if message.type is not WSMsgType.BINARY or not message.data:
                    raise ProtocolError(f"a {message.type.name} message, or an empty one")
                await self._relay.request(control, outbox, unframed(message.data))
            except ProtocolError as error:
                self.stats.errors += 1
                log.info("a browser was cut off: %s", error)
                return
