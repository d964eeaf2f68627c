"""Child processes that never outlive their parent."""

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import yaml

_PR_SET_PDEATHSIG = 1
_PATIENCE = ((signal.SIGINT, 5.0), (signal.SIGTERM, 3.0), (signal.SIGKILL, 3.0))
"""Each signal in turn, and how many seconds it is given."""


def _follow_parent() -> None:
    """In the child: SIGTERM when the parent dies, however it dies (Linux)."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


class Processes:
    """ROS nodes as processes, each in a session of its own so that a Ctrl-C reaches them in our order.

    `on_line(name, line)` is called, from a thread for each process, with every line that they write.
    Start them from the thread that lives longest: Linux ties a child to the thread that made it.
    """

    def __init__(self, on_line: Callable[[str, str], None]) -> None:
        self._on_line = on_line
        self._running: dict[str, subprocess.Popen[str]] = {}
        self._folder = tempfile.TemporaryDirectory(prefix="toktalk-")

    def start_node(self, name: str, module: str, parameters: dict[str, object]) -> None:
        """Run the node `name`, which may be within a namespace, of `module`; ROS reads `parameters` from a file."""
        namespace, _, own = name.rpartition("/")
        path = Path(self._folder.name) / f"{len(self._running)}.yaml"
        path.write_text(yaml.safe_dump({f"/**/{own}": {"ros__parameters": parameters}}))
        words = ["--ros-args", "--params-file", str(path), *(["-r", f"__ns:=/{namespace}"] if namespace else [])]
        process = subprocess.Popen(
            [sys.executable, "-m", module, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
            preexec_fn=_follow_parent if sys.platform == "linux" else None,
            env={**os.environ, "PYTHONUNBUFFERED": "1", "RCUTILS_COLORIZED_OUTPUT": "0"},
        )
        self._running[name] = process
        threading.Thread(target=self._read, args=(name, process), daemon=True).start()

    def ended(self) -> dict[str, int]:
        """Exit status of the processes that ended by themselves."""
        return {name: code for name, process in self._running.items() if (code := process.poll()) is not None}

    def memory_mb(self, name: str) -> float:
        """Resident memory of the process `name` in MiB (Linux; 0 elsewhere)."""
        try:
            status = Path(f"/proc/{self._running[name].pid}/status").read_text()
        except OSError:
            return 0.0
        line = next((line for line in status.splitlines() if line.startswith("VmRSS")), "VmRSS: 0 kB")
        return round(int(line.split()[1]) / 1024, 1)

    def stop(self) -> None:
        """End them all, politely first; returns when none is left. What they say meanwhile is dropped."""
        self._on_line = lambda name, line: None
        for number, seconds in _PATIENCE:
            left = [process for process in self._running.values() if process.poll() is None]
            for process in left:
                process.send_signal(number)
            for process in left:
                try:
                    process.wait(seconds)
                except subprocess.TimeoutExpired:
                    continue
        self._folder.cleanup()

    def _read(self, name: str, process: subprocess.Popen[str]) -> None:
        for line in process.stdout:
            self._on_line(name, line.rstrip())
