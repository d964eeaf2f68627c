"""`toktalk eval motion`: systems measured side by side on the same cases, and the grid of chunk by steps."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from toktalk_node.evaluation.motion_data import FPS, MotionCase
from toktalk_node.evaluation.motion_metrics import Compared, Tally, blink_tally, tallies, variety
from toktalk_node.evaluation.motion_stats import Estimate, difference, estimate
from toktalk_node.evaluation.motion_systems import Flow, MotionSystem
from toktalk_node.face.arkit import HEAD, INDEX

if TYPE_CHECKING:
    from rich.table import Table

Say = Callable[[str, float, float], None]
"""Called with the stage, its share done in [0, 1], and NaN in place of a loss."""

TRUTH = "truth"
GRID_SECONDS: tuple[float, ...] = (0.16, 0.4, 0.8, 1.2)
GRID_STEPS: tuple[int, ...] = (1, 2, 5, 10, 20)
GRID_FIGURES: tuple[str, ...] = ("mse", "lve", "jitter", "boundary_jitter")
FIGURES: dict[str, tuple[str, str]] = {
    "mse": ("MSE", "mm"),
    "lve": ("LVE", "mm"),
    "fdd": ("FDD", "mm²"),
    "fdd_abs": ("abs. FDD", "mm²"),
    "mod": ("MOD", "mm"),
    "jitter": ("jitter", "mm/frame²"),
    "boundary_jitter": ("boundary jitter", "mm/frame²"),
    "head_jitter": ("head jitter", "mrad/frame²"),
    "bcs": ("BCS", ""),
    "closure": ("closure", ""),
    "blinks": ("blinks", "per minute"),
}
"""Heading and unit of each figure, in the order of the tables."""
ERRORS: tuple[str, ...] = ("mse", "lve", "fdd", "fdd_abs", "mod")
"""Distances from the truth."""
MANNER: tuple[str, ...] = tuple(key for key in FIGURES if key not in ERRORS)
"""How a motion moves."""
VARIETY: dict[str, str] = {"lips": "mm", "brows": "weight", "blinks": "weight", "head": "degrees"}
EXAMPLE_CHANNELS: tuple[str, ...] = ("jawOpen", "mouthClose", "browInnerUp", "headPitch")
EXAMPLE_SECONDS = 5


@dataclass
class Measured:
    """A system's figures over the cases, and how two of its samples of the same case differ."""

    figures: dict[str, Tally]
    variety: dict[str, Tally] = field(default_factory=dict)
    relative_variety: dict[str, Tally] = field(default_factory=dict)
    example: dict[str, list[float]] = field(default_factory=dict)
    """Curves of `EXAMPLE_CHANNELS` on the first case of `Results.example`."""


@dataclass
class Results:
    """All that was measured on one set of cases; what the tables and the report are made of."""

    cases: list[str]
    """Utterance and actor of each case."""
    seconds: float
    samples: int
    systems: dict[str, Measured] = field(default_factory=dict)
    grid: dict[tuple[str, float, int], dict[str, Tally]] = field(default_factory=dict)
    """By system, seconds per chunk and steps."""
    split: str = ""
    """The corpus' split that the cases are of; "" where it is not known."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, in six digits: figures with their intervals, and the tallies they come from."""
        return {
            "cases": self.cases,
            "seconds": self.seconds,
            "samples": self.samples,
            "split": self.split,
            "systems": {
                name: {
                    "figures": _plain(m.figures),
                    "variety": _plain(m.variety),
                    "relative_variety": _plain(m.relative_variety),
                    "example": m.example,
                }
                for name, m in self.systems.items()
            },
            "grid": [
                {"system": name, "chunk_seconds": seconds, "steps": steps, "figures": _plain(figures)}
                for (name, seconds, steps), figures in self.grid.items()
            ],
        }

    @classmethod
    def read(cls, path: Path) -> "Results":
        """What --json printed into a file. Raises ValueError that names it where it is something else."""
        try:
            return cls.from_dict(json.loads(path.read_text()))
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> "Results":
        """What `to_dict` gave. Raises ValueError for anything else."""
        try:
            systems = {
                name: Measured(
                    _tallies(m["figures"]), _tallies(m["variety"]), _tallies(m["relative_variety"]), m["example"]
                )
                for name, m in given["systems"].items()
            }
            grid = {
                (cell["system"], float(cell["chunk_seconds"]), int(cell["steps"])): _tallies(cell["figures"])
                for cell in given["grid"]
            }
            cases, split = list(given["cases"]), str(given.get("split", ""))
            return cls(cases, float(given["seconds"]), int(given["samples"]), systems, grid, split)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"not the JSON of `toktalk eval motion` ({error!r})") from error

    def merge(self, other: "Results") -> None:
        """Take over the systems and grids of `other` that are not here. Raises ValueError for another test set."""
        if other.cases != self.cases:
            raise ValueError(
                f"results on {len(other.cases)} other cases cannot be merged with those on these {len(self.cases)}: "
                "use the same corpus and --limit"
            )
        self.split = self.split or other.split
        self.systems |= {name: found for name, found in other.systems.items() if name not in self.systems}
        self.grid |= {name: found for name, found in other.grid.items() if name not in self.grid}


