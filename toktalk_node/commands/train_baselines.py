"""`toktalk train regression`, `diffusion` and `shortcut`: the methods compared with, and the few-step student."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from toktalk_node.training.motion import MotionTrainer
    from toktalk_node.training.shards import MotionData

Data = Annotated[Path, typer.Option(help="Folder of prepared shards.")]
Out = Annotated[Path, typer.Option(help="Folder for the weights, the curves and the state to resume from.")]
Minutes = Annotated[float, typer.Option(min=0, help="Time budget; the learning rate is spread over it.")]
Steps = Annotated[int | None, typer.Option(min=1, help="Number of steps, instead of a time budget.")]
Resume = Annotated[bool, typer.Option(help="Continue the run in --out, within the budget of both.")]
Batch = Annotated[int, typer.Option(min=1, help="Windows per step.")]
Rate = Annotated[float, typer.Option(min=0, help="Peak of the learning rate.")]
StyleWidth = Annotated[int, typer.Option(min=0, help="Width of the style embedding; 0 leaves styles out.")]
Seed = Annotated[int, typer.Option(help="Seed of weights, windows and noise.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, ...")]
Threads = Annotated[int | None, typer.Option(min=1, help="CPU threads; all of them by default.")]


def _settings(data: Path, device: str, threads: int | None, batch: int, **settings: Any) -> dict[str, Any]:
    """What every method's training is told."""
    import torch

    from toktalk_node.training.batches import Windows
    from toktalk_node.training.trainer import cpu_has_bf16

    if threads:
        torch.set_num_threads(threads)
    bf16 = cpu_has_bf16() if device == "cpu" else torch.cuda.is_bf16_supported()
    return settings | {"data": str(data), "windows": Windows(batch=batch), "bf16": bf16}


def _of(data: "MotionData") -> dict[str, Any]:
    """What a configuration takes from the data."""
    return {
        "condition_width": data.condition_width,
        "token_space": data.space,
        "fps": data.fps,
        "face": data.face,
    }


def _run(trainer: "MotionTrainer", out: Path, resume: bool) -> None:
    from toktalk_node.commands.progress import run_training

    if resume:
        trainer.resume(out)
    if not run_training(trainer, out, out.name):
        raise typer.Exit(130)


def regression(
    data: Data,
    out: Out = Path("runs/regression"),
    minutes: Minutes = 10.0,
    steps: Steps = None,
    resume: Resume = False,
    batch: Batch = 24,
    learning_rate: Rate = 1e-3,
    style_width: StyleWidth = 0,
    seed: Seed = 0,
    device: Device = "cpu",
    threads: Threads = None,
) -> None:
    """Train the FaceFormer-like regressor that TokTalk is compared with; without styles, as in the paper."""
    from toktalk_node.commands.progress import failing_clearly, left_out
    from toktalk_node.motion.regression import RegressionConfig
    from toktalk_node.training.regression import RegressionTrainer, regression_training
    from toktalk_node.training.shards import read_shards

    settings = _settings(
        data, device, threads, batch, minutes=minutes, steps=steps, learning_rate=learning_rate, seed=seed
    )
    with failing_clearly():
        shards = read_shards(data, left_out)
        config = RegressionConfig(**_of(shards), style_width=style_width)
        _run(RegressionTrainer(shards, config, regression_training(**settings), device), out, resume)


def diffusion(
    data: Data,
    out: Out = Path("runs/diffusion"),
    minutes: Minutes = 15.0,
    steps: Steps = None,
    resume: Resume = False,
    batch: Batch = 16,
    learning_rate: Rate = 1e-3,
    style_width: StyleWidth = 64,
    sampling_steps: Annotated[int, typer.Option(min=1, help="Steps that the model is sampled with, up to 500.")] = 500,
    eta: Annotated[float, typer.Option(min=0, max=1, help="1 samples by DDPM, 0 by DDIM, which needs fewer.")] = 1.0,
    seed: Seed = 0,
    device: Device = "cpu",
    threads: Threads = None,
) -> None:
    """Train the DiffPoseTalk-like diffusion model that TokTalk is compared with."""
    from toktalk_node.commands.progress import failing_clearly, left_out
    from toktalk_node.motion.diffusion import DiffusionConfig
    from toktalk_node.training.diffusion import DiffusionTrainer, diffusion_training
    from toktalk_node.training.shards import read_shards

    settings = _settings(
        data, device, threads, batch, minutes=minutes, steps=steps, learning_rate=learning_rate, seed=seed
    )
    with failing_clearly():
        shards = read_shards(data, left_out)
        config = DiffusionConfig(**_of(shards), style_width=style_width, steps=sampling_steps, eta=eta)
        _run(DiffusionTrainer(shards, config, diffusion_training(config, **settings), device), out, resume)


def shortcut(
    data: Data,
    base: Annotated[Path, typer.Option(help="Folder of the trained motion model that the student is made from.")],
    out: Out = Path("runs/shortcut"),
    live_steps: Annotated[int, typer.Option(min=1, help="Solver steps n that the student runs with by default.")] = 2,
    minutes: Minutes = 10.0,
    steps: Steps = None,
    resume: Resume = False,
    batch: Batch = 24,
    learning_rate: Rate = 3e-4,
    seed: Seed = 0,
    device: Device = "cpu",
    threads: Threads = None,
) -> None:
    """Train the few-step student of a motion model: one to four solver steps, and no second pass for guidance."""
    from toktalk_node.commands.progress import failing_clearly, left_out
    from toktalk_node.motion import checkpoint
    from toktalk_node.training.shards import read_shards
    from toktalk_node.training.shortcut import ShortcutTrainer, shortcut_training

    settings = _settings(
        data, device, threads, batch, minutes=minutes, steps=steps, learning_rate=learning_rate, seed=seed
    )
    with failing_clearly():
        shards, model = read_shards(data, left_out), checkpoint.load(base)
        if styles := checkpoint.load_styles(base, model.config):
            checkpoint.save_styles(out, styles)
        config = shortcut_training(**settings, base=str(base))
        _run(ShortcutTrainer(shards, model, config, device, live_steps), out, resume)
