"""Pictures of the web face for the documentation: ``python -m tests.bridge.pictures FOLDER`` (needs Chromium).

Writes viewer-open.png and viewer-closed.png, the face that the shipped model gives at an open vowel and at a bilabial
of the same spoken sentence; screen-face.png, the drawn face in eight moods; faces-phone.png, both on a telephone;
vrm.png, a VRM with perfect-sync expressions beside one with the standard ones.
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from tests.bridge.chromium import Page, open_page
from tests.bridge.pages import shown, site, weight
from tests.bridge.vrm import PERFECT, PRESETS, write_vrm
from toktalk_node.bridge.server import Bridge
from toktalk_node.bridge.web import WebViewer
from toktalk_node.face.arkit import INDEX
from toktalk_node.signals import Clock, FaceChunk
from toktalk_node.speech import espeak
from toktalk_node.speech.phones import BILABIALS, OPEN_VOWELS
from toktalk_node.stream import Session

SENTENCE = "My papa may buy a map."
FRAMES = 3000
READY = "(window.face = document.querySelector('toktalk-face'))?.stats?.rendered && face.stats.loaded && face.connected"
MOODS: list[tuple[tuple[float, float, float], dict[str, float]]] = [
    ((0, 0, 0), {}),
    ((0, 0, 0), {"jawOpen": 0.6, "mouthLowerDown": 0.3, "mouthUpperUp": 0.2}),
    ((0, 0, 0), {"jawOpen": 0.25, "mouthClose": 0.25, "mouthPress": 0.4}),
    ((0.25, 0, 0), {"jawOpen": 0.2, "mouthPucker": 0.7, "mouthFunnel": 0.3}),
    ((0, 0, 0.12), {"mouthSmile": 0.9, "cheekSquint": 0.8, "eyeSquint": 0.3}),
    ((0, 0, 0), {"jawOpen": 0.5, "mouthFunnel": 0.35, "browInnerUp": 0.9, "browOuterUp": 0.9, "eyeWide": 0.9}),
    ((0, 0, 0), {"eyeBlink": 1.0, "mouthSmile": 0.2}),
    ((0, -0.1, -0.1), {"mouthFrown": 0.6, "browInnerUp": 0.8, "eyeLookDown": 0.5, "eyeBlink": 0.2}),
]
"""Head and weights of the drawn face; a name without its side means both."""


def spoken_poses() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Weights [52] and head [3] at the longest open vowel and at the longest bilabial of the sentence."""
    sound, rate, phones = espeak.synthesize(SENTENCE, "en-us")
    session = Session.load()
    face = session.push_audio(sound, rate), session.finish()
    weights, head = (np.concatenate([getattr(part, name) for part in face]) for name in ("weights", "head"))
    poses = {}
    for name, labels in (("viewer-open", OPEN_VOWELS), ("viewer-closed", BILABIALS)):
        longest = max((p for p in phones if p.label in labels), key=lambda p: p.end - p.start)
        frame = int(longest.centre * session.fps)
        poses[name] = weights[frame], head[frame]
    return poses


def sided(weights: dict[str, float]) -> dict[str, float]:
    """`weights` with both sides of what was named without one."""
    return {
        full: value
        for name, value in weights.items()
        for full in ([name] if name in INDEX else [f"{name}Left", f"{name}Right"])
    }


def save(pictures: list[np.ndarray], columns: int, path: Path) -> None:
    rows = [np.concatenate(pictures[k : k + columns], axis=1) for k in range(0, len(pictures), columns)]
    Image.fromarray(np.concatenate(rows)).save(path, optimize=True)


async def spoken(page: Page, bridge: Bridge, folder: Path) -> None:
    for name, (weights, head) in spoken_poses().items():
        frames, heads = np.tile(weights, (FRAMES, 1)), np.tile(head, (FRAMES, 1))
        bridge.publish_face(FaceChunk(frames, heads, 50), Clock(time.time_ns()))
        jaw = float(weights[INDEX["jawOpen"]])
        await page.until(f"Math.abs({weight('jawOpen')} - {jaw}) < 1e-3")
        await asyncio.sleep(0.5)
        save([await page.screenshot()], 1, folder / f"{name}.png")
        bridge.publish_event("interrupted", 0)
        await page.until(f"{weight('jawOpen')} < 0.05")


async def avatars(bridge: Bridge, folder: Path) -> None:
    pictures = []
    with tempfile.TemporaryDirectory() as temporary:
        for expressions in (PERFECT, PRESETS):
            model = Path(temporary) / "x.vrm"
            write_vrm(model, "1.0", expressions)
            files = {"/x.vrm": model.read_bytes()}
            async with site(files) as url:
                with WebViewer(bridge.control_endpoint, port=0, origins=[url]) as viewer:
                    script = f"<link rel=icon href=data:,><script type=module src={viewer.url}toktalk-face.js></script>"
                    style = "position: fixed; inset: 0; background: #dde5ec"
                    files["/"] = f"{script}<toktalk-face avatar=x.vrm muted style='{style}'></toktalk-face>".encode()
                    async with open_page(f"{url}/?quality=high", 320, 320) as page:
                        await page.until(READY)
                        for head, weights in (MOODS[1], MOODS[3], ((0, 0, 0.2), {"mouthSmile": 0.7, "jawOpen": 0.1})):
                            pictures.append(await shown(page, bridge, head, **sided(weights)))
    save(pictures, 3, folder / "vrm.png")


async def main(folder: Path) -> None:
    with Bridge(pub_port=0, control_port=0) as bridge, WebViewer(bridge.control_endpoint, port=0) as viewer:
        bridge.announce(fps=50, audio_rate=16000)
        async with open_page(f"{viewer.url}?quality=high", 640, 640) as page:
            await page.until(READY)
            await spoken(page, bridge, folder)
        async with open_page(f"{viewer.url}screen?muted", 480, 300) as page:
            await page.until(READY)
            moods = [await shown(page, bridge, head, **sided(weights)) for head, weights in MOODS]
            save(moods, 4, folder / "screen-face.png")
        phones = []
        for path in ("?quality=high", "screen?muted"):
            async with open_page(viewer.url + path, 360, 740) as page:
                await page.until(READY)
                phones.append(
                    await shown(page, bridge, (0.1, 0, 0.05), jawOpen=0.3, mouthSmileLeft=0.5, mouthSmileRight=0.5)
                )
                if path.startswith("?"):
                    await page.click("#toggle")
                    phones.append(await shown(page, bridge, jawOpen=0.3, mouthSmileLeft=0.5, mouthSmileRight=0.5))
        save(phones, 3, folder / "faces-phone.png")
        await avatars(bridge, folder)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    asyncio.run(main(target))
