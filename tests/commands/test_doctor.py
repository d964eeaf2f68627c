import json
import socket

import pytest
from typer.testing import CliRunner

from toktalk_node.cli import build_app
from toktalk_node.commands import doctor


def test_findings_are_complete_and_the_exit_status_tells() -> None:
    result = CliRunner().invoke(build_app("doctor"), ["doctor", "--json"])
    report = json.loads(result.stdout)
    states = {finding["name"]: finding for finding in report["findings"]}
    names = {"Python", "PyTorch", "GPU", "ROS 2", "toktalk_msgs", "Weights", "Microphone", "Ports", "ffmpeg"}
    assert names <= set(states)
    missing = [finding for finding in report["findings"] if finding["state"] == doctor.MISSING]
    assert report["ok"] == (not missing) and result.exit_code == bool(missing)
    for finding in report["findings"]:
        assert finding["state"] == doctor.OK or finding["remedy"], f"{finding['name']}: nothing to do about it"


def test_a_port_in_use_is_named() -> None:
    with socket.socket() as taken:
        try:
            taken.bind(("127.0.0.1", 5590))
        except OSError:
            pytest.skip("port 5590 is in use by somebody else")
        taken.listen()
        finding = doctor._ports()
    assert finding.state == doctor.OPTIONAL and "5590" in finding.found
