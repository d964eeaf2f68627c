"""`toktalk eval`: measure lips, speed and the voice-activity gate."""

import json
from pathlib import Path
from typing import Annotated

import typer

eval = typer.Typer(no_args_is_help=True)


@eval.callback()
def _group() -> None:
    """Measure."""


@eval.command()
def lips(
    corpus: Annotated[Path, typer.Option(help="Folder that `toktalk corpus build` made.")] = Path("data/corpus"),
    split: Annotated[str, typer.Option(help="Split of the corpus: train, valid or heldout.")] = "heldout",
    wav_folder: Annotated[
        Path | None, typer.Option(help="Measure on recordings: NAME.wav beside NAME.txt, aligned by PocketSphinx.")
    ] = None,
    system: Annotated[
        list[str] | None,
        typer.Option(
            help="toktalk, toktalk-phones, pocketsphinx-running, pocketsphinx-offline, true-phones or loudness; "
            "repeat for several."
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many utterances, evenly spaced.")] = None,
    preset: Annotated[str, typer.Option(help="Model of the system toktalk.")] = "mini",
    chunk: Annotated[float | None, typer.Option(help="Its chunk in seconds; the model's own where not given.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Its solver steps; the model's own where not given.")] = None,
    seed: Annotated[int, typer.Option(help="Its seed.")] = 0,
    condition: Annotated[
        str, typer.Option(help="The speech as it is, or changed: clean, child, quiet, noise-20 or noise-10.")
    ] = "clean",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Do the lips shut, open, round and bite where the speech does? Figures (a) to (g) of evaluation/lips.py."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from toktalk_node.evaluation.conditions import CONDITIONS
    from toktalk_node.evaluation.data import corpus_utterances, recorded_utterances
    from toktalk_node.evaluation.lips import table
    from toktalk_node.evaluation.run import measure
    from toktalk_node.evaluation.systems import OURS, TOKTALK
    from toktalk_node.evaluation.systems import system as load
    from toktalk_node.motion.checkpoint import CheckpointError
    from toktalk_node.tokens.phonetic import TokenizerError

    errors = Console(stderr=True)
    session = {"preset": preset, "seed": seed}
    session |= {key: value for key, value in (("chunk", chunk), ("steps", steps)) if value is not None}
    try:
        if condition not in CONDITIONS:
            raise ValueError(f"no condition {condition!r}; there are {', '.join(CONDITIONS)}")
        if wav_folder is not None:
            count, utterances = recorded_utterances(wav_folder, limit)
        else:
            count, utterances = corpus_utterances(corpus, split, limit)
        utterances = map(CONDITIONS[condition], utterances)
        names = list(dict.fromkeys(system or [TOKTALK]))
        systems = {name: load(name, **(session if name in OURS else {})) for name in names}
    except (ValueError, RuntimeError, OSError, CheckpointError, TokenizerError) as error:
        errors.print(f"[red]error[/red] {error}", highlight=False)
        raise typer.Exit(1) from error
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=errors) as progress:
        task = progress.add_task("utterances", total=count)
        scores = measure(systems, utterances, lambda: progress.advance(task))
    if as_json:
        typer.echo(json.dumps({name: score.to_dict() for name, score in scores.items()}))
        return
    console = Console()
    heading = f"Lip figures on {wav_folder or f'{corpus} ({split})'}, {condition}"
    console.print(table({name: score.lips for name, score in scores.items()}, heading))
    first = next(iter(scores.values())).lips
    events = ", ".join(f"{count} {name}" for name, count in first.events.items())
    console.print(f"{first.utterances} utterances, {first.seconds:.0f} s; events: {events}", highlight=False)
    for name, score in scores.items():
        if score.viseme_error is not None:
            console.print(f"viseme error of {name}: {score.viseme_error:.1%} of speech frames", highlight=False)


@eval.command()
def vad(
    corpus: Annotated[Path, typer.Option(help="Folder that `toktalk corpus build` made.")] = Path("data/corpus"),
    split: Annotated[str, typer.Option(help="Split of the corpus.")] = "heldout",
    wav_folder: Annotated[Path | None, typer.Option(help="Speech: NAME.wav beside NAME.txt, instead.")] = None,
    noise_folder: Annotated[Path | None, typer.Option(help="Recordings without speech, besides the made ones.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many utterances.")] = 40,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Does the gate open for speech, and for nothing else? Shares of time, in several conditions."""
    from dataclasses import asdict

    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table

    from toktalk_node.evaluation import gate
    from toktalk_node.evaluation.data import corpus_utterances, recorded_utterances

    errors = Console(stderr=True)
    try:
        if wav_folder is not None:
            count, utterances = recorded_utterances(wav_folder, limit)
        else:
            count, utterances = corpus_utterances(corpus, split, limit)
        with Progress(console=errors) as progress:
            task = progress.add_task("sounds", total=count + len(gate.SOUNDS_WITHOUT_SPEECH))
            shares = gate.speech_shares(utterances, lambda: progress.advance(task))
            shares += gate.noise_shares(advance=lambda: progress.advance(task))
        if noise_folder is not None:
            shares += gate.folder_shares(noise_folder)
    except (ValueError, RuntimeError, OSError) as error:
        errors.print(f"[red]error[/red] {error}", highlight=False)
        raise typer.Exit(1) from error
    if as_json:
        typer.echo(json.dumps([asdict(share) for share in shares]))
        return
    table = Table("condition", "right", "open", "seconds", title="Share of time with the gate open")
    for share in shares:
        table.add_row(share.condition, "1" if share.speech else "0", f"{share.share:.3f}", f"{share.seconds:.0f}")
    Console().print(table)


@eval.command()
def speed(
    seconds: Annotated[float, typer.Option(min=2, max=600, help="Seconds of speech.")] = 30.0,
    preset: Annotated[str, typer.Option(help="Motion model.")] = "mini",
    chunk: Annotated[float | None, typer.Option(help="Chunk in seconds; the model's own where not given.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Solver steps; the model's own where not given.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of torch; its own default.")] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, ...")] = "cpu",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Real-time factor of tokens and motion, time from a chunk's last sample to its frames, and memory."""
    from dataclasses import asdict

    import torch
    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table

    from toktalk_node.commands.progress import failing_clearly
    from toktalk_node.evaluation.speed import measure
    from toktalk_node.stream import Session

    if threads:
        torch.set_num_threads(threads)
    with failing_clearly(), Progress(console=Console(stderr=True)) as progress:
        session = Session.load(preset, chunk=chunk, steps=steps, device=device)
        task = progress.add_task("speech", total=seconds)
        found = measure(session, seconds, lambda more: progress.advance(task, more))
    if as_json:
        typer.echo(json.dumps(asdict(found)))
        return
    table = Table("figure", "value", title="Speed")
    for name, value in asdict(found).items():
        table.add_row(name.replace("_", " "), f"{value:.3f}" if isinstance(value, float) else str(value))
    Console().print(table)
