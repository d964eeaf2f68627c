"""Avatars that speak as glTF: what is in the file, and what Blender and three.js make of it."""

import asyncio
import json
import re
import struct

import numpy as np
import pytest

from tests.bridge import chromium
from tests.face import blender, three
from toktalk_node.face import plain_head
from toktalk_node.face.animation import AvatarError, head_rotations, load, write
from toktalk_node.face.arkit import BLENDSHAPES, INDEX, MOTION_WIDTH
from toktalk_node.face.gltf import glb, write_glb
from toktalk_node.face.head import HEAD_FILE, PIVOT, build
from toktalk_node.face.names import arkit_name

FPS = 50


def speech(frames: int = 60) -> np.ndarray:
    """A motion [frames, 55] whose every channel has a course of its own."""
    rng = np.random.default_rng(3)
    motion = rng.uniform(0, 1, (frames, MOTION_WIDTH)).astype(np.float32)
    motion[:, -3:] = 0.5 * motion[:, -3:] - 0.25
    return motion


def parsed(data: bytes) -> tuple[dict, bytes]:
    size = struct.unpack_from("<I", data, 12)[0]
    return json.loads(data[20 : 20 + size]), data[28 + size :]


def values(document: dict, binary: bytes, accessor: int) -> np.ndarray:
    entry = document["accessors"][accessor]
    view = document["bufferViews"][entry["bufferView"]]
    count = entry["count"] * {"SCALAR": 1, "VEC4": 4}[entry["type"]]
    return np.frombuffer(binary, "<f4", count, view["byteOffset"])


def saved(path, document, binary=b""):
    path.write_bytes(glb(document, binary))
    return path


def test_every_weight_of_every_mesh_moves_as_the_motion_says(tmp_path):
    motion = speech()
    assert write(tmp_path / "out.glb", load(HEAD_FILE), motion, FPS, name="hello") == 60
    document, binary = parsed((tmp_path / "out.glb").read_bytes())
    (animation,) = document["animations"]
    assert animation["name"] == "hello"
    seen = set()
    for channel in animation["channels"]:
        sampler = animation["samplers"][channel["sampler"]]
        times = values(document, binary, sampler["input"])
        np.testing.assert_allclose(times, np.arange(60) / FPS, atol=1e-6)
        if channel["target"]["path"] != "weights":
            continue
        names = document["meshes"][document["nodes"][channel["target"]["node"]]["mesh"]]["extras"]["targetNames"]
        weights = values(document, binary, sampler["output"]).reshape(60, len(names))
        np.testing.assert_array_equal(weights, motion[:, [INDEX[name] for name in names]])
        seen.update(names)
    assert seen == set(BLENDSHAPES)


def test_gltf_is_one_file_of_text_with_the_same_face(tmp_path):
    write(tmp_path / "out.gltf", load(HEAD_FILE), speech(), FPS)
    write(tmp_path / "again.glb", load(tmp_path / "out.gltf"), speech(), FPS, name="second")
    document, _ = parsed((tmp_path / "again.glb").read_bytes())
    assert [animation["name"] for animation in document["animations"]] == ["second", "face"]
    assert "uri" not in document["buffers"][0]


def other_names(name: str) -> str:
    """The way that FBX exporters and Ready Player Me write ARKit's names."""
    return "Mesh_blendShape2." + re.sub("Right$", "_R", re.sub("Left$", "_L", name[0].upper() + name[1:]))


def test_another_avatar_is_moved_by_its_own_names_and_what_it_lacks_is_known(tmp_path):
    meshes = build()
    for mesh in meshes:
        targets = {other_names(n): t for n, t in mesh.part.targets.items() if n not in ("tongueOut", "cheekPuff")}
        if mesh.name == "brows":
            targets["Smirk"] = next(iter(targets.values()))
        mesh.part.targets = targets
    write_glb(tmp_path / "other.glb", meshes, PIVOT)
    avatar = load(tmp_path / "other.glb")
    assert avatar.missing == ("cheekPuff", "tongueOut")
    write(tmp_path / "out.glb", avatar, speech(), FPS)
    document, binary = parsed((tmp_path / "out.glb").read_bytes())
    brows = next(i for i, n in enumerate(document["nodes"]) if n["name"] == "brows")
    animation = document["animations"][0]
    sampler = next(c["sampler"] for c in animation["channels"] if c["target"] == {"node": brows, "path": "weights"})
    names = document["meshes"][document["nodes"][brows]["mesh"]]["extras"]["targetNames"]
    weights = values(document, binary, animation["samplers"][sampler]["output"]).reshape(60, -1)
    np.testing.assert_array_equal(
        weights[:, names.index("Mesh_blendShape2.BrowInnerUp")], speech()[:, INDEX["browInnerUp"]]
    )
    assert not weights[:, names.index("Smirk")].any(), "a shape that ARKit does not have is left as it is"