def _plain(figures: Mapping[str, Tally]) -> dict[str, Any]:
    def numbers(values: Sequence[float]) -> list[float | None]:
        return [float(f"{v:.6g}") if np.isfinite(v) else None for v in values]

    def plain(tally: Tally) -> dict[str, Any]:
        kept = {"total": numbers(tally.total), "count": numbers(tally.count)}
        e = estimate(Tally(*(np.array(values, float) for values in kept.values())))
        return dict(zip(("value", "low", "high"), numbers((e.value, e.low, e.high)), strict=True)) | kept

    return {name: plain(tally) for name, tally in figures.items()}


def _tallies(figures: Mapping[str, Any]) -> dict[str, Tally]:
    return {name: Tally(np.array(f["total"], float), np.array(f["count"], float)) for name, f in figures.items()}


def measure(
    systems: Mapping[str, MotionSystem],
    cases: Sequence[MotionCase],
    samples: int = 2,
    say: Say = lambda *stage: None,
    split: str = "",
) -> Results:
    """Figures of every system, over `samples` samples of each case with different seeds; from two on, their variety.

    split: which of the corpus the cases are of, for the report. The truth itself is measured too, as `truth`.
    """
    results = Results(
        [f"{case.id} {case.actor}" for case in cases],
        sum(len(case.truth) for case in cases) / FPS,
        samples,
        split=split,
    )
    shown = example_case(cases)
    truths = [case.truth for case in cases]
    results.systems[TRUTH] = Measured(_figures(cases, truths, None), example=_curves(cases[shown].truth))
    for name, system in systems.items():
        advance = _counter(say, name, samples * len(cases))
        answers = [system.run(cases, [sample_seed(case, k) for case in cases], advance) for k in range(samples)]
        figures = [_figures(cases, answer, system.chunk) for answer in answers]
        measured = Measured({key: _sum([f[key] for f in figures]) for key in figures[0]})
        measured.example = _curves(answers[0][shown])
        if samples > 1:
            measured.variety, measured.relative_variety = variety(truths, answers[0], answers[1])
        results.systems[name] = measured
    return results


def measure_grid(
    name: str, flow: Flow, cases: Sequence[MotionCase], results: Results, say: Say = lambda *stage: None
) -> None:
    """Add `GRID_FIGURES` of one of our models, with style, at every chunk and number of steps to `results`."""
    advance = _counter(say, f"{name}: grid", len(GRID_SECONDS) * len(GRID_STEPS) * len(cases))
    for seconds in GRID_SECONDS:
        for steps in GRID_STEPS:
            system = flow.system(chunk=seconds, steps=steps)
            answers = system.run(cases, [sample_seed(case, 0) for case in cases], advance)
            figures = _figures(cases, answers, system.chunk)
            results.grid[name, seconds, steps] = {key: figures[key] for key in GRID_FIGURES}


def _counter(say: Say, stage: str, total: int) -> Callable[[], None]:
    """What to call after each of `total` pieces of work of a stage."""
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        say(stage, done / total, float("nan"))

    return advance


def sample_seed(case: MotionCase, sample: int) -> int:
    """Seed of a sample, another than those of the case's truth and reference."""
    return case.seed + 2 + sample


