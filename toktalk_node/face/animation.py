"""An avatar that speaks, as one glTF 2.0 file: a model with ARKit morph targets and an animation of the face.

    avatar = load("avatar.glb")                  # or HEAD_FILE, the project's own head
    write("speech.glb", avatar, motion, 50)      # motion [n, 55]; opens in Blender, three.js, game engines

One sampler moves the morph targets of each mesh (section 3.11 of the specification), one the rotation of the head. Key
k stands at k / fps seconds, between keys the face moves in a straight line. Buffers and pictures beside a .gltf are
taken into the file.
"""

import base64
import binascii
import json
import mimetypes
import os
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, unquote_to_bytes

import numpy as np

from toktalk_node.face import names
from toktalk_node.face.arkit import BLENDSHAPES, INDEX
from toktalk_node.face.gltf import glb
from toktalk_node.face.replacing import replacing
from toktalk_node.face.rest import REST, clamp

MAX_BYTES = 512 << 20
"""Largest avatar that is read, with the files beside it."""
FLOAT = 5126
_HEAD = re.compile(r"(^|[_:. ])head$", re.IGNORECASE)


class AvatarError(ValueError):
    """A file that is no avatar for this; the message names the file and the reason."""


@dataclass(frozen=True)
class Avatar:
    """A model that can be animated."""

    document: dict
    """The glTF document; its first buffer is `binary`, every other one is inside it."""
    binary: bytes
    targets: dict[int, tuple[str | None, ...]]
    """Of each node with a face: the ARKit name that each morph target means."""
    head: int | None
    """The node that turns with the head."""
    missing: tuple[str, ...]
    """ARKit blendshapes that no mesh has."""


def load(path: str | os.PathLike) -> Avatar:
    """Read a .glb, .vrm or .gltf. Raises AvatarError where it is none or has no ARKit morph target, else OSError."""
    path = Path(path)
    if path.stat().st_size > MAX_BYTES:
        raise AvatarError(f"{path}: {path.stat().st_size >> 20} MiB, avatars may have {MAX_BYTES >> 20}")
    try:
        document, binary = _parse(path)
        targets = _targets(document)
        absent = names.missing(name for row in targets.values() for name in row)
        avatar = Avatar(document, binary, targets, _head_node(document), absent)
        animated(avatar, REST[None], 1, "trial")
    except AvatarError:
        raise
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError, struct.error) as error:
        raise AvatarError(f"{path}: not a glTF 2.0 model: {type(error).__name__} {error}") from error
    if not targets:
        raise AvatarError(
            f"{path}: no morph target has a name of ARKit (jawOpen, mouthClose, ...); "
            "export the model with shape keys and their names (mesh.extras.targetNames)"
        )
    return avatar


def write(path: str | os.PathLike, avatar: Avatar, motion: np.ndarray, fps: int, *, name: str = "face") -> int:
    """Write `avatar` with `motion` [n, 55] at `fps` as .glb, or .gltf with everything inside; returns the keys.

    The animation is called `name` and comes before those that the avatar has. The file appears whole or not at all.
    Raises ValueError for a motion of another shape or without a frame, OSError where the file cannot be written.
    """
    path = Path(path)
    document, binary = animated(avatar, motion, fps, name)
    if path.suffix.lower() == ".glb":
        data = glb(document, binary)
    else:
        uri = "data:application/octet-stream;base64," + base64.b64encode(binary).decode()
        document["buffers"] = [{**document["buffers"][0], "uri": uri}, *document["buffers"][1:]]
        data = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
    with replacing(path) as partial:
        partial.write_bytes(data)
    return len(motion)


