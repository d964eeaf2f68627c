"""What each of the ARKit targets does to the skin, the jaw's bones and the brows of the project's head.

Displacements are linear in the weight, as glTF morph targets are. The seam of the lips is closed exactly when
`mouthClose` equals `jawOpen`, whatever else the jaw does.
"""

import numpy as np

from toktalk_node.face.head_skin import CORNER, MOUTH_Y, OUTLINE, SEAM, Move, Skin, smoothstep

HINGE = np.array([0.0, -0.006, -0.004])
JAW_ANGLE = np.radians(11.0)
JAW_DROP = np.array([0.0, -0.0125, -0.0015])


def jaw_motion(name: str, p: np.ndarray) -> np.ndarray:
    """Rigid displacement of points `p` [..., 3] of the lower jaw for a jaw target at weight 1."""
    if name == "jawOpen":
        c, s = np.cos(JAW_ANGLE), np.sin(JAW_ANGLE)
        q = p - HINGE
        y, z = c * q[..., 1] - s * q[..., 2], s * q[..., 1] + c * q[..., 2]
        return np.stack([q[..., 0], y, z], -1) - q + JAW_DROP
    shift = {"jawForward": (0, 0.0005, 0.0095), "jawLeft": (0.010, 0, 0), "jawRight": (-0.010, 0, 0)}[name]
    return np.broadcast_to(np.array(shift), p.shape)


def jaw_weight(skin: Skin) -> np.ndarray:
    """How far each point of the grid [rings, COLUMNS] follows the jaw."""
    x, y = skin.chart[..., 0], skin.chart[..., 1]
    s = np.clip(np.abs(x) / np.maximum(np.abs(skin.chart[:, :1, 0]), 1e-6), 0, 1)
    s = np.where((np.arange(skin.rings) <= OUTLINE)[:, None], s, np.clip(np.abs(x) / (CORNER * 1.08), 0, 1))
    at_corner = 0.40
    upper_lip, lower_lip = at_corner * s**3.0, 1 - (1 - at_corner) * s**2.7
    beyond = np.maximum(np.abs(x) - CORNER * 1.08, 0)
    lens = np.sqrt(np.maximum(1 - (x / (CORNER * 1.08)) ** 2, 0))
    rim = np.maximum(np.abs(y) - np.where(skin.side > 0, 0.0068, 0.0090) * lens, 0)
    rim = rim * (np.arange(skin.rings) > OUTLINE)[:, None]
    up = upper_lip * np.exp(-((rim / (0.020 + 0.40 * beyond)) ** 2))
    down = 1 - (1 - lower_lip) * np.exp(-((rim / (0.013 + 0.75 * beyond)) ** 2))
    weight = np.where(skin.side > 0, up, np.where(skin.side < 0, down, at_corner))
    bag = np.clip(np.arange(skin.rings) / 4, 0.35, 1)[:, None]
    weight = weight * np.where(skin.inside[:, None], bag, 1)
    return weight * np.where(skin.inside[:, None], 1, smoothstep(skin.position[..., 2], -0.015, 0.055))


def _vector(x: np.ndarray | float, y: np.ndarray | float, z: np.ndarray | float) -> np.ndarray:
    return np.stack(np.broadcast_arrays(x, y, z), axis=-1)


def _arch(s: np.ndarray) -> np.ndarray:
    """1 in the middle of the mouth, 0 at its corners, round."""
    return np.sqrt(np.maximum(1 - s * s, 0))


def _side_targets(skin: Skin, name: str, sign: int) -> None:
    """The targets of one half of the face; `sign` is 1 for the person's left."""
    side = skin.side
    up, low = np.maximum(side, 0), np.maximum(-side, 0)

    def half(s: np.ndarray) -> np.ndarray:
        return smoothstep(sign * s, -0.6, 0.6) * _arch(s)

    def corner(s: np.ndarray) -> np.ndarray:
        return np.clip(sign * s, 0, 1) ** 1.9

    def pulled(x: float, y: float, z: float) -> Move:
        return lambda s, h: corner(s)[..., None] * (sign * x, y, z)

    def smile(s: np.ndarray, h: np.ndarray) -> np.ndarray:
        c = corner(s)
        return _vector(sign * 0.0100 * c**0.6, 0.0112 * c**1.2 - 0.0010 * (1 - s**2), -0.0045 * c)

    def press(s: np.ndarray, h: np.ndarray) -> np.ndarray:
        return _vector(sign * 0.0015 * half(s) * np.abs(s), -side * 0.0042 * h * half(s), -0.0022 * half(s))

    def lower_down(s: np.ndarray, h: np.ndarray) -> np.ndarray:
        return low[:, None] * half(s)[..., None] * (0, -0.0105, 0.0012)

    def upper_up(s: np.ndarray, h: np.ndarray) -> np.ndarray:
        return up[:, None] * half(s)[..., None] * (0, 0.0066, 0.0014)

    bump, lips = skin.bump, skin.lips
    skin.add(f"mouth{name}", lips(lambda s, h: _vector(sign * 0.0125, 0 * s, -0.002 * sign * s), 0.022))
    skin.add(f"mouthSmile{name}", lips(smile, 0.020))
    skin.add(f"mouthSmile{name}", bump((sign * 0.050, -0.024), (0.020, 0.018), (sign * 0.0020, 0.0045, 0.0045)))
    skin.add(f"mouthFrown{name}", lips(pulled(0.0010, -0.0125, -0.0010), 0.020))
    skin.add(f"mouthDimple{name}", lips(pulled(0.0055, 0.0018, -0.0065), 0.012))
    skin.add(f"mouthDimple{name}", bump((sign * 0.044, MOUTH_Y + 0.003), (0.007, 0.010), (sign * 0.003, 0, 0.0035)))
    skin.add(f"mouthStretch{name}", lips(pulled(0.0120, -0.0050, -0.0040), 0.020))
    skin.add(f"mouthPress{name}", lips(press, 0.008))
    skin.add(f"mouthPress{name}", bump((sign * 0.033, MOUTH_Y), (0.007, 0.009), (0, 0, 0.0025)))
    skin.add(f"mouthLowerDown{name}", lips(lower_down, 0.018))
    skin.add(f"mouthUpperUp{name}", lips(upper_up, 0.014))
    skin.add(f"mouthUpperUp{name}", bump((sign * 0.018, -0.038), (0.012, 0.010), (0, 0.0015, 0.0015)))
    skin.add(f"cheekSquint{name}", bump((sign * 0.046, -0.018), (0.022, 0.014), (sign * 0.001, 0.0075, 0.0050)))
    skin.add(f"noseSneer{name}", bump((sign * 0.012, -0.022), (0.010, 0.014), (sign * 0.0008, 0.0060, 0.0010)))
    skin.add(f"noseSneer{name}", 0.75 * lips(upper_up, 0.014))
    skin.add(f"browDown{name}", bump((sign * 0.030, 0.046), (0.024, 0.016), (-sign * 0.0015, -0.0045, 0.0008)))
    skin.add(f"browOuterUp{name}", bump((sign * 0.050, 0.048), (0.020, 0.018), (0, 0.0040, 0)))


