"""Reads a robot's map from YAML. Everything that is wrong with a file is told at once, each with its line.

The format is described in docs/robots.md and in the maps under launch/config/robots. Anchors, aliases and merge keys
(`<<: *servo`) work as everywhere in YAML.
"""

import math
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from yaml.nodes import MappingNode, Node

from toktalk_node.face.robot import SOURCES, Joint, Mimic, Panel, RobotMap, Term
from toktalk_node.face.yaml_nodes import NodeReader, near

MAX_REST, MAX_TURN = 5.0, 0.5
"""Seconds in which a joint must come to rest, and turn its acceleration round."""
MAX_BYTES, MAX_JOINTS, MAX_TERMS, MAX_POINTS, MAX_LIGHTS = 262_144, 128, 64, 64, 4096
UNITS: dict[str, tuple[float, str]] = {
    "rad": (4 * math.pi, "more than two turns: write radians, not degrees"),
    "m": (1.0, "more than a metre: write metres, not millimetres"),
    "normalised": (1.0, "outside [-1, 1]"),
}
"""Unit -> (largest position that makes sense, what to say of larger ones)."""
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_/.-]{0,127}")
_JOINT = {"unit", "rest", "limits", "from", "invert", "saturate", "keep"}
_MIMIC = {"mimic", "multiplier", "offset", "limits"}
_LIMITS = {"position", "velocity", "acceleration", "jerk"}
_TERM = {"shape", "weight", "curve", "gamma", "min", "max", "offset"}
_KEEP = {"low": -1, "high": 1}
_LEDS = ("height", "width", "brightness")


class MapError(ValueError):
    """A map that cannot be used; `problems` are lines of "FILE:LINE: what is wrong"."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def find(name: str) -> Path:
    """The file of a map: a path, or the name of a preset such as "head12". MapError lists the presets."""
    if os.sep in name or name.endswith((".yaml", ".yml")):
        return Path(name)
    folders = list(_preset_folders())
    for folder in folders:
        if (folder / f"{name}.yaml").is_file():
            return folder / f"{name}.yaml"
    known = sorted({path.stem for folder in folders for path in folder.glob("*.yaml")})
    raise MapError(
        [f"no map {name!r}: give the path of a YAML file, or one of {', '.join(known) or 'no presets here'}"]
    )


def _preset_folders() -> Iterator[Path]:
    """Where presets may lie: the checkout, a ROS workspace, a Python environment."""
    yield Path(__file__).parents[2] / "launch" / "config" / "robots"
    for prefix in (*os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep), sys.prefix):
        if prefix:
            yield Path(prefix) / "share" / "toktalk_node" / "config" / "robots"


def load(path: str | Path) -> RobotMap:
    """The map in the file `path`, or the preset of that name. Raises MapError with all that is wrong with it."""
    path = find(str(path))
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise MapError([f"{path}: {error.strerror}"]) from error
    if len(data) > MAX_BYTES:
        raise MapError([f"{path}: larger than {MAX_BYTES} bytes, this is no map of a robot"])
    return parse(data, path.name)


def parse(data: bytes | str, name: str = "map") -> RobotMap:
    """The map of a YAML text. Raises MapError; `name` is the file's, for its words."""
    try:
        loader = yaml.SafeLoader(data)
        try:
            root = loader.get_single_node()
        finally:
            loader.dispose()
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise MapError([f"{name}{line}: {getattr(error, 'problem', None) or error}"]) from error
    if root is None:
        raise MapError([f"{name}:1: empty"])
    reader = _Map(loader)
    robot = reader.robot(root)
    if reader.count:
        raise MapError([f"{name}:{line}: {problem}" for line, problem in sorted(reader.problems)])
    return robot


