"""The 52 face blendshapes of Apple's ARKit, in the order that Live Link Face sends them.

Names follow `ARFaceAnchor.BlendShapeLocation`. Left and right are the person's own.
"""

BLENDSHAPES: tuple[str, ...] = tuple(
    """
    eyeBlinkLeft eyeLookDownLeft eyeLookInLeft eyeLookOutLeft eyeLookUpLeft eyeSquintLeft eyeWideLeft
    eyeBlinkRight eyeLookDownRight eyeLookInRight eyeLookOutRight eyeLookUpRight eyeSquintRight eyeWideRight
    jawForward jawLeft jawRight jawOpen
    mouthClose mouthFunnel mouthPucker mouthLeft mouthRight
    mouthSmileLeft mouthSmileRight mouthFrownLeft mouthFrownRight mouthDimpleLeft mouthDimpleRight
    mouthStretchLeft mouthStretchRight mouthRollLower mouthRollUpper mouthShrugLower mouthShrugUpper
    mouthPressLeft mouthPressRight mouthLowerDownLeft mouthLowerDownRight mouthUpperUpLeft mouthUpperUpRight
    browDownLeft browDownRight browInnerUp browOuterUpLeft browOuterUpRight
    cheekPuff cheekSquintLeft cheekSquintRight noseSneerLeft noseSneerRight tongueOut
    """.split()
)

INDEX: dict[str, int] = {name: i for i, name in enumerate(BLENDSHAPES)}

HEAD: tuple[str, ...] = ("headYaw", "headPitch", "headRoll")
"""Head rotation in radians: yaw to the person's left, pitch up and roll to the left are positive."""

MOTION_WIDTH = len(BLENDSHAPES) + len(HEAD)
"""Width of a motion vector: 52 weights, then head yaw, pitch and roll."""


def mirrored(name: str) -> str:
    """The blendshape on the other side of the face; a central shape is its own mirror."""
    if name.endswith("Left"):
        return name[:-4] + "Right"
    if name.endswith("Right"):
        return name[:-5] + "Left"
    return name
