"""VMC protocol over OSC and UDP: what VSeeFace, Warudo, VNyan, VMagicMirror and others take. See docs/vrm.md.

One frame is (protocol.vmc.info, the part of a Performer):

    /VMC/Ext/OK 1, /VMC/Ext/T seconds              a model is loaded; time since the sender began
    /VMC/Ext/Bone/Pos name px py pz qx qy qz qw    Neck and Head: local, Unity's left-handed axes, positions 0
    /VMC/Ext/Blend/Val name weight                 for each shape, then
    /VMC/Ext/Blend/Apply

in OSC bundles (Open Sound Control 1.0) that fit into one network packet each. The bundles are laid out once; a frame
only writes its numbers into them, as OSC keeps everything at multiples of four bytes.
"""

import struct
from collections.abc import Sequence

import numpy as np

from toktalk_node.face.arkit import BLENDSHAPES, INDEX
from toktalk_node.signals import NANOSECONDS

PORT = 39539
MTU = 1400
"""Most bytes in a bundle: what Ethernet carries in one piece, less the headers of IP, UDP and tunnels."""

PASCAL, CAMEL, VRM0, VRM1 = "pascal", "camel", "vrm0", "vrm1"
NAMES: dict[str, tuple[str, ...]] = {
    PASCAL: tuple(name[0].upper() + name[1:] for name in BLENDSHAPES),
    CAMEL: BLENDSHAPES,
    VRM0: tuple("A I U E O Blink Blink_L Blink_R LookUp LookDown LookLeft LookRight".split()),
    VRM1: tuple("aa ih ou ee oh blink blinkLeft blinkRight lookUp lookDown lookLeft lookRight".split()),
}
"""Names of the shapes that are sent: perfect sync in two letter cases, or the presets of VRM 0 and VRM 1."""

BONES = ("Neck", "Head")
"""Bones that share the head's rotation in equal parts."""

_OPEN, _APART, _FUNNEL, _PUCKER, _SPREAD = 0.5, 0.08, 0.4, 0.6, 0.25


class Vmc:
    """Encodes a face for VMC receivers. One receiver shows one avatar, so it takes one stream.

    Args:
        names: which shapes are sent, a key of NAMES.
        head: send the rotation of neck and head.

    Raises:
        ValueError: `names` is none of them.
    """

    def __init__(self, names: str = PASCAL, *, head: bool = True) -> None:
        if names not in NAMES:
            raise ValueError(f"names are {names!r}, choose {', '.join(NAMES)}")
        self._presets = names in (VRM0, VRM1)
        messages = [_message("/VMC/Ext/OK", ints=(1,)), _message("/VMC/Ext/T", floats=1)]
        messages += [_message("/VMC/Ext/Bone/Pos", bone, floats=7) for bone in BONES if head]
        messages += [_message("/VMC/Ext/Blend/Val", name, floats=1) for name in NAMES[names]]
        messages.append(_message("/VMC/Ext/Blend/Apply"))
        self._bundles, self._slots = _bundles(messages)
        self._head = head
        self._began_ns: int | None = None

    def subject(self, stream: str) -> str:
        """The one avatar of the receiver."""
        return "avatar"

    def packets(self, subject: str, motion: np.ndarray, fps: int, time_ns: int) -> list[bytes]:
        """The bundles of a frame (see `Encoder.packets`)."""
        if self._began_ns is None:
            self._began_ns = time_ns
        weights = presets(motion) if self._presets else motion[: len(BLENDSHAPES)]
        turn = (0.0, 0.0, 0.0, *head_share(motion[len(BLENDSHAPES) :], 1 / len(BONES)))
        bones = turn * len(BONES) if self._head else ()
        values = np.concatenate([[(time_ns - self._began_ns) / NANOSECONDS], bones, weights])
        done = 0
        for bundle, slots in zip(self._bundles, self._slots, strict=True):
            bundle[slots] = values[done : done + len(slots)]
            done += len(slots)
        return [bundle.tobytes() for bundle in self._bundles]


