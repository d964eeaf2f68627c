"""`toktalk watch` beside a real bridge."""

import json
import sys
import threading
import time

import numpy as np
import pytest
from typer.testing import CliRunner

from toktalk_node.bridge.server import Bridge
from toktalk_node.cli import build_app
from toktalk_node.face.arkit import BLENDSHAPES, HEAD
from toktalk_node.signals import AudioChunk, Clock, FaceChunk


def run(bridge: Bridge, *options: str) -> str:
    """What `toktalk watch` prints in two seconds of a face."""
    done = threading.Event()

    def publish() -> None:
        clock, k = Clock(time.time_ns()), 0
        while not done.wait(0.1):
            chunk = FaceChunk(np.full((5, 52), 0.5, np.float32), np.zeros((5, 3), np.float32), 50, k)
            bridge.publish_face(chunk, clock)
            bridge.publish_audio(AudioChunk(np.full(1600, 0.1, np.float32), 16000, 1600 * (k // 5)), clock)
            bridge.publish_event("marker", clock.pts_ns(k, 50), note="\x1b[2J")
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
        assert list(lines[0])[4:] == [*BLENDSHAPES, *HEAD]
        assert lines[0]["jawOpen"] == 0.5 and all(line["live"] for line in lines[1:])
        screen = run(bridge)
        assert "default" in screen and "50 frames/s  sound at 16000 Hz" in screen and "jawForward" in screen
        assert "\x1b[2J" not in screen


def test_a_face_that_is_still_is_shown_to_who_comes_late():
    with Bridge(pub_port=0, control_port=0) as bridge:
        smile = FaceChunk(np.full((3, 52), 0.25, np.float32), np.zeros((3, 3), np.float32), 50)
        bridge.publish_face(smile, Clock(time.time_ns() - 60_000_000_000))
        words = ["watch", bridge.control_endpoint, "--seconds", "0.5"]
        screen = CliRunner().invoke(build_app("watch"), words).output
        assert "jawForward" in screen and "waiting for a face" not in screen
        assert "shown 0.0 ms behind their time" in screen and "the newest face of before" in screen
        (line,) = CliRunner().invoke(build_app("watch"), [*words, "--json"]).output.splitlines()
    assert (json.loads(line)["jawOpen"], json.loads(line)["live"]) == (0.25, False)


def test_streams_are_listed():
    with Bridge(pub_port=0, control_port=0) as bridge:
        bridge.announce("robot", fps=50, audio_rate=16000, style="calm")
        result = CliRunner().invoke(build_app("watch"), ["watch", bridge.control_endpoint, "--list"])
    assert result.output.split() == "robot 50 frames/s sound at 16000 Hz style calm silent".split()


def test_curves_and_sound_are_plotted(tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib draws the plots")
    picture = tmp_path / "face.svg"
    with Bridge(pub_port=0, control_port=0) as bridge:
        assert "frames of default" in run(bridge, "--plot", str(picture))
        assert "presentation time" in picture.read_text()
        quiet = ["watch", bridge.control_endpoint, "--plot", str(picture), "--seconds", "0.2"]
        result = CliRunner().invoke(build_app("watch"), quiet)
        assert result.exit_code == 1 and "nothing to plot" in result.output


def test_without_matplotlib_it_is_said_at_once_what_to_install(tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "toktalk_node.commands.watch_plot", raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with Bridge(pub_port=0, control_port=0) as bridge:
        begin = time.monotonic()
        words = ["watch", bridge.control_endpoint, "--plot", str(tmp_path / "face.png"), "--seconds", "60"]
        result = CliRunner().invoke(build_app("watch"), words)
    assert result.exit_code == 1 and "pip install matplotlib" in result.output
    assert time.monotonic() - begin < 20


def test_a_stream_of_sound_alone_ends_when_it_is_told_to():
    with Bridge(pub_port=0, control_port=0) as bridge:
        done = threading.Event()

        def publish() -> None:
            while not done.wait(0.02):
                bridge.publish_audio(AudioChunk(np.zeros(320, np.float32), 16000), Clock(time.time_ns()))

        thread = threading.Thread(target=publish)
        thread.start()
        begin = time.monotonic()
        CliRunner().invoke(build_app("watch"), ["watch", bridge.control_endpoint, "--json", "--seconds", "0.5"])
        done.set()
        thread.join()
        assert time.monotonic() - begin < 3


def test_no_bridge_is_an_error_of_one_line():
    result = CliRunner().invoke(build_app("watch"), ["watch", "tcp://127.0.0.1:1"])
    assert result.exit_code == 1
    assert "is TokTalk running there?" in result.output
