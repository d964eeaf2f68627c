"""Text for a language: `text_for("en", rng)`."""

from zlib import crc32

import numpy as np

from .english import english_text
from .languages import foreign_text

LAUGHS = ("Ha ha ha!", "Ha ha!", "He he he!", "Ha ha ha ha!", "Ho ho ho!")
LAUGHING = 24
"""One English utterance of so many laughs before it speaks, or after."""


def text_for(language: str, rng: np.random.Generator) -> str:
    """One utterance of `language` (ISO 639-1), drawn by `rng`; raises ValueError for one without sentences."""
    return laughing(english_text(rng)) if language == "en" else foreign_text(language, rng)


def laughing(text: str) -> str:
    """`text` with a laugh before or after it, where its own letters fall on one of `LAUGHING`: no draw is taken."""
    number, chance = divmod(crc32(text.encode()), LAUGHING)
    if chance:
        return text
    laugh = LAUGHS[number % len(LAUGHS)]
    return f"{laugh} {text}" if number % 2 else f"{text} {laugh}"
