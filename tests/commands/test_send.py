"""`toktalk send` as a process, beside a bridge and a UDP socket."""

import signal
import subprocess
import sys
import time

import pytest

from tests.bridge.udp_peer import FPS, Receiver, open_mouth, publish
from toktalk_node.bridge.livelink_udp import device_id
from toktalk_node.bridge.server import Bridge


def send(*arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "toktalk_node.cli", "send", *arguments], stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("kind", ["livelink", "vmc"])
def test_a_running_bridge_is_followed_until_ctrl_c(kind: str):
    own = {"livelink": ["--subject", "Ada"], "vmc": ["--names", "vrm1"]}[kind]
    mark = {"livelink": device_id("Ada").encode(), "vmc": b"blinkLeft"}[kind]
    with Bridge(pub_port=0, control_port=0) as bridge, Receiver() as receiver:
        bridge.announce(fps=FPS)
        process = send(kind, bridge.control_endpoint, "--to", receiver.address, *own)
        try:
            assert receiver.listen(20.0, until=lambda raw: mark in raw), "nothing came"
            publish(bridge, open_mouth(20))
            time.sleep(0.7)
            process.send_signal(signal.SIGINT)
            said = process.communicate(timeout=10)[1]
        finally:
            process.kill()
    assert process.returncode == 0
    assert f"to {receiver.address}" in said and "sending default as " in said and "send_errors 0" in said
    assert int(said.split("frames ")[1].split(",")[0]) > 5


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("livelink", "--to", "127.0.0.1:99999"), "--to is '127.0.0.1:99999': the port is '99999'"),
        (("livelink", "--to", "no-such-host.invalid"), "no host 'no-such-host.invalid'"),
        (("vmc", "--names", "upper"), "choose pascal, camel, vrm0, vrm1"),
        (("vmc", "nonsense"), "'nonsense' is no endpoint of a bridge: use tcp://HOST:5591"),
        (("livelink", "--speaker", "--device", "no such thing"), "loudspeaker"),
        (("vmc", "--device", "x"), "--device and --sound-delay belong to --speaker"),
    ],
)
def test_what_cannot_work_is_said_at_once(arguments: tuple[str, ...], reason: str):
    process = send(*arguments)
    said = process.communicate(timeout=20)[1]
    assert process.returncode in (1, 2) and reason in " ".join(said.replace("│", " ").split())
