"""Prepared training data of the motion model: a folder of shards.

A shard is two files: `NAME.safetensors` with `condition` float16 [N, E] and `motion` float16 [N, M], the frames of all
its utterances end to end, and `rest` float32 [A, M], the resting faces of its actors; and `NAME.json` with the
format's version, the token space, the face space, the frame rate, the names of the actors, and one entry per
utterance: {"id", "split", "actor", "start", "frames"}. Reading maps the tensors into memory.
"""

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from toktalk_node.face.space import ARKIT
from toktalk_node.motion.checkpoint import write_atomically

FORMAT = "toktalk-motion-data"
VERSION = 2
PREPARE = "Prepare it with `toktalk corpus prepare`."


class DataError(Exception):
    """Training data is missing or cannot be read; the message says why and what to do."""


@dataclass(frozen=True)
class Utterance:
    """One utterance: `condition` [frames, E] and `motion` [frames, M] of the same frames; float16 once prepared."""

    id: str
    split: str
    condition: Tensor
    motion: Tensor
    actor: str = ""
    """Who performs it: utterances of one actor share a style. "" is nobody known."""

    def __len__(self) -> int:
        return len(self.motion)


def write_shard(
    path: str | Path,
    items: Iterable[Utterance],
    *,
    space: str,
    fps: int,
    face: str = ARKIT.name,
    rests: Mapping[str, Tensor] | None = None,
) -> int:
    """Write utterances to the shard `path` (.safetensors) and its index beside it; return the number of frames.

    rests: the resting face [M] by actor, of those whose rest is known.

    Raises ValueError where condition and motion differ in length, widths differ between utterances, or values are
    not finite.
    """
    path = Path(path)
    kept = list(items)
    if not kept:
        raise ValueError(f"no utterances for shard {path}")
    start, entries = 0, []
    for item in kept:
        if len(item.condition) != len(item.motion):
            raise ValueError(f"{item.id}: {len(item.condition)} frames of condition, {len(item.motion)} of motion")
        if item.condition.shape[1] != kept[0].condition.shape[1] or item.motion.shape[1] != kept[0].motion.shape[1]:
            raise ValueError(f"{item.id}: widths differ from those of {kept[0].id}")
        if not (item.condition.isfinite().all() and item.motion.isfinite().all()):
            raise ValueError(f"{item.id}: condition or motion is not finite")
        about = {"id": item.id, "split": item.split, "actor": item.actor}
        entries.append(about | {"start": start, "frames": len(item)})
        start += len(item)
    actors = sorted({item.actor for item in kept} & (rests or {}).keys())
    width = kept[0].motion.shape[1]
    tensors = {
        "rest": torch.stack([rests[actor].float() for actor in actors]) if actors else torch.zeros(0, width),
        "condition": torch.cat([item.condition.half() for item in kept]).contiguous(),
        "motion": torch.cat([item.motion.half() for item in kept]).contiguous(),
    }
    index = {"format": FORMAT, "version": VERSION, "space": space, "face": face, "fps": fps}
    index |= {"actors": actors, "utterances": entries}
    write_atomically(path, lambda temporary: save_file(tensors, temporary))
    write_atomically(path.with_suffix(".json"), lambda temporary: temporary.write_text(json.dumps(index)))
    return start


@dataclass(frozen=True)
class MotionData:
    """All utterances of a folder of shards."""

    space: str
    fps: int
    utterances: Sequence[Utterance]
    face: str = ARKIT.name
    """Name of the face space."""
    rests: Mapping[str, Tensor] = field(default_factory=dict)
    """The resting face [M] by actor, where it is known."""
    shards: int = 0
    """How many shards were read."""

    @property
    def condition_width(self) -> int:
        """Width E of the condition."""
        return self.utterances[0].condition.shape[1]

    @property
    def frames(self) -> int:
        """Frames in all utterances."""
        return sum(len(item) for item in self.utterances)

    def split(self, *names: str) -> "MotionData":
        """The utterances of the named splits."""
        return replace(self, utterances=[item for item in self.utterances if item.split in names])


def read_shards(folder: str | Path, left_out: Callable[[str], None] | None = None) -> MotionData:
    """Map every shard of a folder into memory.

    left_out: told which shards cannot be read and why, the rest goes on; None: the first of them raises. Raises
    DataError where no shard can be used, or shards disagree.
    """
    folder = Path(folder)
    paths = sorted(folder.glob("*.safetensors"))
    if not paths:
        raise DataError(f"no training data in {folder}: there is no *.safetensors. {PREPARE}")
    utterances: list[Utterance] = []
    rests: dict[str, Tensor] = {}
    kinds: dict[tuple[str, str, int, int, int], Path] = {}
    count = 0
    for path in paths:
        try:
            shard = _read_shard(path)
        except DataError as error:
            if left_out is None:
                raise
            left_out(str(error))
            continue
        width = shard.utterances[0].motion.shape[1]
        kinds.setdefault((shard.space, shard.face, shard.fps, shard.condition_width, width), path)
        count += 1
        utterances += shard.utterances
        rests |= shard.rests
    if not utterances:
        raise DataError(f"no shard in {folder} can be read. {PREPARE}")
    if len(kinds) > 1:
        (a, path_a), (b, path_b) = list(kinds.items())[:2]
        raise DataError(f"shards disagree in (space, face, fps, widths): {path_a} has {a}, {path_b} has {b}. {PREPARE}")
    space, face, fps, _, _ = next(iter(kinds))
    return MotionData(space, fps, utterances, face, rests, count)


def _read_shard(path: Path) -> MotionData:
    """What one shard holds. Raises DataError."""
    try:
        index, tensors = json.loads(path.with_suffix(".json").read_text()), load_file(path)
        if index.get("format") != FORMAT or index.get("version") != VERSION:
            found = f"{index.get('format')} {index.get('version')}"
            raise DataError(f"shard {path} is {found}, not {FORMAT} {VERSION}. {PREPARE}")
        condition, motion = tensors["condition"], tensors["motion"]
        utterances = []
        for entry in index["utterances"]:
            rows = slice(entry["start"], entry["start"] + entry["frames"])
            if not 0 <= rows.start < rows.stop <= min(len(condition), len(motion)):
                raise ValueError(f"it has {len(motion)} frames, but {entry['id']} is said to end at {rows.stop}")
            utterances.append(
                Utterance(entry["id"], entry["split"], condition[rows], motion[rows], sys.intern(entry["actor"]))
            )
        if not utterances:
            raise ValueError("it has no utterances")
        rests = dict(zip(index["actors"], tensors["rest"], strict=True))
        return MotionData(index["space"], index["fps"], utterances, index["face"], rests)
    except (OSError, ValueError, SafetensorError) as error:
        raise DataError(f"shard {path} cannot be read ({error}). {PREPARE}") from error
    except (KeyError, AttributeError, TypeError) as error:
        raise DataError(f"shard {path} cannot be read: {error} is missing or of another type. {PREPARE}") from error
