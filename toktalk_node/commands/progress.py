"""What long verbs share: a progress bar per stage, and errors in one line."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from toktalk_node.training.motion import MotionTrainer


@contextmanager
def stages() -> Iterator[Callable[..., None]]:
    """A progress bar for each stage, or a line at every tenth of it where nobody watches a terminal.

    Call it with (stage, share done in [0, 1], loss or NaN) and, if you like, a remark.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description:52.52}"), BarColumn(), TextColumn("{task.percentage:3.0f} %"))
    tasks: dict[str, TaskID] = {}
    tenths: dict[str, int] = {}
    console = Console(stderr=True)
    columns += (TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:

        def say(stage: str, share: float, loss: float, remark: str = "") -> None:
            if stage not in tasks:
                tasks[stage] = progress.add_task(stage, total=1.0)
            text = stage if math.isnan(loss) else f"{stage}: loss {loss:.3f}"
            text += f", {remark}" if remark else ""
            progress.update(tasks[stage], completed=share, description=text)
            if not console.is_terminal and int(10 * share) > tenths.get(stage, -1):
                tenths[stage] = int(10 * share)
                typer.echo(f"{text} {share:.0%}", err=True)

        yield say


def left_out(why: str) -> None:
    """Say what of the input is not used, and why; the rest goes on."""
    typer.echo(f"left out: {why}", err=True)


def run_training(trainer: "MotionTrainer", out: Path, name: str) -> bool:
    """Train to the end of the budget with a progress bar; False where Ctrl-C stopped it, after saving."""
    from toktalk_node.training.trainer import Progress, train

    size = sum(p.numel() for p in trainer.parameters) / 1e6
    shards = trainer.data
    hours = shards.frames / shards.fps / 3600
    typer.echo(f"{name}: {size:.1f} M parameters; {hours:.1f} h in {len(shards.utterances)} utterances")
    with stages() as say:

        def report(now: Progress) -> None:
            rate = now.step / max(now.seconds, 1e-9)
            say(name, now.share, now.loss, f"valid {now.valid:.4f}, {rate:.1f} steps/s")

        complete = train(trainer, out, report)
    typer.echo(f"{'done' if complete else 'stopped'}: step {trainer.step}, weights in {out}")
    if not complete:
        typer.echo("go on with the same command and --resume")
    return complete


@contextmanager
def failing_clearly() -> Iterator[None]:
    """Errors of input become one line and exit status 1; Ctrl-C becomes exit status 130."""
    from toktalk_node.motion.checkpoint import CheckpointError
    from toktalk_node.tokens.files import TokenizerError
    from toktalk_node.training.shards import DataError

    try:
        yield
    except (FileNotFoundError, ValueError, CheckpointError, DataError, TokenizerError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
    except KeyboardInterrupt as stop:
        typer.echo("stopped", err=True)
        raise typer.Exit(130) from stop
