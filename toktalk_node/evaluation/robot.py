"""What a robot's joints make of a sentence: how close they come, what their limits cost, whether the lips still shut.

The limited motion is that of the node: frames arrive `ahead` seconds before their time, and `RobotMotion` steps at the
node's rate. The wanted motion is the map alone, without limits of velocity, acceleration and jerk.

A closure is a p, b or m (its interval ± 40 ms, as in `lips`), or, where the phones are not known, each time that the
wanted mouth shuts. The mouth is shut while its joint is within a tenth of its widest opening of the closed position.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from toktalk_node.evaluation.lips import MARGIN
from toktalk_node.face.arkit import INDEX, MOTION_WIDTH
from toktalk_node.face.robot import Joint, RobotMap, loudness_of, signals
from toktalk_node.face.robot_motion import WATCHDOG, RobotMotion
from toktalk_node.signals import NANOSECONDS
from toktalk_node.speech.phones import BILABIALS, Phone

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHUT = 0.1
"""Share of the widest opening below which a mouth is shut."""
MAX_LAG = 0.2
PANELS = 4
"""Joints that a picture shows, unless more are asked for."""
_WANTED, _LIMITED, _LIMIT, _CLOSURE = "0.6", "#0072b2", "#d55e00", "#cc79a7"


@dataclass(frozen=True)
class Spoken:
    """A sentence on a robot: times [n] in s, and by driven joint [n, driven] what was wanted and what came of it."""

    robot: RobotMap
    time: np.ndarray
    wanted: np.ndarray
    position: np.ndarray
    velocity: np.ndarray
    acceleration: np.ndarray


@dataclass(frozen=True)
class Closures:
    """Closures of the mouth: their number, the share that shuts without and with limits, and by how much it misses.

    `missed_mean` and `missed_max`: how much wider than wanted the mouth stays, in the joint's unit. `lag` in s.
    """

    joint: Joint
    count: int
    wanted: float
    limited: float
    missed_mean: float
    missed_max: float
    opening: float
    lag: float


def loudness(samples: np.ndarray, rate: int, fps: int, frames: int) -> np.ndarray:
    """Loudness [frames] in [0, 1] of sound [n] at `rate` Hz, one for each frame's interval."""
    edges = np.arange(frames + 1) * rate // fps
    return np.array([loudness_of(samples[a:b]) for a, b in zip(edges, edges[1:], strict=False)])


