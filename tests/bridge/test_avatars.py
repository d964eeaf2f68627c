"""Avatars in <toktalk-face> in a real browser (Debian package chromium): VRM of both versions, and models by name."""

import asyncio
import json
import time
from pathlib import Path

import numpy as np
import pytest

from tests.bridge.chromium import binary, open_page
from tests.bridge.pages import page_of, shown, site, steady, weight
from tests.bridge.vrm import PERFECT, PRESETS, write_vrm
from toktalk_node.bridge.vmc import NAMES, VRM1
from toktalk_node.bridge.web import VIEWER, WebViewer
from toktalk_node.face.gltf import write_glb
from toktalk_node.face.head import PIVOT, build
from toktalk_node.signals import Clock

pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(binary() is None, reason="no Chromium here: apt-get install chromium"),
]


SCENES = """
    window.__THREE_DEVTOOLS__ = new EventTarget();  // three.js shows its scenes to developer tools
    const scenes = [];
    __THREE_DEVTOOLS__.addEventListener("observe", ({ detail }) => detail.isScene && scenes.push(detail));
    window.facing = (name) => {
      const scene = scenes.findLast((s) => s.getObjectByName(name));
      return scene.getObjectByName(name).getWorldDirection(scene.position.clone()).toArray();
    };
"""


PRESET_CASES = Path(__file__).with_name("vrm_presets.json")


def test_a_page_shows_what_vmc_receivers_are_told():
    """One mapping from ARKit to the standard expressions, in Python and in the page: both bound to the same cases."""
    script = f"""(async () => {{
      const {{ presets }} = await import("/arkit.js");
      return {PRESET_CASES.read_text()}.map(({{ weights }}) => presets((name) => weights[name] ?? 0));
    }})()"""

    async def run() -> list[dict[str, float]]:
        files = {"/": page_of(), "/arkit.js": (VIEWER / "src" / "arkit.js").read_bytes()}
        async with site(files) as url, open_page(url, 100, 100) as page:
            await page.until("document.readyState === 'complete'")
            return await page.evaluate(script)

    for case, got in zip(json.loads(PRESET_CASES.read_text()), asyncio.run(run()), strict=True):
        assert set(got) == set(NAMES[VRM1])
        wanted = {name: case["presets"].get(name, 0.0) for name in got}
        assert got == pytest.approx(wanted, abs=1e-5), case["why"]


def dumb(path: Path) -> None:
    """Write the project's head without a tongue, so that it can be told from the built-in one."""
    meshes = build()
    for mesh in meshes:
        mesh.part.targets.pop("tongueOut", None)
    write_glb(path, meshes, PIVOT)


def test_the_address_chooses_among_the_avatars_that_the_server_was_given(bridge, tmp_path):
    """`?avatar=NAME` on both pages; a name that it was not given is said, and nothing is blocked."""
    dumb(tmp_path / "dumb one.glb")
    write_vrm(tmp_path / "ada.vrm", "1.0", PRESETS)
    lacking = ["tongueOut"]

    async def run(viewer: WebViewer) -> None:
        for address, missing in (
            ("?avatar=ada.vrm", None),
            ("?avatar=dumb%20one.glb", lacking),
            ("screen?muted&stream=default&avatar=dumb%20one.glb", lacking),
            ("", []),
        ):
            async with open_page(viewer.url + address, 400, 400) as page:
                await page.until("(window.face = document.querySelector('toktalk-face'))?.stats?.loaded")
                await page.until("face.stats.rendered && face.connected")
                found = await page.evaluate("face.missing")
                assert "jawForward" in found if missing is None else found == missing, address
                assert await page.evaluate("face.kind") == "head"
                await page.evaluate(
                    "document.querySelectorAll('#notice, #controls').forEach((b) => (b.style.display = 'none'))"
                )
                opened = await shown(page, bridge, jawOpen=0.6)
                closed = await shown(page, bridge, jawOpen=0.01)
                assert np.abs(opened.astype(int) - closed).max() > 80
                assert [line for line in page.console if " lacks " not in line] == []
        async with open_page(viewer.url + "?avatar=eve.vrm", 240, 240) as page:
            await page.until("document.querySelector('#notice')?.textContent.includes('eve.vrm: 404')")

    with WebViewer(bridge.control_endpoint, port=0, avatars=[tmp_path]) as viewer:
        asyncio.run(run(viewer))


