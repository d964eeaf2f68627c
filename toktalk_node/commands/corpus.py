"""`toktalk corpus`: build speech with exact phone times, and say what a corpus holds."""

from pathlib import Path
from typing import Annotated

import typer

corpus = typer.Typer(no_args_is_help=True)

DEFAULT_ROOT = Path("data/corpus")


@corpus.callback()
def _group() -> None:
    """Build speech with exact phone times and performances."""


@corpus.command()
def build(
    hours: Annotated[float, typer.Option(min=0.001, help="Hours of speech in all.")] = 9.8,
    out: Annotated[Path, typer.Option(help="Folder of the corpus; an unfinished build there goes on.")] = DEFAULT_ROOT,
    jobs: Annotated[int, typer.Option(min=1, max=256, help="Processes.")] = 2,
    seed: Annotated[int, typer.Option(help="Seed of texts, pitch and tempo.")] = 1,
    voices: Annotated[
        list[str] | None, typer.Option(help="Only these: an engine (flite) or a voice (flite-slt); repeatable.")
    ] = None,
) -> None:
    """Make speech with phone times: flite, festival, espeak-ng and the human recordings of festvox-ru, interleaved."""
    import signal
    from contextlib import closing

    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    from toktalk_node.corpus.build import build as build_corpus
    from toktalk_node.corpus.voices import SOURCES

    console = Console(stderr=True)
    chosen = [s for s in SOURCES if not voices or s.engine in voices or s.key in voices]
    unknown = set(voices or ()) - {s.engine for s in SOURCES} - {s.key for s in SOURCES}
    if unknown:
        names = ", ".join(sorted({s.engine for s in SOURCES} | {s.key for s in SOURCES}))
        console.print(f"[red]error[/red] no voice {', '.join(sorted(unknown))}; there are {names}", highlight=False)
        raise typer.Exit(2)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    stopped = False
    columns = TextColumn("{task.description:24.24}"), BarColumn(), TextColumn("{task.percentage:3.0f} %")
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console) as progress:
        task = progress.add_task("start", total=hours * 3600)
        try:
            with closing(build_corpus(out, hours, jobs=jobs, seed=seed, sources=chosen, say=console.print)) as made:
                for seconds, utterance in made:
                    progress.update(task, completed=seconds, description=f"{utterance.engine} {utterance.voice}")
        except KeyboardInterrupt:
            stopped = True
            progress.stop()
            console.print(f"stopped; the same command goes on. So far in {out}:")
        except (OSError, RuntimeError) as error:  # a full disk, or a child that was killed
            progress.stop()
            console.print(f"[red]error[/red] {error}", highlight=False)
            raise typer.Exit(1) from error
    if (out / "manifest.jsonl").exists():
        info(out)
    if stopped:
        raise typer.Exit(130)


@corpus.command()
def info(
    root: Annotated[Path, typer.Argument(help="Folder of the corpus.")] = DEFAULT_ROOT,
) -> None:
    """Hours by engine, voice, language and split."""
    from rich.console import Console
    from rich.table import Table

    from toktalk_node.corpus.dataset import hours_by_voice, read_manifest

    try:
        utterances = read_manifest(root)
    except (FileNotFoundError, ValueError) as error:
        Console(stderr=True).print(f"[red]error[/red] {error}", highlight=False)
        raise typer.Exit(1) from error
    rows = list(hours_by_voice(utterances))
    total = sum(row.hours for row in rows)
    table = Table("engine", "voice", "language", "split", "utterances", "hours", title=f"{root}: {total:.2f} h")
    for row in rows:
        table.add_row(row.engine, row.voice, row.language, row.split, str(row.utterances), f"{row.hours:.3f}")
    Console().print(table)


@corpus.command()
def prepare(
    root: Annotated[Path, typer.Argument(help="Folder of the corpus.")] = DEFAULT_ROOT,
    out: Annotated[Path, typer.Option(help="Folder for the shards.")] = Path("data/motion"),
    tokenizer: Annotated[Path | None, typer.Option(help="Folder of the tokenizer; the shipped one by default.")] = None,
    hours: Annotated[float | None, typer.Option(min=0.001, help="Hours of speech; all by default.")] = None,
    rounds: Annotated[int, typer.Option(min=1, max=20, help="Augmentations of each utterance.")] = 1,
    actors: Annotated[int, typer.Option(min=1, max=40, help="Performances of each augmentation.")] = 2,
    jobs: Annotated[int, typer.Option(min=1, max=256, help="Processes.")] = 2,
    seed: Annotated[int, typer.Option(help="Seed of the choice of utterances.")] = 1,
) -> None:
    """Augment, tokenize and perform the corpus: the shards that `toktalk train motion` takes."""
    from toktalk_node.commands.progress import failing_clearly, stages
    from toktalk_node.stream.session import WEIGHTS
    from toktalk_node.training.prepare import prepare_motion

    with failing_clearly(), stages() as say:
        folder = tokenizer or WEIGHTS / "phonetic"
        made = prepare_motion(
            root, folder, out, hours=hours, jobs=jobs, rounds=rounds, actors=actors, seed=seed, say=say
        )
    typer.echo(f"{made:.2f} h of motion in {out}")


@corpus.command("import")
def import_captures(
    folder: Annotated[Path, typer.Argument(help="Folder of the captures.")],
    format: Annotated[
        str, typer.Option(help="livelink (a person's own recordings), beat2, diffposetalk (HDTF + TFHP) or ravdess.")
    ] = "livelink",
    out: Annotated[Path, typer.Option(help="Folder for the captures; a stopped import goes on.")] = Path(
        "data/captures"
    ),
    flame_map: Annotated[
        Path | None, typer.Option(help="BEAT2's mat_final.npy, to turn FLAME faces into ARKit weights.")
    ] = None,
) -> None:
    """Read recordings of people, sound with face, for `toktalk train motion --data`. What cannot be used is named."""
    from rich.console import Console

    from toktalk_node.commands.progress import failing_clearly, stages
    from toktalk_node.corpus.captures import open_captures
    from toktalk_node.corpus.captures.store import SUMMARY
    from toktalk_node.corpus.captures.store import import_captures as run

    with failing_clearly(), stages() as say:
        summary = run(open_captures(format, folder, flame_map=flame_map), out, say)
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    lines = [(f"left out {name}: {reason}", "yellow") for name, reason in summary.left_out]
    lines += [(f"note {note}", "dim") for note in summary.notes]
    for text, style in lines[:40]:
        console.print(text, style=style, markup=False)
    if len(lines) > 40:
        console.print(f"and {len(lines) - 40} more in {out / SUMMARY}")
    splits = ", ".join(f"{hours:.2f} h {split}" for split, hours in summary.hours_by_split.items() if hours)
    typer.echo(
        f"{summary.captures} captures of {len(summary.actors)} people, {summary.hours:.2f} h "
        f"({summary.hours_with_face:.2f} h with a face; {splits}) in {out}; {len(summary.left_out)} left out, "
        f"see {out / SUMMARY}"
    )
    if not summary.captures:
        raise typer.Exit(1)
