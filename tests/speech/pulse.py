"""A sound server of its own for tests: PulseAudio, headless, with a loudspeaker that a microphone hears.

    with PulseServer(folder) as pulse:
        pulse.play("speech.wav")
        subprocess.run([...], env=pulse.env)     # PortAudio's default devices are the loudspeaker and the microphone

Debian packages: pulseaudio pulseaudio-utils libasound2-plugins libportaudio2.
"""

import os
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType

_MODULES = (
    "module-native-protocol-unix",
    "module-null-sink sink_name=loudspeaker rate=48000 norewinds=1",
    "module-remap-source master=loudspeaker.monitor source_name=microphone",
)
_ASOUNDRC = "pcm.!default { type pulse }\nctl.!default { type pulse }\n"


def available() -> bool:
    """Whether the Debian packages are here."""
    plugins = list(Path("/usr/lib").glob("*/alsa-lib/libasound_module_pcm_pulse.so"))
    return bool(plugins) and all(shutil.which(name) for name in ("pulseaudio", "pactl", "paplay"))


class PulseServer:
    """The server, with all that it writes inside `folder`; `env` makes a child process use it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = os.environ | {
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(folder),
            "XDG_CONFIG_HOME": str(folder),
            "PULSE_SERVER": f"unix:{folder}/pulse/native",
            "PULSE_SINK": "loudspeaker",
            "PULSE_SOURCE": "microphone",
            "PULSE_LATENCY_MSEC": "20",
        }
        self._server: subprocess.Popen | None = None

    def __enter__(self) -> "PulseServer":
        (self.folder / ".asoundrc").write_text(_ASOUNDRC)
        self.start()
        return self

    def start(self) -> None:
        """Start the server and wait until it answers."""
        command = ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--disallow-exit", "--use-pid-file=no"]
        env = {key: value for key, value in self.env.items() if key != "PULSE_SERVER"}
        with (self.folder / "pulseaudio.log").open("a") as log:
            self._server = subprocess.Popen(
                [*command, *(f"--load={module}" for module in _MODULES)], env=env, stdout=log, stderr=log
            )
        deadline = time.monotonic() + 10
        while subprocess.run(["pactl", "info"], env=self.env, capture_output=True).returncode != 0:
            if self._server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PulseAudio does not start: {(self.folder / 'pulseaudio.log').read_text()[-500:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        """End the server, as when the sound system dies."""
        if self._server is not None:
            self._server.terminate()
            try:
                self._server.wait(5)
            except subprocess.TimeoutExpired:
                self._server.kill()
                self._server.wait()
            self._server = None

    def play(self, path: Path) -> subprocess.Popen:
        """Start to play a sound file to the loudspeaker."""
        return subprocess.Popen(["paplay", "--latency-msec=20", str(path)], env=self.env)

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
