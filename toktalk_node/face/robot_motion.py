"""A robot's face in motion: frames with presentation times in, positions of joints within their limits out.

Frames are known a little before they are to be seen. A joint with `keep` uses that: where it would come too late for
its low (or high) end, it sets out earlier. Its target is the least, over the frames ahead that want it there, of that
position plus the way that it can make until then: the inf-convolution of the curve with the joint's own reach (for a
joint without inertia this is the envelope of Pasch and Hausdorff). So lips shut in time for p, b and m as far as the
frames ahead and the limits allow.
"""

from collections import deque

import numpy as np

from toktalk_node.face.arkit import MOTION_WIDTH
from toktalk_node.face.limiter import Limiter
from toktalk_node.face.robot import RobotMap, signals
from toktalk_node.signals import NANOSECONDS

PREVIEW = 0.2
"""Seconds of frames ahead that joints with `keep` look at, at most."""
KEPT = 0.1
"""Share of its travel, next to the end that a joint keeps, in which its positions must not be missed."""
WATCHDOG = 0.25
"""Seconds after the last frame until the face goes to rest."""
MAX_AHEAD = 10.0
"""Seconds that a frame may be ahead; a later one comes of a clock that is wrong."""
PLANNED = 1.0
"""Seconds of frames ahead that a plan follows, at most, before it goes to rest."""
COMMITTED = 0.02
"""Seconds at the beginning of a plan that are those of the plan before: a controller that gets it within this time goes
over to it without a jump."""
LONGEST_PLAN = PLANNED + 6.0
"""Seconds until every joint is at rest: `robot_file.MAX_REST` and a limit of jerk take less than six."""
_FRAMES = 2000


