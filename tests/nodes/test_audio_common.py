"""Sound in the compiled messages of both packages that are called audio_common_msgs, over the real middleware."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("colcon_core")
pytest.importorskip("rosidl_generator_py")
from tests.nodes.audio_common import MESSAGES, built  # noqa: E402

pytestmark = [
    pytest.mark.peer,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not shutil.which("cmake"), reason="needs cmake and a C++ compiler"),
]
TYPES = {"ros-drivers": ("AudioData", "AudioDataStamped"), "mgonzs13": ("AudioStamped",)}


@pytest.mark.parametrize("project", MESSAGES)
def test_the_face_speaks_what_other_peoples_nodes_send(project: str, tmp_path: Path) -> None:
    env = built(project, tmp_path)
    for name in TYPES[project]:
        done = subprocess.run(
            [sys.executable, "-m", "tests.nodes.audio_common", f"audio_common_msgs/msg/{name}"],
            env=env, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=240,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        figures = json.loads(done.stdout.splitlines()[-1])
        assert figures["faults"] == [] and figures["same_sound"], f"{name}: {figures}"
        assert figures["faces"] >= 50 and figures["jaw"] > 0.1, f"{name}: {figures}"
