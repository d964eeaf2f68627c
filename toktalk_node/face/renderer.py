"""The project's head on the CPU, for videos: numpy alone, no display, no GPU.

    picture = HeadRenderer(512, 512).render(weights, head)   # uint8 [512, 512, 3]

Vertices are lit (Gouraud shading), front-facing triangles are cut into spans of samples, all at once, and a depth
buffer decides; 2 x 2 samples a pixel smooth the edges.
"""

import numpy as np

from toktalk_node.face.arkit import BLENDSHAPES, INDEX
from toktalk_node.face.gltf import linear, normals
from toktalk_node.face.head import PIVOT, build

FIELD_OF_VIEW = np.radians(23)
CAMERA = np.array([0.0, -0.014, 0.86])
SAMPLES = 2
_LIGHTS = (
    (np.array([0.50, 0.60, 0.80]), np.array([1.00, 0.95, 0.88]) * 0.62),
    (np.array([-0.80, 0.05, 0.60]), np.array([0.80, 0.88, 1.00]) * 0.20),
    (np.array([-0.30, 0.60, -0.80]), np.array([0.85, 0.90, 1.00]) * 0.45),
)
_SKY, _GROUND = np.array([0.50, 0.52, 0.56]), np.array([0.30, 0.24, 0.22])
_TOP, _BOTTOM = np.array([238, 242, 246]), np.array([204, 214, 226])


def _rotation(head: np.ndarray) -> np.ndarray:
    """Rotation [3, 3] of yaw, pitch and roll: left, up and left positive, turned in that order."""
    yaw, pitch, roll = (float(a) for a in head)
    cy, sy, cp, sp, cr, sr = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch), np.cos(roll), np.sin(roll)
    turn = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    nod = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    tilt = np.array([[cr, sr, 0], [-sr, cr, 0], [0, 0, 1]])
    return turn @ nod @ tilt


