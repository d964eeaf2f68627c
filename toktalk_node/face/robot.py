"""A robot's face: what each joint does for a face of ARKit shapes. Positions only; `limiter` makes them a motion.

A joint stands at rest + the sum of its terms, each weight · clip(curve(source), min, max) + offset. A source is one of
the 52 shapes, a rotation of the head in radians, `aperture` (how far the lips are apart: jawOpen - mouthClose, not
below 0) or `loudness` of the sound. `robot_file` reads all this from YAML.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from toktalk_node.face.arkit import BLENDSHAPES, HEAD, INDEX, MOTION_WIDTH
from toktalk_node.face.limiter import Limits

SOURCES: tuple[str, ...] = (*BLENDSHAPES, *HEAD, "aperture", "loudness")
"""What joints can follow, in the order of a row of `signals`."""
SOURCE_INDEX: dict[str, int] = {name: i for i, name in enumerate(SOURCES)}
HEAD_RANGE = 1.0
"""Radians to which rotations of the head are clipped; every other source is in [0, 1]."""
_QUIET_DB, _LOUD_DB = -50.0, -15.0


def signals(motion: np.ndarray, loudness: np.ndarray | float = 0.0) -> np.ndarray:
    """Sources float64 [n, 57] of a motion [n, 55], each clipped to its range; `loudness` [n] in [0, 1]."""
    out = np.empty((len(motion), len(SOURCES)))
    out[:, :MOTION_WIDTH] = motion
    np.clip(out[:, : len(BLENDSHAPES)], 0, 1, out=out[:, : len(BLENDSHAPES)])
    head = slice(len(BLENDSHAPES), MOTION_WIDTH)
    np.clip(out[:, head], -HEAD_RANGE, HEAD_RANGE, out=out[:, head])
    out[:, -2] = np.maximum(out[:, INDEX["jawOpen"]] - out[:, INDEX["mouthClose"]], 0)
    out[:, -1] = np.clip(loudness, 0, 1)
    return out


def loudness_of(samples: np.ndarray) -> float:
    """Loudness in [0, 1] of sound [n] in [-1, 1]: its level, from -50 dB (0) to -15 dB (1) of full scale."""
    if not len(samples):
        return 0.0
    power = float(np.mean(np.square(samples, dtype=np.float64)))
    level = 10 * np.log10(max(power, 1e-10)) if np.isfinite(power) else _QUIET_DB
    return float(np.clip((level - _QUIET_DB) / (_LOUD_DB - _QUIET_DB), 0, 1))


def source_range(name: str) -> tuple[float, float]:
    """Least and greatest value of a source."""
    return (-HEAD_RANGE, HEAD_RANGE) if name in HEAD else (0.0, 1.0)


@dataclass(frozen=True)
class Term:
    """How a joint follows one source: weight · clip(curve(source), low, high) + offset.

    `points` [n, 2] are the corners of a piecewise linear curve, which goes on level beyond its ends; without them the
    curve is sign(x) · |x| ** gamma.
    """

    source: str
    weight: float = 1.0
    gamma: float = 1.0
    points: np.ndarray | None = None
    low: float = -np.inf
    high: float = np.inf
    offset: float = 0.0

    @property
    def straight(self) -> bool:
        """Whether the term is only a weight."""
        return self.points is None and self.gamma == 1.0 and self.low == -np.inf and self.high == np.inf

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """What the term adds to the joint's position for values [n] of its source."""
        if self.points is not None:
            x = np.interp(x, self.points[:, 0], self.points[:, 1])
        elif self.gamma != 1.0:
            x = np.copysign(np.abs(x) ** self.gamma, x)
        return self.weight * np.clip(x, self.low, self.high) + self.offset

    def reach(self) -> tuple[float, float]:
        """Least and greatest value that the term can take."""
        ends = list(source_range(self.source))
        if self.points is not None:
            ends += [float(x) for x in self.points[:, 0] if ends[0] < x < ends[1]]
        values = self(np.array(ends))
        return float(values.min()), float(values.max())


@dataclass(frozen=True)
class Joint:
    """A joint that follows the face. `inverted`: its terms count the other way round.

    `keep` is -1 or 1 where its low or its high positions must not be missed (see `RobotMotion`), else 0.
    """

    name: str
    unit: str
    rest: float
    low: float
    high: float
    velocity: float
    acceleration: float
    jerk: float = np.inf
    terms: tuple[Term, ...] = ()
    inverted: bool = False
    keep: int = 0

    def reach(self) -> tuple[float, float]:
        """Least and greatest position that its terms add up to, before the limits."""
        spans = [term.reach() for term in self.terms]
        low, high = sum(span[0] for span in spans), sum(span[1] for span in spans)
        return (self.rest - high, self.rest - low) if self.inverted else (self.rest + low, self.rest + high)

    def seconds_to_rest(self) -> float:
        """How long it takes from the end of its travel that is farther from rest, by velocity and acceleration."""
        way = max(self.high - self.rest, self.rest - self.low)
        peak = min(self.velocity, np.sqrt(self.acceleration * way))
        return float(way / peak + peak / self.acceleration)


