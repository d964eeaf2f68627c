"""The parts of the project's head beside its skin: eyes, lids, brows, teeth, tongue, ears, hair, neck."""

from dataclasses import dataclass, field

import numpy as np

from toktalk_node.face.head_skin import EYE, MOUTH_Y, head_point, on_face, smoothstep
from toktalk_node.face.head_targets import jaw_motion

SKIN = np.array((242, 184, 150)) / 255
LID = np.array((238, 176, 142)) / 255
LASH = np.array((58, 40, 52)) / 255
HAIR = np.array((66, 48, 74)) / 255
WHITE = np.array((252, 250, 246)) / 255
IRIS, IRIS_DEEP, PUPIL = (np.array(c) / 255 for c in ((64, 150, 168), (24, 78, 104), (16, 18, 26)))
TONGUE = np.array((214, 96, 98)) / 255
GUM = np.array((188, 92, 92)) / 255
SHIRT = np.array((76, 120, 158)) / 255

EYE_RADII = np.array([0.0245, 0.0275, 0.0150])
EYE_YAW = np.radians(11.0)
LID_SIZE = np.array([1.06, 1.08, 1.24])
"""The lids' radii over the eye's: deep enough that their straight way from open to shut stays outside it."""
GAZE_SIDE, GAZE_UP = np.radians(30.0), np.radians(26.0)


@dataclass
class Part:
    """Vertices [n, 3], triangles [m, 3], sRGB colours [n, 3] and targets name -> displacement [n, 3].

    `weld` [n] names, for each vertex, the first one at its place with which it shares its normal.
    """

    vertices: np.ndarray
    triangles: np.ndarray
    color: np.ndarray
    targets: dict[str, np.ndarray] = field(default_factory=dict)
    weld: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.weld is None:
            self.weld = np.arange(len(self.vertices))

    def facing_away(self, centre: np.ndarray) -> "Part":
        """Self, with its triangles turned so that they are seen from the side away from `centre` [3]."""
        a, b, c = (self.vertices[self.triangles[:, i]] for i in range(3))
        if (np.cross(b - a, c - a) * (a + b + c - 3 * centre)).sum() < 0:
            self.triangles = self.triangles[:, ::-1]
        return self

    def only(self, chosen: np.ndarray) -> "Part":
        """The triangles `chosen` (bool [m]) with the vertices that they need, in their order."""
        triangles = self.triangles[chosen]
        used = np.unique(triangles)
        place = np.zeros(len(self.vertices), int)
        place[used] = np.arange(len(used))
        targets = {name: shape[used] for name, shape in self.targets.items() if shape[used].any()}
        return Part(self.vertices[used], place[triangles], self.color[used], targets)


def joined(parts: list[Part]) -> Part:
    """All `parts` as one, with the union of their targets."""
    offsets = np.cumsum([0, *(len(p.vertices) for p in parts)])
    names = dict.fromkeys(name for p in parts for name in p.targets)
    return Part(
        np.concatenate([p.vertices for p in parts]),
        np.concatenate([p.triangles + o for p, o in zip(parts, offsets, strict=False)]),
        np.concatenate([p.color for p in parts]),
        {n: np.concatenate([p.targets.get(n, np.zeros_like(p.vertices)) for p in parts]) for n in names},
        np.concatenate([p.weld + o for p, o in zip(parts, offsets, strict=False)]),
    )


def grid_triangles(rows: int, columns: int, *, wrap: bool) -> np.ndarray:
    """Triangles of a grid of `rows` by `columns` vertices; `wrap` joins the last column to the first."""
    i, j = np.meshgrid(np.arange(rows - 1), np.arange(columns if wrap else columns - 1), indexing="ij")
    n = (j + 1) % columns
    a, b, c, d = i * columns + j, i * columns + n, (i + 1) * columns + n, (i + 1) * columns + j
    return np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])


def surface(points: np.ndarray, color: np.ndarray, *, wrap: bool = False) -> Part:
    """A Part from a grid of points [rows, columns, 3]; colour [3] or [rows, columns, 3]."""
    rows, columns = points.shape[:2]
    return Part(
        points.reshape(-1, 3),
        grid_triangles(rows, columns, wrap=wrap),
        np.broadcast_to(color, points.shape).reshape(-1, 3).copy(),
    )


