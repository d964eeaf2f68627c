"""Maps of robots: what joints do for a face, and that everything wrong with a file is told with its line."""

import re
from pathlib import Path

import numpy as np
import pytest

from toktalk_node.face import robot_file
from toktalk_node.face.arkit import INDEX, MOTION_WIDTH, mirrored
from toktalk_node.face.robot import Panel, loudness_of, signals
from toktalk_node.face.robot_file import MapError, load, parse

PRESETS = sorted((Path(__file__).parents[2] / "launch" / "config" / "robots").glob("*.yaml"))
JAW = """
joints:
  jaw:
    unit: rad
    rest: 0.1
    limits: {position: [0.0, 0.5], velocity: 5, acceleration: 100}
    from:
      - {shape: jawOpen, weight: 0.4}
"""


def face(**shapes: float) -> np.ndarray:
    motion = np.zeros((1, MOTION_WIDTH))
    for name, value in shapes.items():
        motion[0, {**INDEX, "headYaw": 52, "headPitch": 53, "headRoll": 54}[name]] = value
    return motion


def positions(text: str, **shapes: float) -> dict[str, float]:
    robot = parse(text)
    return dict(zip(robot.names, robot.commands(robot.targets(signals(face(**shapes))))[0], strict=True))


def problems(text: str) -> list[str]:
    with pytest.raises(MapError) as caught:
        parse(text, "head.yaml")
    return caught.value.problems


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_presets_move_for_speech_and_are_found_by_name(path: Path) -> None:
    robot = load(path.stem)
    rest = robot.targets(signals(face()))[0]
    speech = robot.targets(signals(face(jawOpen=0.4, mouthPucker=0.3, mouthSmileLeft=0.5, mouthSmileRight=0.5), 0.8))[0]
    assert np.allclose(rest, robot.rest)
    assert np.abs(speech - rest).max() > 0.1
    if robot.mouth:
        shut = robot.targets(signals(face(jawOpen=0.3, mouthClose=0.3)))[0]
        index = robot.names.index(robot.mouth)
        assert shut[index] == rest[index], "lips that touch shut the jaw of a robot without lips"
        assert robot.keep[index] == -1


def test_both_sides_of_head12_do_the_same() -> None:
    robot = load("head12")
    both = np.random.default_rng(0).uniform(0, 1, (20, MOTION_WIDTH))
    for name, i in INDEX.items():
        both[:, i] = both[:, INDEX[mirrored(name)]]
    moved = dict(zip(robot.names, robot.targets(signals(both)).T, strict=True))
    for joint, sign in (("lid", 1), ("brow", -1), ("lip_corner", 1)):  # the right brow's servo is turned round
        assert np.allclose(moved[f"{joint}_left"], sign * moved[f"{joint}_right"]), joint


def test_the_maps_of_the_guide_are_good() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "robots.md").read_text()
    maps = [block for block in re.findall("```yaml\n(.*?)```", guide, re.S) if "from:" in block]
    assert len(maps) == 2
    for text in maps:
        assert parse(text).driven


def test_a_joint_is_rest_plus_its_terms() -> None:
    assert positions(JAW, jawOpen=0.5) == {"jaw": pytest.approx(0.3)}
    bent = JAW.replace("weight: 0.4}", "weight: 0.4, curve: [[0, 0], [0.2, 0.8], [1, 1]], max: 0.9, offset: -0.05}")
    assert positions(bent, jawOpen=0.1)["jaw"] == pytest.approx(0.1 + 0.4 * 0.4 - 0.05)
    assert positions(bent, jawOpen=1.0)["jaw"] == pytest.approx(0.1 + 0.4 * 0.9 - 0.05)
    gamma = JAW.replace("weight: 0.4}", "weight: 0.4, gamma: 0.5}")
    assert positions(gamma, jawOpen=0.25)["jaw"] == pytest.approx(0.1 + 0.4 * 0.5)
    turned = JAW.replace("rest: 0.1", "rest: 0.45\n    invert: true")
    assert positions(turned, jawOpen=0.5)["jaw"] == pytest.approx(0.45 - 0.2)
    head = JAW.replace("jawOpen, weight: 0.4", "headYaw, weight: 0.1, gamma: 2")
    assert positions(head, headYaw=-0.5)["jaw"] == pytest.approx(0.1 - 0.025)


def test_a_mimic_moves_as_in_a_urdf() -> None:
    own = "{velocity: 10, acceleration: 200}"
    both = JAW + f"  jaw_right: {{mimic: jaw, multiplier: -2, offset: 0.05, limits: {own}}}\n"
    assert positions(both, jawOpen=0.5) == {"jaw": pytest.approx(0.3), "jaw_right": pytest.approx(-0.55)}
    robot = parse(both)
    assert robot.rates(np.array([2.0])).tolist() == [2.0, -4.0]


