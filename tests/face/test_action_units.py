import numpy as np

from toktalk_node.face.action_units import CONFIDENCE, COUNT, DERIVED, HEAD_FULL, SHAPES, action_units
from toktalk_node.face.arkit import BLENDSHAPES, INDEX, MOTION_WIDTH, mirrored


def units(**shapes: float) -> np.ndarray:
    motion = np.zeros(MOTION_WIDTH)
    for name, value in shapes.items():
        motion[{**INDEX, "headYaw": 52, "headPitch": 53, "headRoll": 54}[name]] = value
    return action_units(motion)


def test_a_face_at_rest_shows_nothing() -> None:
    assert action_units(np.zeros(MOTION_WIDTH)).shape == (COUNT,) and not units().any()


def test_every_shape_shows_in_a_unit_that_can_be_told_and_nowhere_else() -> None:
    silent = {"mouthShrugUpper", "mouthLeft", "mouthRight"}  # no unit is theirs
    eyes = {name for name in BLENDSHAPES if name.startswith("eyeLook")}
    for name in BLENDSHAPES:
        shown = units(**{name: 0.6, **({mirrored(name): 0.6} if name in eyes else {})})
        assert shown.any() != (name in silent), name
        assert not shown[CONFIDENCE == 0].any()
    assert {*SHAPES, *DERIVED} == set(np.flatnonzero(CONFIDENCE))


def test_units_that_several_shapes_make() -> None:
    assert units(jawOpen=0.5)[[25, 26, 27]].tolist() == [0.5, 0.5, 0.0]
    assert units(jawOpen=0.5, mouthClose=0.5)[25] == 0.0, "touching lips do not part"
    assert units(jawOpen=1.0)[27] == 1.0
    assert units(eyeBlinkLeft=1.0)[[45, 46]].tolist() == [0.0, 1.0]
    assert units(eyeBlinkLeft=1.0, eyeBlinkRight=1.0)[[45, 46]].tolist() == [1.0, 0.0]
    assert units(eyeLookOutLeft=0.5, eyeLookInRight=0.5)[[61, 62]].tolist() == [0.5, 0.0]
    assert units(eyeLookInLeft=0.5, eyeLookInRight=0.5)[[61, 62, 65, 66]].tolist() == [0.0, 0.0, 0.0, 0.5]
    assert units(mouthSmileLeft=0.25, mouthSmileRight=0.75)[12] == 0.75


def test_the_head_turns_left_up_and_to_the_left_shoulder() -> None:
    assert np.flatnonzero(units(headYaw=0.2, headPitch=0.2, headRoll=0.2)).tolist() == [51, 53, 55]
    assert np.flatnonzero(units(headYaw=-0.2, headPitch=-0.2, headRoll=-0.2)).tolist() == [52, 54, 56]
    assert units(headYaw=2 * HEAD_FULL)[51] == 1.0
