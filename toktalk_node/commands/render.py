"""`toktalk render`: the face of recordings as Live Link Face CSVs or as videos."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import numpy as np

    from toktalk_node.speech.files import FileSource
    from toktalk_node.stream import Session

SUFFIXES = (".csv", ".mp4")


def render(
    inputs: Annotated[list[Path], typer.Argument(help="Recordings, of any format and rate that libsndfile reads.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="FILE.csv (Live Link Face), FILE.mp4 (video), or a folder.")
    ],
    to: Annotated[str, typer.Option(help="What to write into a folder: csv or mp4.")] = "csv",
    size: Annotated[int, typer.Option(min=64, max=2048, help="Width and height of the video in pixels.")] = 512,
    preset: Annotated[str, typer.Option(help="Motion model.")] = "mini",
    style: Annotated[
        str, typer.Option(help="Speaking style: NAME, a blend like warm=0.7,happiness=0.3, or CLIP.csv.")
    ] = "",
    seed: Annotated[int, typer.Option(help="Seed of the motion's noise.")] = 0,
    steps: Annotated[int | None, typer.Option(min=1, help="Solver steps; the model's own where not given.")] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, ...")] = "cpu",
) -> None:
    """Write the face of each recording. One that cannot be read is named, and the rest goes on."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    from toktalk_node.face.video import VideoError, ffmpeg
    from toktalk_node.motion.checkpoint import CheckpointError
    from toktalk_node.stream import Session
    from toktalk_node.stream.clips import chosen_style
    from toktalk_node.tokens.files import TokenizerError

    console = Console(stderr=True, highlight=False)
    try:
        jobs = plan(inputs, output, to)
        if any(target.suffix == ".mp4" for _, target in jobs):
            ffmpeg()
        session = Session.load(preset, seed=seed, steps=steps, device=device)
        session.set_style(chosen_style(session, style))
        jobs[0][1].parent.mkdir(parents=True, exist_ok=True)
    except (ValueError, RuntimeError, OSError, CheckpointError, TokenizerError) as error:
        console.print(f"[red]error[/red] {error}")
        raise typer.Exit(1) from error
    failures = 0
    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console) as progress:
        for source, target in jobs:
            task = progress.add_task(source.name)
            try:
                frames, seconds, warning = _one(session, source, target, size, _bar(progress, task))
            except (ValueError, VideoError, OSError) as error:
                failures += 1
                progress.remove_task(task)
                where = "" if str(source) in str(error) else f"{source}: "
                console.print(f"[red]error[/red] {where}{error}")
                continue
            progress.update(task, completed=1, total=1)
            note = f" [yellow]({warning})[/yellow]" if warning else ""
            console.print(f"{target}: {frames} frames, {seconds:.2f} s{note}")
    if failures:
        console.print(f"{failures} of {len(jobs)} recordings failed")
        raise typer.Exit(1)


def plan(inputs: list[Path], output: Path, to: str) -> list[tuple[Path, Path]]:
    """(recording, file to write) of each input; raises ValueError where `output` does not say where to write."""
    if f".{to}" not in SUFFIXES:
        raise ValueError(f"--to is csv or mp4, not {to!r}")
    if output.suffix.lower() in SUFFIXES and not output.is_dir():
        if len(inputs) > 1:
            raise ValueError(f"{len(inputs)} recordings do not fit into one file {output}: give -o a folder")
        return [(inputs[0], output.with_suffix(output.suffix.lower()))]
    if output.is_file() or (output.suffix and not output.is_dir()):
        raise ValueError(f"{output} is neither a .csv nor an .mp4 nor a folder; make the folder first if it is one")
    jobs = [(source, output / f"{source.stem}.{to}") for source in inputs]
    seen: dict[Path, Path] = {}
    for source, target in jobs:
        if target in seen:
            raise ValueError(f"{seen[target]} and {source} would both be written to {target}: rename one")
        seen[target] = source
    return jobs


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
    session: "Session", path: Path, target: Path, size: int, start: Callable[[float], Callable[[float], None]]
) -> tuple[int, float, str]:
    """Render one recording; its frames, seconds and warning."""
    import soundfile

    from toktalk_node.face import livelink, video
    from toktalk_node.speech.files import FileSource

    source = FileSource(path, block=0.1)
    try:
        if target.suffix == ".csv":
            motion = face(session, source, start(source.duration), lambda samples: None)
            return livelink.write(target, motion, session.fps), len(motion) / session.fps, source.warning
        with tempfile.TemporaryDirectory() as folder:
            sound = os.path.join(folder, "sound.w64")
            advance = start(2 * source.duration)
            with soundfile.SoundFile(sound, "w", source.rate, 1, subtype="PCM_16", format="W64") as copy:
                motion = face(session, source, advance, copy.write)
            frames = video.write(target, motion, session.fps, sound, size=size, advance=advance)
        return frames, len(motion) / session.fps, source.warning
    finally:
        source.close()


def _bar(progress, task) -> Callable[[float], Callable[[float], None]]:  # noqa: ANN001
    def start(seconds: float) -> Callable[[float], None]:
        progress.update(task, total=max(seconds, 1e-3))
        return lambda part: progress.advance(task, part)

    return start