def test_names_with_one_ending_are_told_apart():
    assert {name: arkit_name(other_names(name)) for name in BLENDSHAPES} == {name: name for name in BLENDSHAPES}
    assert arkit_name("Fcl_MTH_A") is None


def test_the_head_turns_in_the_world_whatever_its_bones_are(tmp_path):
    """A head bone with a rest of its own, under a turned and scaled parent that is given as a matrix."""
    tilt = np.array([[0, 0, 2.0], [2.0, 0, 0], [0, 2.0, 0]])  # x -> y -> z -> x, twice the size
    matrix = np.eye(4)
    matrix[:3, :3] = tilt
    rest = [0.5, 0.5, 0.5, 0.5]
    document, binary = parsed(HEAD_FILE.read_bytes())
    head = document["nodes"][0]
    document["nodes"] += [
        {"name": "neck", "matrix": matrix.T.ravel().tolist(), "children": [len(document["nodes"]) + 1]},
        {"name": "mixamorig:Head", "rotation": rest, "children": head.pop("children")},
    ]
    head["name"] = "rig"
    head["children"] = [len(document["nodes"]) - 2]
    document["skins"] = [{"joints": [len(document["nodes"]) - 1]}]
    avatar = load(saved(tmp_path / "rig.glb", document, binary))
    motion = np.zeros((2, MOTION_WIDTH), np.float32)
    motion[1, -3:] = 0.3, 0.2, -0.1
    write(tmp_path / "out.glb", avatar, motion, FPS)
    document, binary = parsed((tmp_path / "out.glb").read_bytes())
    channel = next(c for c in document["animations"][0]["channels"] if c["target"]["path"] == "rotation")
    output = document["animations"][0]["samplers"][channel["sampler"]]["output"]
    above = tilt / 2
    before, after = (above @ rotation(q) for q in values(document, binary, output).reshape(2, 4))
    np.testing.assert_allclose(before, above @ rotation(np.array(rest)), atol=1e-6)
    np.testing.assert_allclose(after @ before.T, rotation(head_rotations(motion[1:, -3:])[0]), atol=1e-6)
    face = after @ before.T @ [0, 0, 1]
    assert face[0] > 0.2 and face[1] > 0.15, "positive yaw looks to the person's left, positive pitch up"


def rotation(q: np.ndarray) -> np.ndarray:
    x, y, z, w = q
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def test_what_lies_beside_a_gltf_comes_along_and_nothing_else_of_the_machine_does(tmp_path):
    document, binary = parsed(HEAD_FILE.read_bytes())
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "face data.bin").write_bytes(binary)
    (tmp_path / "skin.png").write_bytes(b"picture")
    document["buffers"][0]["uri"] = "parts/face%20data.bin"
    document["images"] = [{"uri": "skin.png"}]
    avatar = tmp_path / "avatar.gltf"
    avatar.write_text(json.dumps(document))
    write(tmp_path / "out.glb", load(avatar), speech(), FPS)
    done, _ = parsed((tmp_path / "out.glb").read_bytes())
    assert done["images"] == [{"uri": "data:image/png;base64,cGljdHVyZQ=="}]
    for uri, reason in (
        ("../secret", "not a file beside it"),
        ("/etc/passwd", "not a file beside it"),
        ("file:///etc/passwd", "not a file beside it"),
        ("https://example.org/x.png", "not a file beside it"),
        ("gone.png", "missing beside it"),
    ):
        avatar.write_text(json.dumps(document | {"images": [{"uri": uri}]}))
        with pytest.raises(AvatarError, match=reason):
            load(avatar)


def with_weights(document: dict, weights: list[float]) -> dict:
    return document | {"nodes": [node | {"weights": weights} for node in document["nodes"]]}