@dataclass(frozen=True)
class Mimic:
    """A joint that moves with another: multiplier · its position + offset, as in a URDF."""

    name: str
    joint: str
    multiplier: float = 1.0
    offset: float = 0.0


@dataclass(frozen=True)
class Panel:
    """A mouth of `rows` x `columns` lights."""

    rows: int
    columns: int

    def light(self, height: float, width: float, brightness: float) -> np.ndarray:
        """Intensities float32 [rows, columns] in [0, 1] of an open mouth: an ellipse, all three in [0, 1].

        A light at the edge shines as much as the ellipse covers it; a closed mouth is a line across the middle row.
        """
        y = np.abs(np.arange(self.rows) - (self.rows - 1) / 2)[:, None]
        x = np.abs(np.arange(self.columns) - (self.columns - 1) / 2)[None, :]
        half_width = max(width * self.columns / 2, 0.5)
        bow = np.sqrt(np.maximum(1 - (x / half_width) ** 2, 0))
        half_height = 0.5 + max(height, 0.0) * max(self.rows - 1, 0) / 2 * bow
        inside = np.clip(half_height - y + 0.5, 0, 1) * np.clip(half_width - x + 0.5, 0, 1)
        return (np.clip(brightness, 0, 1) * inside).astype(np.float32)


class RobotMap:
    """A robot's joints.

    `driven` is everything that the face moves: `joints`, then what drives the `panel` (height, width, brightness).
    `names` is everything to command: `joints`, then `mimics`. `mouth` names the joint that parts the lips, or is "".
    """

    def __init__(
        self,
        joints: Sequence[Joint],
        mimics: Sequence[Mimic] = (),
        panel: Panel | None = None,
        panel_joints: Sequence[Joint] = (),
        mouth: str = "",
    ) -> None:
        self.joints, self.mimics, self.panel, self.mouth = tuple(joints), tuple(mimics), panel, mouth
        self.driven = (*self.joints, *panel_joints)
        self.names = tuple(item.name for item in (*self.joints, *self.mimics))
        self.rest = np.array([joint.rest for joint in self.driven])
        """Where the driven joints rest, float64 [driven]."""
        fields = ("low", "high", "velocity", "acceleration", "jerk")
        self.limits = Limits(*(np.array([getattr(joint, name) for joint in self.driven], float) for name in fields))
        self.keep = np.array([joint.keep for joint in self.driven])
        index = {joint.name: i for i, joint in enumerate(self.joints)}
        self._order = np.array([*range(len(self.joints)), *(index[mimic.joint] for mimic in self.mimics)], int)
        self._scale = np.array([*np.ones(len(self.joints)), *(mimic.multiplier for mimic in self.mimics)])
        self._shift = np.array([*np.zeros(len(self.joints)), *(mimic.offset for mimic in self.mimics)])
        self._sign = np.array([-1.0 if joint.inverted else 1.0 for joint in self.driven])
        self._matrix, self._offset = np.zeros((len(SOURCES), len(self.driven))), np.zeros(len(self.driven))
        self._bent: list[tuple[int, int, Term]] = []
        for i, joint in enumerate(self.driven):
            for term in joint.terms:
                if term.straight:
                    self._matrix[SOURCE_INDEX[term.source], i] += term.weight
                    self._offset[i] += term.offset
                else:
                    self._bent.append((i, SOURCE_INDEX[term.source], term))

    @property
    def hears(self) -> bool:
        """Whether a joint follows the loudness of the sound."""
        return any(term.source == "loudness" for joint in self.driven for term in joint.terms)

    def targets(self, sources: np.ndarray) -> np.ndarray:
        """Where the driven joints should be, float64 [n, driven], for rows of `signals`; within their positions."""
        total = sources @ self._matrix + self._offset
        for joint, source, term in self._bent:
            total[:, joint] += term(sources[:, source])
        return np.clip(self.rest + self._sign * total, self.limits.low, self.limits.high)

    def commands(self, positions: np.ndarray) -> np.ndarray:
        """Positions [..., driven] as positions of all joints `names` [..., names]."""
        return self.rates(positions) + self._shift

    def rates(self, velocities: np.ndarray) -> np.ndarray:
        """Velocities, or accelerations, [..., driven] as those of all joints `names` [..., names]."""
        return self._scale * velocities[..., self._order]

    def driven_from(self, measured: Mapping[str, float]) -> np.ndarray:
        """Positions [driven] of a robot whose joints stand at `measured`; what is not measured is at rest."""
        return np.array([measured.get(joint.name, joint.rest) for joint in self.driven])

    def lights(self, positions: np.ndarray) -> np.ndarray:
        """The panel's intensities float32 [rows, columns] for driven positions [driven]."""
        return self.panel.light(*positions[len(self.joints) :])
