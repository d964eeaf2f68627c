"""The skin of the project's head: one grid of rings around the mouth, and the displacement of each target.

Ring 0 is the throat; the rings pass the mouth's bag, the inner lips, the seam, the lips, and then spread over
the whole head to a pole at its back. Columns radiate from the mouth, so that a lip's motion fades along them.
Metres, +Y up, +Z forward, the person's left is +X.
"""

from collections.abc import Callable

import numpy as np

COLUMNS = 96
ARC = 0.1
"""Metres of arc per radian of the mouth-centred azimuthal equidistant chart."""
MOUTH_Y = -0.056
CORNER = 0.0255
"""Half width of the mouth's seam."""
EYE = np.array([0.0375, 0.010])
"""The left eye's place (x, y) on the face."""

Move = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(s, h) [rows, COLUMNS] -> displacement [rows, COLUMNS, 3] of the lips, see `Skin.lips`."""

# half width, height of upper and lower half, offset along z; throat to lip outline
_ROWS = np.array([
    (0.0100, 0.0060, 0.0060, -0.0500),
    (0.0180, 0.0110, 0.0110, -0.0390),
    (0.0220, 0.0130, 0.0130, -0.0240),
    (0.0250, 0.0125, 0.0125, -0.0110),
    (0.0268, 0.0085, 0.0085, -0.0056),
    (0.0262, 0.0032, 0.0032, -0.0036),
    (0.0257, 0.0008, -0.0013, -0.0012),
    (0.0255, 0.0000, 0.0000, 0.0008),
    (0.0258, 0.0014, 0.0018, 0.0026),
    (0.0262, 0.0032, 0.0043, 0.0034),
    (0.0268, 0.0052, 0.0068, 0.0026),
    (0.0275, 0.0068, 0.0090, 0.0006),
])  # fmt: skip
BACK_OF_LIPS, SEAM, OUTLINE = 4, 7, 11
"""Rows: where the mouth's bag meets the lips, where the lips meet, and the rim of their red."""
_FOLLOW = np.array([0, 0, 0.1, 0.4, 0.8, 1, 1, 1, 1, 1, 1, 1])
"""How far each row follows the lips."""

_SKIN, _LIP, _SEAM, _BAG, _THROAT = (
    np.array(c) / 255 for c in ((242, 184, 150), (216, 122, 110), (150, 66, 68), (110, 32, 40), (46, 10, 16))
)
_BLUSH = np.array((238, 130, 112)) / 255


def smoothstep(x: np.ndarray, low: float, high: float) -> np.ndarray:
    """0 below `low`, 1 above `high`, smooth between."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def head_point(d: np.ndarray) -> np.ndarray:
    """The head's surface [..., 3] in unit directions `d` [..., 3] from its centre."""
    x, y, z = np.moveaxis(d, -1, 0)
    low = smoothstep(-y, 0.0, 1.0)
    p = np.stack(
        [
            0.101 * x * (1 - 0.17 * low),
            0.120 * y - 0.004 * low,
            z * (0.103 - 0.006 * low),
        ],
        axis=-1,
    )
    front = smoothstep(z, 0.0, 0.45)

    def bump(cx: float, cy: float, sx: float, sy: float) -> np.ndarray:
        return front * np.exp(-(((p[..., 0] - cx) / sx) ** 2) - ((p[..., 1] - cy) / sy) ** 2)

    out = p.copy()
    for side in (-1, 1):
        cheek = bump(side * 0.052, -0.036, 0.030, 0.028)
        out[..., 0] += side * 0.005 * cheek
        out[..., 2] += 0.006 * cheek
        out[..., 2] -= 0.006 * bump(side * EYE[0], EYE[1], 0.026, 0.026)
    out[..., 2] += 0.0125 * bump(0, -0.0235, 0.0120, 0.0105) + 0.006 * bump(0, -0.004, 0.009, 0.020)
    for side in (-1, 1):
        out[..., 2] += 0.0050 * bump(side * 0.0105, -0.0265, 0.0065, 0.0065)
    out[..., 2] += 0.009 * bump(0, -0.094, 0.040, 0.028) + 0.004 * bump(0, MOUTH_Y, 0.034, 0.022)
    return out


