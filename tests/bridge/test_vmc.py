"""VMC over real UDP sockets, read by python-osc's own server."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from tests.bridge.udp_peer import FPS, open_mouth, publish
from toktalk_node.bridge.address import Address
from toktalk_node.bridge.server import Bridge
from toktalk_node.bridge.udp import UdpSender
from toktalk_node.bridge.vmc import BONES, MTU, NAMES, Vmc, head_share
from toktalk_node.face.arkit import BLENDSHAPES, INDEX, MOTION_WIDTH
from toktalk_node.face.rest import REST
from toktalk_node.signals import Clock, FaceChunk

pytest.importorskip("pythonosc", reason="needs python-osc: pip install .[dev]")
from pythonosc.dispatcher import Dispatcher  # noqa: E402
from pythonosc.osc_bundle import OscBundle  # noqa: E402
from pythonosc.osc_server import BlockingOSCUDPServer  # noqa: E402

VALUE, APPLY, BONE = "/VMC/Ext/Blend/Val", "/VMC/Ext/Blend/Apply", "/VMC/Ext/Bone/Pos"


class Avatar:
    """What a VMC receiver does: it keeps weights and shows them when it is told to apply them."""

    def __init__(self) -> None:
        self.shown: list[tuple[float, dict[str, float]]] = []
        self.bones: dict[str, list[float]] = {}
        self.others: list[tuple] = []
        self._next: dict[str, float] = {}
        dispatcher = Dispatcher()
        dispatcher.map(VALUE, lambda _, name, value: self._next.__setitem__(name, value))
        dispatcher.map(APPLY, lambda _: self.shown.append((time.time(), dict(self._next))))
        dispatcher.map(BONE, lambda _, name, *place: self.bones.__setitem__(name, list(place)))
        dispatcher.set_default_handler(lambda *message: self.others.append(message))
        self._server = BlockingOSCUDPServer(("127.0.0.1", 0), dispatcher)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def wait(self, condition, seconds: float = 5.0) -> tuple[float, dict[str, float]]:
        """The first face, of those shown from now on, for which `condition` holds."""
        seen, deadline = len(self.shown), time.monotonic() + seconds
        while time.monotonic() < deadline:
            for shown in self.shown[seen:]:
                seen += 1
                if condition(shown[1]):
                    return shown
            time.sleep(0.005)
        raise AssertionError(f"no such face within {seconds} s; the last: {self.shown[-1:]}")

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextmanager
def driven(**options: object) -> Iterator[tuple[Bridge, Avatar, UdpSender]]:
    """A bridge, an avatar, and the sender between them."""
    avatar = Avatar()
    try:
        with Bridge(pub_port=0, control_port=0) as bridge:
            bridge.announce(fps=FPS)
            to = Address.parse(f"127.0.0.1:{avatar.port}", 1)
            with UdpSender(bridge.control_endpoint, to, Vmc(**options)) as sender:
                avatar.wait(lambda _: True)
                yield bridge, avatar, sender
    finally:
        avatar.close()


def messages(packets: list[bytes]) -> list[tuple]:
    """(address, *arguments) of all messages of `packets`."""
    return [(message.address, *message.params) for packet in packets for message in OscBundle(packet)]


def motion(head: tuple[float, float, float] = (0.0, 0.0, 0.0), **weights: float) -> np.ndarray:
    made = np.zeros(MOTION_WIDTH, np.float32)
    for name, weight in weights.items():
        made[INDEX[name]] = weight
    made[len(BLENDSHAPES) :] = head
    return made


def shapes(names: str, **weights: float) -> dict[str, float]:
    """What a receiver is told of a face with these weights."""
    told = messages(Vmc(names).packets("avatar", motion(**weights), 50, 0))
    return {message[1]: message[2] for message in told if message[0] == VALUE}


@pytest.mark.parametrize("names", NAMES)
def test_a_frame_is_whole_in_order_and_under_the_mtu(names: str):
    encoder = Vmc(names)
    encoder.packets("avatar", motion(), 50, 4_000_000_000)
    packets = encoder.packets("avatar", motion(jawOpen=0.25), 50, 5_500_000_000)
    assert all(len(packet) <= MTU for packet in packets)
    told = messages(packets)
    assert told[:2] == [("/VMC/Ext/OK", 1), ("/VMC/Ext/T", 1.5)]
    assert [message[1] for message in told if message[0] == BONE] == list(BONES)
    assert [message[1] for message in told if message[0] == VALUE] == list(NAMES[names])
    assert told[-1] == (APPLY,) and len(told) == 2 + 2 + len(NAMES[names]) + 1


def test_letter_case_is_an_option():
    assert shapes("pascal", jawOpen=0.5, mouthSmileLeft=0.25)["JawOpen"] == 0.5
    assert shapes("camel", jawOpen=0.5, mouthSmileLeft=0.25)["mouthSmileLeft"] == 0.25
    assert set(shapes("pascal")) == {name[0].upper() + name[1:] for name in BLENDSHAPES}
    with pytest.raises(ValueError, match="choose pascal, camel, vrm0, vrm1"):
        Vmc("upper")


def test_the_head_turns_in_unity_axes():
    """Against rotation matrices: our right-handed head (x to its left, y up, z forward), mirrored to Unity's x."""

    def about(axis: int, angle: float) -> np.ndarray:
        c, s = np.cos(angle), np.sin(angle)
        turn = np.roll(np.array([[1, 0, 0], [0, c, -s], [0, s, c]]), (axis, axis), (0, 1))
        return turn

    def matrix(x: float, y: float, z: float, w: float) -> np.ndarray:
        return np.array(
            [
                [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
                [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
                [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
            ]
        )

    mirror = np.diag([-1.0, 1.0, 1.0])
    for yaw, pitch, roll in ((0.3, 0, 0), (0, 0.3, 0), (0, 0, 0.3), (0.5, -0.2, 0.4), (0, 0, 0), (-3.1, 1.5, 3.1)):
        ours = about(1, yaw) @ about(0, -pitch) @ about(2, -roll)
        half = matrix(*head_share(np.array([yaw, pitch, roll]), 0.5))
        np.testing.assert_allclose(half @ half, mirror @ ours @ mirror, atol=1e-6)
    left = matrix(*head_share(np.array([0.3, 0, 0]), 1.0)) @ [0, 0, 1]
    assert left[0] < 0, "an avatar that looks along +z has its left at -x in Unity"
    up = matrix(*head_share(np.array([0, 0.3, 0]), 1.0)) @ [0, 0, 1]
    assert up[1] > 0
    ear = matrix(*head_share(np.array([0, 0, 0.3]), 1.0)) @ [-1, 0, 0]
    assert ear[1] < 0, "who leans to the left brings the left ear down"


def test_presets_are_those_that_the_page_shows():
    """The cases that bind the page's mapping as well (tests/bridge/test_avatars.py)."""
    for case in json.loads(Path(__file__).with_name("vrm_presets.json").read_text()):
        for names in ("vrm0", "vrm1"):
            wanted = [case["presets"].get(name, 0.0) for name in NAMES["vrm1"]]
            assert list(shapes(names, **case["weights"]).values()) == pytest.approx(wanted, abs=1e-5), case["why"]


def test_vowels_shut_lips_and_blinks_of_avatars_without_perfect_sync():
    """The strongest shape is the vowel; mouths as the shipped model shapes them."""
    vowels = {
        "aa": {"jawOpen": 0.57, "mouthFunnel": 0.05, "mouthPucker": 0.03},
        "ih": {"jawOpen": 0.2, "mouthClose": 0.03, **dict.fromkeys(("mouthStretchLeft", "mouthStretchRight"), 0.2),
               **dict.fromkeys(("mouthSmileLeft", "mouthSmileRight"), 0.27)},
        "ou": {"jawOpen": 0.11, "mouthFunnel": 0.19, "mouthPucker": 0.71},
        "ee": {"jawOpen": 0.42, **dict.fromkeys(("mouthStretchLeft", "mouthStretchRight"), 0.2),
               **dict.fromkeys(("mouthSmileLeft", "mouthSmileRight"), 0.25)},
        "oh": {"jawOpen": 0.47, "mouthFunnel": 0.28, "mouthPucker": 0.13},
    }  # fmt: skip
    for vowel, face in vowels.items():
        told = shapes("vrm1", **face)
        assert max(("aa", "ih", "ou", "ee", "oh"), key=told.get) == vowel, told
        assert sum(told[name] for name in ("aa", "ih", "ou", "ee", "oh")) <= 1
    shut = shapes("vrm0", jawOpen=0.2, mouthClose=0.22, mouthPucker=0.4)
    assert all(shut[name] == 0 for name in "AIUEO"), "lips of a p, rounded for the vowel to come"
    blink = shapes("vrm0", eyeBlinkLeft=0.75, eyeBlinkRight=0.5)
    assert (blink["Blink"], blink["Blink_L"], blink["Blink_R"]) == (0.5, 0.25, 0)
    look = shapes("vrm1", eyeLookOutLeft=0.5, eyeLookInRight=0.5, eyeLookDownLeft=0.25, eyeLookDownRight=0.25)
    assert (look["lookLeft"], look["lookRight"], look["lookDown"], look["lookUp"]) == (0.5, 0, 0.25, 0)


def test_frames_arrive_at_their_time_in_an_osc_server_and_come_to_rest():
    with driven() as (bridge, avatar, sender):
        weights = np.repeat(np.linspace(0.1, 0.9, 40, dtype=np.float32)[:, None], len(BLENDSHAPES), axis=1)
        clock = Clock(time.time_ns() + 150_000_000)
        bridge.publish_face(FaceChunk(weights, np.full((40, 3), 0.2, np.float32), FPS), clock)
        avatar.wait(lambda face: face["JawOpen"] == weights[-1, 0])
        spoken = {float(row[0]): k for k, row in enumerate(weights)}
        seen = [(at, spoken[face["JawOpen"]], face) for at, face in avatar.shown if face["JawOpen"] in spoken]
        assert len(seen) >= 20
        late = [at - clock.pts_ns(index, FPS) / 1e9 for at, index, _ in seen]
        assert min(late) > -0.003 and np.median(late) < 0.03
        for _, index, face in seen:
            assert list(face.values()) == weights[index].tolist(), "all weights of one frame, none of another"
        np.testing.assert_allclose(avatar.bones["Head"], (0, 0, 0, *head_share(np.full(3, 0.2), 0.5)), atol=1e-6)
        assert ("/VMC/Ext/OK", 1) in avatar.others
        avatar.wait(lambda face: abs(face["JawOpen"] - REST[INDEX["jawOpen"]]) < 1e-6)
        assert avatar.bones["Head"][-1] == 1.0
        assert sender.stats.send_errors == 0 and sender.stats.frames >= 20


def test_an_avatar_follows_one_stream_and_may_keep_its_head(caplog):
    with driven(names="camel", head=False) as (bridge, avatar, _):
        publish(bridge, open_mouth(10), "another")
        publish(bridge, open_mouth(10))
        face = avatar.wait(lambda face: face["jawOpen"] == 0.5)[1]
        assert set(face) == set(BLENDSHAPES) and not avatar.bones
    assert "stream 'another' is not sent" in caplog.text
