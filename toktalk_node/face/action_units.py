"""Action units of the Facial Action Coding System from a face of ARKit shapes.

The numbers are FACS's own (Ekman, Friesen and Hager, "Facial Action Coding System: The Manual", 2002), as
hri_msgs/FacialActionUnits lists them. Each ARKit shape is one muscle's movement, so most units are one shape (both
sides of it: the stronger one counts, for the message has no sides). Left and right are the person's own.

Not to be told from ARKit's shapes, and so of confidence 0: AU 11, 13, 21, 23, 31 to 33, 35 to 44 and everything from 47
on that is no rotation of head or eyes.
"""

import numpy as np

from toktalk_node.face.arkit import BLENDSHAPES, INDEX

COUNT = 99
"""Entries of hri_msgs/FacialActionUnits' arrays: AU 0 to 98."""
HEAD_FULL = np.radians(30.0)
"""Rotation of the head that counts as intensity 1."""
SHAPES: dict[int, str] = {
    1: "browInnerUp",
    2: "browOuterUp",
    4: "browDown",
    5: "eyeWide",
    6: "cheekSquint",
    7: "eyeSquint",
    8: "mouthClose",
    9: "noseSneer",
    10: "mouthUpperUp",
    12: "mouthSmile",
    14: "mouthDimple",
    15: "mouthFrown",
    16: "mouthLowerDown",
    17: "mouthShrugLower",
    18: "mouthPucker",
    19: "tongueOut",
    20: "mouthStretch",
    22: "mouthFunnel",
    24: "mouthPress",
    26: "jawOpen",
    29: "jawForward",
    34: "cheekPuff",
}
"""Action unit -> the shape that is its movement; a name without a side stands for both."""
_SIDES = {
    unit: [INDEX[full] for full in (name, f"{name}Left", f"{name}Right") if full in BLENDSHAPES]
    for unit, name in SHAPES.items()
}
DERIVED: tuple[int, ...] = (25, 27, 28, 30, 45, 46, *range(51, 57), *range(61, 67))
"""Units that several shapes, or rotations, make together."""
MOUTH_STRETCH = 0.7
"""jawOpen from which the mouth is pulled open (AU 27) rather than dropped (AU 26)."""
CONFIDENCE: np.ndarray = np.zeros(COUNT, np.float32)
"""1 for the units that can be told, 0 for the others, float32 [99]; read only."""
CONFIDENCE[[*SHAPES, *DERIVED]] = 1.0
CONFIDENCE.flags.writeable = False


def action_units(motion: np.ndarray) -> np.ndarray:
    """Intensities float32 [99] in [0, 1], one for each AU number, of a face [55]."""
    unit = np.zeros(COUNT, np.float32)
    for number, indices in _SIDES.items():
        unit[number] = motion[indices].max()
    shape = {name: float(motion[i]) for name, i in INDEX.items()}
    jaw = shape["jawOpen"]
    apart = max(jaw - shape["mouthClose"], shape["mouthLowerDownLeft"], shape["mouthLowerDownRight"],
                shape["mouthUpperUpLeft"], shape["mouthUpperUpRight"])  # fmt: skip
    unit[25] = apart
    unit[27] = (jaw - MOUTH_STRETCH) / (1 - MOUTH_STRETCH)
    unit[28] = max(shape["mouthRollLower"], shape["mouthRollUpper"])
    unit[30] = max(shape["jawLeft"], shape["jawRight"])
    lids = shape["eyeBlinkLeft"], shape["eyeBlinkRight"]
    unit[45], unit[46] = min(lids), max(lids) - min(lids)
    yaw, pitch, roll = motion[len(BLENDSHAPES) :] / HEAD_FULL
    unit[51:57] = yaw, -yaw, pitch, -pitch, roll, -roll
    left = shape["eyeLookOutLeft"], shape["eyeLookInRight"]
    right = shape["eyeLookInLeft"], shape["eyeLookOutRight"]
    unit[61], unit[62] = min(left), min(right)
    unit[63] = (shape["eyeLookUpLeft"] + shape["eyeLookUpRight"]) / 2
    unit[64] = (shape["eyeLookDownLeft"] + shape["eyeLookDownRight"]) / 2
    unit[65] = min(shape["eyeLookOutLeft"], shape["eyeLookOutRight"])
    unit[66] = min(shape["eyeLookInLeft"], shape["eyeLookInRight"])
    return np.clip(unit, 0, 1)
