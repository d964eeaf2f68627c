"""What a model has learnt so far, to look at: its losses, and curves of a validation utterance beside the truth."""

import csv
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from toktalk_node.face.space import SPACES
from toktalk_node.motion.checkpoint import write_atomically
from toktalk_node.training.shards import MotionData

SHOWN: tuple[str, ...] = ("jawOpen", "mouthClose", "mouthPucker", "browInnerUp", "eyeBlinkLeft", "headPitch")
SECONDS = 6


def draw_validation(generate: Callable[[Tensor, Tensor | None], Tensor], data: MotionData, path: Path) -> bool:
    """Draw the longest validation utterance, true and generated, to `path`; False where there is nothing to draw.

    generate: motion [frames, M] from conditions [frames, E] and motion [R, M] of another utterance of the same actor,
    None where there is none; all raw. Needs matplotlib.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return False
    if not data.utterances:
        return False
    item = max(data.utterances, key=len)
    frames = min(len(item), SECONDS * data.fps)
    mates = [u for u in data.utterances if u.actor == item.actor and u is not item and len(u) >= data.fps]
    made = generate(item.condition[:frames].float(), mates[0].motion.float() if mates else None).cpu()

    channels = SPACES[data.face].channels
    names = [name for name in SHOWN if name in channels] or channels[:6]
    figure = Figure(figsize=(9, 1.3 * len(names)), layout="constrained")
    axes = figure.subplots(len(names), 1, sharex=True, squeeze=False)[:, 0]
    times = torch.arange(frames) / data.fps
    for axis, name in zip(axes, names, strict=True):
        channel = channels.index(name)
        axis.plot(times, item.motion[:frames, channel].float(), color="0.6", label="true")
        axis.plot(times, made[:, channel], color="#0072b2", label="generated")
        axis.set_ylabel(name, rotation=0, ha="right")
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].legend(frameon=False, ncols=2, loc="upper right")
    axes[-1].set_xlabel("seconds")
    write_atomically(path, lambda temporary: figure.savefig(temporary, format="png", dpi=100))
    return True


def draw_curves(curves: Path, path: Path) -> bool:
    """Draw the losses in `curves` (.csv) over steps to `path`; False without matplotlib or before the first line."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return False
    if not curves.is_file():
        return False
    with curves.open(newline="") as file:
        rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    if not rows:
        return False
    figure = Figure(figsize=(6, 3), layout="constrained")
    axis = figure.subplots()
    steps = [row["step"] for row in rows]
    axis.plot(steps, [row["loss"] for row in rows], color="0.6", label="training")
    axis.plot(steps, [row["valid"] for row in rows], color="#0072b2", label="validation, averaged weights")
    axis.set(xlabel="step", ylabel="loss", yscale="log")
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False)
    kind = path.suffix.removeprefix(".")
    write_atomically(path, lambda temporary: figure.savefig(temporary, format=kind, metadata={"Date": None}))
    return True
