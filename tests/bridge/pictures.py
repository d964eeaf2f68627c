"""Pictures of the viewer for the README: ``python -m tests.bridge.pictures FOLDER`` (needs Chromium).

Writes viewer-open.png and viewer-closed.png: the face that the shipped model gives at an open vowel and at a bilabial
of the same spoken sentence.
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
from toktalk_node.speech import espeak
from toktalk_node.speech.phones import BILABIALS, OPEN_VOWELS
from toktalk_node.stream import Session

SENTENCE = "My papa may buy a map."
FRAMES = 3000


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


async def main(folder: Path) -> None:
    poses = spoken_poses()
    with Bridge(pub_port=0, control_port=0) as bridge, WebViewer(bridge.control_endpoint, port=0) as viewer:
        bridge.announce(fps=50, audio_rate=16000)
        async with open_page(f"{viewer.url}?quality=high", 640, 640) as page:
            await page.until("window.toktalk?.stats.loaded")
            for name, (weights, head) in poses.items():
                frames, heads = np.tile(weights, (FRAMES, 1)), np.tile(head, (FRAMES, 1))
                bridge.publish_face(FaceChunk(frames, heads, 50), Clock(time.time_ns()))
                jaw = float(weights[INDEX["jawOpen"]])
                await page.until(f"Math.abs(toktalk.stats.weights.jawOpen - {jaw}) < 1e-3")
                Image.fromarray(await page.screenshot()).save(folder / f"{name}.png", optimize=True)
                bridge.publish_event("interrupted", 0)
                await page.until("toktalk.stats.weights.jawOpen < 0.05")


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    asyncio.run(main(target))
