"""The engine of Godot without a window: 3 is Debian's godot3-server, 4 is any `godot4` or `godot` that is installed."""

import contextlib
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from toktalk_node.face import plain_head

BRIDGE = Path(__file__).resolve().parents[2] / "godot_bridge"
PROJECTS = {3: BRIDGE / "godot3", 4: BRIDGE}
SCRIPTS = Path(__file__).parent / "scripts"
_NAMES = {3: ("godot3-server", "godot3"), 4: ("godot4", "godot")}


def binary(version: int) -> str | None:
    """Path of an engine of that version, None when there is none."""
    for name in _NAMES[version]:
        path = shutil.which(name)
        if path and subprocess.run([path, "--version"], capture_output=True, text=True).stdout.startswith(
            f"{version}."
        ):
            return path
    return None


ENGINES = [
    pytest.param(
        version,
        marks=pytest.mark.skipif(binary(version) is None, reason=f"no Godot {version} here: {hint}"),
        id=f"godot{version}",
    )
    for version, hint in ((3, "apt-get install godot3-server"), (4, "put its binary into PATH as godot4"))
]


class Running:
    """A script of ours in the engine; `lines` is what it printed so far."""

    def __init__(self, process: subprocess.Popen) -> None:
        self.lines: list[str] = []
        self.process = process
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def said(self, start: str) -> list[str]:
        """The rest of each line that begins with `start`."""
        return [line.removeprefix(start).strip() for line in list(self.lines) if line.startswith(start)]

    def until(self, start: str, timeout: float = 60.0) -> str:
        """The first line that begins with `start`, without it."""
        end = time.monotonic() + timeout
        while not (found := self.said(start)):
            assert self.process.poll() is None or self.said(start), "\n".join(self.lines[-40:])
            assert time.monotonic() < end, f"never said {start!r}:\n" + "\n".join(self.lines[-40:])
            time.sleep(0.02)
        return found[0]

    def finish(self, timeout: float = 60.0) -> None:
        """Wait for the script's own end; what the engine complained about fails the test."""
        self.process.wait(timeout)
        self._reader.join()
        assert self.process.returncode == 0, "\n".join(line for line in self.lines[-40:] if not line.startswith("ROW"))
        assert not self.complaints(), self.complaints()

    def complaints(self) -> list[str]:
        """Errors of scripts; the engine's own at its end (leaks of the headless server) are not ours."""
        return [line for line in self.lines if "SCRIPT ERROR" in line or "Parse Error" in line]


def imported_example(folder: Path) -> Path:
    """A copy of Godot 3's example in `folder` with its head imported by the engine's editor."""
    project = folder / "project"
    shutil.copytree(PROJECTS[3], project, ignore=shutil.ignore_patterns(".import"))
    plain_head.write(project / "example" / "head.glb")
    command = [binary(3), "--path", project, "--editor", "--quit"]
    with open(folder / "import.log", "w") as log:
        process = subprocess.Popen(command, env=_environment(folder), stdout=log, stderr=subprocess.STDOUT)
    try:
        end = time.monotonic() + 120
        # this version's editor imports, and then never ends
        while not list(project.glob(".import/head.glb-*.md5")) and process.poll() is None and time.monotonic() < end:
            time.sleep(0.2)
        time.sleep(1)
    finally:
        process.kill()
        process.wait()
    assert list(project.glob(".import/head.glb-*.scn")), (folder / "import.log").read_text()[-2000:]
    return project


def _environment(home: Path, **settings: object) -> dict[str, str]:
    """What the engine finds; `home` is where it keeps its files."""
    homes = dict.fromkeys(("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"), str(home))
    return {**os.environ, **homes, "LANG": "en_US.UTF-8", **{name: str(value) for name, value in settings.items()}}


@contextlib.contextmanager
def run(
    version: int, script: str, home: Path, *, project: Path | None = None, program: tuple[str, ...] = (), **more: object
) -> Iterator[Running]:
    """`script` of this folder in `project`, the example where none is given; gone afterwards.

    `program` replaces the engine without a window; `more` is what the script reads from its environment.
    """
    headless = ["--headless"] if version == 4 else []
    command = [*(program or (binary(version), *headless)), "--path", project or PROJECTS[version]]
    process = subprocess.Popen(
        [*command, "-s", SCRIPTS / script],
        env=_environment(home, DESCRIBE=SCRIPTS / "describe.gd", **more),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    running = Running(process)
    try:
        yield running
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait()
