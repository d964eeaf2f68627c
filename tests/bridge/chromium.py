"""A headless Chromium driven over its DevTools protocol; needs nothing but the browser and aiohttp."""

import asyncio
import base64
import contextlib
import io
import json
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import aiohttp
import numpy as np
from PIL import Image

FLAGS = """
--headless=new --no-sandbox --use-angle=swiftshader --enable-unsafe-swiftshader --remote-debugging-port=0 --no-first-run
--disable-background-networking --disable-component-update --disable-sync --disable-extensions --mute-audio
--autoplay-policy=user-gesture-required --disable-default-apps --metrics-recording-only --hide-scrollbars
""".split()


def binary() -> str | None:
    """Path of the machine's Chromium, None when it has none."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Page:
    """One tab. `console` holds what the page logged as warning or error, `requests` the addresses it asked for."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.console: list[str] = []
        self.requests: list[str] = []
        self._socket = socket
        self._next = 0
        self._answers: dict[int, asyncio.Future] = {}
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for message in self._socket:
            data = json.loads(message.data)
            if "id" in data:
                future = self._answers.pop(data["id"], None)
                if future is not None and not future.done():
                    future.set_result(data)
                continue
            params = data.get("params", {})
            match data["method"]:
                case "Runtime.exceptionThrown":
                    self.console.append(json.dumps(params["exceptionDetails"])[:800])
                case "Runtime.consoleAPICalled" if params["type"] in ("error", "warning"):
                    self.console.append(" ".join(str(a.get("value", a)) for a in params["args"])[:800])
                case "Log.entryAdded" if params["entry"]["level"] in ("error", "warning"):
                    self.console.append(params["entry"]["text"])
                case "Network.requestWillBeSent":
                    self.requests.append(params["request"]["url"])

    async def send(self, method: str, **params: Any) -> dict:
        """The result of a DevTools command."""
        self._next += 1
        future = asyncio.get_running_loop().create_future()
        self._answers[self._next] = future
        await self._socket.send_str(json.dumps({"id": self._next, "method": method, "params": params}))
        answer = await asyncio.wait_for(future, 30)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    async def evaluate(self, expression: str) -> Any:
        """Value of a JavaScript expression; promises are awaited."""
        result = await self.send("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in result:
            raise RuntimeError(json.dumps(result["exceptionDetails"])[:800])
        return result["result"].get("value")

    async def until(self, expression: str, timeout: float = 60.0) -> Any:
        """The first true value of `expression`."""
        end = time.monotonic() + timeout
        while not (value := await self.evaluate(expression)):
            if time.monotonic() > end:
                raise AssertionError(f"never true: {expression}; console: {self.console}")
            await asyncio.sleep(0.03)
        return value

    async def click(self, selector: str) -> None:
        """A real mouse click in the middle of an element."""
        found = f"document.querySelector({selector!r}).getBoundingClientRect()"
        box = await self.evaluate(f"(r => [r.x + r.width / 2, r.y + r.height / 2])({found})")
        for kind in ("mousePressed", "mouseReleased"):
            await self.send("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left", clickCount=1)

    async def drag(self, begin: tuple[float, float], end: tuple[float, float]) -> None:
        """A finger draws a line, in five steps."""
        points = [[a + (b - a) * k / 5 for a, b in zip(begin, end, strict=True)] for k in range(6)]
        for k, (x, y) in enumerate(points):
            kind = "touchMove" if k else "touchStart"
            await self.send("Input.dispatchTouchEvent", type=kind, touchPoints=[{"x": x, "y": y}])
        await self.send("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    async def screenshot(self) -> np.ndarray:
        """The page as uint8 [height, width, 3]."""
        data = (await self.send("Page.captureScreenshot", format="png"))["data"]
        return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"))


@contextlib.asynccontextmanager
async def open_page(
    url: str, width: int = 640, height: int = 640, *, phone: bool = False, flags: Sequence[str] = (), before: str = ""
) -> AsyncIterator[Page]:
    """A fresh browser with `url` open; everything of it is gone afterwards.

    `phone`: a touch screen with 3 pixels a point. `flags` come after the usual ones; `before` is JavaScript that runs
    before the page's own.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [
                binary() or "chromium",
                *FLAGS,
                *flags,
                f"--user-data-dir={profile}",
                f"--window-size={width},{height}",
                "about:blank",
            ],
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        try:
            port = await asyncio.wait_for(asyncio.to_thread(_debugging_port, process), 30)
            async with aiohttp.ClientSession() as session:
                async with session.get(f"http://127.0.0.1:{port}/json") as response:
                    target = next(t for t in await response.json() if t["type"] == "page")
                async with session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                    page = Page(socket)
                    for domain in ("Page", "Runtime", "Log", "Network"):
                        await page.send(f"{domain}.enable")
                    await page.send(
                        "Emulation.setDeviceMetricsOverride",
                        width=width,
                        height=height,
                        deviceScaleFactor=3 if phone else 1,
                        mobile=phone,
                    )
                    await page.send("Emulation.setTouchEmulationEnabled", enabled=phone)
                    if before:
                        await page.send("Page.addScriptToEvaluateOnNewDocument", source=before)
                    await page.send("Page.navigate", url=url)
                    yield page
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _debugging_port(process: subprocess.Popen) -> int:
    for line in process.stderr:
        if found := re.search(r"ws://127\.0\.0\.1:(\d+)/", line):
            return int(found[1])
    raise RuntimeError("Chromium ended before it could be driven")