def test_saturating_joints_stop_at_their_limits_and_values_out_of_range_are_clipped() -> None:
    wide = JAW.replace("weight: 0.4}", "weight: 2.0}").replace("rest: 0.1", "rest: 0.1\n    saturate: true")
    assert positions(wide, jawOpen=0.9)["jaw"] == 0.5
    assert positions(JAW, jawOpen=7.0)["jaw"] == pytest.approx(0.5)


def test_anchors_and_merge_keys_share_what_joints_have_in_common() -> None:
    text = """
joints:
  left: &servo
    unit: rad
    rest: 0.0
    limits: &limits {position: [-1, 1], velocity: 5, acceleration: 100}
    from: [{shape: browDownLeft, weight: 1}]
  right:
    <<: *servo
    limits: {<<: *limits, velocity: 2}
    from: [{shape: browDownRight, weight: -1}]
"""
    robot = parse(text)
    assert robot.limits.velocity.tolist() == [5, 2]
    assert positions(text, browDownRight=0.5) == {"left": 0, "right": -0.5}


def test_everything_that_is_wrong_is_told_at_once_with_its_line() -> None:
    told = problems("""mouth: jow
joints:
  jaw:
    unit: deg
    rest: 0
    limits: {position: [30, 0], velocity: 0, acceleration: .nan, jark: 3}
    from:
      - {shape: jawOpne, weight: heavy}
  lid: {mimic: lidd}
  neck:
    unit: rad
    rest: 1.0
    limits: {position: [-0.5, 0.5], velocity: 1, acceleration: 1}
    from: [{shape: headYaw, weight: 0.1, curve: [[0, 0], [0, 1]], gamma: 0}]
  neck:
    unit: rad
""")
    for expected in (
        ":1: mouth: there is no joint 'jow' that follows the face; did you mean jaw?",
        ":4: joint jaw: unit 'deg': choose rad, m, normalised",
        ":6: joint jaw: limits: position [30, 0]: the lower limit comes first",
        ":6: joint jaw: limits: velocity is 0, expected more than 0",
        ":6: joint jaw: limits: acceleration is .nan, expected a number, 1e6 at most",
        ":6: joint jaw: limits: 'jark' means nothing; did you mean jerk?",
        ":8: joint jaw: no shape 'jawOpne'; did you mean jawOpen?",
        ":8: joint jaw: weight of jawOpne is heavy, expected a number, 1e6 at most",
        ":9: joint lid: there is no joint 'lidd' to mimic; did you mean lid?",
        ":14: joint neck: gamma of headYaw is 0, more than 0 expected",
        ":14: joint neck: headYaw has a curve and a gamma: choose one",
        ":14: joint neck: curve of headYaw: the x of its corners must rise",
        ":15: joints: 'neck' is there twice, first in line 10",
        ":16: joint neck: rest is missing",
    ):
        assert f"head.yaml{expected}" in told, told
    lines = [int(line.split(":")[1]) for line in told]
    assert lines == sorted(lines)