def _rotation(axis: int, angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    m = np.eye(3)
    i, j = [(1, 2), (2, 0), (0, 1)][axis]
    m[i, i], m[i, j], m[j, i], m[j, j] = c, -s, s, c
    return m


def eye_centre(side: int) -> np.ndarray:
    """Centre of an eye; `side` is 1 for the person's left."""
    return on_face(np.array([side * EYE[0], EYE[1]])) + (0, 0, -0.0050)


def _on_eye(side: int, unit: np.ndarray, scale: float | np.ndarray = 1.0) -> np.ndarray:
    """Unit-sphere points [..., 3] placed on the (flattened, turned) eye."""
    return eye_centre(side) + (unit * EYE_RADII * scale) @ _rotation(1, side * EYE_YAW).T


def eye(side: int) -> Part:
    """An eyeball that turns within its own flattened shape; iris and pupil are rings of colour."""
    name = "Left" if side > 0 else "Right"
    rings = np.radians([0.01, 13, 16, 16, 22, 30, 30, 34, 34, 36, 36, 45, 57, 70, 85, 100])
    color = np.stack([PUPIL, PUPIL, PUPIL, IRIS, IRIS, IRIS, IRIS, IRIS_DEEP, IRIS_DEEP, IRIS_DEEP, *[WHITE] * 6])
    columns = 40
    phi = np.arange(columns) * 2 * np.pi / columns
    ring = rings[:, None]
    unit = np.stack([np.sin(ring) * np.cos(phi), np.sin(ring) * np.sin(phi), np.cos(ring) + 0 * phi], -1)
    forward = _rotation(1, -side * EYE_YAW * 0.35)
    rest = _on_eye(side, unit @ forward.T)
    shade = np.broadcast_to(color[:, None], rest.shape).copy()
    light = 1 + 0.28 * np.clip(-unit[..., 1:2] / 0.5, -0.7, 1)
    shade[3:7] = np.clip(shade[3:7] * light[3:7], 0, 1)
    part = surface(rest, shade, wrap=True)
    part.weld = _weld_rings(rings, columns)
    inward = -side
    for target, axis, angle in (
        ("In", 1, inward * GAZE_SIDE),
        ("Out", 1, -inward * GAZE_SIDE * 0.9),
        ("Up", 0, -GAZE_UP),
        ("Down", 0, GAZE_UP * 1.1),
    ):
        turned = _on_eye(side, unit @ (_rotation(axis, angle) @ forward).T)
        part.targets[f"eyeLook{target}{name}"] = (turned - rest).reshape(-1, 3)
    return part.facing_away(eye_centre(side))


def _weld_rings(rings: np.ndarray, columns: int) -> np.ndarray:
    row = np.arange(len(rings))
    for k in range(1, len(rings)):
        if rings[k] == rings[k - 1]:
            row[k] = row[k - 1]
    return (row[:, None] * columns + np.arange(columns)).ravel()


def glint(side: int) -> Part:
    """The window's reflection: a small white disc that stays when the eye turns."""
    phi = np.arange(16) * 2 * np.pi / 16
    centre = np.array([0.17, 0.27])
    parts = []
    for at, size in ((centre, 0.085), (centre + (-0.34, -0.42), 0.038)):
        xy = np.concatenate([at[None], at + size * np.stack([np.cos(phi), np.sin(phi) * 0.9], -1)])
        unit = np.concatenate([xy, np.sqrt(1 - (xy**2).sum(-1, keepdims=True))], -1)
        j = np.arange(16)
        fan = np.stack([np.zeros_like(j), 1 + j, 1 + (j + 1) % 16], -1)
        points = _on_eye(side, unit @ _rotation(1, -side * EYE_YAW * 0.35).T, 1.012)
        parts.append(Part(points, fan, np.ones_like(unit)).facing_away(eye_centre(side)))
    return joined(parts)


def _lid_points(side: int, edge: np.ndarray, root: float) -> np.ndarray:
    """A lid as a visor about the eye's horizontal axis, from elevation `root` to `edge` [columns], in radians.

    The shell grows towards its edge, so that its root sinks into the face; the last four rows are the lash line.
    """
    alpha = np.linspace(-np.pi / 2, np.pi / 2, len(edge))
    t = np.linspace(0, 1, 12)[:, None]
    brim = edge - np.sign(edge - root) * np.radians(5.5) * np.cos(alpha) ** 0.5

    def visor(elevation: np.ndarray, scale: np.ndarray) -> np.ndarray:
        y, z = np.cos(alpha) * np.sin(elevation), np.cos(alpha) * np.cos(elevation)
        return _on_eye(side, np.stack([np.sin(alpha) + 0 * y, y, z], -1), scale)

    shell = LID_SIZE - (0.02, 0.06, 0.16) * (1 - t[..., None]) ** 1.6
    lash = [visor(brim[None], LID_SIZE), visor(brim[None], LID_SIZE + 0.02)]
    lash += [visor(edge[None], LID_SIZE + 0.02), visor(edge[None], np.full(3, 0.985))]
    return np.concatenate([visor(root + (brim - root) * t, shell), *lash])


def lids(side: int) -> list[Part]:
    """Upper and lower lid with blink, squint, wide and the part of the gaze that lids follow."""
    name = "Left" if side > 0 else "Right"
    columns = 33
    alpha = np.linspace(-1, 1, columns)
    flat = 1 - 0.15 * alpha**2
    meet = np.radians(-24) * flat
    open_up, open_low = np.radians(36) * flat, np.radians(-50) * flat
    deg = np.radians
    upper_edges = {
        "rest": open_up,
        f"eyeBlink{name}": meet - deg(1.0),
        f"eyeWide{name}": deg(62) * flat,
        f"eyeSquint{name}": deg(30) * flat,
        f"eyeLookDown{name}": deg(18) * flat,
        f"eyeLookUp{name}": deg(52) * flat,
    }
    lower_edges = {
        "rest": open_low,
        f"eyeBlink{name}": meet,
        f"eyeWide{name}": deg(-58) * flat,
        f"eyeSquint{name}": deg(-24) * flat,
        f"eyeLookDown{name}": deg(-58) * flat,
        f"eyeLookUp{name}": deg(-46) * flat,
        f"cheekSquint{name}": deg(-36) * flat,
    }
    parts = []
    for edges, root, rim in ((upper_edges, deg(125), LASH), (lower_edges, deg(-125), 0.93 * LID)):
        rest = _lid_points(side, edges["rest"], root)
        color = np.broadcast_to(LID, rest.shape).copy()
        color[-4:] = rim
        part = surface(rest, color)
        for target, edge in edges.items():
            if target != "rest":
                part.targets[target] = (_lid_points(side, edge, root) - rest).reshape(-1, 3)
        parts.append(part.facing_away(eye_centre(side)))
    return parts


def brow(side: int) -> Part:
    """A brow: a tapered bar on the forehead that the brow targets slide along the skin."""
    name = "Left" if side > 0 else "Right"
    t = np.linspace(0, 1, 25)
    columns = 12
    phi = np.arange(columns) * 2 * np.pi / columns

    def shape(shift: np.ndarray) -> np.ndarray:
        x = side * (0.0165 + 0.045 * t)
        y = 0.0475 + 0.0085 * np.sin(np.pi * (0.15 + 0.72 * t)) - 0.0045 * t
        line = on_face(np.stack([x + shift[:, 0], y + shift[:, 1]], -1)) + (0, 0, 0.0016)
        along = np.gradient(line, axis=0)
        along /= np.linalg.norm(along, axis=1, keepdims=True)
        across = np.cross(np.array([0.0, 0, 1]), along)
        across /= np.linalg.norm(across, axis=1, keepdims=True)
        out = np.cross(along, across)
        end = np.sqrt(np.maximum(1 - (2 * t - 1) ** 6, 0.0))
        thick = (0.0046 * (1 - 0.50 * t) * end)[:, None, None]
        ring = np.cos(phi)[:, None] * across[:, None] + 0.62 * np.sin(phi)[:, None] * out[:, None]
        return line[:, None] + thick * ring

    rest = shape(np.zeros((25, 2)))
    part = surface(rest, HAIR, wrap=True)
    inner, outer = (1 - smoothstep(t, 0.1, 0.8)), smoothstep(t, 0.2, 0.9)
    moves = {
        f"browDown{name}": np.stack([-side * 0.0035 * (0.4 + 0.6 * inner), -0.0060 - 0.0060 * inner], -1),
        "browInnerUp": np.stack([-side * 0.001 * inner, 0.0090 * inner], -1),
        f"browOuterUp{name}": np.stack([0 * t, 0.0080 * outer + 0.0008], -1),
    }
    for target, shift in moves.items():
        part.targets[target] = (shape(shift) - rest).reshape(-1, 3)
    return part.facing_away(rest.mean(axis=(0, 1)))


def teeth(*, upper: bool) -> Part:
    """A row of teeth along a dental arch, with its gum; the lower row moves with the jaw."""
    u = np.linspace(-1, 1, 97)
    half, depth = (0.0215, 0.027) if upper else (0.0195, 0.025)
    front = on_face(np.array([0.0, MOUTH_Y]))[2] - (0.0068 if upper else 0.0085)
    angle = u * np.radians(86)
    x, z = half * np.sin(angle), front - depth * (1 - np.cos(angle))
    tooth = np.abs(np.sin(u * np.pi * 5.0))
    groove = 0.00045 * (1 - tooth**0.35)
    sign = 1 if upper else -1
    edge = MOUTH_Y + (-0.0050 if upper else -0.0025)
    rows = [(0.0012, -0.0035), (0.0, -0.0024), (0.0004, -0.0004), (0.0018, 0.0), (0.0065, 0.0), (0.0098, -0.0004)]
    rows += [(0.0098, -0.0006), (0.0115, -0.0016), (0.0135, -0.0050)]
    points = []
    for height, back in rows:
        dents = 0.0012 * (1 - tooth**0.5) * (height < 0.001)
        points.append(np.stack([x * (1 + back / 0.03), edge + sign * (height + dents) + 0 * u, z + back - groove], -1))
    points = np.stack(points)
    color = np.empty(points.shape)
    color[:6], color[6:] = WHITE, GUM
    color *= (0.45 + 0.55 * np.cos(angle) ** 0.8)[:, None]
    color[:6] *= (1 - 0.10 * (1 - tooth**0.35))[:, None]
    part = surface(points, np.clip(color, 0, 1))
    if not upper:
        for name in ("jawOpen", "jawForward", "jawLeft", "jawRight"):
            part.targets[name] = jaw_motion(name, part.vertices).copy()
    return part.facing_away(np.array([0, MOUTH_Y, front - 0.03]))


def tongue() -> Part:
    """The tongue: a flat paddle behind the lower teeth that `tongueOut` pushes over the lip."""
    front = on_face(np.array([0.0, MOUTH_Y]))[2]
    t = np.linspace(0, 1, 22)
    columns = 24
    phi = np.arange(columns) * 2 * np.pi / columns

    def shape(out: float) -> np.ndarray:
        length = 0.036 + 0.030 * out
        z = front - 0.050 + length * t
        lift = MOUTH_Y - 0.0070 + 0.0050 * np.sin(np.pi * t)
        lift = lift + out * (0.0030 * smoothstep(t, 0.0, 0.5) - 0.0100 * smoothstep(t, 0.62, 1.0))
        end = np.sqrt(np.maximum(1 - t**5, 0.0))
        wide = 0.0150 * (1 - 0.12 * out) * end * (0.85 + 0.15 * np.sin(np.pi * t))
        thick = (0.0050 - 0.0010 * out) * end
        dent = 0.0010 * np.exp(-((np.cos(phi) / 0.25) ** 2)) * (np.sin(phi) > 0)
        x = wide[:, None] * np.cos(phi)
        y = lift[:, None] + thick[:, None] * np.sin(phi) - dent * end[:, None]
        return np.stack([x, y, z[:, None] + 0 * phi], -1)

    rest = shape(0.0)
    shade = np.broadcast_to(TONGUE, rest.shape) * (0.5 + 0.5 * smoothstep(t, 0.1, 0.9))[:, None, None]
    part = surface(rest, shade, wrap=True)
    part.targets["tongueOut"] = (shape(1.0) - rest).reshape(-1, 3)
    for name in ("jawOpen", "jawForward", "jawLeft", "jawRight"):
        part.targets[name] = jaw_motion(name, part.vertices).copy()
    return part.facing_away(rest.mean(axis=(0, 1)))


def ear(side: int) -> Part:
    """An ear: a rounded disc with a hollow."""
    rows, columns = 15, 28
    theta = np.linspace(0.02, np.pi - 0.02, rows)[:, None]
    phi = np.arange(columns) * 2 * np.pi / columns
    y, z, x = np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta) + 0 * phi
    r = np.sqrt(y * y + z * z)
    hollow = np.where(x > 0, 0.85 * np.exp(-((r / 0.52) ** 2)), 0)
    local = np.stack([0.0085 * (x - hollow), (0.0250 * y) * (1 + 0.12 * y), 0.0165 * z * (1 + 0.25 * y)], -1)
    color = np.broadcast_to(SKIN, local.shape) * (1 - 0.28 * hollow[..., None] * np.array([0.5, 1.0, 1.0]))
    turn = _rotation(1, np.radians(-28)) @ _rotation(2, np.radians(-8))
    local = local @ turn.T * (side, 1, 1)
    part = surface(local + (side * 0.0985, -0.004, -0.004), color, wrap=True)
    return part.facing_away(np.array([side * 0.0985, -0.004, -0.004]))


