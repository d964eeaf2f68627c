"""Writes meshes with morph targets as one glTF 2.0 binary.

In a small file positions have 16 bits, the change of normals 8 (KHR_mesh_quantization), and morph targets are sparse
accessors (glTF 2.0 specification, sections 3.6.2 and 3.7.2). A plain file has dense floats: Godot reads nothing else.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from toktalk_node.face.head_parts import Part

SCALE = 0.3
"""Metres that the largest 16-bit position stands for."""
BYTE, SHORT, USHORT, FLOAT = 5120, 5122, 5123, 5126


@dataclass
class Mesh:
    """A Part with its material, in the order in which it is written."""

    name: str
    part: Part
    roughness: float
    turns: bool = True
    unlit: bool = False


def normals(part: Part, vertices: np.ndarray) -> np.ndarray:
    """Unit vertex normals [n, 3] of `part` when its vertices lie at `vertices`, weighted by area."""
    a, b, c = (vertices[part.triangles[:, i]] for i in range(3))
    face = np.cross(b - a, c - a)
    total = np.zeros_like(vertices)
    for i in range(3):
        index = part.weld[part.triangles[:, i]]
        for axis in range(3):
            total[:, axis] += np.bincount(index, face[:, axis], len(vertices))
    total = total[part.weld]
    return total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)


def linear(srgb: np.ndarray) -> np.ndarray:
    """sRGB in [0, 1] as linear light."""
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


class _Buffer:
    def __init__(self) -> None:
        self.data = bytearray()
        self.views: list[dict] = []
        self.accessors: list[dict] = []

    def view(self, array: np.ndarray, **more: int) -> int:
        self.data += bytes(-len(self.data) % 4)
        raw = np.ascontiguousarray(array).tobytes()
        self.views.append({"buffer": 0, "byteOffset": len(self.data), "byteLength": len(raw), **more})
        self.data += raw
        return len(self.views) - 1

    def attribute(self, array: np.ndarray, component: int, *, bounds: bool = False) -> int:
        """An accessor of `array` [n, 3 or 4], rows padded to four bytes; integers are normalised."""
        n, width = array.shape
        stride = -(-array.itemsize * width // 4) * 4
        padded = np.zeros((n, stride // array.itemsize), array.dtype)
        padded[:, :width] = array
        accessor = {"bufferView": self.view(padded, byteStride=stride, target=34962), "componentType": component,
                    "normalized": component != FLOAT, "count": n, "type": f"VEC{width}"}  # fmt: skip
        if bounds:
            accessor |= {"min": array.min(axis=0).tolist(), "max": array.max(axis=0).tolist()}
        self.accessors.append(accessor)
        return len(self.accessors) - 1

    def sparse(self, array: np.ndarray, component: int, *, bounds: bool = False) -> int:
        """An accessor of `array` [n, 3] that stores the rows that are not zero; integers are normalised."""
        rows = np.flatnonzero(array.any(axis=1))
        accessor = {"componentType": component, "normalized": component != FLOAT, "count": len(array), "type": "VEC3"}
        if bounds:
            accessor |= {"min": array.min(axis=0).tolist(), "max": array.max(axis=0).tolist()}
        if len(rows):
            accessor["sparse"] = {
                "count": len(rows),
                "indices": {"bufferView": self.view(rows.astype("<u2")), "componentType": USHORT},
                "values": {"bufferView": self.view(array[rows])},
            }
        self.accessors.append(accessor)
        return len(self.accessors) - 1

    def indices(self, triangles: np.ndarray) -> int:
        view = self.view(triangles.astype("<u2").ravel(), target=34963)
        self.accessors.append({"bufferView": view, "componentType": USHORT, "count": triangles.size, "type": "SCALAR"})
        return len(self.accessors) - 1


def _short(metres: np.ndarray) -> np.ndarray:
    return np.round(metres / SCALE * 32767).clip(-32767, 32767).astype("<i2")


def _levels(share: np.ndarray) -> np.ndarray:
    return np.round(share * 65535).astype("<u2")


def _mesh(buffer: _Buffer, mesh: Mesh, material: int, plain: bool) -> dict:
    part = mesh.part
    rest = normals(part, part.vertices)

    def place(metres: np.ndarray) -> tuple[np.ndarray, int]:
        return (metres.astype("<f4"), FLOAT) if plain else (_short(metres), SHORT)

    def direction(values: np.ndarray, limit: int, kind: str, component: int) -> tuple[np.ndarray, int]:
        return (values.astype("<f4"), FLOAT) if plain else (np.round(values * limit).astype(kind), component)

    color = np.concatenate([linear(np.clip(part.color, 0, 1)), np.ones((len(part.color), 1))], axis=1)
    attributes = {
        "POSITION": buffer.attribute(*place(part.vertices), bounds=True),
        "NORMAL": buffer.attribute(*direction(rest, 32767, "<i2", SHORT)),
        "COLOR_0": buffer.attribute(*((color.astype("<f4"), FLOAT) if plain else (_levels(color), USHORT))),
    }
    targets = []
    for displacement in part.targets.values():
        turned = normals(part, part.vertices + displacement) - rest
        moved = np.abs(displacement).max(axis=1) > 0
        touched = np.zeros(len(moved), bool)
        touched[np.unique(part.triangles[moved[part.triangles].any(axis=1)])] = True
        turned[~touched] = 0
        change = buffer.attribute if plain else buffer.sparse
        targets.append(
            {
                "POSITION": change(*place(displacement), bounds=True),
                "NORMAL": change(*direction(turned.clip(-1, 1), 127, "i1", BYTE)),
            }
        )
    primitive = {"attributes": attributes, "indices": buffer.indices(part.triangles), "material": material}
    result: dict = {"name": mesh.name, "primitives": [primitive]}
    if targets:
        primitive["targets"] = targets
        result["weights"] = [0.0] * len(targets)
        result["extras"] = {"targetNames": list(part.targets)}
    return result


def write_glb(path: Path, meshes: list[Mesh], pivot: tuple[float, float, float], *, plain: bool = False) -> int:
    """Write `meshes` to `path`, `plain` in dense floats; those that turn lie under a node `head` placed at `pivot`.

    Returns the bytes written.
    """
    buffer = _Buffer()
    nodes: list[dict] = [
        {"name": "head", "translation": list(pivot), "children": []},
        {"name": "bust", "children": []},
    ]
    materials, shapes = [], []
    for i, mesh in enumerate(meshes):
        material: dict = {
            "name": mesh.name,
            "pbrMetallicRoughness": {"metallicFactor": 0.0, "roughnessFactor": mesh.roughness},
            "doubleSided": mesh.name in ("skin", "hair"),
        }
        if mesh.unlit:
            material["extensions"] = {"KHR_materials_unlit": {}}
        materials.append(material)
        shapes.append(_mesh(buffer, mesh, i, plain))
        offset = [-c for c in pivot] if mesh.turns else [0.0, 0.0, 0.0]
        nodes[0 if mesh.turns else 1]["children"].append(len(nodes))
        nodes.append({"name": mesh.name, "mesh": i, "translation": offset, "scale": [1.0 if plain else SCALE] * 3})
    document = {
        "asset": {"version": "2.0", "generator": "toktalk_node.face.head", "copyright": "TokTalk, Apache-2.0"},
        "extensionsUsed": ["KHR_materials_unlit"] if plain else ["KHR_mesh_quantization", "KHR_materials_unlit"],
        **({} if plain else {"extensionsRequired": ["KHR_mesh_quantization"]}),
        "scene": 0,
        "scenes": [{"nodes": [0, 1]}],
        "nodes": nodes,
        "meshes": shapes,
        "materials": materials,
        "accessors": buffer.accessors,
        "bufferViews": buffer.views,
        "buffers": [{"byteLength": len(buffer.data)}],
    }
    data = glb(document, bytes(buffer.data))
    path.write_bytes(data)
    return len(data)


def glb(document: dict, binary: bytes) -> bytes:
    """A binary glTF of `document` and its first buffer (glTF 2.0 specification, section 4)."""
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    binary += bytes(-len(binary) % 4)
    total = 12 + 8 + len(text) + 8 + len(binary)
    words = np.array([0x46546C67, 2, total, len(text), 0x4E4F534A], "<u4").tobytes()
    return words + text + np.array([len(binary), 0x004E4942], "<u4").tobytes() + binary