def bad_avatars() -> dict[str, bytes]:
    data = HEAD_FILE.read_bytes()
    document, binary = parsed(data)
    nameless = json.loads(json.dumps(document))
    for mesh in nameless["meshes"]:
        mesh.pop("extras", None)
    circle = json.loads(json.dumps(document))
    circle["nodes"][0]["children"], circle["nodes"][1]["children"] = [1], [0]
    return {
        "not a glTF": b"nothing",
        "not a glTF 2.0": b"[" * 100_000,
        "cut off": data[: len(data) // 2],
        "version 1": data[:4] + struct.pack("<I", 1) + data[8:],
        "version 2 is read": glb(document | {"asset": {"version": "1.0"}}, binary),
        "no morph target has a name of ARKit": glb(nameless, binary),
        "bytes": glb(document, b""),
        "below itself": glb(circle, binary),
        "IndexError": glb(document | {"meshes": []}, binary),
        "no attribute": glb(document | {"nodes": [[]]}, binary),
        "not a glTF 2.0 model: ValueError": glb(with_weights(document, [0.5]), binary),
    }


@pytest.mark.parametrize("reason", bad_avatars())
def test_a_file_that_is_no_avatar_is_named_with_the_reason(reason, tmp_path):
    (tmp_path / "bad.glb").write_bytes(bad_avatars()[reason])
    with pytest.raises(AvatarError, match=f"bad.glb: .*{reason}"):
        load(tmp_path / "bad.glb")


def test_an_error_leaves_nothing_behind(tmp_path):
    with pytest.raises(ValueError, match="without a frame"):
        write(tmp_path / "out.glb", load(HEAD_FILE), np.zeros((0, MOTION_WIDTH)), FPS)
    (tmp_path / "taken.glb").mkdir()
    with pytest.raises(OSError, match="taken.glb"):
        write(tmp_path / "taken.glb", load(HEAD_FILE), speech(), FPS)
    assert [p.name for p in tmp_path.iterdir()] == ["taken.glb"]


def expected(motion: np.ndarray, second: float) -> dict[str, float]:
    """Weights by name, between two frames in a straight line."""
    at = np.interp(second * FPS, np.arange(len(motion)), np.arange(len(motion)))
    low = int(at)
    row = motion[low] + (at - low) * (motion[min(low + 1, len(motion) - 1)] - motion[low])
    return dict(zip(BLENDSHAPES, row.tolist(), strict=False))


@pytest.mark.peer
@pytest.mark.skipif(blender.binary() is None, reason="no Blender here: apt-get install blender python3-numpy")
@pytest.mark.parametrize(("fps", "plain"), [(50, True), (24, False)])
def test_blender_has_every_shape_key_and_the_head_at_the_right_time(fps, plain, tmp_path):
    motion, seconds = speech(), [0.0, 0.1, 0.5, 0.513, 1.18]
    plain_head.write(tmp_path / "plain.glb")
    write(tmp_path / "out.glb", load(tmp_path / "plain.glb" if plain else HEAD_FILE), motion, FPS, name="hello")
    done = blender.read(tmp_path / "out.glb", fps, seconds)
    for second, at in zip(seconds, done["at"], strict=True):
        wanted = expected(motion, second)
        seen = set()
        for keys in at["keys"].values():
            for name, value in keys.items():
                assert value == pytest.approx(wanted[name], abs=1e-3), (second, name)
                seen.add(name)
        assert seen == set(BLENDSHAPES)
    x, y, z, w = head_rotations(motion[25:26, -3:])[0]
    np.testing.assert_allclose(np.abs(np.dot(done["at"][2]["turns"]["head"], blender_axes(x, y, z, w))), 1, atol=1e-5)
    assert any("hello" in name for name in done["actions"])


def blender_axes(x: float, y: float, z: float, w: float) -> list[float]:
    """Quaternion w, x, y, z in Blender's world, whose Z is glTF's Y and whose Y is glTF's -Z."""
    return [w, x, -z, y]


@pytest.mark.peer
@pytest.mark.skipif(chromium.binary() is None, reason="no Chromium here: apt-get install chromium")
def test_three_js_shows_the_same_face_at_the_same_time(tmp_path):
    modules = three.modules(tmp_path)
    if modules is None:
        pytest.skip("no three.js here: run npm ci in toktalk_node/bridge/viewer")
    motion = speech()
    plain_head.write(tmp_path / "plain.glb")
    write(tmp_path / "out.glb", load(tmp_path / "plain.glb"), motion, FPS, name="hello")
    (tmp_path / "page").mkdir()

    async def run() -> None:
        async with three.showing(tmp_path / "out.glb", tmp_path / "page", modules) as page:
            assert await page.evaluate("shown.clips") == [["hello", pytest.approx(59 / FPS, abs=1e-5)]]
            for second in (0.0, 0.5, 0.513, 1.1):
                at, wanted = await page.evaluate(f"shown.at({second})"), expected(motion, second)
                seen = {name: value for keys in at["keys"].values() for name, value in keys.items()}
                assert seen == {name: pytest.approx(wanted[name], abs=1e-3) for name in BLENDSHAPES}
            turned = (await page.evaluate("shown.at(0.5)"))["turns"]["head"]
            assert abs(np.dot(turned, head_rotations(motion[25:26, -3:])[0])) == pytest.approx(1, abs=1e-5)
            assert page.console == []

    asyncio.run(run())