def on_face(xy: np.ndarray) -> np.ndarray:
    """The point [..., 3] of the front of the head above `xy` [..., 2]."""
    target = np.asarray(xy, float)
    flat = target / (0.101, 0.120)
    for _ in range(30):
        norm = np.maximum(1.0, np.linalg.norm(flat, axis=-1, keepdims=True) / 0.97)
        flat = flat / norm
        d = np.concatenate([flat, np.sqrt(1 - (flat**2).sum(-1, keepdims=True))], axis=-1)
        flat = flat + 0.8 * (target - head_point(d)[..., :2]) / (0.101, 0.120)
    return head_point(d)


def _mouth_direction() -> np.ndarray:
    y = np.linspace(-0.9, 0, 2000)
    d = np.stack([0 * y, y, np.sqrt(1 - y * y)], axis=-1)
    return d[np.argmin(np.abs(head_point(d)[:, 1] - MOUTH_Y))]


def chart_to_head(chart: np.ndarray) -> np.ndarray:
    """Head surface at `chart` [..., 2], metres of arc around the mouth."""
    m = _mouth_direction()
    ex, ey = np.array([1.0, 0, 0]), np.array([0, m[2], -m[1]])
    q = np.linalg.norm(chart, axis=-1, keepdims=True)
    unit = chart / np.maximum(q, 1e-9)
    angle = q / ARC
    return head_point(np.cos(angle) * m + np.sin(angle) * (unit[..., :1] * ex + unit[..., 1:] * ey))


