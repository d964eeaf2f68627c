"""What long verbs share: a progress bar per stage, and errors in one line."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer


@contextmanager
def stages() -> Iterator[Callable[[str, float, float], None]]:
    """A progress bar for each stage; call it with (stage, share done in [0, 1], loss or NaN)."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description:32.32}"), BarColumn(), TextColumn("{task.percentage:3.0f} %"))
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=Console(stderr=True)) as progress:

        def say(stage: str, share: float, loss: float) -> None:
            if stage not in tasks:
                tasks[stage] = progress.add_task(stage, total=1.0)
            text = stage if math.isnan(loss) else f"{stage}: loss {loss:.3f}"
            progress.update(tasks[stage], completed=share, description=text)

        yield say


@contextmanager
def failing_clearly() -> Iterator[None]:
    """Errors of input become one line and exit status 1; Ctrl-C becomes exit status 130."""
    from toktalk_node.motion.checkpoint import CheckpointError
    from toktalk_node.tokens.phonetic import TokenizerError

    try:
        yield
    except (FileNotFoundError, ValueError, CheckpointError, TokenizerError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
    except KeyboardInterrupt as stop:
        typer.echo("stopped", err=True)
        raise typer.Exit(130) from stop
