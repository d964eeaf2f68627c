"""Text for a language: `text_for("en", rng)`."""

import numpy as np

from .english import english_text


def text_for(language: str, rng: np.random.Generator) -> str:
    """One utterance of `language` (ISO 639-1), drawn by `rng`."""
    if language == "en":
        return english_text(rng)
    raise ValueError(f"no sentences for language {language!r}")
