"""What a token space is, and what a tokenizer must do."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np


@dataclass(frozen=True)
class TokenSpace:
    """A space of discrete speech tokens, and the embeddings that stand for them."""

    name: str
    rate: float
    """Tokens per second."""
    width: int
    """Width E of one token's embedding."""
    vocabulary: int
    """Number of ids; valid ids are 0 … vocabulary − 1."""
    codebooks: int = 1
    """Ids per token."""

    def check(self, ids: np.ndarray) -> np.ndarray:
        """Return `ids` as int64 [n, codebooks]; raise ValueError for another shape or an id out of range."""
        ids = np.asarray(ids)
        if ids.ndim == 1 and self.codebooks == 1:
            ids = ids[:, None]
        if ids.ndim != 2 or ids.shape[1] != self.codebooks or not np.issubdtype(ids.dtype, np.integer):
            raise ValueError(
                f"tokens of space {self.name!r} are integers [n, {self.codebooks}], not {ids.dtype} {list(ids.shape)}"
            )
        if ids.size and (ids.min() < 0 or ids.max() >= self.vocabulary):
            bad = ids[(ids < 0) | (ids >= self.vocabulary)][0]
            raise ValueError(f"token id {bad} is outside space {self.name!r}: ids run from 0 to {self.vocabulary - 1}")
        return ids.astype(np.int64)


class TokenStream(Protocol):
    """The tokenizer's state for one stream of sound."""

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Take mono float32 samples [n] at the tokenizer's rate; return the ids [m, codebooks] that are ready."""
        ...

    def finish(self) -> np.ndarray:
        """The ids that are still owed, as if silence followed; one for every token interval that began."""
        ...


class Tokenizer(Protocol):
    """Turns sound into tokens of one space. Streams exactly: the cut into packets changes no id."""

    space: TokenSpace
    sample_rate: int
    """Rate in Hz of the sound it takes."""
    look_ahead: float
    """Seconds of sound after a token's own interval that the token waits for."""

    def stream(self) -> TokenStream:
        """A new stream, at its first sample."""
        ...

    def embed(self, ids: np.ndarray) -> np.ndarray:
        """Embeddings float32 [n, width] of ids [n, codebooks]; ValueError where an id is out of range."""
        ...
