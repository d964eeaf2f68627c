"""hri_msgs as ROS4HRI's packages send and take them, compiled, over the real middleware."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("rclpy")
pytest.importorskip("colcon_core")
pytest.importorskip("rosidl_generator_py")
from tests.nodes.hri import MESSAGES  # noqa: E402
from tests.nodes.other_messages import built  # noqa: E402

pytestmark = [
    pytest.mark.peer,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not shutil.which("cmake"), reason="needs cmake and a C++ compiler"),
]


def test_expressions_become_styles_and_faces_become_action_units(tmp_path: Path) -> None:
    env = built("hri_msgs", MESSAGES, tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "tests.nodes.hri"],
        env=env, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["styles"] == ["happiness=0.8", "happiness=0.8", "sadness=0.55", "neutral=1"], told
    units = told["units"]
    assert (units["JAW_DROP"], units["LIPS_PART"], units["LIP_CORNER_PULLER"]) == (0.5, 0.5, 0.75)
    assert units["INNER_BROW_RAISER"] == 0.25 and units["HEAD_TURN_LEFT"] > 0.3
    assert units["HEAD_TURN_RIGHT"] == units["BLINK"] == 0.0 and told["sure"]
    assert "no expression 'grumpy'" in done.stderr
