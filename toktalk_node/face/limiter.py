"""Joint motion within limits of position, velocity, acceleration and jerk, which follows a target in as little time
as they allow.

Each step chooses, for each joint alone, the largest change of velocity towards the target from which it can still
come to a stand exactly there: the time-optimal tracking of a double integrator in discrete time (Zanasi, Guarino Lo
Bianco and Tonielli, "Nonlinear filters for the generation of smooth trajectories", Automatica 36(3), 2000; Gao, "On
discrete time optimal control: a closed-form solution", ACC 2004). The same braking rule keeps it from the ends of its
travel. A limit of jerk comes from a moving average behind it (Biagiotti and Melchiorri, "FIR filters for online
trajectory planning with time- and frequency-domain specifications", Control Engineering Practice 20(12), 2012): an
average of values within limits is within them.

Acceleration is constant within a step, so position is a parabola that the cubic through the positions and velocities
of its ends repeats exactly: a controller that interpolates so keeps the limits between the steps as well.
"""

from copy import copy
from dataclasses import dataclass

import numpy as np

_STILL = 1e-9
"""Share of its limit below which a velocity counts as none, and of the travel below which a joint is at its target."""


@dataclass(frozen=True)
class Limits:
    """Limits of all joints, each float64 [joints], in rad or m or normalised, and seconds.

    `jerk` is infinite where there is none. Raises ValueError where they do not make sense.
    """

    low: np.ndarray
    high: np.ndarray
    velocity: np.ndarray
    acceleration: np.ndarray
    jerk: np.ndarray

    def __post_init__(self) -> None:
        if not np.all(np.isfinite(self.low) & np.isfinite(self.high) & (self.low < self.high)):
            raise ValueError("position limits must be finite, the lower below the upper")
        for name in ("velocity", "acceleration", "jerk"):
            if not np.all(getattr(self, name) > 0):
                raise ValueError(f"limits of {name} must be above 0")

    def __len__(self) -> int:
        return len(self.low)


class Limiter:
    """The state of all joints, which moves on by `step` every `period` seconds; it begins at rest at `start` [joints].

    `position`, `velocity` and `acceleration` float64 [joints] are what to command now; the acceleration is that of
    the last step. A `start` outside the limits is moved to them.
    """

    def __init__(self, limits: Limits, period: float, start: np.ndarray) -> None:
        if not (np.isfinite(period) and period > 0):
            raise ValueError(f"the period is {period} s, expected more than 0")
        self.limits, self.period = limits, period
        self._gain = limits.acceleration * period  # the largest change of velocity in a step
        self._unit = self._gain * period
        self._still, self._tiny = _STILL * limits.velocity, _STILL * (limits.high - limits.low)
        self._ways = np.stack([limits.low, limits.low, limits.high])  # target, and the ends of the travel
        spread = 2 * limits.acceleration / (limits.jerk * period)
        self._windows = np.maximum(np.ceil(spread - 1e-9), 1).astype(int)
        """Steps that the jerk limit averages over: acceleration then changes by at most jerk · period in one."""
        length = int(self._windows.max())
        age = np.arange(length - 1, -1, -1)[:, None]
        self._share = (age < self._windows) / self._windows
        self.reset(start)

    def reset(self, start: np.ndarray) -> None:
        """Stand still at `start` [joints]."""
        start = np.clip(np.asarray(start, np.float64), self.limits.low, self.limits.high)
        self._x, self._v = start, np.zeros_like(start)
        self._past = np.zeros((2, *self._share.shape))
        self._past[0] = start
        self.position, self.velocity, self.acceleration = self._x, self._v, self._v

    @property
    def delay(self) -> np.ndarray:
        """Seconds by which the jerk limit delays each joint, float64 [joints]."""
        return (self._windows - 1) / 2 * self.period

    def fork(self) -> "Limiter":
        """A limiter that goes on from the same state on its own."""
        other = copy(self)
        other._ways = self._ways.copy()
        return other

    def step(self, target: np.ndarray) -> None:
        """One period towards `target` [joints]; it is reached in the shortest time, and not overshot from a stand."""
        half = self.period / 2
        x, v = self._x, self._v
        self._ways[0] = np.minimum(np.maximum(target, self.limits.low), self.limits.high)
        wanted, lowest, highest = self._gain * _stopping((self._ways - (x + v * half)) / self._unit)
        new = np.maximum(np.maximum(wanted, lowest), np.maximum(v - self._gain, -self.limits.velocity))
        new = np.minimum(np.minimum(new, highest), np.minimum(v + self._gain, self.limits.velocity))
        new[np.abs(new) < self._still] = 0.0
        x = np.minimum(np.maximum(x + (v + new) * half, self.limits.low), self.limits.high)
        there = (new == 0) & (np.abs(x - self._ways[0]) < self._tiny)
        self._x, self._v = np.where(there, self._ways[0], x), new
        self._put()

    def _put(self) -> None:
        before = self.velocity
        if len(self._share) == 1:
            self.position, self.velocity = self._x, self._v
        else:
            self._past = np.concatenate([self._past[:, 1:], np.stack([self._x, self._v])[:, None]], axis=1)
            self.position, self.velocity = (self._past * self._share).sum(1)
        self.acceleration = (self.velocity - before) / self.period


def _stopping(distance: np.ndarray) -> np.ndarray:
    """The velocity after this step from which full braking ends exactly `distance` ahead.

    Both are signed and in units of the largest change in a step: velocity in a · T, distance in a · T², and distance
    without the half step that the present velocity takes. With n steps of braking, of which the first is the partial
    one, the way is n v − n (n − 1) / 2; n is the least number for which it suffices.
    """
    way = np.abs(distance)
    steps = np.floor((np.sqrt(1 + 8 * way) - 1) / 2) + 1
    return np.copysign((way + steps * (steps - 1) / 2) / steps, distance)
