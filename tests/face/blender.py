"""Debian's Blender without a window, for what opens in it: needs the packages blender and python3-numpy."""

import json
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).parent


def binary() -> str | None:
    """Path of the machine's Blender, None when it has none."""
    return shutil.which("blender")


def run(script: str, *arguments: object, timeout: float = 280) -> str:
    """What `script` of this folder says inside Blender."""
    command = [binary(), "--background", "--factory-startup", "--python-exit-code", "3", "--python", HERE / script]
    done = subprocess.run([*command, "--", *map(str, arguments)], capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def read(path: Path, fps: int, seconds: list[float]) -> dict:
    """Shape keys (`at[i]["keys"][mesh][name]`), world rotations (`at[i]["turns"][object]`, w x y z) and `actions`."""
    said = run("blender_read.py", path, fps, *seconds)
    line = next(line for line in said.splitlines() if line.startswith("READ "))
    return json.loads(line.removeprefix("READ "))
