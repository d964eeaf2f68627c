"""The page in a real browser (Debian package chromium): it loads, it moves, and it keeps to the sound."""

import asyncio
import base64
import json
import re
import threading
import time

import numpy as np
import pytest

from tests.bridge.chromium import Page, binary, open_page
from toktalk_node.bridge.replay import replay
from toktalk_node.bridge.server import Bridge
from toktalk_node.bridge.web import WebViewer
from toktalk_node.face.arkit import INDEX
from toktalk_node.face.gltf import write_glb
from toktalk_node.face.head import PIVOT, build
from toktalk_node.signals import AudioChunk, Clock, FaceChunk

pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(binary() is None, reason="no Chromium here: apt-get install chromium"),
]
RATE = 16000


@pytest.fixture
def bridge():
    with Bridge(pub_port=0, control_port=0) as bridge:
        bridge.announce(fps=50, audio_rate=RATE)
        yield bridge


@pytest.fixture
def viewer(bridge):
    with WebViewer(bridge.control_endpoint, port=0) as viewer:
        yield viewer


def steady(seconds: float, **weights: float) -> FaceChunk:
    frames = np.zeros((round(seconds * 50), 52), np.float32)
    for name, value in weights.items():
        frames[:, INDEX[name]] = value
    return FaceChunk(frames, np.zeros((len(frames), 3), np.float32), 50)


async def shown(page: Page, bridge: Bridge, **weights: float) -> np.ndarray:
    """A screenshot while the face has `weights`."""
    bridge.publish_face(steady(20, **weights), Clock(time.time_ns()))
    name, value = next(iter(weights.items()))
    await page.until(f"Math.abs(toktalk.stats.weights.{name} - {value}) < 1e-3")
    picture = await page.screenshot()
    bridge.publish_event("interrupted", 0)
    await page.until(f"toktalk.stats.weights.{name} === 0")
    return picture


def mouth(picture: np.ndarray) -> np.ndarray:
    """The mouth's part of a screenshot, float [h, w, 3]."""
    h, w = picture.shape[:2]
    return picture[int(0.54 * h) : int(0.72 * h), int(0.38 * w) : int(0.62 * w)].astype(float)


def test_the_face_moves_without_a_word_on_the_console(bridge, viewer):
    async def run() -> None:
        async with open_page(viewer.url, 400, 400) as page:
            await page.until("window.toktalk?.stats.loaded && toktalk.stats.connected")
            assert await page.evaluate("toktalk.stats.missing") == []
            opened = await shown(page, bridge, jawOpen=0.7)
            closed = await shown(page, bridge, jawOpen=0.3, mouthClose=0.3)
            again = await shown(page, bridge, jawOpen=0.7)
            # an open mouth is dark inside; shut lips are not
            dark = [(mouth(p).max(axis=2) < 90).mean() for p in (opened, closed, again)]
            assert min(dark[0], dark[2]) > 0.04 and dark[1] < 0.005, dark
            assert np.abs(mouth(opened) - mouth(again)).mean() < 2 < np.abs(mouth(opened) - mouth(closed)).mean()
            assert {u.split("/")[2] for u in page.requests if not u.startswith(("blob:", "data:"))} == {
                f"127.0.0.1:{viewer.port}"
            }
            assert page.console == []
            stats = await page.evaluate("toktalk.stats")
            assert (stats["lost"], stats["errors"]) == (0, 0)

    asyncio.run(run())


