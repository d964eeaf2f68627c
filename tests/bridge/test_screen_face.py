"""The drawn face at /screen in a real browser (Debian package chromium): what its shapes say, colours, pace."""

import asyncio
import time

import numpy as np
import pytest

from tests.bridge.chromium import binary, open_page
from tests.bridge.pages import shown, steady, weight
from toktalk_node.signals import Clock

pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(binary() is None, reason="no Chromium here: apt-get install chromium"),
]
READY = "(window.face = document.querySelector('toktalk-face'))?.stats?.rendered && face.connected"
LIP, INSIDE, EYE, IRIS, LID = 0xFF8A80, 0x5A1230, 0xF7FBFF, 0x2BB3D6, 0x8FD8EC


def where(picture: np.ndarray, color: int) -> np.ndarray:
    """(x, y) [n, 2] of the pixels that have `color`, 0xRRGGBB."""
    wanted = np.array([color >> 16, color >> 8 & 255, color & 255])
    return np.argwhere(np.abs(picture.astype(int) - wanted).max(axis=2) < 8)[:, ::-1]


def both(name: str, value: float) -> dict[str, float]:
    return {f"{name}Left": value, f"{name}Right": value}


def test_the_shapes_of_speech_and_feeling(bridge, viewer):
    async def run() -> None:
        async with open_page(viewer.url + "screen?muted", 480, 400) as page:
            await page.until(READY)
            rest = await shown(page, bridge)
            opened = await shown(page, bridge, jawOpen=0.6)
            shut = await shown(page, bridge, jawOpen=0.25, mouthClose=0.25, **both("mouthPress", 0.4))
            assert len(where(opened, INSIDE)) > 2000 and len(where(shut, INSIDE)) < 400  # the line where lips meet
            assert len(where(shut, LIP)) < 0.9 * len(where(rest, LIP))  # pressed lips are thin

            rounded = np.ptp(where(await shown(page, bridge, jawOpen=0.2, mouthPucker=0.8), LIP)[:, 0])
            spread = np.ptp(where(await shown(page, bridge, jawOpen=0.2, **both("mouthStretch", 0.7)), LIP)[:, 0])
            assert rounded < 0.5 * spread

            def droop(picture: np.ndarray) -> float:
                """How much lower the lips' corners are than their middle, pixels."""
                lips = where(picture, LIP)
                ends = lips[(lips[:, 0] < lips[:, 0].min() + 8) | (lips[:, 0] > lips[:, 0].max() - 8)]
                middle = lips[np.abs(lips[:, 0] - lips[:, 0].mean()) < 8]
                return ends[:, 1].mean() - middle[:, 1].mean()

            smile = await shown(page, bridge, **both("mouthSmile", 0.9), **both("cheekSquint", 0.8))
            frown = await shown(page, bridge, **both("mouthFrown", 0.9))
            assert droop(smile) < droop(rest) - 8 and droop(frown) > droop(rest) + 8
            assert len(where(smile, EYE)) < 0.9 * len(where(rest, EYE))  # it smiles with its eyes

            blink = await shown(page, bridge, **both("eyeBlink", 1.0))
            assert len(where(blink, EYE)) == 0 < len(where(blink, LID)) and len(where(rest, EYE)) > 2000
            wink = where(await shown(page, bridge, eyeBlinkLeft=1.0), EYE)
            assert wink[:, 0].max() < 240  # the person's left is on the right of the picture

            ahead = where(rest, IRIS).mean(axis=0)
            aside = where(await shown(page, bridge, eyeLookOutLeft=0.8, eyeLookInRight=0.8), IRIS).mean(axis=0)
            turned = where(await shown(page, bridge, (0.3, 0.2, 0)), IRIS).mean(axis=0)
            assert aside[0] > ahead[0] + 8
            assert turned[0] > ahead[0] + 8 and turned[1] < ahead[1] - 8

            tilted = where(await shown(page, bridge, (0, 0, 0.3)), IRIS)
            left, right = tilted[tilted[:, 0] > 240], tilted[tilted[:, 0] < 240]
            assert left[:, 1].mean() > right[:, 1].mean() + 15  # towards its own left
            assert page.console == []

    asyncio.run(run())


def test_colours_and_features_are_the_makers_choice(bridge, viewer):
    async def run() -> None:
        address = "screen?muted&features=tongue&eye=00ff00&background=102030&lip=rgb(250,200,10)"
        async with open_page(viewer.url + address, 480, 400) as page:
            await page.until(READY)
            picture = await shown(page, bridge, jawOpen=0.6)
            assert len(where(picture, 0x00FF00)) > 8000 and len(where(picture, IRIS)) == 0  # eyes without pupils
            assert len(where(picture, 0xFAC80A)) > 500 and len(where(picture, LID)) == 0  # no brows
            assert picture[2, 2].tolist() == [0x10, 0x20, 0x30]
            await page.evaluate("face.style.setProperty('--face-eye', '#ff0000')")
            await page.until("face.stats.rendered > 0")
            picture = await shown(page, bridge, jawOpen=0.5)
            assert len(where(picture, 0xFF0000)) > 8000
            assert page.console == []

    asyncio.run(run())


def test_it_blinks_at_rest_and_keeps_pace(bridge, viewer):
    draw = """(async () => {
      const part = performance.getEntriesByType("resource").find(({ name }) => /screen-\\w+\\.js/.test(name)).name;
      const { ScreenView } = await import(part);
      const canvas = Object.assign(document.createElement("canvas"), { style: "width: 1280px; height: 800px" });
      document.body.append(canvas);
      const view = new ScreenView(canvas, canvas), pen = canvas.getContext("2d"), times = [];
      await view.load("", face.names);
      for (let k = 0; k < 60; k++) {
        const weights = Float32Array.from(face.names, (_, i) => 0.5 + 0.4 * Math.sin(k + i));
        const begin = performance.now();
        view.apply(weights, [0.1, 0, 0]);
        view.render();
        pen.getImageData(0, 0, 1, 1); // until it is drawn, not only noted down
        times.push(performance.now() - begin);
      }
      return times.sort((a, b) => a - b)[30];
    })()"""

    async def run() -> None:
        async with open_page(viewer.url + "screen?muted", 320, 240) as page:
            await page.until(READY)
            await page.evaluate(
                f"face.addEventListener('frame', () => (window.blinked ||= {weight('eyeBlinkLeft')} > 0.1))"
            )
            await page.until("window.blinked")
            bridge.publish_face(steady(0.5, jawOpen=0.5), Clock(time.time_ns() + 200_000_000))
            await page.until(f"{weight('jawOpen')} > 0.4")
            await page.until(f"{weight('jawOpen')} === 0 && !face.speaking")
            each = await page.evaluate(draw)
            print(f'{{"drawn face, 1280 x 800, without a GPU, ms": {each:.2f}}}')
            assert each < 16

    asyncio.run(run())
