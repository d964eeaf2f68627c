"""What tests of the web face share: poses, and a site of another origin that embeds it."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

import numpy as np
from aiohttp import web

from tests.bridge.chromium import Page
from toktalk_node.bridge.server import Bridge
from toktalk_node.face.arkit import INDEX
from toktalk_node.signals import Clock, FaceChunk

FPS = 50
RATE = 16000
WATCH = """
    window.made = { sockets: [], contexts: [], gl: new Set(), beats: new Set(), frames: 0 };
    window.WebSocket = class extends WebSocket { constructor(...a) { super(...a); made.sockets.push(this); } };
    window.AudioContext = class extends AudioContext { constructor(...a) { super(...a); made.contexts.push(this); } };
    const { getContext } = HTMLCanvasElement.prototype;
    HTMLCanvasElement.prototype.getContext = function (kind, ...a) {
      const context = getContext.call(this, kind, ...a);
      if (/webgl/.test(kind) && context) made.gl.add(context);
      return context;
    };
    const { setInterval: begin, clearInterval: end, requestAnimationFrame: next } = window;
    window.setInterval = (...a) => { const id = begin(...a); made.beats.add(id); return id; };
    window.clearInterval = (id) => { made.beats.delete(id); end(id); };
    window.requestAnimationFrame = (work) => next((now) => { made.frames++; work(now); });
"""
"""What a page made: for `open_page(before=WATCH)`; `made` is then its window's."""


def page_of(*faces: str) -> bytes:
    """A page of somebody else that embeds faces by one script tag."""
    body = "".join(faces)
    return f"<!doctype html><title>x</title><link rel=icon href=data:,>{body}".encode()


def steady(seconds: float, head: tuple[float, float, float] = (0, 0, 0), **weights: float) -> FaceChunk:
    """A face that keeps `weights` and `head` for `seconds`."""
    frames = np.zeros((round(seconds * FPS), 52), np.float32)
    for name, value in weights.items():
        frames[:, INDEX[name]] = value
    return FaceChunk(frames, np.tile(np.array(head, np.float32), (len(frames), 1)), FPS)


def weight(name: str, face: str = "face") -> str:
    """JavaScript for the weight of `name` that the element `face` shows."""
    return f"{face}.weights[{face}.names.indexOf('{name}')]"


async def shown(
    page: Page, bridge: Bridge, head: tuple[float, float, float] = (0, 0, 0), **weights: float
) -> np.ndarray:
    """A screenshot while the page's element `face` shows `weights`; afterwards it is at rest."""
    before = await page.evaluate("face.stats.rendered")
    clock = Clock(time.time_ns())
    bridge.publish_event("start", clock.epoch_ns)
    bridge.publish_face(steady(30, head, **weights), clock)
    arrived = [f"Math.abs({weight(name)} - {value}) < 1e-3" for name, value in weights.items()]
    if weights or any(head):
        arrived.append(f"face.stats.rendered > {before}")
    await page.until("&&".join(["face.speaking", *arrived]))
    await asyncio.sleep(0.1)  # the picture is on its way to the screen
    picture = await page.screenshot()
    bridge.publish_event("interrupted", 0)
    await page.until("!face.speaking")
    return picture


@contextlib.asynccontextmanager
async def site(
    files: Mapping[str, bytes], socket: Callable[[web.WebSocketResponse], Awaitable[None]] | None = None
) -> AsyncIterator[str]:
    """The origin of a server on another port: `files` by path, and `socket` for who connects to /ws."""

    async def file(request: web.Request) -> web.Response:
        if request.path not in files:
            raise web.HTTPNotFound
        kind = {"/": "text/html", "js": "text/javascript"}.get(request.path.rpartition(".")[2])
        return web.Response(body=files[request.path], content_type=kind or "application/octet-stream")

    async def connect(request: web.Request) -> web.WebSocketResponse:
        response = web.WebSocketResponse()
        await response.prepare(request)
        await socket(response)
        return response

    app = web.Application()
    if socket is not None:
        app.router.add_get("/ws", connect)
    app.router.add_get("/{path:.*}", file)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
