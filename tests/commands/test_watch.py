"""`toktalk watch` beside a real bridge."""

import json
import threading
import time

import numpy as np
from typer.testing import CliRunner

from toktalk_node.bridge.server import Bridge
from toktalk_node.cli import build_app
from toktalk_node.face.arkit import BLENDSHAPES, HEAD
from toktalk_node.signals import Clock, FaceChunk


def run(bridge: Bridge, *options: str) -> str:
    """What `toktalk watch` prints in two seconds of a face."""
    done = threading.Event()

    def publish() -> None:
        clock, k = Clock(time.time_ns()), 0
        while not done.wait(0.1):
            chunk = FaceChunk(np.full((5, 52), 0.5, np.float32), np.zeros((5, 3), np.float32), 50, k)
            bridge.publish_face(chunk, clock)
            k += 5

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        result = CliRunner().invoke(build_app("watch"), ["watch", bridge.control_endpoint, "--seconds", "2", *options])
    finally:
        done.set()
        thread.join()
    assert result.exit_code == 0, result.output
    return result.output


def test_json_has_every_value_by_name_and_the_screen_shows_bars():
    with Bridge(pub_port=0, control_port=0) as bridge:
        lines = [json.loads(line) for line in run(bridge, "--json").splitlines()]
        assert len(lines) > 5
        assert list(lines[0])[3:] == [*BLENDSHAPES, *HEAD]
        assert lines[0]["jawOpen"] == 0.5
        assert "default" in run(bridge)


def test_no_bridge_is_an_error_of_one_line():
    result = CliRunner().invoke(build_app("watch"), ["watch", "tcp://127.0.0.1:1"])
    assert result.exit_code == 1
    assert "is TokTalk running there?" in result.output
