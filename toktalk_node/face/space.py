"""Face spaces: what the channels of a motion vector are, and which of them speech moves."""

from dataclasses import dataclass

from toktalk_node.face.arkit import BLENDSHAPES, HEAD


@dataclass(frozen=True)
class FaceSpace:
    """The channels of a motion vector, in order."""

    name: str
    channels: tuple[str, ...]
    weights: int
    """How many of the channels, the first ones, are blendshape weights in [0, 1]."""
    speech: tuple[str, ...]
    """How the names of channels begin that speech moves."""

    @property
    def width(self) -> int:
        """Number of channels M."""
        return len(self.channels)

    def moved_by_speech(self) -> tuple[bool, ...]:
        """Of each channel, whether speech moves it."""
        return tuple(name.startswith(self.speech) for name in self.channels)


def _flame(expressions: int) -> FaceSpace:
    """FLAME (Li et al. 2017): expression coefficients, then jaw and neck as axis-angle vectors in radians."""
    expression = tuple(f"expression{i:02d}" for i in range(expressions))
    joints = tuple(f"{joint}{axis}" for joint in ("jaw", "neck") for axis in "XYZ")
    return FaceSpace(f"flame-{expressions}", expression + joints, 0, ("expression", "jaw"))


ARKIT = FaceSpace("arkit", BLENDSHAPES + HEAD, len(BLENDSHAPES), ("jaw", "mouth", "tongue"))
"""Apple's 52 weights, then head yaw, pitch and roll in radians."""
SPACES: dict[str, FaceSpace] = {space.name: space for space in (ARKIT, _flame(50), _flame(100))}
