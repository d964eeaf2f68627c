"""The picture of docs/godot.md: ``python -m tests.godot.pictures FOLDER`` (needs godot3-server, godot3-runner, Xvfb).

Writes godot.png: the example in Godot 3 while a bridge sends the face of a spoken sentence, at its longest open vowel
and at its longest bilabial.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

from tests.bridge.pictures import spoken_poses
from tests.godot import engine
from toktalk_node.bridge.server import Bridge
from toktalk_node.bridge.web import WebViewer
from toktalk_node.signals import Clock, FaceChunk

SIZE = 360
DISPLAY = ":93"
WINDOW = ("godot3-runner", "--resolution", f"{SIZE}x{SIZE}", "--audio-driver", "Dummy", "--video-driver", "GLES3")


def main(target: Path) -> None:
    sheet = Image.new("RGB", (2 * SIZE, SIZE))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        project = engine.imported_example(folder)
        screen = ["Xvfb", DISPLAY, "-screen", "0", "640x640x24", "-nolisten", "tcp"]
        server = subprocess.Popen(screen, stderr=subprocess.DEVNULL)
        while not Path(f"/tmp/.X11-unix/X{DISPLAY[1:]}").exists() and server.poll() is None:
            time.sleep(0.1)
        try:
            for i, (weights, head) in enumerate(spoken_poses().values()):
                picture = folder / f"{i}.png"
                show(project, folder, picture, FaceChunk(weights[None], head[None], 50))
                sheet.paste(Image.open(picture).convert("RGB"), (i * SIZE, 0))
        finally:
            server.terminate()
            server.wait()
    sheet.save(target / "godot.png", optimize=True)


def show(project: Path, folder: Path, picture: Path, face: FaceChunk) -> None:
    """Run the example in a window until it has saved `picture` of `face`, of which the hello tells it."""
    with Bridge(pub_port=0, control_port=0) as bridge, WebViewer(bridge.control_endpoint, port=0) as viewer:
        bridge.publish_face(face, Clock(time.time_ns()))
        url = f"ws://127.0.0.1:{viewer.port}/ws"
        surroundings = {"DISPLAY": DISPLAY, "LIBGL_ALWAYS_SOFTWARE": 1, "PICTURE": picture, "URL": url}
        with engine.run(3, "example.gd", folder, project=project, program=WINDOW, **surroundings) as running:
            running.finish(timeout=300)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