def test_two_speakers_on_one_page_have_two_heads(bridge, tmp_path):
    """On a page of another origin, which was named."""
    dumb(tmp_path / "bob.glb")
    write_vrm(tmp_path / "ada.vrm", "0.0", PERFECT)

    async def run() -> None:
        files = {"/": b""}
        async with site(files) as url:
            with WebViewer(bridge.control_endpoint, port=0, origins=[url], avatars=[tmp_path]) as viewer:
                at = viewer.url
                files["/"] = page_of(
                    f"<script type=module src={at}toktalk-face.js></script>",
                    "<style>toktalk-face { width: 150px }</style>",
                    f"<toktalk-face id=ada muted stream=ada avatar={at}ada.vrm></toktalk-face>",
                    f"<toktalk-face id=bob muted stream=bob avatar={at}bob.glb></toktalk-face>",
                )
                async with open_page(url, 180, 320) as page:
                    await page.until("[window.ada, window.bob].every((f) => f?.stats?.loaded && f.stats.rendered)")
                    assert await page.evaluate("ada.missing") == ["browInnerUp", "tongueOut"]
                    assert await page.evaluate("bob.missing") == ["tongueOut"]
                    clock = Clock(time.time_ns())
                    bridge.publish_face(steady(30, jawOpen=0.25), clock, "ada")
                    bridge.publish_face(steady(30, jawOpen=0.5), clock, "bob")
                    near = "Math.abs({} - {}) < 1e-3"
                    await page.until(near.format(weight("jawOpen", "ada"), 0.25))
                    await page.until(near.format(weight("jawOpen", "bob"), 0.5))
                    assert [line for line in page.console if " lacks " not in line] == []

    asyncio.run(run())


@pytest.mark.parametrize(
    ("version", "names"), [("0.0", "perfect"), ("0.0", "preset"), ("1.0", "perfect"), ("1.0", "preset")]
)
def test_a_vrm_speaks_blinks_looks_and_turns_its_head(bridge, tmp_path, version, names):
    """Both versions, with perfect-sync expressions (two of them left out) and with the standard ones alone."""
    write_vrm(tmp_path / "x.vrm", version, PERFECT if names == "perfect" else PRESETS)

    async def run() -> None:
        files = {"/x.vrm": (tmp_path / "x.vrm").read_bytes()}
        async with site(files) as url:
            with WebViewer(bridge.control_endpoint, port=0, origins=[url]) as viewer:
                script = f"<script type=module src={viewer.url}toktalk-face.js></script>"
                files["/"] = page_of(script, "<toktalk-face id=face avatar=x.vrm muted style='width: 300px'>")
                async with open_page(url, 320, 320, before=SCENES) as page:
                    await page.until("window.face?.stats?.loaded && face.stats.rendered")
                    rest = await page.evaluate("facing('J_leftEye')")
                    assert abs(rest[0]) < 0.3 and rest[2] > 0.9
                    opened = await shown(page, bridge, jawOpen=0.6)
                    closed = await shown(page, bridge, jawOpen=0.6, mouthClose=0.6)
                    assert (opened[:, :, 0].astype(int) - closed[:, :, 0]).min() < -80  # dark inside
                    bridge.publish_face(steady(20, (0.4, 0.2, 0), eyeBlinkLeft=1), Clock(time.time_ns()))
                    await page.until("facing('head')[0] > 0.3 && facing('head')[1] > 0.15")  # to its left, and up
                    bridge.publish_event("interrupted", 0)
                    bridge.publish_face(steady(20, eyeLookOutLeft=1, eyeLookInRight=1), Clock(time.time_ns()))
                    await page.until("facing('J_leftEye')[0] > 0.12 && facing('J_rightEye')[0] > 0.12")
                    bridge.publish_event("interrupted", 0)
                    bridge.publish_face(steady(20, eyeLookUpLeft=1, eyeLookUpRight=1), Clock(time.time_ns()))
                    await page.until("facing('J_leftEye')[1] > 0.1")
                    missing = await page.evaluate("face.missing")
                    lines = [line for line in page.console if "lacks" in line]
                    if names == "perfect":
                        assert (
                            missing == ["browInnerUp", "tongueOut"]
                            and len(lines) == 1
                            and "browInnerUp, tongueOut" in lines[0]
                        )
                    else:
                        assert "jawForward" in missing and "jawOpen" not in missing and "eyeBlinkLeft" not in missing
                    assert page.console == lines

    asyncio.run(run())
