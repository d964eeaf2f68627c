"""Text for a language: `text_for("en", rng)`."""

import numpy as np

from .english import english_text
from .languages import foreign_text


def text_for(language: str, rng: np.random.Generator) -> str:
    """One utterance of `language` (ISO 639-1), drawn by `rng`; raises ValueError for one without sentences."""
    return english_text(rng) if language == "en" else foreign_text(language, rng)
