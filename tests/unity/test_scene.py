"""The sample's scene in stand-ins for Unity's engine (tests/unity/engine), against the live bridge in real time."""

import time
from pathlib import Path

import numpy as np
import pytest

from tests.unity import measure
from tests.unity.mono import HEAD, MISSING, REASON, Peer, compile_scene
from toktalk_node.bridge.server import Bridge
from toktalk_node.signals import Clock, FaceChunk

pytestmark = [pytest.mark.peer, pytest.mark.skipif(bool(MISSING), reason=REASON)]


@pytest.fixture(scope="module")
def scene(tmp_path_factory) -> Path:
    return compile_scene(tmp_path_factory.mktemp("scene"))


@pytest.fixture(scope="module")
def new_scene(tmp_path_factory) -> Path:
    return compile_scene(tmp_path_factory.mktemp("scene"), input_system=True)


def test_the_mesh_shows_what_the_audio_source_sounds_like(scene):
    figures = measure.skew(scene, 4.0, "scene", str(HEAD))
    assert figures["pictures"] > 200
    assert figures["p99_ms"] < 10
    assert figures["errors"] == figures["lost"] == figures["refused"] == 0


@pytest.mark.parametrize("input_system", [False, True], ids=["Input Manager", "Input System"])
def test_the_head_turns_and_the_button_interrupts(input_system, request):
    program = request.getfixturevalue("new_scene" if input_system else "scene")
    heard = []
    with Bridge(pub_port=0, control_port=0) as bridge:
        bridge.on_interrupt = lambda stream, played_ns: (heard.append((stream, played_ns, time.time_ns())), (0, 0))[1]
        with Peer(program, "scene", bridge.control_endpoint, "default", "3.5", str(HEAD), "2.5") as peer:
            peer.expect("ready", 60.0)
            time.sleep(0.7)
            clock = Clock(time.time_ns() + 200_000_000)
            frames = 50 * 3
            head = np.tile(np.float32([0.3, 0.2, 0.0]), (frames, 1))
            for k in range(0, frames, 5):
                bridge.publish_face(FaceChunk(np.zeros((5, 52), np.float32), head[k : k + 5], 50, k), clock)
                time.sleep(max(0.0, (clock.pts_ns(k, 50) - time.time_ns()) / 1e9 - 0.2))
            *pictures, counts = peer.lines(10.0)
    [(stream, played_ns, at_ns)] = heard
    assert stream == "default"
    assert abs(played_ns - (at_ns - clock.epoch_ns)) < 100_000_000, "what had been shown"
    nose = np.array([picture["nose"] for picture in pictures if 2.0 < picture["at"] < 2.4])
    left, up = -np.sin(0.3) * np.cos(0.2), np.sin(0.2)
    np.testing.assert_allclose(nose[:, :2], np.tile([left, up], (len(nose), 1)), atol=0.01)
    assert counts["errors"] == 0
