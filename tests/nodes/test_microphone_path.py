"""From a loudspeaker through PulseAudio's microphone, ROS 2 and ZeroMQ to a receiver. Prints its lag (pytest -s)."""

import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

pytest.importorskip("rclpy")
from tests.speech.pulse import PulseServer, available  # noqa: E402
from toktalk_node.bridge.client import Client  # noqa: E402
from toktalk_node.bridge.protocol import Audio, Face  # noqa: E402
from toktalk_node.face.arkit import INDEX  # noqa: E402
from toktalk_node.speech import espeak  # noqa: E402

pytestmark = [
    pytest.mark.peer,
    pytest.mark.slow,
    pytest.mark.skipif(not available(), reason="needs pulseaudio, pulseaudio-utils and libasound2-plugins"),
]


def free_pair() -> int:
    """A TCP port that is free, and so is the next."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port


def test_what_the_microphone_hears_moves_the_face_soon_after(tmp_path: Path) -> None:
    speech, rate, _ = espeak.synthesize("Papa had a large armchair in the back of his car.", "en-us")
    speech = speech[np.flatnonzero(np.abs(speech) > 0.05)[0] :]
    soundfile.write(tmp_path / "speech.wav", speech, rate)
    port = free_pair()
    command = [sys.executable, "-m", "toktalk_node.cli", "demo", "--mic", "--once", "--port", "0", "--zmq-port"]
    with PulseServer(tmp_path) as pulse:
        demo = subprocess.Popen(
            [*command, str(port)], env=pulse.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        said = []
        for line in demo.stderr:
            said.append(line)
            if "Ctrl-C" in line:
                break
        assert demo.poll() is None, "".join(said)
        with Client(f"tcp://127.0.0.1:{port + 1}") as client:
            time.sleep(2.0)  # the microphone's own start is not what is measured
            played_at = time.time()
            player = pulse.play(tmp_path / "speech.wav")
            heard_at, jaw = None, 0.0
            for _, message in client.messages(timeout=3.0):
                if isinstance(message, Audio) and heard_at is None and np.abs(message.array()).max() > 0.05:
                    heard_at = message.pts_ns / 1e9
                if isinstance(message, Face):
                    jaw = max(jaw, float(message.arrays()[0][:, INDEX["jawOpen"]].max()))
                if time.time() > played_at + 4.0:
                    break
            player.wait(10)
        figures = json.loads(demo.communicate(timeout=60)[0])
    assert demo.returncode == 0 and figures["frames"] > 300 and figures["skew_max_ms"] <= 1.0
    assert heard_at is not None, "the sound never came through"
    print(f"\nlag of the presentation to the played file: {heard_at - played_at:.3f} s; {figures}")
    assert 0.3 < heard_at - played_at < 1.5
    assert jaw > 0.1, "the mouth did not open for a vowel"