def animated(avatar: Avatar, motion: np.ndarray, fps: int, name: str) -> tuple[dict, bytes]:
    """The document and the first buffer of `avatar` with an animation of `motion` [n, 55]."""
    motion = clamp(motion)
    if not len(motion):
        raise ValueError("a motion without a frame cannot be animated")
    document = {**avatar.document}
    binary = bytearray(avatar.binary)
    views, accessors = (list(document.get(key, [])) for key in ("bufferViews", "accessors"))

    def accessor(values: np.ndarray, kind: str, **more: list[float]) -> int:
        binary.extend(bytes(-len(binary) % 4))
        raw = np.ascontiguousarray(values, "<f4").tobytes()
        views.append({"buffer": 0, "byteOffset": len(binary), "byteLength": len(raw)})
        binary.extend(raw)
        count = values.size if kind == "SCALAR" else len(values)
        accessors.append({"bufferView": len(views) - 1, "componentType": FLOAT, "count": count, "type": kind, **more})
        return len(accessors) - 1

    times = (np.arange(len(motion)) / fps).astype("<f4")
    keys = accessor(times, "SCALAR", min=[float(times[0])], max=[float(times[-1])])
    samplers: list[dict] = []
    channels: list[dict] = []

    def channel(node: int, path: str, output: int) -> None:
        channels.append({"sampler": len(samplers), "target": {"node": node, "path": path}})
        samplers.append({"input": keys, "output": output, "interpolation": "LINEAR"})

    for node, known in avatar.targets.items():
        channel(node, "weights", accessor(_weights(document, node, known, motion), "SCALAR"))
    if avatar.head is not None:
        nodes = document["nodes"] = list(document["nodes"])
        node = nodes[avatar.head] = _unpacked(nodes[avatar.head])
        above = _world_rotation(document, _parents(document).get(avatar.head))
        turned = _product(head_rotations(motion[:, len(BLENDSHAPES) :]), above)
        rest = np.array(node.get("rotation", (0.0, 0.0, 0.0, 1.0)))
        turned = _product(_product(above * [-1, -1, -1, 1], turned), rest)
        turned /= np.linalg.norm(turned, axis=1, keepdims=True)
        channel(avatar.head, "rotation", accessor(turned, "VEC4"))
    document |= {
        "bufferViews": views,
        "accessors": accessors,
        "animations": [{"name": name, "channels": channels, "samplers": samplers}, *document.get("animations", [])],
        "buffers": [{"byteLength": len(binary)}, *document.get("buffers", [])[1:]],
    }
    return document, bytes(binary)


def head_rotations(head: np.ndarray) -> np.ndarray:
    """Quaternions x, y, z, w [n, 4], in a world with +Y up and the face along +Z, of yaw, pitch and roll [n, 3]."""
    yaw, pitch, roll = np.asarray(head, float).T / 2
    still = np.zeros_like(yaw)
    turn = np.stack([still, np.sin(yaw), still, np.cos(yaw)], axis=1)
    nod = np.stack([-np.sin(pitch), still, still, np.cos(pitch)], axis=1)
    tilt = np.stack([still, still, -np.sin(roll), np.cos(roll)], axis=1)
    return _product(_product(turn, nod), tilt)


def _parse(path: Path) -> tuple[dict, bytes]:
    """The document of `path` and its first buffer; what lies beside the file is inside afterwards."""
    data = path.read_bytes()
    binary = None
    if data[:4] == b"glTF":
        _, version, _, size, kind = struct.unpack_from("<5I", data)
        if version != 2 or kind != 0x4E4F534A:
            raise AvatarError(f"{path}: a binary glTF of version {version}, version 2 is read")
        text, rest = data[20 : 20 + size], data[20 + size :]
        if rest:
            size, kind = struct.unpack_from("<2I", rest)
            if kind != 0x004E4942 or len(rest) < 8 + size:
                raise AvatarError(f"{path}: the file is cut off, or its second chunk is no data")
            binary = rest[8 : 8 + size]
    else:
        text = data
    document = json.loads(text)
    if str(document["asset"]["version"]).split(".")[0] != "2":
        raise AvatarError(f"{path}: glTF {document['asset']['version']}, version 2 is read")
    room = MAX_BYTES
    for key, kind in (("buffers", "application/octet-stream"), ("images", None)):
        for entry in document.get(key, []):
            uri = entry.get("uri", "data:")
            if not uri.startswith("data:"):
                raw = _beside(path, uri, room)
                room -= len(raw)
                mime = kind or mimetypes.guess_type(unquote(uri))[0] or "application/octet-stream"
                entry["uri"] = f"data:{mime};base64," + base64.b64encode(raw).decode()
    buffers = document.setdefault("buffers", [])
    if binary is None:
        if buffers and "uri" not in buffers[0]:
            raise AvatarError(f"{path}: its first buffer has no data")
        binary = _data(buffers[0].pop("uri")) if buffers else b""
    if buffers and len(binary) < buffers[0]["byteLength"]:
        raise AvatarError(f"{path}: its first buffer has {len(binary)} of {buffers[0]['byteLength']} bytes")
    return document, binary


def _beside(path: Path, uri: str, room: int) -> bytes:
    """The file `uri` in the folder of `path` or below; nothing else of the machine gets into an output."""
    folder = path.resolve().parent
    file = (folder / unquote(uri)).resolve()
    if ":" in uri or not file.is_relative_to(folder):
        raise AvatarError(f"{path}: refers to {uri[:80]!r}, which is not a file beside it")
    if not file.is_file():
        raise AvatarError(f"{path}: {uri[:80]!r} is missing beside it")
    if file.stat().st_size > room:
        raise AvatarError(f"{path}: with the files beside it larger than {MAX_BYTES >> 20} MiB")
    return file.read_bytes()


def _data(uri: str) -> bytes:
    head, _, body = uri.partition(",")
    try:
        return base64.b64decode(body, validate=True) if head.endswith(";base64") else unquote_to_bytes(body)
    except binascii.Error as error:
        raise ValueError(f"a buffer's base64 is broken: {error}") from error