def build_targets(skin: Skin) -> None:
    """Fill `skin.targets` with the targets that move the skin (eyelids are parts of their own)."""
    p, side = skin.position, skin.side
    up, low = np.maximum(side, 0), np.maximum(-side, 0)

    weight = jaw_weight(skin)[..., None]
    for name in ("jawOpen", "jawForward", "jawLeft", "jawRight"):
        skin.add(name, weight * jaw_motion(name, p))

    opened = skin.targets["jawOpen"][:-2].reshape(p.shape)
    mirror = (-np.arange(p.shape[1])) % p.shape[1]
    gap = (opened[SEAM] - opened[SEAM][mirror]) * side[:, None]
    share = np.where(side > 0, -0.30, 0.70)[:, None]
    skin.add("mouthClose", skin.lips(lambda s, h: gap * share + 0 * s[..., None], np.where(side > 0, 0.016, 0.024)))

    def funnel(s: np.ndarray, h: np.ndarray) -> np.ndarray:
        y = side * _arch(s) * np.where(side > 0, 0.0062, 0.0078) + 0.0010 * h * side
        return _vector(-0.42 * CORNER * s, y - 0.001 * s**2, 0.0085 + 0.0030 * h * (1 - s**2))

    def pucker(s: np.ndarray, h: np.ndarray) -> np.ndarray:
        return _vector(-0.52 * CORNER * s, side * (0.0018 * h * _arch(s)) - 0.0016 * s**2, 0.0105 - 0.0035 * h)

    skin.add("mouthFunnel", skin.lips(funnel, 0.017))
    skin.add("mouthPucker", skin.lips(pucker, 0.018))

    for name, sign in (("Left", 1), ("Right", -1)):
        _side_targets(skin, name, sign)

    def roll_lower(s: np.ndarray, h: np.ndarray) -> np.ndarray:
        return (low * _arch(s))[..., None] * _vector(0, 0.0026 + 0.0044 * h, -0.0062 + 0.0040 * h)

    def roll_upper(s: np.ndarray, h: np.ndarray) -> np.ndarray:
        return (up * _arch(s))[..., None] * _vector(0, -0.0048 * h, -0.0062 + 0.0040 * h)

    skin.add("mouthRollLower", skin.lips(roll_lower, 0.009))
    skin.add("mouthRollUpper", skin.lips(roll_upper, 0.009))
    skin.add(
        "mouthShrugLower",
        skin.lips(
            lambda s, h: _vector(0, (low + 0.75 * up * (1 - 0.5 * h)) * 0.0065 * _arch(s), low * 0.0035 * _arch(s)),
            0.014,
        )
        + skin.bump((0, -0.083), (0.020, 0.012), (0, 0.0060, 0.0030)),
    )
    skin.add(
        "mouthShrugUpper",
        skin.lips(
            lambda s, h: _vector(0, (up + 0.55 * low * (1 - h)) * 0.0060 * _arch(s), up * 0.0038 * _arch(s)), 0.012
        ),
    )
    skin.add("browInnerUp", skin.bump((0, 0.050), (0.030, 0.018), (0, 0.0050, 0)))
    puff = skin.lips(lambda s, h: _vector(-0.002 * s, 0 * s, -0.0005 + 0 * s), 0.010)
    for sign in (-1, 1):
        puff += skin.bump((sign * 0.050, -0.054), (0.024, 0.022), (sign * 0.0100, 0, 0.0120))
    skin.add("cheekPuff", puff)
    skin.add(
        "tongueOut",
        skin.lips(
            lambda s, h: _vector(0, (up * 0.0018 - low * 0.0085) * _arch(s) ** 0.9, low * 0.0028 * _arch(s)), 0.016
        ),
    )