@pytest.mark.parametrize(
    ("old", "new", "line", "reason"),
    [
        ("weight: 0.4}", "weight: 0.41}", 8, "reach from 0.1 to 0.51, outside its position limits 0 to 0.5"),
        ("weight: 0.4}", "weight: -0.2}", 8, "reach from -0.1 to 0.1"),
        ("rest: 0.1", "rest: 0.6", 5, "rest 0.6 is outside its position limits 0 to 0.5"),
        ("rest: 0.1", "rest: yes", 5, "rest is yes, expected a number, 1e6 at most"),
        ("[0.0, 0.5]", "[0.0, 90]", 6, "write radians, not degrees"),
        ("[0.0, 0.5]", "[0.0]", 6, "1 numbers, expected 2"),
        ("[0.0, 0.5]", "0.5", 6, "expected a list"),
        ("velocity: 5, ", "", 6, "velocity is missing"),
        ("weight: 0.4}", "weight: 0.4, min: 1, max: 0}", 8, "min of jawOpen is above its max"),
        ("weight: 0.4}", "weight: .inf}", 8, "weight of jawOpen is .inf"),
        ("weight: 0.4}", "weight: 0.4, curve: [[0, 0]]}", 8, "1 corners, expected 2 to 64"),
        ("- {shape: jawOpen, weight: 0.4}", "[]", 8, "from names nothing"),
        ("rest: 0.1", "rest: 0.1\n    keep: shut", 6, "keep 'shut': choose low or high"),
        ("rest: 0.1", "rest: 0.1\n    saturate: 1", 6, "saturate is '1', expected true or false"),
        ("velocity: 5,", "velocity: 0.05,", 6, "takes 8 s from its far end to rest, more than 5 s"),
        ("acceleration: 100", "acceleration: 0.001", 6, "from its far end to rest"),
        ("acceleration: 100", "acceleration: 100, jerk: 10", 6, "takes 20 s to turn the acceleration round"),
        ("weight: 0.4}", "weight: 1.0e+300}", 8, "weight of jawOpen is 1.0e+300"),
        ("  jaw:", "  lid: {mimic: jaw, limits: {position: [0, 0.4]}}\n  jaw:", 3, "leads it from 0 to 0.5"),
        ("  jaw:", "  lid:\n    mimic: jaw\n    limits: {velocity: 4}\n  jaw:", 5,
         "jaw leads it at a velocity of up to 5, beyond its 4: lower the velocity of jaw to 4"),
        ("  jaw:", "  lid: {mimic: jaw, multiplier: -3, limits: {velocity: 15, acceleration: 100}}\n  jaw:", 3,
         "acceleration of up to 300, beyond its 100: lower the acceleration of jaw to 33.33"),
        ("  jaw:", "  lid: {mimic: jaw, multiplier: -3}\n  jaw:", 3,
         "moves 3 times as fast as jaw, so it needs its own limits of velocity, acceleration"),
        ("  jaw:", "  lid: {mimic: jaw, limits: {jerk: 800}}\n  jaw:", 3, "lower the jerk of jaw to 800"),
        ("  jaw:", "  lid: {mimic: jaw, multiplier: heavy}\n  jaw:", 3, "multiplier is heavy"),
        ("  jaw:", "  lid: {mimic: jaw, limits: {velocity: 0}}\n  jaw:", 3, "velocity is 0, expected more than 0"),
        ("  jaw:", "  lid: {mimic: jaw, limits: {jark: 3}}\n  jaw:", 3, "did you mean jerk"),
        ("  jaw:", "  lid: {mimic: jaw, position: [0, 1]}\n  jaw:", 3, "'position' means nothing"),
        ("joints:", "mouth: lid\njoints:\n  lid: {mimic: jaw}", 2, "no joint 'lid' that follows the face"),
        ("  jaw:", "  my jaw:", 3, "names are letters"),
    ],
)  # fmt: skip
def test_what_could_hurt_a_servo_is_refused(old: str, new: str, line: int, reason: str) -> None:
    assert old in JAW
    (told,) = problems(JAW.replace(old, new))
    assert told.startswith(f"head.yaml:{line}: ") and reason in told


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", ":1: empty"),
        ("joints: [", ":1: expected the node content"),
        ("- jaw", ":1: the map: expected `key: value` pairs"),
        ("joints: {}", ":1: no joints and no leds"),
        ("joints: 3", ":1: joints: expected `key: value` pairs"),
        ("joints: &a {jaw: *a}", "joint jaw"),
        ("joints:\n  jaw: {<<: 3}", ":2: the merge key leads nowhere"),
        ("!!python/object/apply:os.system [ls]", "the map: expected"),
        ("joints: {a: {mimic: b}, b: {mimic: a}}", "is itself a mimic"),
        ("leds: {rows: 0, columns: 9.5}", ":1: leds: rows is 0, expected a whole number from 1"),
        ("\x00", "head.yaml"),
        ("a: &a [1]\nb: &b [*a, *a]\njoints: *b", "joints: expected"),
    ],
)
def test_files_that_are_no_maps_are_refused_in_words(text: str, reason: str) -> None:
    assert reason in "\n".join(problems(text))


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(MapError, match="no map 'hed12'.*head12, jaw2, leds"):
        load("hed12")
    with pytest.raises(MapError, match="no.yaml: No such file"):
        load(tmp_path / "no.yaml")
    (tmp_path / "large.yaml").write_text("#" * (robot_file.MAX_BYTES + 1))
    with pytest.raises(MapError, match="this is no map"):
        load(tmp_path / "large.yaml")
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\xfa\x00")
    with pytest.raises(MapError, match="bytes.yaml"):
        load(tmp_path / "bytes.yaml")


def test_a_mouth_of_lights_opens_and_shines_with_the_voice() -> None:
    panel = Panel(5, 9)
    shut, wide = panel.light(0.0, 0.7, 1.0), panel.light(1.0, 1.0, 1.0)
    assert (shut[[0, 1, 3, 4]] == 0).all() and shut[2, 4] == 1 and shut[2, 0] == 0
    assert (wide > 0).sum() > 35
    assert np.array_equal(wide, wide[::-1]) and np.array_equal(wide, wide[:, ::-1]), "it is symmetric"
    heights = [panel.light(height, 0.7, 1.0).sum() for height in np.linspace(0, 1, 20)]
    assert (np.diff(heights) > 0).all(), "each bit of opening shows"
    assert np.allclose(panel.light(0.5, 0.5, 0.25), panel.light(0.5, 0.5, 1.0) / 4)
    bar = Panel(1, 8).light(1.0, 0.5, 1.0)
    assert bar.shape == (1, 8) and bar[0, 4] == 1 and bar[0, 0] == 0


def test_loudness_goes_from_quiet_to_loud() -> None:
    tone = np.sin(np.arange(1600) * 0.2).astype(np.float32)
    levels = [loudness_of(tone * gain) for gain in (0.0, 0.003, 0.03, 0.3, 1.0)]
    assert levels[0] == 0 and levels == sorted(levels) and levels[-1] == 1
    assert loudness_of(tone[:0]) == 0 and loudness_of(np.full(9, np.nan)) == 0