def presets(motion: np.ndarray) -> np.ndarray:
    """The weights [12] of VRM's presets in the order of NAMES, from `motion` [55]: docs/vrm.md has the formulas."""
    weight = dict(zip(BLENDSHAPES, motion.tolist(), strict=False))

    def both(name: str) -> float:
        return (weight[f"{name}Left"] + weight[f"{name}Right"]) / 2

    gap = weight["jawOpen"] - weight["mouthClose"]
    apart, opening = _unit(gap / _APART), _unit(gap / _OPEN)
    rounded = _unit(max(weight["mouthFunnel"] / _FUNNEL, weight["mouthPucker"] / _PUCKER))
    spread = _unit((both("mouthStretch") + both("mouthSmile")) / 2 / _SPREAD) * (1 - rounded)
    vowels = [
        apart * share
        for share in (
            (1 - rounded - spread) * opening,
            spread * (1 - opening),
            rounded * (1 - opening),
            spread * opening,
            rounded * opening,
        )
    ]
    left, right = weight["eyeBlinkLeft"], weight["eyeBlinkRight"]
    blink = min(left, right)
    up, aside = both("eyeLookUp") - both("eyeLookDown"), _look_left(motion)
    looks = [_unit(up), _unit(-up), _unit(aside), _unit(-aside)]
    return np.array([*vowels, blink, left - blink, right - blink, *looks], np.float32)


def _look_left(motion: np.ndarray) -> float:
    """How far both eyes look to their left, in [-1, 1]."""
    out_left, in_left, out_right, in_right = (
        motion[INDEX[f"eyeLook{way}{side}"]] for side in ("Left", "Right") for way in ("Out", "In")
    )
    return float(out_left - in_left + in_right - out_right) / 2


def head_share(head: np.ndarray, share: float) -> tuple[float, float, float, float]:
    """Quaternion (x, y, z, w) in Unity's axes of a part of the rotation `head` (yaw, pitch, roll in radians).

    Yaw, pitch and roll turn about up (y), right (x) and forward (z), each about axes that the one before has turned; in
    this left-handed frame a turn to the left and a look up are negative. A chain of 1 / share such parts is the whole.
    """
    yaw, pitch, roll = (float(angle) / 2 for angle in head)
    cy, sy, cx, sx, cz, sz = (f(a) for a in (-yaw, -pitch, roll) for f in (np.cos, np.sin))
    x, y, z = cy * sx * cz + sy * cx * sz, sy * cx * cz - cy * sx * sz, cy * cx * sz - sy * sx * cz
    w = cy * cx * cz + sy * sx * sz
    length = float(np.sqrt(x * x + y * y + z * z))
    if length < 1e-9:
        return 0.0, 0.0, 0.0, 1.0
    angle = share * float(np.arctan2(length, w))
    scale = np.sin(angle) / length
    return x * scale, y * scale, z * scale, float(np.cos(angle))


def _unit(value: float) -> float:
    return min(max(value, 0.0), 1.0)


def _message(address: str, text: str | None = None, *, ints: Sequence[int] = (), floats: int = 0) -> tuple[bytes, int]:
    """(OSC message, how many float32 it ends with), those at 0."""
    tags = "," + "s" * (text is not None) + "i" * len(ints) + "f" * floats
    parts = [_padded(address), _padded(tags)] + ([_padded(text)] if text is not None else [])
    return b"".join([*parts, struct.pack(f">{len(ints)}i{floats}f", *ints, *[0.0] * floats)]), floats


def _padded(text: str) -> bytes:
    """An OSC string: ended by a zero, filled up to a multiple of four bytes."""
    raw = text.encode("ascii") + b"\0"
    return raw + bytes(-len(raw) % 4)


def _bundles(messages: Sequence[tuple[bytes, int]]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Bundles of at most MTU bytes as arrays of big-endian float32, and the places of the numbers in each."""
    start = _padded("#bundle") + struct.pack(">Q", 1)  # to be done at once
    bundles, slots = [bytearray(start)], [[]]
    for message, floats in messages:
        if len(bundles[-1]) + 4 + len(message) > MTU:
            bundles.append(bytearray(start))
            slots.append([])
        bundles[-1] += struct.pack(">i", len(message)) + message
        end = len(bundles[-1]) // 4
        slots[-1] += range(end - floats, end)
    return [np.frombuffer(raw, ">f4").copy() for raw in bundles], [np.array(places, int) for places in slots]
