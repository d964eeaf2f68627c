"""`toktalk demo` as a user runs it: processes, lifecycle, figures, and nothing left behind."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("toktalk_msgs")
import soundfile  # noqa: E402

from toktalk_node.bridge.client import Client  # noqa: E402
from toktalk_node.bridge.protocol import Event, Face  # noqa: E402

pytestmark = pytest.mark.slow
DEMO = [sys.executable, "-m", "toktalk_node.cli", "demo", "--port", "0", "--zmq-port", "0"]


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1.5 s of a sung vowel."""
    path = tmp_path_factory.mktemp("demo") / "ah.wav"
    time_axis = np.arange(36000) / 24000
    wave = sum(np.sin(2 * np.pi * f * time_axis) / n for n, f in enumerate((140, 280, 700, 1120), 1))
    soundfile.write(path, 0.2 * wave, 24000)
    return path


def run(*arguments: str, seconds: float = 150) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*DEMO, *arguments], capture_output=True, text=True, timeout=seconds)


@pytest.fixture
def serving(recording: Path):
    """A demo that serves, and the processes below it."""
    process = subprocess.Popen(
        [*DEMO, "--wav", str(recording)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        for line in process.stdout:
            if "Ctrl-C" in line:
                break
        children = psutil.Process(process.pid).children(recursive=True)
        assert len(children) == 3
        yield process, children
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(20)


def gone(processes: list[psutil.Process], seconds: float) -> bool:
    return not psutil.wait_procs(processes, timeout=seconds)[1]


def test_once_speaks_and_reports_its_figures_in_one_line(recording: Path) -> None:
    done = run("--once", "--wav", str(recording))
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1
    figures = json.loads(done.stdout)
    assert figures["frames"] >= 75 and figures["chunks"] >= 5
    assert figures["skew_max_ms"] <= 1.0
    assert 0 < figures["time_to_first_frame"] < 5
    assert figures["rtf"] > 0 and figures["compute_p99_ms"] >= figures["compute_p50_ms"] > 0
    assert figures["faults"] == 0 and figures["decoder_memory_mb"] > 50
    assert 0 < figures["rtf_thread"] <= figures["rtf"] * 1.05 and figures["reaction_p99_ms"] > 0
    late = figures["late_frames"]
    assert (late > 0) == (figures["underruns"] > 0) == (figures["lateness_max_ms"] > 0)
    assert figures["underruns"] <= late <= figures["frames"]
    if figures["rtf"] < 0.7 and figures["reaction_p99_ms"] < 150:  # else the machine has other work
        assert late == 0, "frames were late although there was time"


def test_several_faces_are_streams_of_one_bridge() -> None:
    names = ["--face", "ada", "--face", "bob", "--text", "My papa is {name}."]
    process = subprocess.Popen([*DEMO, *names], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        said, faces = {}, set()
        for line in process.stdout:
            if "receivers connect to " in line:
                endpoint = line.split()[-1]
            if "Ctrl-C" in line:
                break
        assert len(psutil.Process(process.pid).children()) == 5
        with Client(endpoint) as client:
            assert set(client.streams) == {"ada", "bob"}
            deadline = time.monotonic() + 60
            while (len(said) < 2 or len(faces) < 2) and time.monotonic() < deadline:
                stream, message = client.receive(60) or ("", None)
                if isinstance(message, Event) and message.kind == "start":
                    said[stream] = message.data["text"]
                elif isinstance(message, Face):
                    faces.add(stream)
        assert said == {"ada": "My papa is ada.", "bob": "My papa is bob."} and faces == set(said)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)
    for wrong in (("ada", "ada"), ("9lives",), ("a b",)):
        refused = run("--once", *(word for name in wrong for word in ("--face", name)))
        assert refused.returncode == 2 and "--face" in refused.stderr


def test_host_opens_it_to_other_machines_and_says_so(recording: Path) -> None:
    process = subprocess.Popen(
        [*DEMO, "--wav", recording, "--host", "0.0.0.0"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        output = ""
        for line in process.stdout:
            output += line
            if "Ctrl-C" in line:
                break
        assert "Warning: --host 0.0.0.0 opens the viewer and the bridge to the network" in output
        family = psutil.Process(process.pid).children(recursive=True)
        listening = [
            socket.laddr for child in family for socket in child.net_connections("tcp") if socket.status == "LISTEN"
        ]
        assert {address.ip for address in listening} == {"0.0.0.0"} and len(listening) == 3
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)
    refused = run("--once", "--host", "203.0.113.7")  # an address of documentation, of no machine
    assert refused.returncode == 1 and "203.0.113.7" in refused.stderr and "Traceback" not in refused.stderr


def test_ctrl_c_ends_it_in_order_and_leaves_no_process(serving) -> None:
    process, children = serving
    second = run("--once", "--text", "Hello")
    assert second.returncode == 1 and "ROS_DOMAIN_ID" in second.stderr
    process.send_signal(signal.SIGINT)
    output = process.stdout.read()
    assert process.wait(20) == 0 and gone(children, 1)
    assert "Traceback" not in output and "rror" not in output


def test_children_die_even_with_a_supervisor_that_was_killed(serving) -> None:
    process, children = serving
    process.kill()
    process.wait(5)
    assert gone(children, 20)


def test_what_is_wrong_is_said_and_leaves_no_process(tmp_path: Path) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF....WAVE")
    done = run("--once", "--wav", str(broken))
    assert done.returncode == 1 and "broken.wav" in done.stderr and "Traceback" not in done.stderr
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = run("--once", "--text", "Hello", "--port", port)
    assert done.returncode == 1 and port in done.stderr
    family = [p for p in psutil.process_iter(["cmdline"]) if "toktalk_node.nodes." in " ".join(p.info["cmdline"] or [])]
    assert not [p for p in family if p.environ().get("ROS_DOMAIN_ID") == os.environ["ROS_DOMAIN_ID"]]
