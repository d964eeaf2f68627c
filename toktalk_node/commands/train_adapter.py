"""`toktalk train codec` and `toktalk train adapter`: another token space, and the way from it to the motion model's."""

from pathlib import Path
from typing import Annotated

import typer

Seed = Annotated[int, typer.Option(help="Seed of weights, windows and noise.")]
Threads = Annotated[int | None, typer.Option(min=1, help="CPU threads; all of them by default.")]


def codec(
    data: Annotated[Path, typer.Option(help="Folder of the corpus.")] = Path("data/corpus"),
    out: Annotated[Path, typer.Option(help="Folder for the codec.")] = Path("runs/codec"),
    teacher: Annotated[Path | None, typer.Option(help="Folder of the phonetic tokenizer; the package's own.")] = None,
    minutes: Annotated[float, typer.Option(min=0, help="Time for the network, its teacher not counted.")] = 15.0,
    hours: Annotated[float | None, typer.Option(min=0.001, help="Hours of speech; all by default.")] = 2.0,
    threads: Threads = None,
    seed: Seed = 0,
) -> None:
    """Train the acoustic codec (space `codec`) on the corpus, its first codebook taught by the phonetic tokenizer."""
    import torch

    from toktalk_node.commands.progress import failing_clearly, stages
    from toktalk_node.stream.session import WEIGHTS
    from toktalk_node.training.codec import train_codec
    from toktalk_node.training.trainer import cpu_has_bf16

    if threads:
        torch.set_num_threads(threads)
    taught_by = teacher or WEIGHTS / "phonetic"
    with failing_clearly(), stages() as say:
        about = train_codec(data, out, taught_by, hours=hours, minutes=minutes, seed=seed, say=say, bf16=cpu_has_bf16())
    typer.echo(f"codec in {out}: " + ", ".join(f"{name} {value}" for name, value in about.items()))


def adapter(
    space: Annotated[str, typer.Option(help="Token space to adapt: a module of toktalk_node.tokens.")] = "codec",
    tokenizer: Annotated[Path | None, typer.Option(help="Folder of its weights; runs/SPACE by default.")] = None,
    base: Annotated[str, typer.Option(help="Motion model that stays as it is: a preset's name or a folder.")] = "mini",
    base_tokenizer: Annotated[
        Path | None, typer.Option(help="Folder of the phonetic tokenizer the base was trained on; the package's own.")
    ] = None,
    data: Annotated[
        Path, typer.Option(help="A corpus, or any folder of recordings: then embeddings alone are aligned.")
    ] = Path("data/corpus"),
    out: Annotated[Path | None, typer.Option(help="Folder for the adapter; runs/adapter-SPACE by default.")] = None,
    hours: Annotated[float, typer.Option(min=0.001, help="Hours of sound at most.")] = 1.0,
    minutes: Annotated[float, typer.Option(min=0, help="Time budget; the learning rate is spread over it.")] = 20.0,
    steps: Annotated[int | None, typer.Option(min=1, help="Number of steps, instead of a time budget.")] = None,
    align_only: Annotated[bool, typer.Option(help="Align embeddings alone, even where motion is known.")] = False,
    resume: Annotated[bool, typer.Option(help="Continue the run in --out, on the pairs it was made with.")] = False,
    delay: Annotated[int, typer.Option(min=0, help="Base frames of sound beyond a frame that the adapter knows.")] = 4,
    batch: Annotated[int, typer.Option(min=1, help="Windows per step.")] = 24,
    learning_rate: Annotated[float, typer.Option(min=0, help="Peak of the learning rate.")] = 1e-3,
    device: Annotated[str, typer.Option(help="cpu, cuda, ...")] = "cpu",
    threads: Threads = None,
    seed: Seed = 0,
) -> None:
    """Train the adaptation layer from another token space, the motion model frozen. Ctrl-C saves; --resume goes on."""
    import torch

    from toktalk_node.commands.progress import failing_clearly, stages
    from toktalk_node.motion import checkpoint
    from toktalk_node.stream.session import WEIGHTS
    from toktalk_node.tokens import phonetic, spaces
    from toktalk_node.training import trainer as training
    from toktalk_node.training.adapter import AdapterTrainer, AdapterTraining
    from toktalk_node.training.adapter_pairs import make_pairs, read_pairs, write_pairs

    if threads:
        torch.set_num_threads(threads)
    out = out or Path("runs") / f"adapter-{space}"
    bf16 = training.cpu_has_bf16() if device == "cpu" else torch.cuda.is_bf16_supported()
    with failing_clearly(), stages() as say:
        if resume:
            pairs = read_pairs(out)
        else:
            source = spaces.load(space, tokenizer or Path("runs") / space)
            of_base = phonetic.load(base_tokenizer or WEIGHTS / phonetic.SPACE)
            pairs = make_pairs(data, source, of_base, hours=hours, seed=seed, say=say)
            write_pairs(pairs, out)
        folder = Path(base) if Path(base).is_dir() else WEIGHTS / base
        model = checkpoint.load(folder) if pairs.has_motion and not align_only else None
        config = AdapterTraining(
            data=pairs.data,
            base=base if model else "",
            minutes=minutes,
            steps=steps,
            batch=batch,
            learning_rate=learning_rate,
            bf16=bf16,
            seed=seed,
        )
        trainer = AdapterTrainer(pairs, config, model, device, delay=delay)
        if resume:
            trainer.resume(out)
        complete = training.train(trainer, out, lambda now: say("adapter", now.share, now.loss))
    error = trainer.unexplained()
    typer.echo(
        f"{'done' if complete else 'stopped'}: step {trainer.step}, {error:.1%} of the base embeddings' variance "
        f"unexplained, adapter in {out}"
    )
    if not complete:
        typer.echo("go on with the same command and --resume")
        raise typer.Exit(130)
