"""The picture that `toktalk watch --plot` draws."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from toktalk_node.bridge.protocol import Audio, Event, Face
from toktalk_node.signals import NANOSECONDS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CURVES = 8
"""Weights drawn: those that move most."""
HEAD = ("yaw", "pitch", "roll")


def draw(messages: list[tuple[str, Face | Audio | Event]], names: tuple[str, ...], path: Path) -> str:
    """Draw the stream with the most faces of `messages` into `path`; returns a line that says what was drawn.

    Raises:
        ValueError: no faces among them.
    """
    count = Counter(stream for stream, message in messages if isinstance(message, Face))
    if not count:
        raise ValueError(f"no face came among {len(messages)} messages: nothing to plot")
    stream = count.most_common(1)[0][0]
    of_stream = [message for name, message in messages if name == stream]
    faces = [message for message in of_stream if isinstance(message, Face) and message.count]
    begin = min(message.pts_ns for message in faces)
    times = np.concatenate([_times(m.pts_ns, m.count, m.fps, begin) for m in faces])
    values = np.concatenate([np.concatenate(m.arrays(), axis=1) for m in faces])
    gaps = np.flatnonzero(np.diff(times) > 1.5 / faces[0].fps) + 1
    frames, times, values = len(times), np.insert(times, gaps, np.nan), np.insert(values, gaps, np.nan, axis=0)
    weights, head = values[:, : -len(HEAD)], np.degrees(values[:, -len(HEAD) :])

    figure = Figure(figsize=(11, 7.5), layout="constrained")
    sound_axes, weight_axes, head_axes = figure.subplots(3, 1, sharex=True, height_ratios=(1, 3, 1.2))
    for message in of_stream:
        if isinstance(message, Audio):
            at = _times(message.pts_ns, message.count, message.rate, begin)
            sound_axes.plot(at, message.array(), color="0.35", linewidth=0.5)
        elif isinstance(message, Event):
            _event(figure.axes, message, (message.pts_ns - begin) / NANOSECONDS)
    lively = np.argsort(np.nanmin(weights, axis=0) - np.nanmax(weights, axis=0))[:CURVES]
    for k in sorted(lively):
        weight_axes.plot(times, weights[:, k], linewidth=1.3, label=names[k])
    for k, name in enumerate(HEAD):
        head_axes.plot(times, head[:, k], linewidth=1.3, label=name)
    sound_axes.set(title=f"{stream}: {frames} frames", ylabel="sound", ylim=(-1, 1))
    weight_axes.set(ylabel="weight", ylim=(-0.02, 1.02))
    head_axes.set(ylabel="head, degrees", xlabel="presentation time, s", xlim=(min(0.0, times[0]), times[-1]))
    for axes in (weight_axes, head_axes):
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
        axes.grid(alpha=0.25)
    figure.savefig(path, dpi=110)
    return f"{path}: {frames} frames of {stream}, {times[-1] - times[0]:.1f} s"


def _times(pts_ns: int, count: int, rate: int, begin: int) -> np.ndarray:
    """Seconds after `begin` of `count` frames or samples."""
    return (pts_ns - begin) / NANOSECONDS + np.arange(count) / rate


def _event(axes: "list[Axes]", event: Event, at: float) -> None:
    for one in axes:
        one.axvline(at, color="tab:red", linewidth=0.8, alpha=0.6)
    axes[0].annotate(event.kind, (at, 0.97), xycoords=("data", "axes fraction"), va="top", color="tab:red", fontsize=8)
