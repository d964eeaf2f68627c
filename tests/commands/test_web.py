"""`toktalk web` as a process: it waits for its bridge, serves, says what is wrong, and ends at Ctrl-C."""

import asyncio
import contextlib
import re
import signal
import socket
import subprocess
import sys
import urllib.request

import aiohttp
import numpy as np

from toktalk_node.bridge import keys
from toktalk_node.bridge.server import Bridge
from toktalk_node.bridge.web import WebViewer
from toktalk_node.signals import Clock, FaceChunk


def web(*arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "toktalk_node.cli", "web", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        return one.getsockname()[1], two.getsockname()[1]


async def a_face_comes(url: str, bridge: Bridge) -> None:
    face = FaceChunk(np.zeros((1, 52), np.float32), np.zeros((1, 3), np.float32), 50)
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as browser:
        for _ in range(200):
            bridge.publish_face(face, Clock(0))
            with contextlib.suppress(asyncio.TimeoutError):
                if (await browser.receive(timeout=0.1)).data.startswith(b"\x0cface/default"):
                    return
    raise AssertionError("no face came")


def test_it_waits_for_an_encrypted_bridge_and_serves_until_ctrl_c(tmp_path):
    pub, control = free_ports()
    keys.create_bridge(tmp_path / "bridge.json")
    keys.add_client(tmp_path / "bridge.json", "page", tmp_path / "page.json")
    (tmp_path / "heads").mkdir()
    (tmp_path / "heads" / "ada.glb").write_bytes(b"another head")
    (tmp_path / "me.vrm").write_bytes(b"a head of one's own")
    options = ["--keys", str(tmp_path / "page.json"), "--avatar", str(tmp_path / "me.vrm")]
    options += ["--avatar", str(tmp_path / "heads")]
    process = web(f"tcp://127.0.0.1:{control}", "--port", "0", *options)
    try:
        url = re.search(r"http://\S+/", process.stdout.readline())[0]
        with urllib.request.urlopen(f"{url}screen") as page:
            assert b"<toktalk-face" in page.read()
        with urllib.request.urlopen(f"{url}head.glb") as head:
            assert head.read() == b"a head of one's own"
        said = [process.stdout.readline().split()[-1] for _ in range(2)]
        assert said == [f"{url}?avatar=me.vrm", f"{url}?avatar=ada.glb"]
        with urllib.request.urlopen(f"{url}ada.glb") as head:
            assert head.read() == b"another head"
        with Bridge(pub_port=pub, control_port=control, keys=tmp_path / "bridge.json") as bridge:
            asyncio.run(a_face_comes(f"{url}ws", bridge))
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=15)
    finally:
        process.kill()
    assert process.returncode == 0


def test_a_taken_port_is_said_with_its_cause_and_a_way_out():
    """As beside a demo, whose own viewer is on loopback, when every interface is asked for."""
    with Bridge(pub_port=0, control_port=0) as bridge, WebViewer(bridge.control_endpoint, port=0) as demo:
        process = web(bridge.control_endpoint, "--host", "0.0.0.0", "--port", str(demo.port))
        said = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert "already" in said and "viewer of `toktalk demo`" in said and f"--port {demo.port + 1}" in said
    assert "Traceback" not in said


def test_what_cannot_be_is_said(tmp_path):
    (tmp_path / "notes.txt").write_text("")
    for arguments, reason in (
        (["nonsense"], "'nonsense' is no endpoint"),
        (["--avatar", str(tmp_path / "notes.txt")], "notes.txt is no avatar: give a .glb"),
    ):
        process = web(*arguments, "--port", "0")
        said = process.communicate(timeout=60)[1]
        assert process.returncode == 1 and reason in said and "Traceback" not in said
