"""The module as npm packs it: in a project of its own it resolves, is bundled, has types, and shows a face."""

import asyncio
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.bridge.chromium import binary, open_page
from tests.bridge.pages import RATE, shown, site
from toktalk_node.bridge.server import Bridge
from toktalk_node.bridge.web import VIEWER, WebViewer
from toktalk_node.face.head import HEAD_FILE

TOOLS = VIEWER / "node_modules" / ".bin"
pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(not (shutil.which("npm") and shutil.which("node")), reason="no npm here: install Node.js"),
]
needs_chromium = pytest.mark.skipif(binary() is None, reason="no Chromium here: apt-get install chromium")


def needs(tool: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not (TOOLS / tool).exists(), reason=f"no {tool} here: npm ci in {VIEWER}")


def said(*command: str | Path, at: Path) -> str:
    """What `command` prints when it is run in the folder `at`."""
    done = subprocess.run(command, cwd=at, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A project that has installed the package as docs/web.md says, without network."""
    root = tmp_path_factory.mktemp("npm")
    viewer = root / "toktalk_node" / "bridge" / "viewer"
    shutil.copytree(VIEWER, viewer, ignore=shutil.ignore_patterns("node_modules"))
    (root / "toktalk_node" / "face").mkdir()
    shutil.copy(HEAD_FILE, root / "toktalk_node" / "face")
    said("npm", "pack", at=viewer)
    assert not (viewer / "dist" / "head.glb").exists()
    app = root / "app"
    app.mkdir()
    (app / "package.json").write_text(json.dumps({"name": "app", "version": "1.0.0", "type": "module"}))
    [package] = viewer.glob("toktalk-face-*.tgz")
    said("npm", "install", "--offline", "--no-audit", "--no-fund", package, at=app)
    return app


def test_node_finds_all_that_the_package_offers(project):
    code = "for (const n of ['', '/wire', '/head.glb']) console.log(import.meta.resolve('toktalk-face' + n))"
    found = [Path(line.removeprefix("file://")) for line in said("node", "--input-type=module", "-e", code, at=project)
             .split()]  # fmt: skip
    assert [path.name for path in found] == ["toktalk-face.js", "wire.js", "head.glb"]
    assert found[2].read_bytes() == HEAD_FILE.read_bytes()
    code = "const w = await import('toktalk-face/wire'); console.log(w.decode('Ping', w.encode({ id: 7 })).id)"
    assert said("node", "--input-type=module", "-e", code, at=project) == "7\n"
    package = project / "node_modules" / "toktalk-face"
    assert (package / "dist" / "LICENSES.txt").is_file() and not (package / "src").exists()


@needs_chromium
@pytest.mark.parametrize("way", ["import map", pytest.param("bundle", marks=needs("esbuild"))])
def test_a_page_that_imports_it_shows_a_face(project, way):
    """By the browser's own resolver, and bundled with esbuild; the bridge at `src`."""
    entry = 'import "toktalk-face";\nimport { VERSION } from "toktalk-face/wire";\nwindow.version = VERSION;\n'
    (project / "main.js").write_text(entry)
    package = project / "node_modules" / "toktalk-face" / "dist"
    if way == "bundle":
        options = ["--bundle", "--format=esm", "--splitting", "--outdir=out"]
        said(TOOLS / "esbuild", "main.js", *options, at=project)
        files = {f"/{path.name}": path.read_bytes() for path in (project / "out").iterdir()}
        files["/head.glb"] = (package / "head.glb").read_bytes()  # beside the bundle, as docs/web.md says
        imports = {}
    else:
        files = {f"/face/{path.name}": path.read_bytes() for path in package.iterdir()}
        files["/main.js"] = entry.encode()
        imports = {"toktalk-face": "/face/toktalk-face.js", "toktalk-face/wire": "/face/wire.js"}

    async def run(bridge: Bridge) -> None:
        async with site(files) as url:
            with WebViewer(bridge.control_endpoint, port=0, origins=[url]) as viewer:
                src = viewer.url.replace("http", "ws") + "ws"
                files["/"] = (
                    "<!doctype html><title>x</title><link rel=icon href=data:,>"
                    f'<script type="importmap">{json.dumps({"imports": imports})}</script>'
                    f"<script type=module src=main.js></script><toktalk-face id=face muted src={src}></toktalk-face>"
                ).encode()
                async with open_page(url, 200, 200) as page:
                    await page.until("window.face?.stats?.loaded && face.stats.rendered && face.connected")
                    assert await page.evaluate("[version, face.missing.length]") == [1, 0]
                    picture = await shown(page, bridge, jawOpen=0.6)
                    assert picture.std() > 20 and page.console == []

    with Bridge(pub_port=0, control_port=0) as bridge:
        bridge.announce(fps=50, audio_rate=RATE)
        asyncio.run(run(bridge))


@needs("tsc")
def test_its_types_are_those_of_its_sources_and_serve_a_project(project):
    said("npm", "run", "check", at=VIEWER)
    (project / "main.ts").write_text("""
        import { TokTalkFace, Wire } from "toktalk-face";
        const face: TokTalkFace = document.querySelector("toktalk-face")!;
        face.addEventListener("speechstart", ({ detail }) => console.log(detail.text?.length, detail.pts + 1n));
        face.addEventListener("frame", ({ detail }) => detail.weights[detail.names.indexOf("jawOpen")].toFixed());
        face.setStyle(face.styles[0]).then(() => face.interrupt()).then((reply) => reply.dropped_frames + 1);
        export const alive: boolean = new Wire("ws://x/ws", {} as any).alive;
    """)
    options = ["--noEmit", "--strict", "--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler"]
    said(TOOLS / "tsc", *options, "main.ts", at=project)
    (project / "wrong.ts").write_text(
        'import { TokTalkFace } from "toktalk-face";\n(null as any as TokTalkFace).muted = 3;'
    )
    with pytest.raises(AssertionError, match="'number' is not assignable to type 'boolean'"):
        said(TOOLS / "tsc", *options, "wrong.ts", at=project)
