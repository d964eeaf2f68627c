"""Pictures of the viewer for the README: ``python -m tests.bridge.pictures FOLDER`` (needs Chromium).

Writes viewer-open.png (the vowel of "father") and viewer-closed.png (the lips of "p", "b", "m").
"""

import asyncio
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

from tests.bridge.chromium import open_page
from toktalk_node.bridge.server import Bridge
from toktalk_node.bridge.web import WebViewer
from toktalk_node.face.arkit import INDEX
from toktalk_node.signals import Clock, FaceChunk

POSES = {
    "viewer-open": {"jawOpen": 0.6, "browInnerUp": 0.3},
    "viewer-closed": {"jawOpen": 0.2, "mouthClose": 0.2, "mouthPressLeft": 0.2, "mouthPressRight": 0.2},
}
FRAMES = 3000


async def main(folder: Path) -> None:
    with Bridge(pub_port=0, control_port=0) as bridge, WebViewer(bridge.control_endpoint, port=0) as viewer:
        bridge.announce(fps=50, audio_rate=16000)
        async with open_page(f"{viewer.url}?quality=high", 640, 640) as page:
            await page.until("window.toktalk?.stats.loaded")
            for name, weights in POSES.items():
                frames = np.zeros((FRAMES, 52), np.float32)
                for target, value in weights.items():
                    frames[:, INDEX[target]] = value
                head = np.tile(np.float32([0.12, 0.02, 0.03]), (FRAMES, 1))
                bridge.publish_face(FaceChunk(frames, head, 50), Clock(time.time_ns()))
                await page.until(f"Math.abs(toktalk.stats.weights.jawOpen - {weights['jawOpen']}) < 1e-3")
                Image.fromarray(await page.screenshot()).save(folder / f"{name}.png", optimize=True)
                bridge.publish_event("interrupted", 0)
                await page.until("toktalk.stats.weights.jawOpen === 0")


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    asyncio.run(main(target))
