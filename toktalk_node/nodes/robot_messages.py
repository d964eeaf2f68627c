"""A robot's motion as messages: sensor_msgs, trajectory_msgs, std_msgs and hri_msgs. Pure functions."""

from array import array
from collections.abc import Sequence
from typing import Any

import numpy as np
from builtin_interfaces.msg import Duration
from sensor_msgs.msg import JointState
from std_msgs.msg import Float32MultiArray, MultiArrayDimension
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from toktalk_node.face.action_units import CONFIDENCE, action_units
from toktalk_node.nodes.conversions import to_time
from toktalk_node.signals import NANOSECONDS

HOLD = 0.5
"""Seconds that a trajectory goes on after the joints stand."""


def joint_state(names: Sequence[str], positions: np.ndarray, velocities: np.ndarray, stamp_ns: int) -> JointState:
    """Positions and velocities [joints] that are to be taken at `stamp_ns`."""
    message = JointState(name=list(names))
    message.header.stamp = to_time(stamp_ns)
    message.position, message.velocity = array("d", positions.tobytes()), array("d", velocities.tobytes())
    return message


def trajectory(
    names: Sequence[str], positions: np.ndarray, velocities: np.ndarray, stamp_ns: int, period: float
) -> JointTrajectory:
    """Positions and velocities [n, joints] at 1, 2, ... n periods of seconds after `stamp_ns`; the last ones are held.

    The last point comes again `HOLD` seconds later: a controller refuses a trajectory that is over when it comes.

    Accelerations are left out on purpose: the controller's cubic through positions and velocities is the limiter's own
    motion between two points, while a quintic through accelerations, which change in steps, would overshoot.
    """
    message = JointTrajectory(joint_names=list(names))
    message.header.stamp = to_time(stamp_ns)
    times = [*(np.arange(1, len(positions) + 1) * period), len(positions) * period + HOLD]
    states = zip([*positions, positions[-1]], [*velocities, velocities[-1]], strict=True)
    for time, (position, velocity) in zip(times, states, strict=True):
        seconds, nanoseconds = divmod(round(time * NANOSECONDS), NANOSECONDS)
        point = JointTrajectoryPoint(time_from_start=Duration(sec=seconds, nanosec=nanoseconds))
        point.positions, point.velocities = array("d", position.tobytes()), array("d", velocity.tobytes())
        message.points.append(point)
    return message


def lights(intensities: np.ndarray) -> Float32MultiArray:
    """Intensities float32 [rows, columns] in [0, 1], row after row from the top left as one sees the robot."""
    message = Float32MultiArray()
    rows, columns = intensities.shape
    message.layout.dim = [
        MultiArrayDimension(label="rows", size=rows, stride=rows * columns),
        MultiArrayDimension(label="columns", size=columns, stride=columns),
    ]
    message.data = array("f", np.ascontiguousarray(intensities, np.float32).tobytes())
    return message


def facial_action_units(kind: type, motion: np.ndarray, stamp_ns: int, frame_id: str) -> Any:
    """A face [55] as `kind`, the class of hri_msgs/FacialActionUnits."""
    message = kind()
    message.header.stamp = to_time(stamp_ns)
    message.header.frame_id = frame_id
    message.intensity, message.confidence = action_units(motion), CONFIDENCE
    return message
