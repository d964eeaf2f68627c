"""The picture of docs/files.md: ``python -m tests.face.pictures FOLDER`` (needs Blender, Chromium and three.js).

Writes glb.png: a spoken sentence as `toktalk render` writes it to a .glb, at an open vowel and at a bilabial, in
Blender (above) and in a page of plain three.js (below).
"""

import asyncio
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from tests.face import blender, three
from toktalk_node.face.animation import load, write
from toktalk_node.face.head import HEAD_FILE
from toktalk_node.speech import espeak
from toktalk_node.speech.phones import BILABIALS, OPEN_VOWELS
from toktalk_node.stream import Session

SENTENCE = "My papa may buy a map."
SIZE = 320


def spoken(path: Path) -> list[float]:
    """Write the sentence to `path`; the seconds of its longest open vowel and of its longest bilabial."""
    sound, rate, phones = espeak.synthesize(SENTENCE, "en-us")
    session = Session.load()
    chunks = session.push_audio(sound, rate), session.finish()
    motion = np.concatenate([np.concatenate([c.weights, c.head], axis=1) for c in chunks])
    write(path, load(HEAD_FILE), motion, session.fps)
    longest = (max((p for p in phones if p.label in labels), key=lambda p: p.end - p.start) for labels in
               (OPEN_VOWELS, BILABIALS))  # fmt: skip
    return [phone.centre for phone in longest]


async def browser(model: Path, seconds: list[float], folder: Path) -> list[Image.Image]:
    """The page's pictures of `model` at `seconds`."""
    (folder / "page").mkdir()
    modules = three.modules(folder)
    assert modules is not None, "no three.js here: run npm ci in toktalk_node/bridge/viewer"
    pictures = []
    async with three.showing(model, folder / "page", modules, SIZE) as page:
        for second in seconds:
            await page.evaluate(f"new Promise((done) => requestAnimationFrame(() => done(shown.at({second}) && 0)))")
            pictures.append(Image.fromarray(await page.screenshot()))
    return pictures


def main(target: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = folder / "speech.glb"
        seconds = spoken(model)
        files = [folder / f"{i}.png" for i in range(len(seconds))]
        pairs = (f"{second}={file}" for second, file in zip(seconds, files, strict=True))
        blender.run("blender_picture.py", model, SIZE, *pairs)
        rows = [Image.open(file).convert("RGB") for file in files], asyncio.run(browser(model, seconds, folder))
        sheet = Image.new("RGB", (SIZE * len(seconds), SIZE * len(rows)))
        for y, row in enumerate(rows):
            for x, picture in enumerate(row):
                sheet.paste(picture, (x * SIZE, y * SIZE))
        sheet.save(target / "glb.png", optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
