"""Another token space on the same face: a tokenizer and the adapter that leads to the motion model's space.

    tokenizer = adapted.load("runs/adapter-codec")
    conditions = tokenizer.conditions()
    conditions.push(ids)                        # ids of the codec in, what the motion model is conditioned on out

An adapted condition depends on the tokens around it, so that conditions come from a stream and not from one id at a
time; `condition_stream` gives one for every tokenizer, adapted or not.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from toktalk_node.motion.adapter import Adapter, AdapterConfig, AdapterStream
from toktalk_node.speech.resample import resample
from toktalk_node.tokens import files, spaces
from toktalk_node.tokens.base import Tokenizer, TokenStream

FORMAT = "toktalk-adapter"
VERSION = 1
WEIGHTS_FILE = "adapter.safetensors"
CONFIG_FILE = "adapter.json"


class ConditionStream(Protocol):
    """From ids to the motion model's conditions, in one stream."""

    def push(self, ids: np.ndarray) -> np.ndarray:
        """Take ids [n, codebooks], any n; return the conditions float32 [m, E] that are ready."""
        ...

    def finish(self) -> np.ndarray:
        """The conditions still owed; then the stream is at its beginning."""
        ...


@dataclass(frozen=True)
class ConditionSpace:
    """What a motion model must have been trained on."""

    name: str
    width: int
    rate: float
    """Conditions per second."""


class DirectConditions:
    """Conditions of a tokenizer whose space the motion model was trained on: the embeddings themselves."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer

    def push(self, ids: np.ndarray) -> np.ndarray:
        """Embeddings of ids."""
        return self.tokenizer.embed(ids)

    def finish(self) -> np.ndarray:
        """Nothing is owed."""
        return np.zeros((0, self.tokenizer.space.width), np.float32)


class AdaptedConditions:
    """Conditions of an adapted tokenizer: its embeddings, then the adapter."""

    def __init__(self, tokenizer: "AdaptedTokenizer") -> None:
        self.tokenizer = tokenizer
        self._stream = AdapterStream(tokenizer.adapter)

    def push(self, ids: np.ndarray) -> np.ndarray:
        """Conditions that are ready; for each token as many as base frames fit in it, a little late."""
        return self._stream.push(torch.from_numpy(self.tokenizer.embed(ids))).numpy()

    def finish(self) -> np.ndarray:
        """The conditions of the last frames, as if silence followed."""
        return self._stream.finish().numpy()


class AdaptedTokenizer:
    """A tokenizer of another space (see `toktalk_node.tokens.base.Tokenizer`) with its adapter."""

    def __init__(self, source: Tokenizer, adapter: Adapter) -> None:
        c = adapter.config
        have = (source.space.name, source.space.rate, source.space.width)
        need = (c.source_space, c.source_rate, c.source_width)
        if have != need:
            raise ValueError(f"the adapter takes (space, rate, width) {need}, but the tokenizer gives {have}")
        self.source, self.adapter = source, adapter.eval()
        self.space = source.space
        self.sample_rate = source.sample_rate
        self.look_ahead = source.look_ahead + c.look_ahead
        self.condition_space = ConditionSpace(c.base_space, c.base_width, c.base_rate)

    def stream(self) -> TokenStream:
        """A new stream of the source's tokens."""
        return self.source.stream()

    def embed(self, ids: np.ndarray) -> np.ndarray:
        """Embeddings of the source's own space."""
        return self.source.embed(ids)

    def conditions(self) -> AdaptedConditions:
        """A new stream from ids to conditions."""
        return AdaptedConditions(self)


def condition_space(tokenizer: Tokenizer) -> ConditionSpace:
    """The space that a tokenizer's conditions are of."""
    if isinstance(tokenizer, AdaptedTokenizer):
        return tokenizer.condition_space
    return ConditionSpace(tokenizer.space.name, tokenizer.space.width, tokenizer.space.rate)


def condition_stream(tokenizer: Tokenizer) -> ConditionStream:
    """A new stream from a tokenizer's ids to the motion model's conditions."""
    return tokenizer.conditions() if isinstance(tokenizer, AdaptedTokenizer) else DirectConditions(tokenizer)


def conditions(tokenizer: Tokenizer, samples: np.ndarray, rate: int) -> np.ndarray:
    """The motion model's conditions float32 [m, E] of a whole recording [n] at `rate` Hz."""
    stream, conditioned = tokenizer.stream(), condition_stream(tokenizer)
    heard = samples if rate == tokenizer.sample_rate else resample(samples, rate, tokenizer.sample_rate)
    tokens = np.concatenate([stream.push(heard), stream.finish()])
    return np.concatenate([conditioned.push(tokens), conditioned.finish()])


def config_json(config: AdapterConfig, training: dict[str, Any]) -> str:
    """The JSON that stands beside the weights."""
    about = {"format": FORMAT, "version": VERSION, "config": vars(config), "training": training}
    return json.dumps(about, indent=2) + "\n"


def load(folder: str | Path, source: Tokenizer | None = None, shipped: Path | None = None) -> AdaptedTokenizer:
    """Read the adapter in `folder` and put it behind the tokenizer `source`.

    Without one, the tokenizer's weights are looked for in the folder of its space's name, first beside `folder`, then
    in `shipped`. Raises TokenizerError where files are missing, damaged, of another version, or made for another
    tokenizer or an unknown space.
    """
    folder = Path(folder)
    space = source.space.name if source else "SPACE"
    kind = files.Kind("adapter", FORMAT, VERSION, WEIGHTS_FILE, CONFIG_FILE)
    remedy = f"Train one with `toktalk train adapter --space {space} --out {folder}`."

    def build(config: dict[str, Any], tensors: dict[str, Tensor]) -> AdaptedTokenizer:
        adapter = Adapter(AdapterConfig(**config))
        adapter.load_state_dict(tensors)
        return AdaptedTokenizer(source or _source(adapter.config.source_space, folder, shipped), adapter)

    return files.read(kind, folder, remedy, build)


def _source(space: str, folder: Path, shipped: Path | None) -> Tokenizer:
    beside = folder.resolve().parent / space
    ships = shipped is not None and (shipped / space).is_dir()
    return spaces.load(space, shipped / space if ships and not beside.is_dir() else beside)