def test_sound_and_face_keep_together(bridge, viewer):
    """Silence, then tone and open jaw at one instant: both leave the page at one time."""
    seconds, onset = 5.0, 3.0
    times = np.arange(round(seconds * RATE)) / RATE
    tone = (0.5 * np.sin(2 * np.pi * 440 * times) * (times >= onset)).astype(np.float32)
    face = steady(seconds, jawOpen=0.8)
    face.weights[: round(onset * 50)] = 0
    listen = """
        (() => {
          const { playout } = toktalk, { context } = playout, analyser = context.createAnalyser();
          analyser.fftSize = 16384;
          playout.gain.connect(analyser);
          const wave = new Float32Array(analyser.fftSize);
          window.trace = { onset: null, jaw: [], rate: context.sampleRate };
          (function tick() {
            analyser.getFloatTimeDomainData(wave);
            const at = wave.findIndex((v) => Math.abs(v) > 0.05);
            if (trace.onset === null && at >= 0)
              trace.onset = context.currentTime - (wave.length - at) / context.sampleRate;
            trace.jaw.push([playout.outputNow(), toktalk.stats.weights.jawOpen]);
            requestAnimationFrame(tick);
          })();
        })()
    """

    async def run() -> None:
        async with open_page(viewer.url, 320, 320) as page:
            await page.until("window.toktalk?.stats.loaded && toktalk.stats.stream")
            player = threading.Thread(target=replay, args=(bridge, face, AudioChunk(tone, RATE)), kwargs={"lead": 0.4})
            player.start()
            await page.until("toktalk.stats.samples > 0")
            assert not await page.evaluate("toktalk.stats.audible")
            await page.click("#hear")
            await page.until("toktalk.stats.audible")
            await page.evaluate(listen)
            await page.until("trace.onset !== null && trace.jaw.at(-1)[1] > 0.4")
            stats = await page.evaluate("toktalk.stats")
            trace = await page.evaluate("trace")
            player.join()
            assert trace["rate"] == RATE
            before = max(t for t, jaw in trace["jaw"] if jaw < 0.4)
            after = min(t for t, jaw in trace["jaw"] if jaw >= 0.4)
            print(
                json.dumps({"onset": trace["onset"], "jaw between": [before, after], "skew_p50_ms": stats["skewP50Ms"]})
            )
            assert before - 0.03 <= trace["onset"] <= after + 0.03
            assert page.console == []

    asyncio.run(run())


def test_another_avatar_is_dropped_in_and_speaks(bridge, viewer, tmp_path):
    """Names with prefix, other letter case and _L/_R; one target missing; then a file that is no model."""
    meshes = build()
    for mesh in meshes:
        mesh.part.targets = {
            "Mesh_blendShape2." + re.sub("Right$", "_R", re.sub("Left$", "_L", name[0].upper() + name[1:])): shape
            for name, shape in mesh.part.targets.items()
            if name != "tongueOut"
        }
    write_glb(tmp_path / "other.glb", meshes, PIVOT)
    model = base64.b64encode((tmp_path / "other.glb").read_bytes()).decode()

    def drop(name: str, data: str) -> str:
        return f"""
            (() => {{
              const bytes = Uint8Array.from(atob({json.dumps(data)}), (c) => c.charCodeAt(0));
              const dataTransfer = new DataTransfer();
              dataTransfer.items.add(new File([bytes], {json.dumps(name)}));
              dispatchEvent(new DragEvent("drop", {{ dataTransfer, cancelable: true }}));
            }})()
        """

    async def run() -> None:
        async with open_page(viewer.url, 320, 320) as page:
            await page.until("window.toktalk?.stats.loaded")
            await page.evaluate(drop("other.glb", model))
            await page.until("toktalk.stats.missing.length === 1")
            assert await page.evaluate("toktalk.stats.missing") == ["tongueOut"]
            assert "other.glb lacks 1: tongueOut" in await page.evaluate(
                "document.querySelector('#notice').textContent"
            )
            opened = await shown(page, bridge, jawOpen=0.8)
            closed = await shown(page, bridge, jawOpen=0.01)
            assert np.abs(opened.astype(int) - closed).max() > 100
            await page.evaluate(drop("nonsense.glb", base64.b64encode(bytes(100)).decode()))
            await page.until("document.querySelector('#notice').textContent.includes('nonsense.glb cannot be shown')")
            assert await page.evaluate("toktalk.stats.loaded")
            assert page.console == []

    asyncio.run(run())


def test_it_fits_a_phone_and_shows_its_values(bridge, viewer):
    async def run() -> None:
        async with open_page(viewer.url, 390, 780) as page:
            await page.until("window.toktalk?.stats.loaded")
            await page.click("#toggle")
            assert await page.evaluate("document.querySelectorAll('.bar').length") == 52
            assert await page.evaluate("document.documentElement.scrollWidth") <= 390
            bridge.publish_face(steady(10, jawOpen=0.6), Clock(time.time_ns()))
            await page.until("[...document.querySelectorAll('.bar')].some((b) => b.textContent === 'jawOpen0.60')")
            box = await page.evaluate("document.querySelector('#panel').getBoundingClientRect().toJSON()")
            assert box["left"] >= 0 and box["right"] <= 390 and box["bottom"] <= 780
            assert page.console == []

    asyncio.run(run())
