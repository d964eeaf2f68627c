import json
import socket
import sys

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


def test_what_is_optional_is_told_with_its_use_and_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "livekit", None)  # as if it were not installed
    monkeypatch.delitem(sys.modules, "livekit.agents", raising=False)
    found = {finding.name: finding for finding in (doctor._extra(*extra) for extra in doctor.EXTRAS)}
    assert set(found) == {"Agents, pipecat", "Agents, LiveKit", "Plots", "Training", "Alignment", "Logs"}
    assert found["Agents, LiveKit"].state == doctor.OPTIONAL and "livekit.agents" in found["Agents, LiveKit"].found
    assert 'pip install ".[agents]"' in found["Agents, LiveKit"].remedy
    for finding in found.values():
        assert finding.state == doctor.OK or ("pip install" in finding.remedy and ", for " in finding.remedy)


def test_a_port_in_use_is_named() -> None:
    with socket.socket() as taken:
        try:
            taken.bind(("127.0.0.1", 5590))
        except OSError:
            pytest.skip("port 5590 is in use by somebody else")
        taken.listen()
        finding = doctor._ports()
    assert finding.state == doctor.OPTIONAL and "5590" in finding.found
