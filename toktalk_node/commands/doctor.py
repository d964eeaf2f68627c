"""`toktalk doctor`: what this machine has, and what to do about what is missing."""

import importlib
import importlib.util
import json
import os
import platform
import shutil
import socket
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial

import typer

from toktalk_node.nodes import available

PRESETS = ("mini", "mini-live")
OK, OPTIONAL, MISSING = "ok", "optional", "missing"


@dataclass(frozen=True)
class Finding:
    """One thing looked at: its state, what was found, and what to do (empty when nothing)."""

    name: str
    state: str
    found: str
    remedy: str = ""


def _python() -> Finding:
    return Finding("Python", OK, f"{platform.python_version()} on {os.cpu_count()} cores")


def _torch() -> Finding:
    try:
        import torch
    except ImportError as error:
        return Finding("PyTorch", MISSING, str(error), "pip install torch (or run make setup)")
    return Finding("PyTorch", OK, f"{torch.__version__}, {torch.get_num_threads()} threads")


def _gpu() -> Finding:
    try:
        import torch

        if torch.cuda.is_available():
            return Finding("GPU", OK, torch.cuda.get_device_name())
    except ImportError:
        return Finding("GPU", OPTIONAL, "unknown without PyTorch", "install PyTorch first")
    if shutil.which("nvidia-smi"):
        return Finding("GPU", OPTIONAL, "there is one, but this PyTorch cannot use it", "pip install --upgrade torch")
    return Finding("GPU", OK, "none; the preset mini needs none")


def _ros() -> Finding:
    if problem := available.ros_problem():
        remedy = "run make setup (ROS 2 from PyPI), or source /opt/ros/$ROS_DISTRO/setup.bash"
        return Finding("ROS 2", MISSING, problem, remedy)
    return Finding("ROS 2", OK, f"{available.ros_name()}, domain {os.environ.get('ROS_DOMAIN_ID', '0')}")


def _messages() -> Finding:
    if problem := available.messages_problem():
        remedy = "run make setup, or colcon build in ros2_ws and source ros2_ws/install/setup.bash"
        return Finding("toktalk_msgs", MISSING, problem, remedy)
    return Finding("toktalk_msgs", OK, "built for this ROS 2")


def _weights() -> Finding:
    try:
        from toktalk_node.stream import Session

        for preset in PRESETS:
            Session.load(preset)
    except Exception as error:  # the error of the loader names the command that makes or fetches them
        return Finding("Weights", MISSING, type(error).__name__, str(error))
    return Finding("Weights", OK, f"{' and '.join(PRESETS)} load")


def _speech() -> Finding:
    try:
        importlib.import_module("espeakng_loader")
    except ImportError as error:
        return Finding("Text to speech", OPTIONAL, str(error), "pip install espeakng-loader, for --text")
    return Finding("Text to speech", OK, "espeak-ng")


def _microphone() -> Finding:
    from toktalk_node.speech.microphone import MicrophoneError, microphones

    try:
        found = microphones()
    except MicrophoneError as error:
        return Finding("Microphone", OPTIONAL, "PortAudio cannot be used", str(error))
    if not found:
        return Finding("Microphone", OPTIONAL, "none", "plug one in, or start PulseAudio or PipeWire; for --mic")
    return Finding("Microphone", OK, "; ".join(found))


def _ports() -> Finding:
    taken = []
    for port in (5590, 5591, 8765):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                taken.append(str(port))
    if taken:
        remedy = "end what uses them (ss -ltnp), or choose others: toktalk demo --port 0 --zmq-port 0"
        return Finding("Ports", OPTIONAL, f"taken: {', '.join(taken)}", remedy)
    return Finding("Ports", OK, "5590, 5591 and 8765 are free")


def _ffmpeg() -> Finding:
    if not shutil.which("ffmpeg"):
        return Finding("ffmpeg", OPTIONAL, "none", "sudo apt-get install ffmpeg, for toktalk render -o OUT.mp4")
    return Finding("ffmpeg", OK, shutil.which("ffmpeg") or "")


def _browser() -> Finding:
    names = ("chromium", "chromium-browser", "google-chrome", "firefox", "microsoft-edge", "brave-browser")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        return Finding("Browser", OPTIONAL, "none", "any browser with WebGL shows the face")
    return Finding("Browser", OK, found)


def _extra(name: str, package: str, modules: tuple[str, ...], use: str) -> Finding:
    """What is there of something optional, which `pip install PACKAGE` in the clone brings."""
    lacking = [module for module in modules if not _there(module)]
    if lacking:
        remedy = f'in the clone: pip install "{package}" (after make setup: .venv/bin/pip), for {use}'
        return Finding(name, OPTIONAL, f"no {', '.join(lacking)}", remedy)
    return Finding(name, OK, ", ".join(modules))


def _there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # the package that it is in
        return False


EXTRAS = (
    ("Agents, pipecat", ".[agents]", ("pipecat",), "FaceProcessor (docs/agents.md; Python 3.11 or newer)"),
    ("Agents, LiveKit", ".[agents]", ("livekit.agents",), "FaceAudioOutput (docs/agents.md)"),
    ("Plots", "matplotlib", ("matplotlib",), "--plot of toktalk robot check and toktalk watch"),
    ("Training", ".[train]", ("lmdb", "scipy", "matplotlib"), "toktalk train and toktalk corpus"),
    ("Alignment", ".[align]", ("pocketsphinx",), "corpora whose phones are not known"),
    ("Logs", ".[mcap]", ("mcap",), "toktalk render -o OUT.mcap"),
)
CHECKS: tuple[Callable[[], Finding], ...] = (
    _python, _torch, _gpu, _ros, _messages, _weights, _speech, _microphone, _ports, _ffmpeg, _browser,
    *(partial(_extra, *extra) for extra in EXTRAS),
)  # fmt: skip


def doctor(as_json: bool = typer.Option(False, "--json", help="Print the findings as one line of JSON.")) -> None:
    """What this machine has, and what to do about what is missing. Exit status 1 when the demo cannot run."""
    findings = [check() for check in CHECKS]
    failed = any(finding.state == MISSING for finding in findings)
    if as_json:
        typer.echo(json.dumps({"ok": not failed, "findings": [asdict(finding) for finding in findings]}))
        raise typer.Exit(int(failed))
    from rich.console import Console

    marks = {OK: "[green]ok[/]       ", OPTIONAL: "[yellow]optional[/] ", MISSING: "[red]missing[/]  "}
    console = Console(highlight=False, soft_wrap=True)
    for finding in findings:
        console.print(f"{marks[finding.state]} {finding.name}: {finding.found}")
        if finding.remedy:
            console.print(f"           -> {finding.remedy}", markup=False)
    if failed:
        typer.echo("The demo cannot run until what is red is there.", err=True)
    raise typer.Exit(int(failed))