def hair() -> Part:
    """A cap of hair; its last rows dive under the skin along the hairline."""
    rows, columns = 40, 96
    phi = np.arange(columns) * 2 * np.pi / columns
    azimuth = (phi + np.pi) % (2 * np.pi) - np.pi
    knots = np.radians([0, 30, 52, 66, 78, 88, 101, 113, 125, 150, 180])
    heights = [0.60, 0.585, 0.50, 0.34, 0.20, 0.16, 0.14, -0.10, -0.34, -0.52, -0.56]
    line = np.interp(np.abs(azimuth), knots, heights) + 0.085 * np.exp(-(((azimuth - 0.30) / 0.28) ** 2))
    for _ in range(4):
        line = (np.roll(line, 1) + 2 * line + np.roll(line, -1)) / 4
    t = np.linspace(0, 1, rows)[:, None] ** 0.85
    theta = t * (np.arccos(line) + 0.05)
    d = np.stack([np.sin(theta) * np.sin(phi), np.cos(theta), np.sin(theta) * np.cos(phi)], -1)
    rise = d[..., 1] - line
    volume = 0.0060 * smoothstep(rise, -0.035, 0.04) + 0.0085 * smoothstep(rise, 0.0, 0.40)
    volume -= 0.0080 * (1 - smoothstep(rise, -0.05, -0.015))
    quiff = np.exp(-(((d - (-0.12, 0.84, 0.5)) / (0.50, 0.26, 0.42)) ** 2).sum(axis=-1))
    lock = np.sin(14 * d[..., 0] - 6 * d[..., 2] + 2 * d[..., 1]) * smoothstep(rise, 0.0, 0.25)
    points = head_point(d) * (1 + (volume + 0.011 * quiff + 0.0007 * lock) / 0.105)[..., None]
    shade = HAIR * (0.84 + 0.25 * smoothstep(rise, 0.0, 0.5) + 0.05 * lock)[..., None]
    return surface(points, shade, wrap=True).facing_away(np.zeros(3))


