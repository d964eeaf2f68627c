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
    (tmp_path / "me.vrm").write_bytes(b"a head of one's own")
    options = ["--keys", str(tmp_path / "page.json"), "--avatar", str(tmp_path / "me.vrm")]
    process = web(f"tcp://127.0.0.1:{control}", "--port", "0", *options)
    try:
        url = re.search(r"http://\S+/", process.stdout.readline())[0]
        with urllib.request.urlopen(f"{url}screen") as page:
            assert b"<toktalk-face" in page.read()
        with urllib.request.urlopen(f"{url}head.glb") as head:
            assert head.read() == b"a head of one's own"
        with Bridge(pub_port=pub, control_port=control, keys=tmp_path / "bridge.json") as bridge:
            asyncio.run(a_face_comes(f"{url}ws", bridge))
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=15)
    finally:
        process.kill()
    assert process.returncode == 0


def test_a_taken_port_is_said():
    with Bridge(pub_port=0, control_port=0) as bridge, socket.create_server(("127.0.0.1", 0)) as taken:
        process = web(bridge.control_endpoint, "--port", str(taken.getsockname()[1]))
        said = process.communicate(timeout=30)[1]
    assert process.returncode == 1 and "choose another port" in said
