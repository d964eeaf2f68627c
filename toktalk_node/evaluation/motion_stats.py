"""Confidence intervals of figures over a set of utterances, by the bootstrap (Efron 1979; percentile intervals)."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from toktalk_node.evaluation.motion_metrics import Tally

RESAMPLES = 4000
LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A figure with the ends of its 95 % confidence interval; `nan` where it cannot be told."""

    value: float
    low: float
    high: float


@lru_cache(maxsize=8)
def draws(utterances: int, seed: int = 0) -> np.ndarray:
    """How often each utterance is taken in each resample, float64 [RESAMPLES, utterances]: the same for the same count,
    so that systems measured on the same utterances are compared pairwise."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(utterances, np.full(utterances, 1 / utterances), RESAMPLES).astype(float)


def _interval(value: float, samples: np.ndarray) -> Estimate:
    samples = samples[np.isfinite(samples)]
    if not len(samples):
        return Estimate(value, float("nan"), float("nan"))
    low, high = np.quantile(samples, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(value, float(low), float(high))


def estimate(tally: Tally) -> Estimate:
    """The figure and its interval."""
    return _interval(tally.value, tally.of(draws(len(tally.total))))


def difference(tally: Tally, other: Tally) -> Estimate:
    """`tally` less `other`, of the same utterances. Raises ValueError where their numbers differ."""
    times = _common(tally, other)
    return _interval(tally.value - other.value, tally.of(times) - other.of(times))


def ratio(tally: Tally, other: Tally) -> Estimate:
    """`tally` / `other`, of the same utterances. Raises ValueError where their numbers differ."""
    times = _common(tally, other)
    with np.errstate(invalid="ignore", divide="ignore"):
        return _interval(float(np.divide(tally.value, other.value)), tally.of(times) / other.of(times))


def _common(tally: Tally, other: Tally) -> np.ndarray:
    if len(tally.total) != len(other.total):
        raise ValueError(f"figures of {len(tally.total)} and of {len(other.total)} utterances cannot be compared")
    return draws(len(tally.total))
