"""`toktalk render`: the face of recordings as files of other programs: tables, videos, models that speak, logs."""

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from toktalk_node.commands.options import Schedule, Style

if TYPE_CHECKING:
    import numpy as np

    from toktalk_node.face.animation import Avatar
    from toktalk_node.speech.files import FileSource
    from toktalk_node.stream import Session
    from toktalk_node.stream.flame import FlameSpeaker

FORMATS: dict[str, str] = {
    "csv": "Live Link Face",
    "mp4": "video",
    "glb": "animated head, binary glTF",
    "gltf": "the same as text",
    "npz": "NumPy arrays",
    "mcap": "Foxglove",
}
"""Suffix -> what it is."""
_KNOWN = ", ".join(f"{suffix} ({what})" for suffix, what in FORMATS.items())
_SOUNDING = ("mp4", "npz", "mcap")


@dataclass(frozen=True)
class Look:
    """What the user chose of how a file looks."""

    size: int = 512
    avatar: "Avatar | None" = None


def render(
    inputs: Annotated[list[Path], typer.Argument(help="Recordings, of any format and rate that libsndfile reads.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help=f"A folder, or FILE with one of the suffixes: {_KNOWN}.")
    ],
    to: Annotated[
        str, typer.Option("--format", "--to", help=f"What to write into a folder: {', '.join(FORMATS)}.")
    ] = "csv",
    avatar: Annotated[
        Path | None, typer.Option(help="A .glb, .gltf or .vrm with ARKit morph targets, in place of TokTalk's head.")
    ] = None,
    size: Annotated[int, typer.Option(min=64, max=2048, help="Width and height of the video in pixels.")] = 512,
    preset: Annotated[str, typer.Option(help="Motion model.")] = "mini",
    style: Style = "",
    seed: Annotated[int, typer.Option(help="Seed of the motion's noise.")] = 0,
    steps: Annotated[int | None, typer.Option(min=1, help="Solver steps; the model's own where not given.")] = None,
    schedule: Schedule = None,
    adapter: Annotated[
        Path | None, typer.Option(help="Hear through another token space: its adapter's folder.", exists=True)
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, ...")] = "cpu",
    threads: Annotated[int, typer.Option(min=1, help="CPU threads; the steps are small, more rarely help.")] = 1,
) -> None:
    """Write the face of each recording. One that cannot be read is named, and the rest goes on."""
    import torch
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    from toktalk_node.face.video import VideoError
    from toktalk_node.motion.checkpoint import CheckpointError
    from toktalk_node.tokens.files import TokenizerError

    console = Console(stderr=True, highlight=False)

    def say(note: str) -> None:
        console.print(f"[yellow]{escape(note)}[/yellow]")

    torch.set_num_threads(threads)
    try:
        jobs = plan(inputs, output, to)
        look = Look(size, _prepared(jobs, avatar, say))
        settings = {"steps": steps, "schedule": schedule, "device": device, "adapter": adapter}
        session = _speaker(preset, jobs[0][1].suffix[1:], seed, style, settings)
        folder = jobs[0][1].parent
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise OSError(f"{folder}: this folder cannot be written to")
    except (ValueError, RuntimeError, OSError, CheckpointError, TokenizerError) as error:
        console.print(f"[red]error[/red] {escape(str(error))}")
        raise typer.Exit(1) from error
    failures = 0
    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console) as progress:
        for source, target in jobs:
            task = progress.add_task(source.name)
            try:
                frames, seconds, warning = _one(session, source, target, look, _bar(progress, task))
            except (ValueError, VideoError, OSError) as error:
                failures += 1
                progress.remove_task(task)
                where = "" if str(source) in str(error) else f"{source}: "
                console.print(f"[red]error[/red] {escape(f'{where}{error}')}")
                continue
            progress.update(task, completed=1, total=1)
            note = f" [yellow]({escape(warning)})[/yellow]" if warning else ""
            console.print(f"{escape(str(target))}: {frames} frames, {seconds:.2f} s{note}")
    if failures:
        console.print(f"{failures} of {len(jobs)} recordings failed")
        raise typer.Exit(1)


def plan(inputs: list[Path], output: Path, to: str) -> list[tuple[Path, Path]]:
    """(recording, file to write) of each input; raises ValueError where `output` does not say where to write."""
    if to not in FORMATS:
        raise ValueError(f"--format {to!r} is none of {_KNOWN}")
    if output.suffix.lower()[1:] in FORMATS and not output.is_dir():
        if len(inputs) > 1:
            raise ValueError(f"{len(inputs)} recordings do not fit into one file {output}: give -o a folder")
        return [(inputs[0], output.with_suffix(output.suffix.lower()))]
    if output.is_file() or (output.suffix and not output.is_dir()):
        raise ValueError(f"{output} is neither a folder nor one of {_KNOWN}; make the folder first if it is one")
    jobs = [(source, output / f"{source.stem}.{to}") for source in inputs]
    seen: dict[Path, Path] = {}
    for source, target in jobs:
        if target in seen:
            raise ValueError(f"{seen[target]} and {source} would both be written to {target}: rename one")
        seen[target] = source
    return jobs


def _prepared(jobs: list[tuple[Path, Path]], avatar: Path | None, say: Callable[[str], None]) -> "Avatar | None":
    """The avatar that the jobs need; raises ValueError, RuntimeError or OSError for what they lack, before any work."""
    from toktalk_node.face import animation, mcap, plain_head, video

    kind = jobs[0][1].suffix[1:]
    if kind == "mp4":
        video.ffmpeg()
    if kind == "mcap":
        mcap.require()
    if kind not in ("glb", "gltf"):
        if avatar is not None:
            raise ValueError(f"--avatar is for glb and gltf, not for {kind}")
        return None
    if avatar is None:
        with tempfile.TemporaryDirectory() as folder:
            own = Path(folder, "head.glb")
            plain_head.write(own)
            return animation.load(own)
    loaded = animation.load(avatar)
    if loaded.missing:
        say(f"{avatar} lacks {len(loaded.missing)} of 52 blendshapes: {', '.join(loaded.missing)}")
    if loaded.head is None:
        say(f"{avatar} has no bone or node called head: its head will not turn")
    return loaded


def _speaker(preset: str, kind: str, seed: int, style: str, settings: dict[str, Any]) -> "Session | FlameSpeaker":
    """What speaks with the model's face, ARKit's or FLAME's; raises ValueError where files of `kind` cannot hold it."""
    from toktalk_node.face.space import ARKIT
    from toktalk_node.stream.clips import chosen_style
    from toktalk_node.stream.flame import FlameSpeaker
    from toktalk_node.stream.session import Session, load_model

    decoder, tokenizer, styles = load_model(preset, **settings)
    space = decoder.model.config.space
    if space is ARKIT:
        session = Session(decoder, tokenizer, seed=seed, styles=styles)
        session.set_style(chosen_style(session, style))
        return session
    if kind != "npz":
        raise ValueError(f"{preset} makes {space.name} faces, which {kind} does not hold: take .npz (--format npz)")
    if style:
        raise ValueError(f"--style is for ARKit faces; {preset} makes {space.name} faces")
    return FlameSpeaker(decoder, tokenizer, seed)


def face(
    session: "Session", source: "FileSource", advance: Callable[[float], None], keep: Callable[["np.ndarray"], object]
) -> "np.ndarray":
    """The motion of a recording, float32 [ceil(seconds · fps), 55]; `keep` gets its samples as they are read."""
    import numpy as np

    session.reset()
    chunks, samples = [], 0
    for chunk in source:
        chunks.append(session.push_audio(chunk.samples, source.rate))
        keep(chunk.samples)
        samples = chunk.end
        advance(len(chunk.samples) / source.rate)
    chunks.append(session.finish())
    frames = -(-samples * session.fps // source.rate)
    motion = np.concatenate([np.concatenate([c.weights, c.head], axis=1) for c in chunks])[:frames]
    return np.pad(motion, ((0, frames - len(motion)), (0, 0)), "edge")


def _one(
    session: "Session | FlameSpeaker",
    path: Path,
    target: Path,
    look: Look,
    start: Callable[[float], Callable[[float], None]],
) -> tuple[int, float, str]:
    """Render one recording; its frames, seconds and warning."""
    import numpy as np
    import soundfile

    from toktalk_node.face import animation, livelink
    from toktalk_node.speech.files import FileSource
    from toktalk_node.stream import flame

    source = FileSource(path, block=0.1)
    kind = target.suffix[1:]
    try:
        if isinstance(session, flame.FlameSpeaker):
            samples = np.concatenate([chunk.samples for chunk in source])
            motion = session.face(samples, source.rate)
            frames = flame.write(target, motion, session.fps, samples, source.rate)
            return frames, frames / session.fps, source.warning
        if kind not in _SOUNDING:
            motion = face(session, source, start(source.duration), lambda samples: None)
            if look.avatar is None:
                frames = livelink.write(target, motion, session.fps)
            else:
                frames = animation.write(target, look.avatar, motion, session.fps, name=path.stem)
            return frames, len(motion) / session.fps, source.warning
        with tempfile.TemporaryDirectory() as folder:
            sound = os.path.join(folder, "sound.w64")
            advance = start(source.duration * (2 if kind == "mp4" else 1))
            with soundfile.SoundFile(sound, "w", source.rate, 1, subtype="PCM_16", format="W64") as copy:
                motion = face(session, source, advance, copy.write)
            frames = _with_sound(target, motion, session.fps, sound, path, look.size, advance)
        return frames, len(motion) / session.fps, source.warning
    finally:
        source.close()


def _with_sound(
    target: Path,
    motion: "np.ndarray",
    fps: int,
    sound: str,
    recording: Path,
    size: int,
    advance: Callable[[float], None],
) -> int:
    """Write one of the formats that hold the sound; `sound` is a mono copy of the recording in 16 bits."""
    import soundfile

    from toktalk_node.face import mcap, npz, video
    from toktalk_node.signals import NANOSECONDS

    if target.suffix == ".mp4":
        return video.write(target, motion, fps, sound, size=size, advance=advance)
    with soundfile.SoundFile(sound) as samples:
        if target.suffix == ".npz":
            return npz.write(target, motion, fps, samples.read(dtype="int16"), samples.samplerate)
        start_ns = int(recording.stat().st_mtime) * NANOSECONDS
        return mcap.write(target, motion, fps, samples, start_ns=start_ns, name=recording.name)


def _bar(progress, task) -> Callable[[float], Callable[[float], None]]:  # noqa: ANN001
    def start(seconds: float) -> Callable[[float], None]:
        progress.update(task, total=max(seconds, 1e-3))
        return lambda part: progress.advance(task, part)

    return start
