"""joint_trajectory_controller's side of our trajectories, in Python: its rules, and how it moves between the points.

Written after `validate_trajectory_msg` (joint_trajectory_controller.cpp) and `Trajectory::sample`,
`interpolate_between_points` (trajectory.cpp) of ros-controls/ros2_controllers at 94e74de3, with its default parameters
and `interpolation_method: splines`, `interpolate_from_desired_state: true`. It is no controller of theirs.
"""

from bisect import bisect_right
from collections.abc import Sequence

import numpy as np
from trajectory_msgs.msg import JointTrajectory

from toktalk_node.nodes.conversions import from_time
from toktalk_node.signals import NANOSECONDS

EPSILON = float(np.finfo(np.float32).eps)


def refusal(message: JointTrajectory, joints: Sequence[str], now_ns: int) -> str:
    """Why a controller of `joints` would refuse `message` at `now_ns`; "" where it takes it."""
    if len(message.joint_names) != len(joints) or set(message.joint_names) != set(joints):
        return "its joints are not the controller's"
    if not message.points:
        return "it is empty"
    if any(abs(velocity) > EPSILON for velocity in message.points[-1].velocities):
        return "it ends in motion"
    start_ns, last_ns = from_time(message.header.stamp), from_time(message.points[-1].time_from_start)
    if start_ns and start_ns + last_ns < now_ns:
        return "it ends in the past"
    before = None
    for i, point in enumerate(message.points):
        time = from_time(point.time_from_start)
        if before is not None and time <= before:
            return f"its times do not rise at point {i}"
        before = time
        if len(point.positions) != len(joints):
            return f"point {i} has {len(point.positions)} positions"
        for field in (point.velocities, point.accelerations):
            if len(field) not in (0, len(joints)):
                return f"point {i} has {len(field)} velocities or accelerations"
        if len(point.effort):
            return f"point {i} has an effort"
    return ""


class Controller:
    """What it commands: `update` takes trajectories as they come and gives positions and velocities [joints]."""

    def __init__(self, start: np.ndarray) -> None:
        self._times, self._states = [0], [(start, np.zeros_like(start))]

    def take(self, message: JointTrajectory, now_ns: int) -> None:
        """Follow `message` from now on: from where the joints are commanded to be, to its first point."""
        start_ns = from_time(message.header.stamp) or now_ns
        points = [
            (start_ns + from_time(p.time_from_start), (np.array(p.positions), np.array(p.velocities)))
            for p in message.points
        ]
        before = [(now_ns, self.update(now_ns))] if now_ns < points[0][0] else []
        self._times, self._states = map(list, zip(*before, *points, strict=True))

    def update(self, now_ns: int) -> tuple[np.ndarray, np.ndarray]:
        """The cubic through positions and velocities of the points around `now_ns`."""
        i = bisect_right(self._times, now_ns) - 1
        if i < 0 or i + 1 == len(self._times):
            return self._states[max(i, 0)]
        (x0, v0), (x1, v1) = self._states[i], self._states[i + 1]
        span, t = (self._times[i + 1] - self._times[i]) / NANOSECONDS, (now_ns - self._times[i]) / NANOSECONDS
        a = (3 * (x1 - x0) - (2 * v0 + v1) * span) / span**2
        b = (2 * (x0 - x1) + (v0 + v1) * span) / span**3
        return x0 + v0 * t + a * t**2 + b * t**3, v0 + 2 * a * t + 3 * b * t**2