class Skin:
    """The skin's grid and its targets.

    `position` [rings, COLUMNS, 3], `color` [rings, COLUMNS, 3] sRGB, `triangles` [m, 3] into the flat vertices
    (the grid, then the two poles), `targets` name -> displacement [n, 3].
    """

    def __init__(self) -> None:
        angle = np.arange(COLUMNS) * 2 * np.pi / COLUMNS
        self.cos, self.sin = np.cos(angle), np.sin(angle)
        self.upper = self.sin > 1e-9
        self.side = np.sign(np.round(self.sin, 9))
        steps = np.minimum(0.0013 * 1.085 ** np.arange(80), 0.0105)
        growth = np.cumsum(steps)
        self.growth = growth[growth < 0.985 * np.pi * ARC]
        self.chart = self._charts()
        depth = np.concatenate([_ROWS[:, 3], np.zeros(len(self.growth))])[:, None]
        corner = np.abs(self.cos) ** 5
        lips = (np.arange(len(depth)) > 4)[:, None]
        depth = np.where(lips, depth * (1 - 0.85 * corner), depth)
        surface = chart_to_head(self.chart)
        surface[..., 2] += depth
        self.position = surface
        self.rings = len(surface)
        self.inside = np.arange(self.rings) < SEAM
        poles = np.stack([chart_to_head(np.zeros((1, 2)))[0] + (0, 0, -0.053), head_point(-_mouth_direction())])
        self.vertices = np.concatenate([surface.reshape(-1, 3), poles])
        self.triangles = self._triangles()
        self.color = self._colors()
        self.targets: dict[str, np.ndarray] = {}

    def _charts(self) -> np.ndarray:
        a, up, low = (_ROWS[:, i, None] for i in range(3))
        x = a * self.cos
        y = np.where(self.upper, up, low) * self.sin
        y = np.where(self.upper, y * (1 - 0.13 * np.exp(-((x / 0.0045) ** 2))), y)
        rows = np.stack([x, y], axis=-1)
        g = self.growth[:, None]
        shrink = 1 - smoothstep(g, 0.02, 0.16)
        height = np.where(self.upper, _ROWS[OUTLINE, 1], _ROWS[OUTLINE, 2])
        outer = np.stack([(g + shrink * _ROWS[OUTLINE, 0]) * self.cos, (g + shrink * height) * self.sin], axis=-1)
        chart = np.concatenate([rows, outer])
        near = np.exp(-((np.concatenate([np.zeros(len(_ROWS)), self.growth]) / 0.02) ** 2))[:, None]
        chart[..., 1] += 0.0022 * near * np.clip(np.abs(chart[..., 0]) / CORNER, 0, 1.3) ** 2
        return chart

    def _triangles(self) -> np.ndarray:
        k, j = np.meshgrid(np.arange(self.rings - 1), np.arange(COLUMNS), indexing="ij")
        n = (j + 1) % COLUMNS
        a, b, c, d = k * COLUMNS + j, k * COLUMNS + n, (k + 1) * COLUMNS + n, (k + 1) * COLUMNS + j
        quads = np.concatenate([np.stack([a, d, c], -1).reshape(-1, 3), np.stack([a, c, b], -1).reshape(-1, 3)])
        j = np.arange(COLUMNS)
        n = (j + 1) % COLUMNS
        throat, back = self.rings * COLUMNS, self.rings * COLUMNS + 1
        last = (self.rings - 1) * COLUMNS
        front_cap = np.stack([np.full_like(j, throat), j, n], -1)
        back_cap = np.stack([np.full_like(j, back), last + n, last + j], -1)
        return np.concatenate([quads, front_cap, back_cap])

    def _colors(self) -> np.ndarray:
        p = self.position
        color = np.broadcast_to(_SKIN, p.shape).copy()
        for sx in (-1, 1):
            blush = np.exp(-(((p[..., 0] - sx * 0.055) / 0.022) ** 2) - ((p[..., 1] + 0.034) / 0.018) ** 2)
            blush = 0.42 * blush * (p[..., 2] > 0)
            color = color * (1 - blush[..., None]) + _BLUSH * blush[..., None]
        nose = 0.30 * np.exp(-((p[..., 0] / 0.014) ** 2) - ((p[..., 1] + 0.026) / 0.012) ** 2) * (p[..., 2] > 0)
        color = color * (1 - nose[..., None]) + _BLUSH * nose[..., None]
        lip = np.array([_THROAT, _THROAT, _THROAT, 0.6 * _THROAT + 0.4 * _BAG, _BAG, _BAG, 0.5 * _BAG + 0.5 * _LIP,
                        _SEAM, _LIP, _LIP, _LIP, 0.5 * _LIP + 0.5 * _SKIN])  # fmt: skip
        color[: len(lip)] = lip[:, None]
        poles = np.stack([_THROAT, _SKIN])
        return np.concatenate([color.reshape(-1, 3), poles])

    def in_mouth(self, triangles: np.ndarray) -> np.ndarray:
        """Which triangles [m, 3] line the mouth's bag, where no light comes."""
        return ((triangles < (BACK_OF_LIPS + 1) * COLUMNS) | (triangles == self.rings * COLUMNS)).all(axis=1)

    # ---- fields on the grid ----

    def add(self, name: str, grid: np.ndarray) -> None:
        """Add displacement `grid` [rings, COLUMNS, 3] to target `name`."""
        flat = np.concatenate([grid.reshape(-1, 3), np.zeros((2, 3))])
        self.targets[name] = self.targets.get(name, 0) + flat

    def lips(self, move: Move, reach: float | np.ndarray) -> np.ndarray:
        """Displacement of the lips by `move(s, h)`, fading outwards over `reach` metres along the columns.

        `s` [rows, COLUMNS] is x over the mouth's half width (-1 at the person's right corner), `h` the height in
        the lip, 0 at the seam and 1 at the outline; upper and lower half are told by `self.side`.
        """
        s = _ROWS[:, 0, None] * self.cos / _ROWS[:, 0, None]
        h = np.clip((np.arange(len(_ROWS)) - SEAM) / (OUTLINE - SEAM), 0, 1)[:, None] + 0 * s
        rows = move(s, h) * _FOLLOW[:, None, None]
        fade = np.exp(-((self.growth[:, None] / reach) ** 2))[..., None]
        return np.concatenate([rows, rows[OUTLINE] * fade])

    def bump(self, centre: tuple[float, float], size: tuple[float, float], move: tuple[float, ...]) -> np.ndarray:
        """A Gaussian displacement `move` around `centre` (x, y) on the outside of the face."""
        p = self.position
        weight = np.exp(-(((p[..., 0] - centre[0]) / size[0]) ** 2) - ((p[..., 1] - centre[1]) / size[1]) ** 2)
        weight *= smoothstep(p[..., 2], 0.0, 0.05) * ~self.inside[:, None]
        return weight[..., None] * np.asarray(move)
