"""Picture of the named speaking styles for the README: ``python -m tests.corpus.pictures FOLDER``.

Writes styles.png: each named style at rest, on an open, a spread and a rounded vowel, and on a bilabial.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from toktalk_node.corpus.performance import perform
from toktalk_node.corpus.styles import NAMED, SpeakingStyle
from toktalk_node.face.arkit import INDEX
from toktalk_node.face.renderer import HeadRenderer
from toktalk_node.speech.phones import SILENCE, Phone

WIDE, HIGH, BAR = 132, 160, 20
CROP = 1.45
"""How much larger than the picture the head is rendered before its middle is cut out."""
SPOKEN = "SIL AA T IY S UW T AA M AA SIL".split()
MOMENTS = {"rest": 0, "open": 1, "spread": 3, "rounded": 5, "m": 8}
"""What each picture shows, and which phone of SPOKEN it is taken from."""


def faces(style: SpeakingStyle, seed: int = 1) -> list[np.ndarray]:
    """Motion vectors [55] of the style at MOMENTS, eyes open."""
    phones, at = [], 0.0
    for label in SPOKEN:
        phones.append(Phone(label, at, at := at + (1.0 if label == SILENCE else 0.14)))
    motion = perform(phones, at, seed, style=style)
    chosen = []
    for index in MOMENTS.values():
        frame = int(phones[index].centre * 50)
        around = motion[frame - 20 : frame + 20, INDEX["eyeBlinkLeft"]]
        face = motion[frame].copy()
        for side in ("Left", "Right"):
            face[INDEX["eyeBlink" + side]] = around.min()
        chosen.append(face)
    return chosen


def sheet(styles: dict[str, SpeakingStyle], columns: int = 2) -> Image.Image:
    """A picture of all styles, MOMENTS side by side, `columns` styles to a row."""
    side = round(CROP * HIGH)
    renderer = HeadRenderer(side, side)
    box = (side - WIDE) // 2, round(0.12 * side), (side + WIDE) // 2, round(0.12 * side) + HIGH
    rows = -(-len(styles) // columns)
    wide = WIDE * len(MOMENTS)
    picture = Image.new("RGB", (columns * wide + 10 * (columns - 1), rows * (HIGH + BAR)), "white")
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(13)
    for number, (name, style) in enumerate(styles.items()):
        left, top = number % columns * (wide + 10), number // columns * (HIGH + BAR)
        draw.text((left + 4, top + 2), name, "black", font)
        for k, (moment, face) in enumerate(zip(MOMENTS, faces(style), strict=True)):
            face = Image.fromarray(renderer.render(face[:52], face[52:])).crop(box)
            picture.paste(face, (left + k * WIDE, top + BAR))
            draw.text((left + (k + 1) * WIDE - 4, top + 2), moment, "gray", font, anchor="ra")
    return picture


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    sheet(NAMED).quantize(128).save(target / "styles.png", optimize=True)
