"""`toktalk train`: train the tokenizer or the motion model."""

from pathlib import Path
from typing import Annotated

import typer

from toktalk_node.commands import train_adapter, train_baselines

train = typer.Typer(no_args_is_help=True)
for verb in (
    train_baselines.shortcut,
    train_baselines.regression,
    train_baselines.diffusion,
    train_adapter.codec,
    train_adapter.adapter,
):
    train.command()(verb)


@train.callback()
def _train() -> None:
    """Train the tokenizer or the motion model."""


@train.command()
def motion(
    data: Annotated[
        Path, typer.Option(help="Folder of prepared shards, or of own recordings: Live Link Face CSV beside sound.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the weights, the curves and the state to resume from.")] = Path(
        "runs/motion"
    ),
    preset: Annotated[str, typer.Option(help="Size of the model: mini or paper.")] = "mini",
    base: Annotated[
        str | None,
        typer.Option(help="Go on from trained weights, whose preset it keeps: a folder, or the name of what ships."),
    ] = None,
    minutes: Annotated[float, typer.Option(min=0, help="Time budget; the learning rate is spread over it.")] = 40.0,
    steps: Annotated[int | None, typer.Option(min=1, help="Number of steps, instead of a time budget.")] = None,
    resume: Annotated[bool, typer.Option(help="Continue the run in --out, within the budget of both.")] = False,
    look_ahead: Annotated[
        int | None, typer.Option(min=0, help="Frames of condition beyond the newest motion frame; the preset's own.")
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Windows per step.")] = 24,
    learning_rate: Annotated[
        float | None, typer.Option(min=0, help="Peak of the learning rate; the preset's own, a third from --base.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of weights, windows and noise.")] = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda, ...; under torchrun each process takes a GPU.")] = "cpu",
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads; all of them by default.")] = None,
    bf16: Annotated[
        bool | None, typer.Option(help="Forward passes in bfloat16; by default where the hardware has it.")
    ] = None,
) -> None:
    """Train the motion model by conditional flow matching. Ctrl-C saves; --resume goes on."""
    import os

    import torch

    from toktalk_node.commands.progress import failing_clearly, left_out, run_training, stages
    from toktalk_node.corpus.captures.store import MANIFEST
    from toktalk_node.motion import checkpoint
    from toktalk_node.motion.decoder import MotionDecoder
    from toktalk_node.stream.session import WEIGHTS
    from toktalk_node.training import motion as training
    from toktalk_node.training.batches import Windows
    from toktalk_node.training.captures import RECORDED, prepare_recordings
    from toktalk_node.training.named import named_styles, styles_of_actors
    from toktalk_node.training.shards import read_shards
    from toktalk_node.training.trainer import cpu_has_bf16

    if threads:
        torch.set_num_threads(threads)
    if bf16 is None:
        bf16 = cpu_has_bf16() if device == "cpu" else torch.cuda.is_bf16_supported()
    named = str(data)
    with failing_clearly():
        if not any(data.glob("*.safetensors")) and ((data / MANIFEST).exists() or any(data.rglob("*.csv"))):
            if "WORLD_SIZE" in os.environ:
                raise ValueError(f"torchrun takes prepared shards: run this once without it, then give {out / 'data'}")
            with stages() as say:
                notes = prepare_recordings(data, out / "data", None, say)
            for name, why in notes.left_out:
                left_out(f"{name}: {why}")
            for name, why in notes.used:
                typer.echo(f"{name}: {why}", err=True)
            data = out / "data"
        shards = read_shards(data, left_out)
        model = training.model_config(shards, preset, **({} if look_ahead is None else {"look_ahead": look_ahead}))
        if base:
            model = checkpoint.load(WEIGHTS / base if (WEIGHTS / base).is_dir() else Path(base))
        config = training.TrainingConfig(
            data=named,
            base=base or "",
            minutes=minutes,
            steps=steps,
            windows=Windows(batch=batch),
            learning_rate=learning_rate or training.learning_rate(preset, bool(base)),
            bf16=bf16,
            seed=seed,
        )
        trainer = training.MotionTrainer(shards, model, config, device)
        if resume:
            trainer.resume(out)
        complete = run_training(trainer, out, base or preset)
        if complete and trainer.processes.first and shards.face == "arkit":
            decoder = MotionDecoder(checkpoint.load(out))
            people = styles_of_actors(decoder, shards) if any(data.glob(RECORDED)) else {}
            checkpoint.save_styles(out, named_styles(decoder) | people)
            if people:
                typer.echo(f"styles of their own: {', '.join(people)}")
    if not complete:
        raise typer.Exit(130)


@train.command()
def vad(
    corpus: Annotated[Path, typer.Option(help="Folder that `toktalk corpus build` made.")] = Path("data/corpus"),
    out: Annotated[Path | None, typer.Option(help="File of the weights; the package's own by default.")] = None,
    examples: Annotated[int, typer.Option(min=64, help="Sounds of six seconds to learn from.")] = 4000,
    steps: Annotated[int, typer.Option(min=1, help="Steps of 96 examples.")] = 3500,
    seed: Annotated[int, typer.Option(help="Seed of weights, sounds and noise.")] = 0,
) -> None:
    """Train the voice-activity gate: speech in noise and over music against other sounds (music needs FluidSynth)."""
    from toktalk_node.commands.progress import failing_clearly, stages
    from toktalk_node.speech.vad import WEIGHTS
    from toktalk_node.training.vad import train as train_gate

    with failing_clearly(), stages() as say:
        train_gate(corpus, out or WEIGHTS, examples=examples, steps=steps, seed=seed, say=say)
    typer.echo(f"weights in {out or WEIGHTS}")


@train.command()
def tokens(
    corpus: Annotated[Path, typer.Option(help="Folder of the corpus.")] = Path("data/corpus"),
    out: Annotated[Path, typer.Option(help="Folder for the tokenizer.")] = Path("runs/phonetic"),
    minutes: Annotated[float, typer.Option(min=0, help="Time for the two networks, features not counted.")] = 12.0,
    hours: Annotated[float | None, typer.Option(min=0.001, help="Hours of speech; all by default.")] = None,
    levels: Annotated[str, typer.Option(help="Levels of the quantizer, one number per dimension.")] = "5,5,5,5,5,5,5",
    jobs: Annotated[int, typer.Option(min=1, max=256, help="Processes that make features.")] = 2,
    seed: Annotated[int, typer.Option(help="Seed of weights, windows and augmentation.")] = 1,
) -> None:
    """Train the phonetic tokenizer. Motion models trained on another tokenizer must be trained again."""
    from toktalk_node.commands.progress import failing_clearly, stages
    from toktalk_node.training.prepare import train_tokens

    with failing_clearly(), stages() as say:
        sizes = [int(size) for size in levels.split(",")]
        train_tokens(corpus, out, hours=hours, minutes=minutes, jobs=jobs, levels=sizes, seed=seed, say=say)
    typer.echo(f"tokenizer in {out}")
