"""An animated glTF in a page of plain three.js, in a real browser: nothing of TokTalk's own viewer takes part."""

import contextlib
import functools
import http.server
import json
import shutil
import subprocess
import threading
from collections.abc import AsyncIterator
from pathlib import Path

from tests.bridge.chromium import Page, open_page

VIEWER = Path(__file__).resolve().parents[2] / "toktalk_node" / "bridge" / "viewer"
PAGE = """<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">
<style>html, body, canvas { margin: 0; width: 100%; height: 100%; display: block }</style><canvas></canvas>
<script type="importmap">{"imports": {"three": "./three/build/three.module.js", "addons/": "./three/examples/jsm/"}}
</script><script type="module">
import * as THREE from "three";
import { GLTFLoader } from "addons/loaders/GLTFLoader.js";
const renderer = new THREE.WebGLRenderer({ canvas: document.querySelector("canvas"), antialias: true });
renderer.setSize(innerWidth, innerHeight, false);
const scene = new THREE.Scene();
scene.background = new THREE.Color(0xdbe4ee);
scene.add(new THREE.HemisphereLight(0xffffff, 0xc8b4a8, 2.2));
const sun = new THREE.DirectionalLight(0xfff4e6, 2.2);
sun.position.set(0.5, 0.6, 0.8);
scene.add(sun);
const camera = new THREE.PerspectiveCamera(23, innerWidth / innerHeight, 0.05, 10);
camera.position.set(0, -0.014, 0.86);
const gltf = await new GLTFLoader().loadAsync("model");
scene.add(gltf.scene);
const mixer = new THREE.AnimationMixer(gltf.scene);
for (const clip of gltf.animations) {
  const action = mixer.clipAction(clip).setLoop(THREE.LoopOnce);
  action.clampWhenFinished = true;
  action.play();
}
const at = (seconds) => {
  mixer.setTime(seconds);
  renderer.render(scene, camera);
  const keys = {};
  const turns = {};
  gltf.scene.traverse((node) => {
    if (node.morphTargetDictionary)
      keys[node.name] = Object.fromEntries(
        Object.entries(node.morphTargetDictionary).map(([name, i]) => [name, node.morphTargetInfluences[i]]));
    turns[node.name] = node.getWorldQuaternion(new THREE.Quaternion()).toArray();
  });
  return { keys, turns };
};
window.shown = { at, clips: gltf.animations.map((clip) => [clip.name, clip.duration]) };
</script>"""


def modules(folder: Path) -> Path | None:
    """node_modules with three.js of the viewer's version: the viewer's own, else installed into `folder`; or None."""
    if (VIEWER / "node_modules" / "three" / "build").is_dir():
        return VIEWER / "node_modules"
    if shutil.which("npm") is None:
        return None
    version = json.loads((VIEWER / "package.json").read_text())["devDependencies"]["three"]
    command = [
        "npm",
        "install",
        "--silent",
        "--ignore-scripts",
        "--no-save",
        "--prefix",
        str(folder),
        f"three@{version}",
    ]
    done = subprocess.run(command, capture_output=True, timeout=120)
    return folder / "node_modules" if done.returncode == 0 else None


class _Files(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@contextlib.asynccontextmanager
async def showing(model: Path, folder: Path, node_modules: Path, size: int = 320) -> AsyncIterator[Page]:
    """A page in which `await shown.at(seconds)` poses and draws `model`; `folder` is filled with the page's files."""
    (folder / "index.html").write_text(PAGE)
    shutil.copy(model, folder / "model")
    (folder / "three").symlink_to(node_modules / "three")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Files, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        async with open_page(f"http://127.0.0.1:{server.server_port}/", size, size) as page:
            await page.until("window.shown")
            yield page
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
