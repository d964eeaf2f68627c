"""A video of the face with its sound: frames of `HeadRenderer`, put together by ffmpeg."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from toktalk_node.face.arkit import BLENDSHAPES
from toktalk_node.face.retarget import resample

FPS = 25


class VideoError(RuntimeError):
    """The video cannot be made; the message says what is missing or what ffmpeg said."""


def ffmpeg() -> str:
    """Path of ffmpeg; raises VideoError where it is missing."""
    found = shutil.which("ffmpeg")
    if found is None:
        raise VideoError("a video needs ffmpeg: sudo apt install ffmpeg (or brew install ffmpeg)")
    return found


def write(
    path: str | os.PathLike,
    motion: np.ndarray,
    fps: int,
    sound: str | os.PathLike,
    *,
    size: int = 512,
    rate: int = FPS,
    advance: Callable[[float], None] = lambda seconds: None,
) -> int:
    """Write `motion` [n, 55] at `fps` with the sound file `sound` as an H.264 video of size × size pixels.

    `rate` is the video's frames per second; `advance` is called with the seconds that each frame adds. The file appears
    whole or not at all. Returns the frames written. Raises VideoError.
    """
    from toktalk_node.face.renderer import HeadRenderer

    path = Path(path)
    motion = resample(motion, fps, rate)
    renderer = HeadRenderer(size, size)
    partial = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    picture = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{size}x{size}", "-r", str(rate), "-i", "pipe:0"]
    coding = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-pix_fmt", "yuv420p", "-c:a", "aac"]
    options = ["-nostdin", "-v", "error", "-y"]
    command = [ffmpeg(), *options, *picture, "-i", str(sound), *coding, "-movflags", "+faststart", str(partial)]
    with tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=complaints)
        assert process.stdin is not None
        try:
            for frame in motion:
                weights, head = frame[: len(BLENDSHAPES)], frame[len(BLENDSHAPES) :]
                process.stdin.write(renderer.render(weights, head).tobytes())
                advance(1 / rate)
            process.stdin.close()
            failed = process.wait() != 0
        except BrokenPipeError:
            failed = True
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            complaints.seek(0)
            said = complaints.read().decode(errors="replace").strip().splitlines()
            if process.returncode == 0:
                os.replace(partial, path)
            partial.unlink(missing_ok=True)
    if failed:
        raise VideoError(f"ffmpeg failed: {said[-1] if said else 'without a word'}")
    return len(motion)