class _Map(NodeReader):
    """The keys of a map."""

    def robot(self, root: Node) -> RobotMap | None:
        """The whole file."""
        top = self.mapping(root, "the map", {"joints", "leds", "mouth"})
        joints: list[Joint] = []
        mimics: list[tuple[Mimic, Node]] = []
        written = self.mapping(top["joints"][1], "joints") if "joints" in top else {}
        for key, node in top["joints"][1].value if written else ():
            name = str(key.value)
            if not _NAME.fullmatch(name):
                self.wrong(key, f"joint {name!r}: names are letters, digits, _ and begin with a letter")
            if "mimic" in (entries := self.mapping(node, f"joint {name}")):
                mimics.append((self.mimic(name, entries), node))
            elif made := self.joint(name, node, entries):
                joints.append(made)
        if not joints and not mimics and "leds" not in top and not self.count:
            self.wrong(root, "no joints and no leds: there is nothing to move")
        if len(joints) + len(mimics) > MAX_JOINTS:
            self.wrong(root, f"{len(joints) + len(mimics)} joints, at most {MAX_JOINTS} are read")
        for mimic, node in mimics:
            if mimic.joint not in written:
                self.wrong(
                    node, f"joint {mimic.name}: there is no joint {mimic.joint!r} to mimic{near(mimic.joint, written)}"
                )
            elif mimic.joint in {other.name for other, _ in mimics}:
                self.wrong(node, f"joint {mimic.name}: {mimic.joint!r} is itself a mimic: name the joint behind it")
            else:
                self.follows(mimic, node, [joint for joint in joints if joint.name == mimic.joint])
        mouth = self.text(top["mouth"][1], "mouth") if "mouth" in top else ""
        if mouth and (mouth not in written or mouth in {mimic.name for mimic, _ in mimics}):
            self.wrong(
                top["mouth"][1], f"mouth: there is no joint {mouth!r} that follows the face{near(mouth, written)}"
            )
        panel, lights = self.leds(top["leds"][1]) if "leds" in top else (None, [])
        if self.count:
            return None
        return RobotMap(joints, [mimic for mimic, _ in mimics], panel, lights, mouth)

    def joint(self, name: str, node: Node, entries: dict, led: bool = False) -> Joint | None:
        """A joint, or None where it is wrong."""
        what, before = f"joint {name}", self.count
        if not isinstance(node, MappingNode):
            return None
        self.known(what, entries, _JOINT - {"unit"} if led else _JOINT)
        unit = "normalised" if led else self.text(self.need(node, what, entries, "unit"), f"{what}: unit")
        if unit and unit not in UNITS:
            self.wrong(entries["unit"][1], f"{what}: unit {unit!r}: choose {', '.join(UNITS)}")
        rest = self.number(self.need(node, what, entries, "rest"), f"{what}: rest")
        limits = self.limits(self.need(node, what, entries, "limits"), what, unit, led)
        inverted = self.truth(entries, "invert", what)
        saturates = self.truth(entries, "saturate", what)
        keep = self.text(entries["keep"][1], f"{what}: keep") if "keep" in entries else ""
        if keep and keep not in _KEEP:
            self.wrong(entries["keep"][1], f"{what}: keep {keep!r}: choose low or high")
        source = self.need(node, what, entries, "from")
        terms = self.terms(source, what) if source is not None else ()
        if self.count > before:
            return None
        (low, high), velocity, acceleration, jerk = limits
        if not low <= rest <= high:
            self.wrong(entries["rest"][1], f"{what}: rest {rest:g} is outside its position limits {low:g} to {high:g}")
            return None
        made = Joint(name, unit, rest, low, high, velocity, acceleration, jerk, terms, inverted, _KEEP.get(keep, 0))
        self.reach(made, source, saturates)
        self.speed(made, entries["limits"][1])
        return made

    def reach(self, joint: Joint, node: Node, saturates: bool) -> None:
        """Refuses a joint whose terms lead beyond its limits, unless it says that it stops there."""
        low, high = joint.reach()
        slack = 1e-9 * (joint.high - joint.low)
        if (low < joint.low - slack or high > joint.high + slack) and not saturates:
            self.wrong(
                node,
                f"joint {joint.name}: its terms reach from {low:.4g} to {high:.4g}, outside its position limits "
                f"{joint.low:g} to {joint.high:g}: lower the weights, or write `saturate: true` to stop at the limits",
            )

    def speed(self, joint: Joint, node: Node) -> None:
        """Refuses limits so low that the joint would not come to rest in time, or not turn round."""
        what = f"joint {joint.name}: limits"
        if (seconds := joint.seconds_to_rest()) > MAX_REST:
            self.wrong(
                node,
                f"{what}: it takes {seconds:.3g} s from its far end to rest, more than {MAX_REST:g} s: raise velocity "
                "or acceleration",
            )
        if (seconds := 2 * joint.acceleration / joint.jerk) > MAX_TURN:
            self.wrong(
                node,
                f"{what}: at this jerk it takes {seconds:.3g} s to turn the acceleration round, more than "
                f"{MAX_TURN:g} s: raise jerk, or lower acceleration",
            )

    def limits(self, node: Node | None, what: str, unit: str, led: bool) -> tuple | None:
        """((low, high), velocity, acceleration, jerk), or None where they are wrong."""
        if node is None:
            return None
        what, before = f"{what}: limits", self.count
        entries = self.mapping(node, what, _LIMITS)
        position = [0.0, 1.0]
        if not led or "position" in entries:
            pair = self.need(node, what, entries, "position")
            position = self.numbers(pair, f"{what}: position", 2) if pair is not None else []
        if len(position) == 2:
            if position[0] >= position[1]:
                self.wrong(pair, f"{what}: position [{position[0]:g}, {position[1]:g}]: the lower limit comes first")
            if unit in UNITS and max(map(abs, position)) > UNITS[unit][0]:
                self.wrong(pair, f"{what}: position [{position[0]:g}, {position[1]:g}] {unit} is {UNITS[unit][1]}")
            if led and not 0 <= position[0] < position[1] <= 1:
                self.wrong(pair, f"{what}: position [{position[0]:g}, {position[1]:g}]: lights go from 0 to 1")
        rates = []
        for key in ("velocity", "acceleration", "jerk"):
            if key == "jerk" and key not in entries:
                rates.append(math.inf)
                continue
            value = self.need(node, what, entries, key)
            rates.append(self.number(value, f"{what}: {key}"))
            if rates[-1] is not None and rates[-1] <= 0:
                self.wrong(value, f"{what}: {key} is {rates[-1]:g}, expected more than 0")
        return (position, *rates) if self.count == before else None

    def terms(self, node: Node, what: str) -> tuple[Term, ...]:
        """The list `from`."""
        items = self.sequence(node, f"{what}: from")
        if not items:
            self.wrong(node, f"{what}: from names nothing: a joint follows one shape or more")
        if len(items) > MAX_TERMS:
            self.wrong(node, f"{what}: {len(items)} terms, at most {MAX_TERMS} are read")
        return tuple(term for item in items[:MAX_TERMS] if (term := self.term(item, what)))

    def term(self, node: Node, what: str) -> Term | None:
        """One entry of `from`, or None where it is wrong."""
        before = self.count
        entries = self.mapping(node, f"{what}: a term", _TERM)
        source = self.text(self.need(node, f"{what}: a term", entries, "shape"), f"{what}: shape")
        if source and source not in SOURCES:
            self.wrong(entries["shape"][1], f"{what}: no shape {source!r}{near(source, SOURCES)}")
        given = {"min": "low", "max": "high", "weight": "weight", "gamma": "gamma", "offset": "offset"}
        values: dict[str, Any] = {
            name: self.number(entries[key][1], f"{what}: {key} of {source}")
            for key, name in given.items()
            if key in entries
        }
        if self.count == before:
            if values.get("gamma", 1.0) <= 0:
                self.wrong(
                    entries["gamma"][1], f"{what}: gamma of {source} is {values['gamma']:g}, more than 0 expected"
                )
            if values.get("low", -math.inf) > values.get("high", math.inf):
                self.wrong(entries["min"][1], f"{what}: min of {source} is above its max")
        if "curve" in entries:
            if "gamma" in entries:
                self.wrong(entries["gamma"][1], f"{what}: {source} has a curve and a gamma: choose one")
            values["points"] = self.curve(entries["curve"][1], f"{what}: curve of {source}")
        return Term(source, **values) if self.count == before else None

    def curve(self, node: Node, what: str) -> np.ndarray:
        """Corners [n, 2] of a piecewise linear curve."""
        points = [self.numbers(item, what, 2) for item in self.sequence(node, what)[: MAX_POINTS + 1]]
        points = [point for point in points if len(point) == 2]
        if not 2 <= len(points) <= MAX_POINTS:
            self.wrong(node, f"{what} has {len(points)} corners, expected 2 to {MAX_POINTS} of the form [x, y]")
        elif any(after[0] <= before[0] for before, after in zip(points, points[1:], strict=False)):
            self.wrong(node, f"{what}: the x of its corners must rise")
        return np.array(points, float).reshape(-1, 2)

    def mimic(self, name: str, entries: dict) -> Mimic:
        """A joint that moves with another."""
        what = f"joint {name}"
        self.known(what, entries, _MIMIC)
        joint = self.text(entries["mimic"][1], f"{what}: mimic")
        given = [key for key in ("multiplier", "offset") if key in entries]
        values = {key: self.number(entries[key][1], f"{what}: {key}") for key in given}
        if values.get("multiplier") == 0:
            self.wrong(entries["multiplier"][1], f"{what}: multiplier is 0: it would never move")
        return Mimic(name, joint, **{key: value for key, value in values.items() if value is not None})

    def follows(self, mimic: Mimic, node: Node, joints: list[Joint]) -> None:
        """Refuses a mimic that its joint leads beyond its limits, which are the joint's unless it names its own."""
        entries, what = self.mapping(node, f"joint {mimic.name}"), f"joint {mimic.name}: limits"
        given = self.mapping(entries["limits"][1], what, _LIMITS) if "limits" in entries else {}
        if not joints:
            return
        joint, times = joints[0], abs(mimic.multiplier)
        if "position" in given:
            limits = self.numbers(given["position"][1], f"{what}: position", 2)
            ends = sorted(mimic.multiplier * end + mimic.offset for end in (joint.low, joint.high))
            if len(limits) == 2 and not (limits[0] <= ends[0] and ends[1] <= limits[1]):
                self.wrong(
                    given["position"][1],
                    f"joint {mimic.name}: {mimic.joint} leads it from {ends[0]:.4g} to {ends[1]:.4g}, outside its "
                    f"position limits {limits[0]:g} to {limits[1]:g}",
                )
        rates = [name for name in ("velocity", "acceleration", "jerk") if getattr(joint, name) < math.inf]
        if (missing := [name for name in rates if name not in given]) and times > 1:
            self.wrong(
                node,
                f"joint {mimic.name}: it moves {times:g} times as fast as {mimic.joint}, so it needs its own limits of "
                f"{', '.join(missing)}",
            )
        for name in ("velocity", "acceleration", "jerk"):
            if name not in given or (own := self.number(given[name][1], f"{what}: {name}")) is None:
                continue
            led = times * getattr(joint, name)
            if own <= 0:
                self.wrong(given[name][1], f"{what}: {name} is {own:g}, expected more than 0")
            elif led > own * (1 + 1e-9):
                self.wrong(
                    given[name][1],
                    f"joint {mimic.name}: {mimic.joint} leads it at a {name} of up to {led:.4g}, beyond its {own:g}: "
                    f"lower the {name} of {mimic.joint} to {own / times:.4g}",
                )

    def leds(self, node: Node) -> tuple[Panel | None, list[Joint]]:
        """The mouth of lights and what drives it."""
        entries = self.mapping(node, "leds", {"rows", "columns", *_LEDS})
        size = []
        for key in ("rows", "columns"):
            value = self.need(node, "leds", entries, key)
            number = self.number(value, f"leds: {key}")
            if number is not None and not (number == int(number) and 1 <= number <= MAX_LIGHTS):
                self.wrong(value, f"leds: {key} is {number:g}, expected a whole number from 1")
            size.append(number)
        if None not in size and size[0] * size[1] > MAX_LIGHTS:
            self.wrong(node, f"leds: {size[0] * size[1]:g} lights, at most {MAX_LIGHTS} are driven")
        joints = []
        for key in _LEDS:
            if (part := self.need(node, "leds", entries, key)) is not None:
                made = self.joint(f"leds/{key}", part, self.mapping(part, f"leds: {key}"), led=True)
                if made:
                    joints.append(made)
        return (None, []) if self.count else (Panel(int(size[0]), int(size[1])), joints)
