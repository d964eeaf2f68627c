"""TokTalk's head in dense floats, six times as large, for programs that read no quantised or sparse meshes: Godot.

python -m toktalk_node.face.plain_head godot_bridge/example/head.glb
"""

import sys
from pathlib import Path

from toktalk_node.face.gltf import write_glb
from toktalk_node.face.head import PIVOT, build


def write(path: Path) -> int:
    """Write the head to `path`; returns the bytes written."""
    return write_glb(path, build(), PIVOT, plain=True)


if __name__ == "__main__":
    print(f"{sys.argv[1]}: {write(Path(sys.argv[1])) / 1e6:.2f} MB")
