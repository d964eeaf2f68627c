"""The project's head: every target does what its name says, and the file holds what was built."""

import json

import numpy as np
import pytest

from toktalk_node.face.arkit import BLENDSHAPES, mirrored
from toktalk_node.face.gltf import SCALE, write_glb
from toktalk_node.face.head import HEAD_FILE, PIVOT, build
from toktalk_node.face.head_parts import EYE_RADII, EYE_YAW, _rotation, eye_centre, lids
from toktalk_node.face.head_skin import BACK_OF_LIPS, COLUMNS, MOUTH_Y, OUTLINE, SEAM

LIPS, RIM = ((row - BACK_OF_LIPS) * COLUMNS for row in (SEAM, OUTLINE))
"""First vertices of these rows in the mesh `skin`."""


@pytest.fixture(scope="module")
def meshes():
    return {mesh.name: mesh for mesh in build()}


def posed(mesh, **weights: float) -> np.ndarray:
    part = mesh.part
    return part.vertices + sum(w * part.targets.get(n, 0 * part.vertices) for n, w in weights.items())


def seam(vertices: np.ndarray) -> np.ndarray:
    """Upper minus lower lip along the mouth, [columns, 3]."""
    row = vertices[LIPS : LIPS + COLUMNS]
    upper = np.arange(1, COLUMNS // 2)
    return row[upper] - row[COLUMNS - upper]


def test_the_lips_are_sealed_when_mouth_close_equals_jaw_open(meshes):
    for amount in (0.1, 0.4, 1.0):
        gap = seam(posed(meshes["skin"], jawOpen=amount, mouthClose=amount))
        assert np.abs(gap).max() < 1e-4
        assert seam(posed(meshes["skin"], jawOpen=amount))[:, 1].max() > 0.025 * amount
    assert np.abs(seam(meshes["skin"].part.vertices)).max() < 1e-4


def test_the_jaw_moves_its_bones_and_leaves_the_upper_teeth(meshes):
    teeth = meshes["teeth"].part
    moved = teeth.targets["jawOpen"][:, 1]
    half = len(moved) // 2
    assert np.all(moved[:half] == 0) and moved[half:].max() < -0.01
    skin = meshes["skin"].part
    chin = np.argmin(np.abs(skin.vertices[:, 0]) + np.abs(skin.vertices[:, 1] + 0.105) - 0.01 * skin.vertices[:, 2])
    assert skin.targets["jawOpen"][chin, 1] < -0.012
    brows = (skin.vertices[:, 1] > 0.03) & (skin.vertices[:, 2] > 0) & (np.abs(skin.vertices[:, 0]) < 0.06)
    assert np.abs(skin.targets["jawOpen"][brows]).max() < 1e-3


@pytest.mark.parametrize("name", ["mouthPucker", "mouthFunnel"])
def test_rounding_narrows_and_pushes_out(meshes, name):
    outline = slice(RIM, RIM + COLUMNS)
    rest, round_ = (posed(meshes["skin"], **w)[outline] for w in ({}, {name: 1.0}))
    assert np.ptp(round_[:, 0]) < 0.65 * np.ptp(rest[:, 0])
    assert (round_[:, 2] - rest[:, 2]).min() > 0.004
    assert (seam(posed(meshes["skin"], **{name: 1.0}))[:, 1].max() > 0.008) == (name == "mouthFunnel")


def test_smile_and_frown_move_the_corners_up_and_down(meshes):
    corner = {"Left": LIPS, "Right": LIPS + COLUMNS // 2}
    for side, vertex in corner.items():
        other = corner["Right" if side == "Left" else "Left"]
        smile, frown = (meshes["skin"].part.targets[f"mouth{kind}{side}"] for kind in ("Smile", "Frown"))
        assert smile[vertex, 1] > 0.008 and frown[vertex, 1] < -0.008
        assert np.abs(smile[other]).max() < 1e-6


@pytest.mark.parametrize("side", [1, -1])
def test_lids_close_fully_and_never_cut_the_eyeball(side):
    name = "Left" if side > 0 else "Right"
    upper, lower = lids(side)
    centre, turn = eye_centre(side), _rotation(1, side * EYE_YAW)
    for blink in np.linspace(0, 1, 11):
        for lid in (upper, lower):
            v = lid.vertices + blink * lid.targets[f"eyeBlink{name}"]
            outside = np.linalg.norm(((v - centre) @ turn) / EYE_RADII, axis=1)
            shell = outside[:-33]  # the last row is the lid's edge, which touches the eye
            seen = ((v - centre) @ turn)[:-33, 2] > 0.35 * EYE_RADII[2]
            assert shell[seen].min() > 1.0
    closed = [lid.vertices + lid.targets[f"eyeBlink{name}"] for lid in (upper, lower)]
    edges = [v[-66:-33] for v in closed]
    assert (edges[0][:, 1] - edges[1][:, 1]).max() < 5e-4


def test_a_gaze_turns_the_iris_within_the_eye(meshes):
    eyes = meshes["eyes"].part
    left = eyes.vertices[:, 0] > 0
    pupil = np.flatnonzero(left)[0]
    moves = {d: eyes.targets[f"eyeLook{d}Left"][pupil] for d in ("In", "Out", "Up", "Down")}
    assert moves["In"][0] < -0.008 < 0.008 < moves["Out"][0]
    assert moves["Down"][1] < -0.008 < 0.008 < moves["Up"][1]
    assert np.all(eyes.targets["eyeLookInLeft"][~left] == 0)


def test_the_tongue_comes_out_between_the_lips(meshes):
    tongue, skin = meshes["tongue"], meshes["skin"]
    lip = skin.part.vertices[LIPS + 3 * COLUMNS // 4]
    assert tongue.part.vertices[:, 2].max() < lip[2] - 0.008
    out = posed(tongue, tongueOut=1.0)
    assert out[:, 2].max() > lip[2] + 0.008
    assert abs(out[np.argmax(out[:, 2]), 1] - MOUTH_Y) < 0.02


def test_every_target_moves_something_and_is_its_mirror(meshes):
    for name in BLENDSHAPES:
        size, twin = (
            [np.abs(m.part.targets[n]).max() for m in meshes.values() if n in m.part.targets]
            for n in (name, mirrored(name))
        )
        assert max(size) > 0.002, name
        np.testing.assert_allclose(size, twin, rtol=0.02, err_msg=name)
        total, other = (
            sum(m.part.targets[n].sum(axis=0) for m in meshes.values() if n in m.part.targets)
            for n in (name, mirrored(name))
        )
        np.testing.assert_allclose(total * (-1, 1, 1), other, atol=0.02 * np.abs(total).max() + 1e-3, err_msg=name)


def test_the_file_in_the_package_is_what_the_builder_builds(meshes, tmp_path):
    size = write_glb(tmp_path / "head.glb", list(meshes.values()), PIVOT)
    assert size < 3_000_000
    fresh, shipped = ((p.read_bytes()) for p in (tmp_path / "head.glb", HEAD_FILE))
    assert len(fresh) == len(shipped), "run `python -m toktalk_node.face.head`"
    documents = []
    for raw in (fresh, shipped):
        magic, version, total, length, kind = np.frombuffer(raw[:20], "<u4")
        assert (magic, version, total, kind) == (0x46546C67, 2, len(raw), 0x4E4F534A)
        documents.append((json.loads(raw[20 : 20 + length]), raw[28 + length :]))
    (document, binary), (shipped_document, shipped_binary) = documents
    names = {n for mesh in document["meshes"] for n in mesh.get("extras", {}).get("targetNames", [])}
    assert names == set(BLENDSHAPES)
    assert [m["extras"]["targetNames"] for m in document["meshes"][:1]] == [
        m["extras"]["targetNames"] for m in shipped_document["meshes"][:1]
    ]
    for mesh, source in zip(document["meshes"], meshes.values(), strict=True):
        accessor = document["accessors"][mesh["primitives"][0]["attributes"]["POSITION"]]
        view = document["bufferViews"][accessor["bufferView"]]
        for data in (binary, shipped_binary):
            stored = np.frombuffer(data, "<i2", accessor["count"] * 4, view["byteOffset"]).reshape(-1, 4)[:, :3]
            np.testing.assert_allclose(stored / 32767 * SCALE, source.part.vertices, atol=2 * SCALE / 32767)
