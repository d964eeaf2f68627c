"""The C# client under mono (Debian packages mono-mcs and mono-runtime): compiled, and run as a process."""

import base64
import json
import queue
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "unity_bridge"
CORE = PACKAGE / "Runtime" / "Core"
HERE = Path(__file__).parent
HEAD = PACKAGE / "Samples~" / "TalkingHead" / "head.bytes"

MISSING = [tool for tool in ("mcs", "mono") if shutil.which(tool) is None]
REASON = f"not installed: {', '.join(MISSING)} (Debian packages mono-mcs, mono-runtime)"


def compile_program(sources: list[Path], out: Path, *options: str) -> Path:
    """Compile C# 7 `sources` to `out`; warnings are errors. AssertionError holds what the compiler says."""
    kind = "library" if out.suffix == ".dll" else "exe"
    command = ["mcs", "-langversion:7", "-warnaserror+", f"-target:{kind}", f"-out:{out}", *options, *map(str, sources)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    return out


def compile_peer(folder: Path) -> Path:
    """The client and tests/unity/peer as one program in `folder`."""
    return compile_program([*sorted(CORE.glob("*.cs")), *sorted((HERE / "peer").glob("*.cs"))], folder / "peer.exe")


def csharp(folder: str) -> list[Path]:
    """The C# files of a folder of the package."""
    return sorted((PACKAGE / folder).rglob("*.cs"))


def compile_package(out: Path, *, input_system: bool = False) -> Path:
    """The assemblies of the package and the stand-ins for Unity's (tests/unity/engine) in the folder `out`.

    input_system: Unity's Input System package is active, else its older Input Manager.
    """
    engine = [path for path in sorted((HERE / "engine").glob("*.cs")) if path.stem != "UnityEditor"]
    compile_program(engine, out / "UnityEngine.dll")
    compile_program([HERE / "engine" / "UnityEditor.cs"], out / "UnityEditor.dll", f"-r:{out}/UnityEngine.dll")
    compile_program(csharp("Runtime/Core"), out / "TokTalk.dll")
    unset = "-nowarn:649"  # fields that only Unity's inspector sets
    used = [f"-r:{out}/UnityEngine.dll", f"-r:{out}/TokTalk.dll", unset]
    compile_program(csharp("Runtime/Unity"), out / "TokTalk.Unity.dll", *used)
    used.append(f"-r:{out}/TokTalk.Unity.dll")
    compile_program(csharp("Editor"), out / "TokTalk.Editor.dll", *used, f"-r:{out}/UnityEditor.dll")
    defines = "ENABLE_INPUT_SYSTEM;TOKTALK_INPUT_SYSTEM" if input_system else "ENABLE_LEGACY_INPUT_MANAGER"
    compile_program(csharp("Samples~"), out / "TokTalk.Samples.dll", *used, f"-define:{defines}")
    return out


def compile_scene(folder: Path, *, input_system: bool = False) -> Path:
    """The sample's scene as a program in `folder`, in the stand-ins for Unity's engine; see `compile_package`."""
    compile_package(folder, input_system=input_system)
    libraries = [f"-r:{path}" for path in folder.glob("*.dll") if path.stem != "UnityEditor"]
    return compile_program([HERE / "scene" / "Scene.cs"], folder / "scene.exe", *libraries)


class Peer:
    """The program of tests/unity/peer as a process: `send` a line, and read its lines of JSON.

    Raises AssertionError where an expected line does not come in time, with all that was printed.
    """

    def __init__(self, program: Path, *arguments: str) -> None:
        self._process = subprocess.Popen(
            ["mono", str(program), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._lines: queue.Queue[dict | None] = queue.Queue()
        self.seen: list[dict] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        for line in self._process.stdout:
            self._lines.put(json.loads(line))
        self._lines.put(None)

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def send(self, line: str) -> None:
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def lines(self, timeout: float = 10.0) -> Iterator[dict]:
        """Lines as they come, until `timeout` seconds pass without one or the program ends."""
        while True:
            try:
                line = self._lines.get(timeout=timeout)
            except queue.Empty:
                return
            if line is None:
                return
            self.seen.append(line)
            yield line

    def expect(self, key: str, timeout: float = 10.0) -> dict:
        """The next line that has `key`."""
        end = time.monotonic() + timeout
        while (left := end - time.monotonic()) > 0:
            for line in self.lines(left):
                if key in line:
                    return line
                break
        raise AssertionError(f"no {key!r} within {timeout} s; printed: {self.seen[-20:]}")

    def ask(self, line: str, key: str) -> dict:
        """Send `line` and wait for the answer that has `key`."""
        self.send(line)
        return self.expect(key)

    def stats(self) -> dict:
        """What the client counts."""
        return self.ask("stats", "state")

    def close(self) -> int:
        """Let the program end, and return its exit status; one that hangs is killed (-9)."""
        try:
            self.send("quit")
            self._process.stdin.close()
        except OSError:
            pass
        try:
            return self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def floats(text: str) -> np.ndarray:
    """float32 [n] of the base64 in which the program prints them."""
    return np.frombuffer(base64.b64decode(text), "<f4")