def _targets(document: dict) -> dict[int, tuple[str | None, ...]]:
    """Of each node whose mesh has an ARKit target: the name that each target means."""
    result = {}
    for index, node in enumerate(document["nodes"]):
        if "mesh" not in node:
            continue
        mesh = document["meshes"][node["mesh"]]
        called = (mesh.get("extras") or {}).get("targetNames", [])
        count = len(mesh["primitives"][0].get("targets", []))
        known = tuple(names.arkit_name(str(name)) for name in called[:count])
        if any(known):
            result[index] = known + (None,) * (count - len(known))
    return result


def _weights(document: dict, node: int, known: tuple[str | None, ...], motion: np.ndarray) -> np.ndarray:
    """Weights [n, targets] of a node's mesh; a target that ARKit does not have stays as the avatar has it."""
    mesh = document["meshes"][document["nodes"][node]["mesh"]]
    still = document["nodes"][node].get("weights") or mesh.get("weights") or [0.0] * len(known)
    columns = [
        np.full(len(motion), rest) if name is None else motion[:, INDEX[name]]
        for name, rest in zip(known, still, strict=True)
    ]
    return np.stack(columns, axis=1)


def _head_node(document: dict) -> int | None:
    """The node called head, a skeleton's joint before any other; meshes are none."""
    joints = {joint for skin in document.get("skins", []) for joint in skin["joints"]}
    called = [i for i, n in enumerate(document["nodes"]) if "mesh" not in n and _HEAD.search(str(n.get("name", "")))]
    return next((i for i in called if i in joints), called[0] if called else None)


def _parents(document: dict) -> dict[int, int]:
    """Child -> parent; ValueError where a node has two or is below itself."""
    parents: dict[int, int] = {}
    for index, node in enumerate(document["nodes"]):
        for child in node.get("children", []):
            if child in parents or not 0 <= child < len(document["nodes"]):
                raise ValueError(f"node {child} is missing or has two parents")
            parents[child] = index
    for node in parents:
        above: int | None = node
        for _ in range(len(document["nodes"]) + 1):
            above = parents.get(above)
            if above is None:
                break
        else:
            raise ValueError(f"node {node} is below itself")
    return parents


def _unpacked(node: dict) -> dict:
    """`node` with translation, rotation and scale in place of a matrix, which cannot be animated."""
    if "matrix" not in node:
        return node
    matrix = np.array(node["matrix"], float).reshape(4, 4).T
    scale = np.linalg.norm(matrix[:3, :3], axis=0)
    if np.linalg.det(matrix[:3, :3]) < 0:
        scale[0] = -scale[0]
    rotation = _quaternion(matrix[:3, :3] / scale)
    rest = {key: value for key, value in node.items() if key != "matrix"}
    return {**rest, "translation": matrix[:3, 3].tolist(), "rotation": rotation.tolist(), "scale": scale.tolist()}


def _world_rotation(document: dict, node: int | None) -> np.ndarray:
    """Rotation [4] of `node` in the world, of none the identity."""
    parents = _parents(document)
    result = np.array([0.0, 0.0, 0.0, 1.0])
    while node is not None:
        here = _unpacked(document["nodes"][node]).get("rotation", (0.0, 0.0, 0.0, 1.0))
        result = _product(np.array(here, float), result)
        node = parents.get(node)
    return result


def _product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Hamilton product of quaternions x, y, z, w, [..., 4]."""
    ax, ay, az, aw = np.moveaxis(np.asarray(a, float), -1, 0)
    bx, by, bz, bw = np.moveaxis(np.asarray(b, float), -1, 0)
    return np.stack(
        [
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
            aw * bw - ax * bx - ay * by - az * bz,
        ],
        axis=-1,
    )


def _quaternion(m: np.ndarray) -> np.ndarray:
    """Quaternion x, y, z, w of the rotation matrix `m`: eigenvector of the largest eigenvalue (Bar-Itzhack 2000)."""
    k = np.array(
        [
            [m[0, 0] - m[1, 1] - m[2, 2], m[1, 0] + m[0, 1], m[2, 0] + m[0, 2], m[2, 1] - m[1, 2]],
            [m[1, 0] + m[0, 1], m[1, 1] - m[0, 0] - m[2, 2], m[2, 1] + m[1, 2], m[0, 2] - m[2, 0]],
            [m[2, 0] + m[0, 2], m[2, 1] + m[1, 2], m[2, 2] - m[0, 0] - m[1, 1], m[1, 0] - m[0, 1]],
            [m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1], m[0, 0] + m[1, 1] + m[2, 2]],
        ]
    )
    q = np.linalg.eigh(k / 3)[1][:, -1]
    return q if q[3] >= 0 else -q
