"""What `toktalk robot check` measures, on motions whose answer is known."""

import numpy as np
import pytest

from toktalk_node.evaluation import robot as evaluation
from toktalk_node.face.arkit import INDEX, MOTION_WIDTH
from toktalk_node.face.robot_file import load, parse
from toktalk_node.speech.phones import Phone

FPS = 50
JAW = """
joints:
  jaw:
    unit: rad
    rest: 0.0
    limits: {{position: [0, 0.5], velocity: {velocity}, acceleration: {acceleration}}}
    {keep}
    from: [{{shape: aperture, weight: 0.5}}]
"""
PHONES = [Phone("AA", 0.0, 1.0), Phone("B", 1.0, 1.06), Phone("AA", 1.06, 2.0)]


def jaw(velocity: float, acceleration: float, keep: str = "") -> evaluation.RobotMap:
    return parse(JAW.format(velocity=velocity, acceleration=acceleration, keep=keep))


def sentence() -> np.ndarray:
    """Two open vowels and a b of 60 ms between them, and a second of silence."""
    motion = np.zeros((150, MOTION_WIDTH))
    motion[5:100, INDEX["jawOpen"]] = 0.6
    motion[50:53, INDEX["jawOpen"]] = 0.0
    return motion


def spoken(robot: evaluation.RobotMap, ahead: float = 0.1) -> evaluation.Spoken:
    motion = sentence()
    return evaluation.speak(robot, motion, FPS, np.zeros(len(motion)), 100.0, ahead)


@pytest.mark.parametrize("phones", [PHONES, None], ids=["phones known", "from the face alone"])
def test_a_fast_jaw_shuts_where_the_face_does_and_a_slow_one_tells_by_how_much_it_misses(phones) -> None:
    fast = evaluation.closures(spoken(jaw(50, 5000)), phones)
    assert (fast.joint.name, fast.count, fast.wanted, fast.limited) == ("jaw", 1, 1.0, 1.0)
    assert fast.missed_max < 0.005 and fast.opening == pytest.approx(0.3) and abs(fast.lag) <= 0.01
    slow = evaluation.closures(spoken(jaw(4, 60)), phones)
    assert (slow.wanted, slow.limited) == (1.0, 0.0) and 0.05 < slow.missed_max < 0.3
    assert slow.missed_mean == slow.missed_max


def test_keeping_the_low_end_gives_the_closure_back_as_far_as_frames_are_known() -> None:
    kept = jaw(4, 60, "keep: low")
    assert evaluation.closures(spoken(kept), PHONES).limited == 1.0
    assert evaluation.closures(spoken(kept, ahead=0.0), PHONES).limited == 0.0


def test_the_motion_ends_at_rest_and_the_figures_are_of_the_limits() -> None:
    said = spoken(jaw(4, 60))
    assert said.position[-1] == 0 and said.velocity[-1] == 0
    assert np.abs(said.velocity).max() <= 4 * (1 + 1e-9) and np.abs(said.acceleration).max() <= 60 * (1 + 1e-9)
    assert said.position.shape == said.wanted.shape == (len(said.time), 1)


def test_robots_without_a_mouth_have_no_closures() -> None:
    brow = parse(JAW.format(velocity=4, acceleration=60, keep="").replace("aperture", "browInnerUp"))
    assert evaluation.closures(spoken(brow), PHONES) is None
    assert evaluation.closures(spoken(jaw(4, 60)), []) is None
    lights = load("leds")
    assert lights.driven[evaluation.mouth_of(lights)].name == "leds/height"


def test_a_picture_shows_each_joint_with_its_limits(tmp_path) -> None:
    pytest.importorskip("matplotlib")
    said = spoken(load("head12"))
    chosen = evaluation.liveliest(said)
    assert said.robot.driven[chosen[0]].name == "jaw" and len(chosen) == 4
    figure = evaluation.picture(said, chosen, PHONES, "a b")
    assert [axis.get_title(loc="left") for axis in figure.axes[:3]] == [
        "jaw: position (rad)", "jaw: velocity (rad/s)", "jaw: acceleration (rad/s²)"
    ]  # fmt: skip
    for axis, low, high in zip(figure.axes[:3], (0, -5, -80), (0.4, 5, 80), strict=True):
        dashed = sorted(line.get_ydata()[0] for line in axis.get_lines() if line.get_linestyle() == "--")
        assert dashed == [low, high]
    evaluation.save(figure, tmp_path / "joints.png")
    assert (tmp_path / "joints.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="bmp: pictures are"):
        evaluation.check_pictures(tmp_path / "joints.bmp")


def test_loudness_is_read_frame_by_frame() -> None:
    sound = np.zeros(16_000, np.float32)
    sound[8000:] = 0.5
    loud = evaluation.loudness(sound, 16_000, FPS, 60)
    assert loud.shape == (60,) and not loud[:25].any() and (loud[25:50] > 0.8).all() and not loud[50:].any()