class Timeline:
    """Values of one stream [width] with their times, read between them. A gap of `patience` seconds breaks it."""

    def __init__(self, width: int, patience: float) -> None:
        self._width, self._patience = width, int(patience * NANOSECONDS)
        self._items: deque[tuple[int, np.ndarray]] = deque(maxlen=_FRAMES)
        self._stacked: tuple[np.ndarray, np.ndarray] | None = None

    def put(self, time_ns: int, value: np.ndarray) -> None:
        """Keep `value` [width] for `time_ns`; it replaces what was known from then on."""
        while self._items and self._items[-1][0] >= time_ns:
            self._items.pop()
        self._items.append((time_ns, value))
        self._stacked = None

    def forget(self, before_ns: int) -> None:
        """Drop what is no longer needed to read at or after `before_ns`."""
        while len(self._items) > 1 and self._items[1][0] < before_ns:
            self._items.popleft()
            self._stacked = None

    @property
    def end_ns(self) -> int:
        """The time of the newest value; very long ago where there is none."""
        return self._items[-1][0] if self._items else -(2**62)

    def read(self, times_ns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(values float64 [n, width] at `times_ns` int64 [n], whether they are known [n]).

        Between two values they are interpolated; after the last one, or one before a gap, it holds for `patience`.
        """
        if not self._items:
            return np.zeros((len(times_ns), self._width)), np.zeros(len(times_ns), bool)
        if self._stacked is None:
            times, values = zip(*self._items, strict=True)
            self._stacked = np.array(times, np.int64), np.array(values, np.float64)
        times, values = self._stacked
        index = np.searchsorted(times, times_ns, "right") - 1
        before, after = np.maximum(index, 0), np.minimum(index + 1, len(times) - 1)
        gap, age = times[after] - times[before], times_ns - times[before]
        joined = (index >= 0) & (gap > 0) & (gap <= self._patience)
        share = np.where(joined, age / np.maximum(gap, 1), 0.0)[:, None]
        known = (index >= 0) & (joined | (age <= self._patience))
        return values[before] + share * (values[after] - values[before]), known


class RobotMotion:
    """What the joints of `robot` do, step by step of `period` seconds; it begins at rest, or at `start` [driven].

    lead: seconds that faces are read ahead, to make up for servos that answer late. watchdog: seconds after the last
    frame until the face goes to rest. What to command now is the state of `limiter`.
    """

    def __init__(
        self,
        robot: RobotMap,
        period: float,
        lead: float = 0.0,
        watchdog: float = WATCHDOG,
        start: np.ndarray | None = None,
    ) -> None:
        self.robot, self.period = robot, period
        self.limiter = Limiter(robot.limits, period, robot.rest if start is None else start)
        self.faces = Timeline(MOTION_WIDTH, watchdog)
        self.loudness = Timeline(1, watchdog)
        self.resting = False
        """Set this, and frames are ignored: the face goes to rest."""
        self.live = False
        """Whether the last step followed a frame."""
        self.target = robot.rest
        """Where the last step wanted the driven joints to be, float64 [driven]."""
        self._course: list[tuple[np.ndarray, np.ndarray]] = []
        """What each step of the plan heads for, and where it wants the joints to be, [driven] each."""
        self._done = 0
        """How many of them are done."""
        self._watchdog_ns, self._lead_ns = int(watchdog * NANOSECONDS), int(lead * NANOSECONDS)
        self._side = np.where(robot.keep > 0, -1.0, 1.0)
        ends = self._side * np.where(robot.keep > 0, robot.limits.high, robot.limits.low)
        self._end = ends + KEPT * (robot.limits.high - robot.limits.low)
        self._reach = self._reaches(int(PREVIEW / period) if robot.keep.any() else 0)
        self._ahead = self.limiter.delay / period + 0.5  # half a period: the way of a step ends in the next one
        self._braking = 1 / (2 * robot.limits.acceleration * period)  # half the periods to stand, per velocity
        peak = np.minimum(
            robot.limits.velocity, np.sqrt(robot.limits.acceleration * (robot.limits.high - robot.limits.low))
        )
        self._longest = int(np.ceil((self._ahead + self._braking * peak).max())) + 2
        self._columns = np.arange(len(robot.driven))

    def push(self, stamp_ns: int, fps: float, motion: np.ndarray) -> None:
        """A frame `motion` [55] that is seen from `stamp_ns` on for 1 / `fps` seconds."""
        self.faces.put(stamp_ns + round(NANOSECONDS / (2 * fps)), motion)

    @property
    def standing(self) -> bool:
        """Whether all joints stand at rest."""
        return self._stands(self.limiter)

    def step(self, now_ns: int) -> None:
        """Move on by one period, to where the joints are to be at `now_ns`."""
        targets = self._targets(now_ns, 1)
        self.target = targets[0]
        self.limiter.step(self._aim(targets, 0, self.limiter))
        self._forget(now_ns)

    def plan(self, now_ns: int) -> tuple[np.ndarray, np.ndarray]:
        """What is to be done from `now_ns` on if no more frames come, until all joints stand at rest.

        For the first `COMMITTED` seconds it is what the plan before said, or to go to rest where there was none.
        (positions, velocities), float64 [n, driven] each, at `now_ns` + 1, 2, ... n periods. `follow` then does it.
        """
        self._forget(now_ns)
        seconds = max(self.faces.end_ns + self._watchdog_ns - self._lead_ns - now_ns, 0) / NANOSECONDS
        steps = 0 if self.resting else int(np.ceil(min(seconds, PLANNED) / self.period))
        targets = self._targets(now_ns + round(self.period * NANOSECONDS), steps + 1)
        course = [self._planned(self._done + i) for i in range(round(COMMITTED / self.period))]
        committed = len(course)
        limiter, positions, velocities = self.limiter.fork(), [], []
        for i in range(round(LONGEST_PLAN / self.period)):
            if i >= committed:
                course.append((self._aim(targets, i, limiter), targets[i]) if i < steps else self._at_rest)
            limiter.step(course[i][0])
            positions.append(limiter.position)
            velocities.append(limiter.velocity)
            if i >= max(steps, committed) and self._stands(limiter):
                break
        self._course, self._done = course, 0
        return np.array(positions), np.array(velocities)

    def follow(self) -> None:
        """Move on by one period as planned."""
        heading, self.target = self._planned(self._done)
        self.limiter.step(heading)
        self._done += 1

    def _forget(self, now_ns: int) -> None:
        for timeline in (self.faces, self.loudness):
            timeline.forget(now_ns - self._watchdog_ns)

    def _planned(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Step `index` of the plan; after its end the joints stay at rest."""
        return self._course[index] if index < len(self._course) else self._at_rest

    def _stands(self, limiter: Limiter) -> bool:
        return not limiter.velocity.any() and np.allclose(limiter.position, self.robot.rest, atol=1e-9)

    @property
    def _at_rest(self) -> tuple[np.ndarray, np.ndarray]:
        return self.robot.rest, self.robot.rest

    def _targets(self, first_ns: int, steps: int) -> np.ndarray:
        """Where the joints should be, float64 [steps + longest, driven], from `first_ns` on, a period between them."""
        rows = steps + self._longest
        count = rows + len(self._reach) - 1
        times = first_ns + self._lead_ns + np.round(np.arange(count) * self.period * NANOSECONDS).astype(np.int64)
        motion, known = self.faces.read(times)
        self.live = bool(known[0]) and not self.resting
        if self.resting or not known.any():
            return np.broadcast_to(self.robot.rest, (rows, len(self.robot.rest)))
        loudness = self.loudness.read(times)[0][:, 0] if self.robot.hears else 0.0
        wanted = np.where(known[:, None], self.robot.targets(signals(motion, loudness)), self.robot.rest)
        if len(self._reach) == 1:
            return wanted
        height = self._side * wanted  # above the end that is kept, which is the low one of all now
        kept = np.where(height <= self._end, height, np.inf)
        ahead = np.lib.stride_tricks.sliding_window_view(kept, len(self._reach), axis=0)
        return self._side * np.minimum(height[:rows], (ahead + self._reach.T).min(axis=2))

    def _aim(self, targets: np.ndarray, index: int, limiter: Limiter) -> np.ndarray:
        """What each joint should head for now: the place of its target half a braking time later.

        A joint that follows a steady target then neither lags nor overshoots when the target stands still.
        """
        place = self._ahead + np.abs(limiter.velocity) * self._braking
        before = place.astype(int)
        low, high = targets[before + index, self._columns], targets[before + (index + 1), self._columns]
        return low + (place - before) * (high - low)

    def _reaches(self, steps: int) -> np.ndarray:
        """How far a joint gets from a stand in 0 ... `steps` periods, [steps + 1, driven]; infinite if not kept.

        Coming to a stand again is left to `_aim`, which sees half a braking time ahead itself.
        """
        velocity, acceleration = self.robot.limits.velocity, self.robot.limits.acceleration
        time = np.arange(steps + 1)[:, None] * self.period
        rising = np.minimum(time, velocity / acceleration)
        way = acceleration * rising**2 / 2 + velocity * (time - rising)
        way[1:, self.robot.keep == 0] = np.inf
        return way