def bust() -> list[Part]:
    """Neck and shoulders, which do not turn with the head."""
    columns = 48
    phi = np.arange(columns) * 2 * np.pi / columns

    def tube(rows: list[tuple[float, float, float, float]], color: np.ndarray) -> Part:
        y, rx, rz, z = (np.array(c)[:, None] for c in zip(*rows, strict=True))
        points = np.stack([rx * np.sin(phi), y + 0 * phi, z + rz * np.cos(phi)], -1)
        return surface(points, color, wrap=True).facing_away(np.array([0, -0.17, -0.022]))

    neck = tube([(-0.172, 0.044, 0.044, -0.022), (-0.150, 0.038, 0.039, -0.021), (-0.120, 0.036, 0.037, -0.018),
                 (-0.070, 0.040, 0.042, -0.014)], 0.86 * SKIN)  # fmt: skip
    rows = [(-0.260, 0.205, 0.090, -0.03), (-0.225, 0.196, 0.088, -0.03), (-0.200, 0.172, 0.082, -0.029),
            (-0.183, 0.132, 0.074, -0.027), (-0.171, 0.088, 0.064, -0.024), (-0.160, 0.061, 0.056, -0.022),
            (-0.153, 0.051, 0.051, -0.021), (-0.150, 0.047, 0.048, -0.021), (-0.151, 0.043, 0.045, -0.021),
            (-0.158, 0.041, 0.042, -0.021)]  # fmt: skip
    return [neck, tube(rows, SHIRT)]
