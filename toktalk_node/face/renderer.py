"""The project's head on the CPU, for videos: numpy alone, no display, no GPU.

    picture = HeadRenderer(512, 512).render(weights, head)   # uint8 [512, 512, 3]

Vertices are lit (Gouraud shading), front-facing triangles are cut into candidate pixels of like-sized boxes at once,
and a depth buffer decides; 2 x 2 samples a pixel smooth the edges.
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
        self._polish = np.minimum(4 * self._albedo.mean(axis=1, keepdims=True), 1)
        self._triangles = np.concatenate([m.part.triangles + o for m, o in zip(meshes, offsets, strict=False)])
        for mesh, low, high in zip(meshes, offsets, offsets[1:], strict=False):
            rest = normals(mesh.part, mesh.part.vertices)
            self._rest_normal[low:high] = rest
            for name, displacement in mesh.part.targets.items():
                self._shift[INDEX[name], low:high] = displacement
                self._turn[INDEX[name], low:high] = normals(mesh.part, mesh.part.vertices + displacement) - rest
        ramp = np.linspace(0, 1, height)[:, None, None]
        self._background = np.broadcast_to(_TOP * (1 - ramp) + _BOTTOM * ramp, (height, width, 3)).astype(np.float32)

    def render(self, weights: np.ndarray, head: np.ndarray) -> np.ndarray:
        """The face with `weights` [52] and `head` [3] (yaw, pitch, roll in radians), uint8 [height, width, 3]."""
        vertices, normal = self._posed(np.asarray(weights, np.float32), np.asarray(head, np.float32))
        color = self._lit(vertices, normal)
        wide, high = self.width * SAMPLES, self.height * SAMPLES
        focal = high / 2 / np.tan(FIELD_OF_VIEW / 2)
        depth = (CAMERA[2] - vertices[:, 2]).astype(np.float32)
        x = (wide / 2 + focal * (vertices[:, 0] - CAMERA[0]) / depth).astype(np.float32)
        y = (high / 2 - focal * (vertices[:, 1] - CAMERA[1]) / depth).astype(np.float32)
        pixels, sample, covered = self._rasterise(x, y, 1 / depth, color, wide, high)
        picture = np.zeros((high * wide, 3), np.float32)
        picture[pixels] = sample
        mask = np.zeros(high * wide, np.float32)
        mask[pixels] = covered
        shape = (self.height, SAMPLES, self.width, SAMPLES)
        share = mask.reshape(shape).sum(axis=(1, 3))[..., None] / SAMPLES**2
        summed = picture.reshape(*shape, 3)
        summed = (summed[:, 0] + summed[:, 1]).reshape(self.height, self.width, SAMPLES, 3)
        mean = (summed[:, :, 0] + summed[:, :, 1]) / SAMPLES**2
        return (mean + (1 - share) * self._background + 0.5).astype(np.uint8)

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
        lit = self._albedo * light + gloss * (0.05 + 0.5 * self._shine) * self._polish
        lit = np.where(self._unlit[:, None], self._albedo, lit)
        return (255 * np.minimum(lit, 1) ** (1 / 2.2)).astype(np.float32)

    def _rasterise(
        self, x: np.ndarray, y: np.ndarray, nearness: np.ndarray, color: np.ndarray, wide: int, high: int
    ) -> tuple[np.ndarray, np.ndarray, float]:
        """(flat pixels [p], their colours [p, 3], 1) of what the camera sees."""
        i, j, k = self._triangles.T
        area = (x[j] - x[i]) * (y[k] - y[i]) - (x[k] - x[i]) * (y[j] - y[i])
        left = np.ceil(np.minimum(np.minimum(x[i], x[j]), x[k]) - 0.5).astype(np.int32).clip(0, wide)
        right = np.floor(np.maximum(np.maximum(x[i], x[j]), x[k]) - 0.5).astype(np.int32).clip(-1, wide - 1)
        top = np.ceil(np.minimum(np.minimum(y[i], y[j]), y[k]) - 0.5).astype(np.int32).clip(0, high)
        bottom = np.floor(np.maximum(np.maximum(y[i], y[j]), y[k]) - 0.5).astype(np.int32).clip(-1, high - 1)
        columns, rows = right - left + 1, bottom - top + 1
        seen = (area < -1e-6) & (columns > 0) & (rows > 0)
        best = np.zeros(wide * high, np.float32)
        pieces = []
        size = np.maximum(columns, rows)
        edges = [0, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128, 4096 * SAMPLES]
        for low, up in zip(edges, edges[1:], strict=False):
            chosen = np.flatnonzero(seen & (size > low) & (size <= up))
            if not len(chosen):
                continue
            cells = min(up, int(columns[chosen].max())), min(up, int(rows[chosen].max()))
            for part in np.array_split(chosen, -(-len(chosen) * cells[0] * cells[1] // 2_000_000)):
                pieces.append(self._cover(part, x, y, nearness, area, left, top, cells, wide, high))
        pixel, triangle, b, c, near = (np.concatenate(column) for column in zip(*pieces, strict=True))
        np.maximum.at(best, pixel, near)
        front = np.flatnonzero(near == best[pixel])
        pixel, triangle, b, c = pixel[front], triangle[front], b[front, None], c[front, None]
        p, q, r = color[i[triangle]], color[j[triangle]], color[k[triangle]]
        return pixel, p + b * (q - p) + c * (r - p), 1.0

    def _cover(self, part, x, y, nearness, area, left, top, cells, wide, high):  # noqa: ANN001, ANN202
        """Pixels inside the triangles `part`: (flat pixel, triangle, barycentric b and c, 1 / depth)."""
        i, j, k = self._triangles[part].T
        scale = 1 / area[part]
        px = left[part][:, None] + np.arange(cells[0], dtype=np.int32)
        py = top[part][:, None] + np.arange(cells[1], dtype=np.int32)
        dx, dy = px + 0.5 - x[i][:, None], py + 0.5 - y[i][:, None]
        bx, by = (y[k] - y[i]) * scale, -(x[k] - x[i]) * scale
        cx, cy = -(y[j] - y[i]) * scale, (x[j] - x[i]) * scale
        dx, dy = dx.astype(np.float32), dy.astype(np.float32)
        b = (bx[:, None] * dx)[:, None, :] + (by[:, None] * dy)[:, :, None]
        c = (cx[:, None] * dx)[:, None, :] + (cy[:, None] * dy)[:, :, None]
        inside = (b >= 0) & (c >= 0) & (b + c <= 1) & (px < wide)[:, None, :] & (py < high)[:, :, None]
        t, row, column = np.nonzero(inside)
        b, c = b[t, row, column], c[t, row, column]
        near = nearness[i][t] + b * (nearness[j] - nearness[i])[t] + c * (nearness[k] - nearness[i])[t]
        return py[t, row] * wide + px[t, column], part[t], b, c, near