def example_case(cases: Sequence[MotionCase]) -> int:
    """Which case is drawn: that of the utterance whose length is nearest to what the picture shows."""
    return int(np.argmin([abs(len(case.truth) - EXAMPLE_SECONDS * FPS) for case in cases]))


def _curves(motion: np.ndarray) -> dict[str, list[float]]:
    at = {name: INDEX[name] if name in INDEX else len(INDEX) + HEAD.index(name) for name in EXAMPLE_CHANNELS}
    return {name: [round(float(v), 4) for v in motion[: EXAMPLE_SECONDS * FPS, i]] for name, i in at.items()}


def _figures(cases: Sequence[MotionCase], answers: Sequence[np.ndarray], chunk: int | None) -> dict[str, Tally]:
    pairs = [Compared(case.truth, answer, case.phones, FPS) for case, answer in zip(cases, answers, strict=True)]
    return tallies(pairs, chunk) | {"blinks": blink_tally(answers, FPS)}


def _sum(parts: Sequence[Tally]) -> Tally:
    return Tally(np.sum([p.total for p in parts], axis=0), np.sum([p.count for p in parts], axis=0))


def tables(results: Results) -> "list[Table]":
    """Rich tables of all that was measured: two of every system's figures, of variety, and of the grids."""
    return [_figure_table(results, keys) for keys in (ERRORS, MANNER)] + _variety_table(results) + _grid_table(results)


def _figure_table(results: Results, keys: Sequence[str]) -> "Table":
    """Figures with half the width of their intervals."""
    from rich.table import Table

    first = next((name for name in results.systems if name != TRUTH), TRUTH)
    out = Table(
        title=f"Motion on {len(results.cases)} test utterances, {results.seconds:.0f} s",
        caption=f"± half the 95 % confidence interval; * differs from {first} with 95 % confidence, pairwise",
    )
    out.add_column("system", no_wrap=True)
    for key in keys:
        out.add_column("\n".join(FIGURES[key]), justify="right", no_wrap=True)
    for name, measured in results.systems.items():
        cells = []
        for key in keys:
            tally, base = measured.figures.get(key), results.systems[first].figures.get(key)
            star = tally and base and name not in (first, TRUTH) and differs(difference(tally, base))
            cells.append(_cell(estimate(tally)) + ("*" if star else " ") if tally else "- ")
        out.add_row(name, *cells)
    return out


def differs(e: Estimate) -> bool:
    """Whether the interval of a difference leaves out zero."""
    return e.low > 0 or e.high < 0


def _cell(e: Estimate) -> str:
    return "-" if np.isnan(e.value) else f"{e.value:.3g} ±{(e.high - e.low) / 2:.2g}"


def _variety_table(results: Results) -> "list[Table]":
    """How two samples of the same sentence differ; nothing where there was one sample."""
    from rich.table import Table

    rows = {name: m for name, m in results.systems.items() if m.variety}
    if not rows:
        return []
    out = Table(
        title="Two samples of the same sentence",
        caption="standard deviation between samples; in brackets as a share of the truth's over time",
    )
    out.add_column("system", no_wrap=True)
    for name, unit in VARIETY.items():
        out.add_column(f"{name}\n{unit}", justify="right")
    for name, m in rows.items():
        spread = (f"{m.variety[k].value ** 0.5:.3g} ({m.relative_variety[k].value ** 0.5:.0%})" for k in VARIETY)
        out.add_row(name, *spread)
    return [out]


def _grid_table(results: Results) -> "list[Table]":
    """The grids; nothing where none was measured."""
    from rich.table import Table

    if not results.grid:
        return []
    count = len(next(iter(results.grid.values()))["mse"].total)
    out = Table(title=f"Chunk length C by solver steps n, {count} utterances")
    for heading in ("system", "C in s", "n", *("\n".join(FIGURES[key]) for key in GRID_FIGURES)):
        out.add_column(heading, justify="left" if heading == "system" else "right", no_wrap=True)
    for (name, seconds, steps), figures in results.grid.items():
        out.add_row(name, f"{seconds:g}", str(steps), *(_cell(estimate(figures[key])) for key in GRID_FIGURES))
    return [out]