def speak(
    robot: RobotMap, motion: np.ndarray, fps: int, loud: np.ndarray, rate: float, ahead: float, lead: float = 0.0
) -> Spoken:
    """Play `motion` [frames, 55], as loud as `loud` [frames], to its end and on to rest; `rate` steps per second."""
    player = RobotMotion(robot, 1 / rate, lead)
    steps = int((len(motion) / fps + WATCHDOG + 0.5) * rate)
    states, pushed = [], 0
    for step in range(steps):
        now_ns = round(step / rate * NANOSECONDS)
        while pushed < len(motion) and pushed * NANOSECONDS // fps <= now_ns + ahead * NANOSECONDS:
            stamp_ns = pushed * NANOSECONDS // fps
            player.push(stamp_ns, fps, motion[pushed])
            player.loudness.put(stamp_ns + NANOSECONDS // (2 * fps), loud[pushed : pushed + 1])
            pushed += 1
        player.step(now_ns)
        state = player.limiter
        states.append([state.position, state.velocity, state.acceleration])
    position, velocity, acceleration = np.array(states).transpose(1, 0, 2)
    time = np.arange(steps) / rate
    middles = (np.arange(len(motion)) + 0.5) / fps
    targets = robot.targets(signals(motion, loud))
    wanted = np.stack([np.interp(time, middles, column) for column in targets.T], axis=1)
    wanted[time > middles[-1] + WATCHDOG] = robot.rest
    return Spoken(robot, time, wanted, position, velocity, acceleration)


def mouth_of(robot: RobotMap) -> int | None:
    """Index of the driven joint that parts the lips: the map's `mouth`, or the first that follows the lips."""
    names = [joint.name for joint in robot.driven]
    if robot.mouth in names:
        return names.index(robot.mouth)
    follows = ("aperture", "jawOpen")
    return next((i for i, joint in enumerate(robot.driven) if any(t.source in follows for t in joint.terms)), None)


def closures(spoken: Spoken, phones: Sequence[Phone] | None) -> Closures | None:
    """What became of the closures; None where the robot has no mouth or nothing is to be closed."""
    index = mouth_of(spoken.robot)
    if index is None:
        return None
    faces = np.zeros((2, MOTION_WIDTH))
    faces[1, INDEX["jawOpen"]] = 1.0
    closed, widest = spoken.robot.targets(signals(faces))[:, index]
    side = 1.0 if widest >= closed else -1.0
    wanted, limited = (side * (values[:, index] - closed) for values in (spoken.wanted, spoken.position))
    opening = float(wanted.max())
    threshold = SHUT * opening
    if phones is None:
        edges = np.flatnonzero(np.diff((wanted <= threshold).astype(int)))
        shutting = edges[wanted[edges] > threshold]  # the last step before it shuts
        opening_again = [edges[edges > edge] for edge in shutting]
        spans = [
            (spoken.time[edge] - MARGIN, spoken.time[after[0]] + MARGIN)
            for edge, after in zip(shutting, opening_again, strict=True)
            if len(after)  # the rest at the end is no closure
        ]
    else:
        spans = [(phone.start - MARGIN, phone.end + MARGIN) for phone in phones if phone.label in BILABIALS]
    parts = [(spoken.time >= start) & (spoken.time < end) for start, end in spans]
    least = np.array([[wanted[part].min(), limited[part].min()] for part in parts if part.any()])
    if not len(least) or opening <= 0:
        return None
    missed = np.maximum(least[:, 1] - np.maximum(least[:, 0], 0), 0)
    share = (least <= threshold + 1e-9).mean(axis=0)
    return Closures(
        spoken.robot.driven[index], len(least), float(share[0]), float(share[1]), float(missed.mean()),
        float(missed.max()), opening, _lag(wanted, limited, 1 / (spoken.time[1] - spoken.time[0])),
    )  # fmt: skip


def _lag(wanted: np.ndarray, limited: np.ndarray, rate: float) -> float:
    """Seconds by which `limited` is late: the shift at which the two are most alike."""
    shifts = np.arange(-round(MAX_LAG * rate), round(MAX_LAG * rate) + 1)
    edge = len(shifts) // 2
    core = wanted[edge : len(wanted) - edge]
    if len(core) < 2 or np.ptp(core) == 0:
        return float("nan")
    errors = [np.square(limited[edge + shift : edge + shift + len(core)] - core).mean() for shift in shifts]
    return float(shifts[int(np.argmin(errors))] / rate)


def liveliest(spoken: Spoken, count: int = PANELS) -> list[int]:
    """Indices of the joints to look at: the mouth, then those that move most of their travel."""
    limits = spoken.robot.limits
    moved = np.ptp(spoken.wanted, axis=0) / (limits.high - limits.low)
    order = sorted(range(len(moved)), key=lambda i: -moved[i])
    mouth = mouth_of(spoken.robot)
    chosen = ([mouth] if mouth is not None else []) + [i for i in order if i != mouth]
    return chosen[:count]


def picture(spoken: Spoken, joints: Sequence[int], phones: Sequence[Phone] | None, title: str) -> "Figure":
    """Position, velocity and acceleration of `joints` with their limits. Needs matplotlib (see `check_pictures`)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 0.7 + 2.1 * len(joints)), layout="constrained")
    axes = figure.subplots(len(joints), 3, sharex=True, squeeze=False)
    robot, time = spoken.robot, spoken.time
    for row, index in zip(axes, joints, strict=True):
        joint = robot.driven[index]
        unit = "" if joint.unit == "normalised" else joint.unit
        panels = (
            (spoken.position, joint.low, joint.high, "position", unit),
            (spoken.velocity, -joint.velocity, joint.velocity, "velocity", f"{unit or '1'}/s"),
            (spoken.acceleration, -joint.acceleration, joint.acceleration, "acceleration", f"{unit or '1'}/s²"),
        )
        for axis, (values, low, high, what, name) in zip(row, panels, strict=True):
            for phone in phones or ():
                if phone.label in BILABIALS and what == "position":
                    axis.axvspan(phone.start, phone.end, color=_CLOSURE, alpha=0.25, linewidth=0)
            if what == "position":
                axis.plot(time, spoken.wanted[:, index], color=_WANTED, linewidth=2.2, label="the face, without limits")
            axis.plot(time, values[:, index], color=_LIMITED, linewidth=1.2, label="the joint")
            for k, limit in enumerate((low, high)):
                label = "limit" if k == 0 else None
                axis.axhline(limit, color=_LIMIT, linewidth=1, linestyle="--", label=label)
            axis.set_title(f"{joint.name}: {what}" + (f" ({name})" if name else ""), fontsize=9, loc="left")
            axis.spines[["top", "right"]].set_visible(False)
            axis.tick_params(labelsize=8)
            axis.margins(x=0)
    for axis in axes[-1]:
        axis.set_xlabel("time (s)", fontsize=8)
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, fontsize=8, loc="upper right", ncol=len(labels), frameon=False)
    figure.suptitle(title, fontsize=10, x=0.01, horizontalalignment="left")
    return figure


def check_pictures(path: Path) -> None:
    """Raise ValueError where the suffix of `path` is no picture's, RuntimeError without matplotlib."""
    if path.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise ValueError(f"{path}: pictures are .png, .svg or .pdf")
    if find_spec("matplotlib") is None:
        raise RuntimeError("pictures need matplotlib: pip install matplotlib (after make setup: .venv/bin/pip)")


def save(figure: "Figure", path: Path) -> None:
    """Write a picture, of the format that its suffix names. Raises OSError where it cannot be written."""
    figure.savefig(path, dpi=110, format=path.suffix.lower()[1:])
