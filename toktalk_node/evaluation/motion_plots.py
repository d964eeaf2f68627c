"""Pictures of what `toktalk eval motion` measured, as SVG. Needs matplotlib (`pip install matplotlib`)."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from toktalk_node.evaluation.motion import EXAMPLE_CHANNELS, FIGURES, GRID_STEPS, TRUTH, Results
from toktalk_node.evaluation.motion_data import FPS
from toktalk_node.evaluation.motion_stats import estimate
from toktalk_node.motion.checkpoint import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, GREY, DARK = "#0072b2", "#d55e00", "#009e73", "0.55", "0.25"
"""Colours that the colour-blind tell apart (Okabe and Ito, 2008)."""
_BY_CHUNK = ("#440154", "#31688e", "#35b779", "#b8a000")
_PANELS = ("mse", "lve", "fdd_abs", "mod", "jitter", "bcs")
_GRID_PANELS = ("mse", "lve", "boundary_jitter")
_SQUASHING = ("rest",)
"""Systems so far off that the others could not be told apart beside them; they are in the tables."""


def draw(results: Results, folder: Path) -> list[tuple[str, Path]]:
    """Draw every picture there is something for into `folder`; (what it shows, file) of each.

    Raises RuntimeError without matplotlib.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise RuntimeError("pictures need matplotlib: pip install matplotlib") from error
    made = []
    style = {"svg.hashsalt": "toktalk", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    with matplotlib.rc_context(style):
        for name, what, figure in (
            ("figures", "Figures by system with 95 % confidence intervals", _systems(results)),
            ("grid", "Error and jitter by chunk length and solver steps", _grid(results)),
            ("example", "Curves of one test utterance, true and generated", _example(results)),
        ):
            if figure is not None:
                path = folder / f"motion-{name}.svg"
                write_atomically(path, lambda to, f=figure: f.savefig(to, format="svg", metadata={"Date": None}))
                made.append((what, path))
    return made


def _figure(width: float, height: float) -> "Figure":
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _label(key: str) -> str:
    heading, unit = FIGURES[key]
    return f"{heading} ({unit})" if unit else heading


def _systems(results: Results) -> "Figure | None":
    """A panel for each figure, a row for each system; the truth's own value is a line where it has one."""
    names = [name for name in results.systems if name != TRUTH and name not in _SQUASHING]
    if not names:
        return None
    columns = 3
    rows = -(-len(_PANELS) // columns)
    figure = _figure(9, rows * (0.75 + 0.24 * len(names)))
    axes = figure.subplots(rows, columns, sharey=True)
    for key, axis in zip(_PANELS, axes.flat, strict=True):
        for row, name in enumerate(names):
            if key not in results.systems[name].figures:
                continue
            e = estimate(results.systems[name].figures[key])
            colour = BLUE if row == 0 else DARK
            axis.plot([e.low, e.high], [row, row], color=colour, linewidth=1.5)
            axis.plot(e.value, row, "o", color=colour, markersize=5)
        true = results.systems[TRUTH].figures.get(key)
        if key in ("jitter", "bcs") and true is not None:
            axis.axvline(true.value, color=GREY, linewidth=1, linestyle="--", zorder=0)
            axis.annotate("truth", (true.value, 1), (2, -2), ("data", "axes fraction"), "offset points", color=GREY,
                          fontsize=8, va="top")  # fmt: skip
        axis.set_title(_label(key) + (", higher is better" if key == "bcs" else ""), fontsize=9, loc="left")
        axis.set_yticks(range(len(names)), names)
        axis.set_ylim(len(names) - 0.5, -0.5)
        axis.tick_params(axis="y", length=0)
        if key != "jitter":
            axis.set_xlim(left=0)
    return figure


def _grid(results: Results) -> "Figure | None":
    """A row for each system, a panel for each figure, a line for each chunk length over the number of steps."""
    names = list(dict.fromkeys(name for name, _, _ in results.grid))
    if not names:
        return None
    figure = _figure(9, 2.6 * len(names))
    axes = figure.subplots(len(names), len(_GRID_PANELS), squeeze=False)
    for name, row in zip(names, axes, strict=True):
        lengths = sorted({seconds for system, seconds, _ in results.grid if system == name})
        for key, axis in zip(_GRID_PANELS, row, strict=True):
            for seconds, colour in zip(lengths, _BY_CHUNK, strict=False):
                steps = sorted(n for system, s, n in results.grid if (system, s) == (name, seconds))
                values = [results.grid[name, seconds, n][key].value for n in steps]
                axis.plot(steps, values, "o-", color=colour, markersize=3.5, label=f"C = {seconds:g} s")
            if key == "boundary_jitter":
                true = results.systems[TRUTH].figures["jitter"].value
                axis.axhline(true, color=GREY, linewidth=1, linestyle="--", label="truth")
            axis.set_xscale("log")
            axis.set_xticks(GRID_STEPS, [str(n) for n in GRID_STEPS])
            axis.minorticks_off()
            axis.set_title(_label(key), fontsize=9, loc="left")
            axis.set_xlabel("steps n")
        row[0].set_ylabel(name)
        row[-1].legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def _example(results: Results) -> "Figure | None":
    """Curves of the truth and of up to three systems, a panel for each channel."""
    names = [name for name in results.systems if name not in (TRUTH, *_SQUASHING) and results.systems[name].example]
    if not names:
        return None
    figure = _figure(9, 1.35 * len(EXAMPLE_CHANNELS))
    axes = figure.subplots(len(EXAMPLE_CHANNELS), 1, sharex=True)
    for axis, channel in zip(axes, EXAMPLE_CHANNELS, strict=True):
        for name, colour in zip((TRUTH, *names[:3]), ("0.7", BLUE, ORANGE, GREEN), strict=False):
            curve = np.array(results.systems[name].example[channel])
            width = 3 if name == TRUTH else 1.3
            axis.plot(np.arange(len(curve)) / FPS, curve, color=colour, linewidth=width, label=name)
        axis.set_title(channel + (" (rad)" if channel.startswith("head") else ""), fontsize=9, loc="left")
    _outside_legend(axes[0])
    axes[-1].set_xlabel("seconds")
    return figure


def _outside_legend(axis: "Axes") -> None:
    axis.legend(frameon=False, ncols=4, fontsize=8, loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0)