class HeadRenderer:
    """Renders pictures of `width` by `height` pixels; the head fills the height."""

    def __init__(self, width: int, height: int) -> None:
        if not (16 <= width <= 4096 and 16 <= height <= 4096):
            raise ValueError(f"picture of {width} x {height} pixels: each side may have 16 to 4096")
        self.width, self.height = width, height
        meshes = build()
        offsets = np.cumsum([0, *(len(m.part.vertices) for m in meshes)])
        count = offsets[-1]
        self._rest = np.concatenate([m.part.vertices for m in meshes]).astype(np.float32)
        self._rest_normal = np.empty((count, 3), np.float32)
        self._shift = np.zeros((len(BLENDSHAPES), count, 3), np.float32)
        self._turn = np.zeros((len(BLENDSHAPES), count, 3), np.float32)
        self._turns = np.concatenate([np.full(len(m.part.vertices), m.turns) for m in meshes])
        self._unlit = np.concatenate([np.full(len(m.part.vertices), m.unlit) for m in meshes])
        shine = np.concatenate([np.full(len(m.part.vertices), (1 - m.roughness) ** 2) for m in meshes])
        self._shine = shine.astype(np.float32)[:, None]
        self._albedo = np.concatenate([linear(m.part.color.clip(0, 1)) for m in meshes]).astype(np.float32)
        self._triangles = np.concatenate([m.part.triangles + o for m, o in zip(meshes, offsets, strict=False)])
        for mesh, low, high in zip(meshes, offsets, offsets[1:], strict=False):
            rest = normals(mesh.part, mesh.part.vertices)
            self._rest_normal[low:high] = rest
            for name, displacement in mesh.part.targets.items():
                self._shift[INDEX[name], low:high] = displacement
                self._turn[INDEX[name], low:high] = normals(mesh.part, mesh.part.vertices + displacement) - rest
        ramp = np.linspace(0, 1, height)[:, None, None]
        self._background = np.broadcast_to(_TOP * (1 - ramp) + _BOTTOM * ramp, (height, width, 3)).astype(np.uint16)

    def render(self, weights: np.ndarray, head: np.ndarray) -> np.ndarray:
        """The face with `weights` [52] and `head` [3] (yaw, pitch, roll in radians), uint8 [height, width, 3].

        Values that are not finite are taken as rest.
        """
        weights, head = (np.nan_to_num(np.asarray(v, np.float32), posinf=0, neginf=0) for v in (weights, head))
        if weights.shape != (len(BLENDSHAPES),) or head.shape != (3,):
            raise ValueError(f"weights {weights.shape} and head {head.shape}: expected ({len(BLENDSHAPES)},) and (3,)")
        vertices, normal = self._posed(weights, head)
        color = self._lit(vertices, normal)
        wide, high = self.width * SAMPLES, self.height * SAMPLES
        focal = high / 2 / np.tan(FIELD_OF_VIEW / 2)
        depth = (CAMERA[2] - vertices[:, 2]).astype(np.float32)
        x = (wide / 2 + focal * (vertices[:, 0] - CAMERA[0]) / depth).astype(np.float32)
        y = (high / 2 - focal * (vertices[:, 1] - CAMERA[1]) / depth).astype(np.float32)
        place, sample = self._rasterise(x, y, 1 / depth, color, wide, high)
        samples = np.zeros(high * wide, np.uint32)  # red, green, blue, covered: one byte each
        samples[place] = sample
        parts = samples.view(np.uint8).reshape(self.height, SAMPLES, wide * 4)
        rows = (parts[:, 0].astype(np.uint16) + parts[:, 1]).reshape(self.height, self.width, SAMPLES, 4)
        total = rows[:, :, 0] + rows[:, :, 1]
        empty = SAMPLES**2 - total[..., 3:]
        return ((total[..., :3] + empty * self._background + SAMPLES) // SAMPLES**2).astype(np.uint8)

    def _posed(self, weights: np.ndarray, head: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        active = np.flatnonzero(weights)
        vertices, normal = self._rest, self._rest_normal
        if len(active):
            w = weights[active]
            vertices = vertices + np.tensordot(w, self._shift[active], 1)
            normal = normal + np.tensordot(w, self._turn[active], 1)
        normal = normal / np.maximum(np.sqrt((normal * normal).sum(1, keepdims=True)), 1e-6)
        turn = _rotation(head).astype(np.float32)
        pivot = np.array(PIVOT, np.float32)
        turned = (vertices - pivot) @ turn.T + pivot
        keep = self._turns[:, None]
        return np.where(keep, turned, vertices), np.where(keep, normal @ turn.T, normal)

    def _lit(self, vertices: np.ndarray, normal: np.ndarray) -> np.ndarray:
        """Colours [n, 3] of the vertices, 0 to 255, sRGB."""
        up = (normal[:, 1:2] + 1) / 2
        light = _GROUND * (1 - up) + _SKY * up
        view = CAMERA - vertices
        view /= np.linalg.norm(view, axis=1, keepdims=True)
        gloss = np.zeros_like(light)
        for direction, strength in _LIGHTS:
            towards = direction / np.linalg.norm(direction)
            lambert = (normal @ towards)[:, None]
            light = light + strength * np.maximum(lambert * 0.85 + 0.15, 0)
            half = view + towards
            half /= np.linalg.norm(half, axis=1, keepdims=True)
            facing = np.maximum((normal * half).sum(1, keepdims=True), 0)
            gloss += strength * facing ** (8 + 80 * self._shine) * (lambert > 0)
        lit = self._albedo * light + gloss * (0.05 + 0.5 * self._shine)
        lit = np.where(self._unlit[:, None], self._albedo, lit)
        return (255 * np.minimum(lit, 1) ** (1 / 2.2)).astype(np.float32)

    def _rasterise(
        self, x: np.ndarray, y: np.ndarray, nearness: np.ndarray, color: np.ndarray, wide: int, high: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """(flat index, packed colour uint32) of every sample that the head covers.

        `nearness` [n] is 1 / depth, which is linear on the screen. Edges are e(x, y) = a x + b y + c >= 0 inside.
        """
        i, j, k = self._triangles.T
        area = (x[j] - x[i]) * (y[k] - y[i]) - (x[k] - x[i]) * (y[j] - y[i])
        top = np.ceil(np.minimum(np.minimum(y[i], y[j]), y[k]) - 0.5).clip(0, high).astype(np.int32)
        bottom = np.floor(np.maximum(np.maximum(y[i], y[j]), y[k]) - 0.5).clip(-1, high - 1).astype(np.int32)
        seen = np.flatnonzero((area < -1e-6) & (bottom >= top))
        corners = np.stack([i[seen], j[seen], k[seen]])
        px, py, near = x[corners], y[corners], nearness[corners]

        lines = bottom[seen] - top[seen] + 1
        owner = np.repeat(np.arange(len(seen)), lines)
        row = np.arange(len(owner)) - np.repeat(np.cumsum(lines) - lines - top[seen], lines)
        middle = (row + 0.5).astype(np.float32)
        left = np.full(len(owner), 0.5, np.float32)
        right = np.full(len(owner), wide - 0.5, np.float32)
        for p, q in ((0, 1), (1, 2), (2, 0)):
            run, fall = px[q] - px[p], py[q] - py[p]
            slope = np.divide(run, fall, out=np.zeros_like(run), where=fall != 0)
            crossing = (px[p] - slope * py[p])[owner] + slope[owner] * middle
            falls, rises = (fall > 0)[owner], (fall < 0)[owner]  # the edges on the left and on the right
            np.maximum(left, crossing, out=left, where=falls)
            np.minimum(right, crossing, out=right, where=rises)
        first = np.ceil(left - 0.5).astype(np.int32)
        count = np.maximum(np.floor(right - 0.5).astype(np.int32) - first + 1, 0)

        # planes over the screen: value = base + d/dx x + d/dy y, for 1 / depth and the three colours
        values = np.concatenate([near[..., None], color[corners]], axis=-1)
        one, two = values[1] - values[0], values[2] - values[0]
        scale = (1 / area[seen])[:, None]
        across = (one * (py[2] - py[0])[:, None] - two * (py[1] - py[0])[:, None]) * scale
        along = (two * (px[1] - px[0])[:, None] - one * (px[2] - px[0])[:, None]) * scale
        dx, dy = (first + 0.5 - px[0][owner])[:, None], (middle - py[0][owner])[:, None]
        start = (values[0][owner] + across[owner] * dx + along[owner] * dy).astype(np.float32)
        step = across[owner]

        ends = np.cumsum(count)
        span = np.repeat(np.arange(len(count)), count)
        offset = np.arange(len(span), dtype=np.int32) - np.repeat((ends - count).astype(np.int32), count)
        place = np.repeat((row * wide + first).astype(np.int32), count) + offset
        depth = start[:, 0][span] + step[:, 0][span] * offset.astype(np.float32)
        best = np.zeros(wide * high, np.float32)
        np.maximum.at(best, place, depth)
        front = np.flatnonzero(depth == best[place])
        span, offset, place = span[front], offset[front, None].astype(np.float32), place[front]
        shade = np.ones((len(front), 4), np.uint8)
        shade[:, :3] = (start[span, 1:] + step[span, 1:] * offset).clip(0, 255)
        return place, shade.view(np.uint32)[:, 0]
