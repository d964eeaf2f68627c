"""`toktalk eval`: measure lips, speed and the voice-activity gate."""

import json
from pathlib import Path
from typing import Annotated

import typer

from toktalk_node.commands.options import Schedule, Style

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
    schedule: Schedule = None,
    style: Style = "",
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
    from toktalk_node.tokens.files import TokenizerError

    errors = Console(stderr=True)
    session = {"preset": preset, "seed": seed, "chunk": chunk, "steps": steps, "schedule": schedule, "style": style}
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
            task = progress.add_task("sounds", total=count + gate.sounds_without_speech())
            shares = gate.speech_shares(utterances, lambda: progress.advance(task))
            shares += gate.noise_shares(advance=lambda: progress.advance(task))
            shares += gate.music_shares(advance=lambda: progress.advance(task))
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
    preset: Annotated[str, typer.Option(help="Motion model.")] = "mini-live",
    chunk: Annotated[float | None, typer.Option(help="Chunk in seconds; the model's own where not given.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Solver steps; the model's own where not given.")] = None,
    schedule: Schedule = None,
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
        session = Session.load(preset, chunk=chunk, steps=steps, schedule=schedule, device=device)
        task = progress.add_task("speech", total=seconds)
        found = measure(session, seconds, lambda more: progress.advance(task, more))
    if as_json:
        typer.echo(json.dumps(asdict(found)))
        return
    table = Table("figure", "value", title="Speed")
    for name, value in asdict(found).items():
        table.add_row(name.replace("_", " "), f"{value:.3f}" if isinstance(value, float) else str(value))
    Console().print(table)


@eval.command()
def motion(
    corpus: Annotated[Path, typer.Option(help="Folder that `toktalk corpus build` made.")] = Path("data/corpus"),
    split: Annotated[str, typer.Option(help="Split of the corpus; actors are always those of the test.")] = "heldout",
    system: Annotated[
        list[str] | None,
        typer.Option(
            help="toktalk, toktalk-nostyle, toktalk-shown (smoothed), performance, performance-nostyle, rest, or a "
            "folder of the shipped weights; repeat for several. The others are compared with the first one."
        ),
    ] = None,
    checkpoint: Annotated[
        list[Path] | None, typer.Option(help="A folder of weights of any method, measured as well; repeat for several.")
    ] = None,
    adapter: Annotated[
        list[Path] | None, typer.Option(help="An adapter's folder, measured in front of toktalk; repeat for several.")
    ] = None,
    preset: Annotated[str, typer.Option(help="Model of the system toktalk: a preset's name, or a folder.")] = "mini",
    tokenizer: Annotated[Path | None, typer.Option(help="Folder of the tokenizer; the shipped one by default.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many utterances, evenly spaced.")] = 60,
    samples: Annotated[int, typer.Option(min=1, help="Samples of each utterance; from two on, their variety.")] = 2,
    chunk: Annotated[float | None, typer.Option(help="Seconds per chunk; the models' own where not given.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Solver steps; the models' own where not given.")] = None,
    schedule: Schedule = None,
    guidance: Annotated[float | None, typer.Option(min=0, help="Weight of guidance; the models' own.")] = None,
    grid: Annotated[
        int, typer.Option(min=0, help="Measure our models at every chunk length and number of steps on so many, too.")
    ] = 0,
    merge: Annotated[
        list[Path] | None, typer.Option(help="Add what --json printed for the same utterances; repeat for several.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Write a Markdown report, pictures and the JSON for --merge: docs/motion.md.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, ...")] = "cpu",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """How far is the motion from the truth of unseen voice and actors? Figures of evaluation/motion_metrics.py."""
    from rich.console import Console

    from toktalk_node.commands.progress import failing_clearly, stages
    from toktalk_node.evaluation import motion as run
    from toktalk_node.evaluation.data import spread
    from toktalk_node.evaluation.motion_data import test_cases
    from toktalk_node.evaluation.motion_systems import (
        OURS,
        REFERENCES,
        MotionSystem,
        adapted_conditions,
        from_checkpoint,
        load_flow,
    )
    from toktalk_node.stream.session import WEIGHTS
    from toktalk_node.tokens import phonetic

    settings = {"chunk": chunk, "steps": steps, "guidance": guidance, "schedule": schedule}
    names = system or ([] if checkpoint or merge else ["toktalk", "toktalk-nostyle", *REFERENCES])
    with failing_clearly(), stages() as say:
        earlier = [run.Results.read(path) for path in merge or []]
        folder = Path(preset) if Path(preset).is_dir() else WEIGHTS / preset
        flow = load_flow(folder, device) if adapter or OURS.keys() & set(names) else None
        systems: dict[str, MotionSystem] = {}
        for name in names:
            if name in OURS:
                systems[name] = OURS[name](flow, **settings)
            elif name in REFERENCES:
                systems[name] = REFERENCES[name]()
            else:
                systems |= from_checkpoint(WEIGHTS / name, device, **settings)
        for folder in adapter or []:
            conditions = adapted_conditions(folder, WEIGHTS)
            systems[folder.name] = flow.system(conditions=conditions, **settings)
        for folder in checkpoint or []:
            systems |= from_checkpoint(folder, device, **settings)
        if systems or not earlier:
            heard_by = phonetic.load(tokenizer or WEIGHTS / phonetic.SPACE)
            cases = test_cases(corpus, heard_by, limit, split, lambda share: say("test split", share, float("nan")))
            results = run.measure(systems, cases, samples, say, split)
            for name, measured in systems.items():
                if grid and measured.flow is not None:
                    run.measure_grid(name, measured.flow, spread(cases, grid), results, say)
        else:
            results = earlier.pop(0)
        for other in earlier:
            results.merge(other)
        if report is not None:
            from toktalk_node.evaluation.motion_report import write_report

            write_report(results, report)
    if as_json:
        typer.echo(json.dumps(results.to_dict()))
        return
    console = Console()
    console = console if console.is_terminal else Console(width=120)
    for table in run.tables(results):
        console.print(table)
