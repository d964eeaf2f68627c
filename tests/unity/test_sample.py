"""The sample's head: what its C# reads of the glTF file is what the file says, in Unity's axes."""

import base64
import json
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.unity.mono import HEAD, HERE, MISSING, PACKAGE, REASON, compile_program
from toktalk_node.face.arkit import BLENDSHAPES

pytestmark = [pytest.mark.peer, pytest.mark.skipif(bool(MISSING), reason=REASON)]

SAMPLE = PACKAGE / "Samples~" / "TalkingHead"
COMPONENTS = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}


@pytest.fixture(scope="module")
def program(tmp_path_factory) -> Path:
    sources = [SAMPLE / "Glb.cs", SAMPLE / "Json.cs", *sorted((HERE / "glb").glob("*.cs"))]
    return compile_program(sources, tmp_path_factory.mktemp("glb") / "dump.exe")


def dump(program: Path, file: Path) -> subprocess.CompletedProcess:
    return subprocess.run(["mono", str(program), str(file)], capture_output=True, text=True, timeout=60)


def accessor(document: dict, binary: bytes, index: int) -> np.ndarray:
    """[count, width] of a glTF accessor (glTF 2.0, section 3.6.2), normalised to floats where it says so."""
    this = document["accessors"][index]
    width = 1 if this["type"] == "SCALAR" else int(this["type"][3])

    def rows(place: dict, component: int, count: int, columns: int) -> np.ndarray:
        view = document["bufferViews"][place["bufferView"]]
        dtype = np.dtype(COMPONENTS[component])
        stride = view.get("byteStride", dtype.itemsize * columns)
        begin = view.get("byteOffset", 0) + place.get("byteOffset", 0)
        return np.ndarray((count, columns), dtype, binary, begin, (stride, dtype.itemsize)).astype(np.float64)

    values = np.zeros((this["count"], width))
    if "bufferView" in this:
        values = rows(this, this["componentType"], this["count"], width)
    if sparse := this.get("sparse"):
        places = rows(sparse["indices"], sparse["indices"]["componentType"], sparse["count"], 1)[:, 0].astype(int)
        values[places] = rows(sparse["values"], this["componentType"], sparse["count"], width)
    if this.get("normalized"):
        values /= {5120: 127, 5121: 255, 5122: 32767, 5123: 65535}[this["componentType"]]
    return values


def test_the_head_is_read_as_the_file_says_with_x_mirrored(program):
    data = HEAD.read_bytes()
    length = struct.unpack_from("<I", data, 12)[0]
    document, binary = json.loads(data[20 : 20 + length]), data[28 + length :]
    found = {}
    for line in dump(program, HEAD).stdout.splitlines():
        name, _, text = line.partition("\t")
        found[name] = base64.b64decode(text)
    mirror = np.array([-1, 1, 1])
    shapes = set()
    for mesh in document["meshes"]:
        primitive, name = mesh["primitives"][0], mesh["name"]
        expected = {
            f"{name} {key}": accessor(document, binary, index) for key, index in primitive["attributes"].items()
        }
        for shape, target in zip(
            mesh.get("extras", {}).get("targetNames", []),
            primitive["targets"] if "targets" in primitive else [],
            strict=True,
        ):
            expected[f"{name} {shape}"] = accessor(document, binary, target["POSITION"])
            shapes.add(shape)
        for key, values in expected.items():
            values = values * mirror if values.shape[1] == 3 else values
            np.testing.assert_allclose(np.frombuffer(found[key], "<f4").reshape(values.shape), values, atol=1e-6)
        triangles = accessor(document, binary, primitive["indices"]).reshape(-1, 3).astype(int)
        np.testing.assert_array_equal(np.frombuffer(found[f"{name} indices"], "<i4").reshape(-1, 3), triangles[:, ::-1])
    assert shapes == set(BLENDSHAPES)
    assert len([name for name in found if " node " in name]) == len(document["nodes"])


@pytest.mark.parametrize("damage", [b"", b"glTF", b"glTF\2\0\0\0\xff\xff\xff\x7f" + b"\xff" * 40])
def test_what_is_no_head_is_refused(program, tmp_path, damage):
    (tmp_path / "bad.glb").write_bytes(damage)
    result = dump(program, tmp_path / "bad.glb")
    assert result.returncode == 1 and result.stdout.startswith("refused: "), result.stderr
