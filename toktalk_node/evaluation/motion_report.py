"""The Markdown report of `toktalk eval motion`, with pictures beside it."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from toktalk_node.evaluation import motion_metrics
from toktalk_node.evaluation.motion import ERRORS, FIGURES, GRID_FIGURES, MANNER, TRUTH, VARIETY, Results, differs
from toktalk_node.evaluation.motion_plots import draw
from toktalk_node.evaluation.motion_stats import RESAMPLES, Estimate, difference, estimate
from toktalk_node.motion.checkpoint import write_atomically

RELATIVE = ("mse", "lve", "fdd_abs", "mod", "jitter", "boundary_jitter", "head_jitter")
"""Figures whose difference is also given in per cent."""

EXPLAINED = {
    TRUTH: "the performance itself",
    "toktalk": "our model, streaming, in the style of the reference clip",
    "toktalk-nostyle": "our model without a reference clip",
    "toktalk-shown": "our model with head, brows and gaze smoothed, as a session does where `smoothing` is 1",
    "performance": "another performance of the same actor, from the true phones: a perfect model",
    "performance-nostyle": "a performance of a speaker of average style: a perfect model without styles",
    "rest": "a face that never moves",
    "guided": "our model with classifier-free guidance, w = 0.3",
    "guided-nostyle": "the same without a reference clip",
    "mini-live": "our model as live streams run it, in chunks of 0.08 s and three steps",
    "mini-live-nostyle": "the same without a reference clip",
    "adapter-codec": "our model behind the adapter of the small acoustic codec (space `codec`), in the same style",
    "student": "the few-step student of our model (`toktalk train shortcut`), at 2 steps, in the style of the clip; "
    "it is taught 1, 2 and 4, and more are beyond what it knows",
    "student-nostyle": "the same without a reference clip",
    "regression": "a FaceFormer-like autoregressive regressor, without styles",
    "diffusion": "a DiffPoseTalk-like diffusion model, offline, in the style of the reference clip",
}

SPLITS = {
    "heldout": "of a voice that training never heard",
    "heldout-human": "recorded from a person of whom training heard other sentences",
    "valid": "that training never heard, of voices that it did",
    "train": "that training heard too",
}
"""What the utterances of each split of the corpus are to the training."""
NEAR = 2
"""An MSE that is this many per cent above the least counts as good as it."""


def write_report(results: Results, path: Path) -> None:
    """Write `path`, the pictures in the folder `pictures` beside it, and all that was measured as JSON, which --merge
    takes. Raises RuntimeError without matplotlib."""
    pictures = {
        file.stem: f"![{what}]({file.parent.name}/{file.name})"
        for what, file in draw(results, path.parent / "pictures")
    }
    data = path.with_suffix(".json")
    ending = f"What was measured, utterance by utterance, as `--merge` takes it: [{data.name}]({data.name})."
    text = "\n\n".join(part for part in (*_parts(results, pictures), ending) if part)
    measured = json.dumps(results.to_dict(), separators=(",", ":"))
    write_atomically(data, lambda to: to.write_text(measured + "\n"))
    write_atomically(path, lambda to: to.write_text(text + "\n", encoding="utf-8"))


def _parts(results: Results, pictures: dict[str, str]) -> Iterable[str]:
    actors = len({case.split()[-1] for case in results.cases})
    yield "# Motion: what was measured"
    heard = SPLITS.get(results.split, f"of the split `{results.split}`" if results.split else "of the corpus")
    yield (
        f"{len(results.cases)} utterances {heard}, {results.seconds:.0f} s in all, performed by {actors} actors that "
        "training never saw. A system gets the tokens and, where it takes styles, about five seconds of the same actor "
        f"on another utterance. Samples of each utterance: {results.samples}. In brackets: 95 % confidence intervals, "
        f"by {RESAMPLES} bootstrap resamples of the utterances. What each figure is stands at the end."
    )
    yield "Written by `toktalk eval motion --report`; the same data, weights and options give the same figures."
    yield "## Systems"
    yield "\n".join(f"- `{name}`: {EXPLAINED[name]}" for name in results.systems if name in EXPLAINED)
    yield "Distance from the truth; lower is better, and FDD is best at 0:"
    yield _figures(results, ERRORS)
    yield "How the motion moves:"
    yield _figures(results, MANNER)
    yield pictures.get("motion-figures", "")
    yield from _differences(results)
    yield from _variety(results)
    yield from _grids(results, pictures)
    if "motion-example" in pictures:
        yield "## An example"
        yield pictures["motion-example"]
    yield "## The figures"
    yield f"```text\n{(motion_metrics.__doc__ or '').strip()}\n```"


def _table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heading, ["---", *["---:"] * (len(heading) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _headings(keys: Iterable[str]) -> list[str]:
    return [f"{FIGURES[key][0]} ({FIGURES[key][1]})" if FIGURES[key][1] else FIGURES[key][0] for key in keys]


def _number(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.3g}"


def _cell(e: Estimate) -> str:
    if np.isnan(e.value):
        return "–"
    return f"{_number(e.value)} [{_number(e.low)}, {_number(e.high)}]"


def _figures(results: Results, keys: Sequence[str]) -> str:
    rows = []
    for name, measured in results.systems.items():
        if name == TRUTH and keys is ERRORS:
            continue
        figures = measured.figures
        rows.append([name, *(_cell(estimate(figures[key])) if key in figures else "–" for key in keys)])
    return _table(["system", *_headings(keys)], rows)


def _differences(results: Results) -> Iterable[str]:
    names = [name for name in results.systems if name != TRUTH]
    if len(names) < 2:
        return
    base = results.systems[names[0]].figures
    yield f"## Compared with {names[0]}"
    yield (
        f"System less `{names[0]}`, paired by utterance; in bold where the interval leaves out 0. Per cent are of "
        f"`{names[0]}`'s figure."
    )
    for keys in (ERRORS, [key for key in MANNER if key != "blinks"]):
        rows = []
        for name in names[1:]:
            cells = []
            for key in keys:
                tally = results.systems[name].figures.get(key)
                if tally is None or key not in base:
                    cells.append("–")
                    continue
                e = difference(tally, base[key])
                text = f"{e.value:+.3g} [{e.low:+.3g}, {e.high:+.3g}]"
                text = f"**{text}**" if differs(e) else text
                share = 100 * e.value / base[key].value if base[key].value else float("nan")
                cells.append(text + (f" {share:+.0f} %" if key in RELATIVE and np.isfinite(share) else ""))
            rows.append([name, *cells])
        yield _table(["system", *_headings(keys)], rows)


def _variety(results: Results) -> Iterable[str]:
    rows = []
    for name, measured in results.systems.items():
        if measured.variety:
            cells = [
                f"{_root(estimate(measured.variety[key]))}, {measured.relative_variety[key].value ** 0.5:.0%}"
                for key in VARIETY
            ]
            rows.append([name, *cells])
    if rows:
        yield "## Two samples of the same sentence"
        yield (
            "Standard deviation between two samples with different seeds, and its share of the truth's deviation over "
            "time: lips should agree, while brows, blinks and head may differ."
        )
        yield _table(["system", *(f"{key} ({unit})" for key, unit in VARIETY.items())], rows)


def _root(variance: Estimate) -> str:
    return _cell(Estimate(*(max(v, 0.0) ** 0.5 for v in (variance.value, variance.low, variance.high))))


def _grids(results: Results, pictures: dict[str, str]) -> Iterable[str]:
    if not results.grid:
        return
    yield "## Chunk length and steps"
    count = len(next(iter(results.grid.values()))["mse"].total)
    yield f"Streaming with chunks of C seconds and n solver steps, in the style of the reference; {count} utterances."
    yield _steps_that_do(results)
    yield pictures.get("motion-grid", "")
    for name in dict.fromkeys(name for name, _, _ in results.grid):
        lengths = sorted({seconds for system, seconds, _ in results.grid if system == name})
        steps = sorted({n for system, _, n in results.grid if system == name})
        for key in GRID_FIGURES:
            yield f"{_headings([key])[0]} of `{name}`:"
            rows = [
                [f"n = {n}", *(_cell(estimate(results.grid[name, seconds, n][key])) for seconds in lengths)]
                for n in steps
            ]
            yield _table(["", *(f"C = {seconds:g} s" for seconds in lengths)], rows)


def _steps_that_do(results: Results) -> str:
    """How many steps the least error takes, and why more do not lessen it; "" where it falls to the last."""
    curves: dict[tuple[str, float], dict[int, float]] = {}
    for (name, seconds, steps), figures in results.grid.items():
        curves.setdefault((name, seconds), {})[steps] = figures["mse"].value
    least = {key: min(curve.values()) for key, curve in curves.items()}
    if any(curve[max(curve)] <= least[key] for key, curve in curves.items()):
        return ""
    enough = [min(n for n in curve if curve[n] <= (1 + NEAR / 100) * least[key]) for key, curve in curves.items()]
    low, high = min(enough), max(enough)
    return (
        f"An MSE within {NEAR} % of the least takes n = {f'{low} to ' if low < high else ''}{high}, by model and chunk "
        "length; with many more it rises. Few steps give something nearer to the mean of the distribution, "
        "many give samples of it, which lie further from any one performance."
    )
