"""The project's own head: a friendly cartoon face with the 52 ARKit targets, as one glTF binary.

    python -m toktalk_node.face.head toktalk_node/face/head.glb

Everything is computed here from a few dozen numbers; the file is reproducible bit for bit. Metres, +Y up, +Z
forward. Node `head` carries what turns with the head, node `bust` what does not.
"""

import sys
from pathlib import Path

import numpy as np

from toktalk_node.face.arkit import BLENDSHAPES
from toktalk_node.face.gltf import Mesh, write_glb
from toktalk_node.face.head_parts import Part, brow, bust, ear, eye, glint, hair, joined, lids, teeth, tongue
from toktalk_node.face.head_skin import Skin
from toktalk_node.face.head_targets import build_targets

HEAD_FILE = Path(__file__).with_name("head.glb")
PIVOT = (0.0, -0.075, -0.020)
"""Where the head turns on the neck."""
SMALLEST = 2e-5
"""Displacements below this many metres are left out."""


def build() -> list[Mesh]:
    """All meshes of the head; the targets of each are in Apple's order."""
    grid = Skin()
    build_targets(grid)
    face = Part(grid.vertices, grid.triangles, grid.color, grid.targets)
    inside = grid.in_mouth(grid.triangles)
    skin = joined([face.only(~inside), *lids(1), *lids(-1), ear(1), ear(-1)])
    meshes = [
        Mesh("skin", skin, 0.62),
        Mesh("mouth", face.only(inside), 1.0, unlit=True),
        Mesh("eyes", joined([eye(1), eye(-1)]), 0.18),
        Mesh("glints", joined([glint(1), glint(-1)]), 1.0, unlit=True),
        Mesh("teeth", joined([teeth(upper=True), teeth(upper=False)]), 0.30),
        Mesh("tongue", tongue(), 0.45),
        Mesh("brows", joined([brow(1), brow(-1)]), 0.85),
        Mesh("hair", hair(), 0.70),
        Mesh("bust", joined(bust()), 0.80, turns=False),
    ]
    for mesh in meshes:
        for displacement in mesh.part.targets.values():
            displacement[np.abs(displacement).max(axis=1) < SMALLEST] = 0
        mesh.part.targets = {n: mesh.part.targets[n] for n in BLENDSHAPES if n in mesh.part.targets}
    missing = set(BLENDSHAPES) - {n for mesh in meshes for n in mesh.part.targets}
    assert not missing, f"targets without a shape: {missing}"
    return meshes


def main() -> None:
    """Write the head to the path given, or to its place in the package."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else HEAD_FILE
    size = write_glb(path, build(), PIVOT)
    print(f"{path}: {size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
