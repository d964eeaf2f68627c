"""Lip figures: does the face shut, open, round and bite where the speech does?

`LipMeter` takes one utterance at a time: a motion [frames, 55] of any system, its frame rate and the
phone times of the speech. `figures()` pools the events of all utterances. Definitions:

Aperture A = jawOpen − mouthClose, read at 100 Hz; frame k of a motion stands at its middle, (k + ½) / fps.
A consonant's event is the extreme within its interval ± 40 ms; a vowel's event is its centre.
The threshold is the 20th percentile of A over all speech (every 10 ms outside silence) of the set.

(a) closure           share of p b m events whose A is under the threshold
(b) false closure     share of open-vowel events whose A is under it
(c) AUC of A          p b m below open vowels
(d) AUC of A          p b m below tongue consonants (t d n l k g s z), each at its minimum of A.
                      A jaw that follows loudness cannot tell these apart: it scores 0.5.
(e) AUC of rounding   max(mouthFunnel, mouthPucker) of rounded above spread vowels
(f) AUC of bite       `labiodental` of f v above all vowels
(g) lag               the shift in [−200, 200] ms that maximises the correlation, pooled over the set, of A with
                      the A of a reference motion made from the true phone times; positive = the face is late.
                      A parabola through the best three of the 10 ms steps gives the fraction.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from toktalk_node.face.arkit import INDEX
from toktalk_node.speech.phones import (
    BILABIALS,
    LABIODENTALS,
    OPEN_VOWELS,
    ROUNDED_VOWELS,
    SILENCE,
    SPREAD_VOWELS,
    TONGUE_CONSONANTS,
    VOWELS,
    Phone,
)

if TYPE_CHECKING:
    from rich.table import Table

RATE = 100
MARGIN = 0.040
MAX_LAG = 20
PERCENTILE = 20


@dataclass(frozen=True)
class LipFigures:
    """The seven lip figures (a)-(g) of this module's docstring; `nan` where the speech had no such event."""

    closure: float
    false_closure: float
    auc_open: float
    auc_tongue: float
    auc_rounding: float
    auc_labiodental: float
    lag_ms: float
    utterances: int = 0
    seconds: float = 0.0
    events: dict[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict:
        """Plain values for JSON; `nan` becomes None."""
        return {k: None if isinstance(v, float) and np.isnan(v) else v for k, v in asdict(self).items()}


PEERS: dict[str, LipFigures] = {
    "PocketSphinx running¹": LipFigures(0.70, 0.035, 0.97, 0.71, 0.88, 0.78, float("nan")),
    "PocketSphinx offline¹": LipFigures(0.81, 0.034, 0.98, 0.79, 0.89, 0.84, float("nan")),
    "true phone times¹": LipFigures(0.99, 0.0, 1.0, 0.97, 1.0, 1.0, float("nan")),
}
"""Figures of peers on 172 human English recordings, to read ours against."""


def aperture(motion: np.ndarray) -> np.ndarray:
    """Opening between the lips [frames]: jawOpen − mouthClose of a motion [frames, ≥ 52]."""
    return motion[:, INDEX["jawOpen"]] - motion[:, INDEX["mouthClose"]]


def rounding(motion: np.ndarray) -> np.ndarray:
    """Lip rounding [frames]: max(mouthFunnel, mouthPucker)."""
    return np.maximum(motion[:, INDEX["mouthFunnel"]], motion[:, INDEX["mouthPucker"]])


def labiodental(motion: np.ndarray) -> np.ndarray:
    """Lower lip to upper teeth [frames].

    ARKit has no shape of its own for it: the lower lip rolls in under the teeth (mouthRollLower) and rises
    (mouthShrugLower). The upper lip that lifts off the teeth is left out, for open vowels lift it as well.
    """
    return motion[:, INDEX["mouthRollLower"]] + motion[:, INDEX["mouthShrugLower"]]


def auc(high: Sequence[float] | np.ndarray, low: Sequence[float] | np.ndarray) -> float:
    """Probability that a value of `high` exceeds one of `low`, ties counted half; `nan` where one is empty."""
    if len(high) == 0 or len(low) == 0:
        return float("nan")
    ordered = np.sort(np.asarray(low, dtype=np.float64))
    values = np.asarray(high, dtype=np.float64)
    below = np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")
    return float(below.sum() / (2 * len(ordered) * len(values)))


def at_100_hz(curve: np.ndarray, fps: float, count: int) -> np.ndarray:
    """Curve [frames] at `fps`, linearly read at the middles of `count` intervals of 10 ms."""
    if len(curve) == 0:
        return np.zeros(count)
    return np.interp((np.arange(count) + 0.5) / RATE, (np.arange(len(curve)) + 0.5) / fps, curve)


class LipMeter:
    """Accumulates utterances; `figures()` pools them. Motions may come from any system at any frame rate."""

    def __init__(self) -> None:
        self._speech: list[np.ndarray] = []
        self._events: dict[str, list[float]] = {
            name: [] for name in "bilabial open tongue rounded spread labiodental vowel".split()
        }
        self._moments = np.zeros((2 * MAX_LAG + 1, 6))
        self._utterances = 0
        self._seconds = 0.0

    def add(self, motion: np.ndarray, fps: float, phones: Sequence[Phone], reference: np.ndarray | None = None) -> None:
        """Add one utterance: `motion` [frames, ≥ 52] at `fps`, the true `phones`, and for the lag the `reference`
        motion [frames, ≥ 52] of those phones at the same `fps`.

        Raises ValueError where the motion is not 2-D, has fewer than 52 columns or holds values that are not finite.
        """
        motion = np.asarray(motion)
        if motion.ndim != 2 or motion.shape[1] < 52:
            raise ValueError(f"a motion is [frames, at least 52], not {list(motion.shape)}")
        if not np.isfinite(motion).all():
            raise ValueError("the motion holds values that are not finite")
        duration = max((p.end for p in phones), default=0.0)
        count = round(duration * RATE)
        if count == 0:
            return
        open_, round_, bite = (at_100_hz(f(motion), fps, count) for f in (aperture, rounding, labiodental))
        speech = np.zeros(count, dtype=bool)
        for phone in phones:
            if phone.label == SILENCE:
                continue
            speech[round(phone.start * RATE) : round(phone.end * RATE)] = True
            self._add_event(phone, open_, round_, bite)
        self._speech.append(open_[speech].astype(np.float32))
        self._utterances += 1
        self._seconds += duration
        if reference is not None:
            self._add_lags(open_, at_100_hz(aperture(np.asarray(reference)), fps, count))

    def _add_event(self, phone: Phone, open_: np.ndarray, round_: np.ndarray, bite: np.ndarray) -> None:
        centre = min(int(phone.centre * RATE), len(open_) - 1)
        around = slice(max(round((phone.start - MARGIN) * RATE), 0), max(round((phone.end + MARGIN) * RATE), 1))
        events, label = self._events, phone.label
        if label in BILABIALS:
            events["bilabial"].append(open_[around].min())
        elif label in TONGUE_CONSONANTS:
            events["tongue"].append(open_[around].min())
        elif label in LABIODENTALS:
            events["labiodental"].append(bite[around].max())
        elif label in VOWELS:
            events["vowel"].append(bite[centre])
            if label in OPEN_VOWELS:
                events["open"].append(open_[centre])
            if label in ROUNDED_VOWELS:
                events["rounded"].append(round_[centre])
            elif label in SPREAD_VOWELS:
                events["spread"].append(round_[centre])

    def _add_lags(self, measured: np.ndarray, true: np.ndarray) -> None:
        for row, lag in enumerate(range(-MAX_LAG, MAX_LAG + 1)):
            x = measured[max(lag, 0) : len(measured) + min(lag, 0)]
            y = true[max(-lag, 0) : len(true) - max(lag, 0)]
            self._moments[row] += len(x), x.sum(), y.sum(), x @ x, y @ y, x @ y

    def lag_ms(self) -> float:
        """Figure (g) in milliseconds; `nan` without references or where a curve never moves."""
        n, sx, sy, xx, yy, xy = self._moments.T
        with np.errstate(divide="ignore", invalid="ignore"):
            spread = np.sqrt((xx - sx * sx / n) * (yy - sy * sy / n))
            correlation = (xy - sx * sy / n) / spread
        if not np.isfinite(correlation).all() or spread.min() < 1e-9:
            return float("nan")
        best = int(correlation.argmax())
        fraction = 0.0
        if 0 < best < len(correlation) - 1:
            left, middle, right = correlation[best - 1 : best + 2]
            bend = left - 2 * middle + right
            fraction = 0.5 * (left - right) / bend if bend < 0 else 0.0
        return float(best - MAX_LAG + fraction) * 1000 / RATE

    def figures(self) -> LipFigures:
        """The pooled figures of everything added so far."""
        nan = float("nan")
        e = self._events
        speech = np.concatenate(self._speech) if self._speech else np.zeros(0)
        threshold = np.percentile(speech, PERCENTILE) if len(speech) else nan

        def share(values: list[float]) -> float:
            return float((np.asarray(values) < threshold).mean()) if values else nan

        return LipFigures(
            closure=share(e["bilabial"]),
            false_closure=share(e["open"]),
            auc_open=auc(e["open"], e["bilabial"]),
            auc_tongue=auc(e["tongue"], e["bilabial"]),
            auc_rounding=auc(e["rounded"], e["spread"]),
            auc_labiodental=auc(e["labiodental"], e["vowel"]),
            lag_ms=self.lag_ms(),
            utterances=self._utterances,
            seconds=round(self._seconds, 2),
            events={name: len(values) for name, values in e.items()},
        )


COLUMNS: tuple[tuple[str, str, str], ...] = (
    ("closure", "a", "p b m shut"),
    ("false_closure", "b", "open vowels shut"),
    ("auc_open", "c", "AUC p b m / open vowels"),
    ("auc_tongue", "d", "AUC p b m / tongue consonants"),
    ("auc_rounding", "e", "AUC rounded / spread"),
    ("auc_labiodental", "f", "AUC f v / vowels"),
    ("lag_ms", "g", "lag in ms, + = late"),
)


def table(results: dict[str, LipFigures], title: str = "Lip figures", peers: bool = True) -> "Table":
    """A rich table of results by system, above the peers' figures on human recordings."""
    from rich.table import Table

    notes = "; ".join(f"{letter} {meaning}" for _, letter, meaning in COLUMNS)
    out = Table(title=title, caption=notes + ("; ¹ on 172 human recordings" if peers else ""))
    out.add_column("system", no_wrap=True)
    for _, letter, _ in COLUMNS:
        out.add_column(letter, justify="right", no_wrap=True)
    groups = [(results, "bold")] + ([(PEERS, "dim")] if peers else [])
    for group, style in groups:
        for name, figures in group.items():
            values = ((key, getattr(figures, key)) for key, _, _ in COLUMNS)
            cells = ("-" if np.isnan(v) else f"{v:+.0f}" if key == "lag_ms" else f"{v:.3f}" for key, v in values)
            out.add_row(name, *cells, style=style)
        out.add_section()
    return out
