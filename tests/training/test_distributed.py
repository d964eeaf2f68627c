"""Training in several processes: gradients are those of the joint batch, and one process writes."""

import os
from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch
from torch.multiprocessing import spawn

from tests.motion.test_training import SMALL, tiny, toy
from toktalk_node.training.batches import Batch, Sampler
from toktalk_node.training.motion import MotionTrainer, TrainingConfig

STEPS = 3


def join(rank: int, port: int) -> None:
    """Become one of two processes, as under torchrun."""
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)


def work(rank: int, port: int, folder: str) -> None:
    """One of two processes: two steps of training on its own batches."""
    join(rank, port)
    trainer = MotionTrainer(toy(8), tiny(), TrainingConfig(windows=SMALL, steps=2))
    losses = [trainer.train_step() for _ in range(2)]
    trainer.save(Path(folder) / str(rank))
    torch.save({"losses": losses, "weights": [p.detach() for p in trainer.parameters]}, f"{folder}/{rank}.pt")
    trainer.processes.close()


@pytest.mark.slow
def test_processes_see_other_batches_and_keep_the_same_weights(tmp_path: Path) -> None:
    port = 29_500 + os.getpid() % 1000
    spawn(work, (port, str(tmp_path)), nprocs=2)
    one, other = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    assert one["losses"][0] != other["losses"][0]
    assert all(torch.equal(a, b) for a, b in zip(one["weights"], other["weights"], strict=True))
    assert (tmp_path / "0" / "motion.safetensors").exists() and not (tmp_path / "1").exists()


def trained(rows: slice) -> dict[str, list]:
    """Losses, gradients of the first step, and movement of the weights after `STEPS` on `rows` of the same batches.

    Every frame weighs the same, so that the mean over the whole batch is that of the means over its halves.
    """
    config = TrainingConfig(windows=SMALL, steps=STEPS, warm_up=1, shut_weight=0.0, clip=1e9)
    trainer = MotionTrainer(toy(8), tiny(), config)
    whole = Sampler(trainer.data.split("train"), trainer.model, SMALL, seed=5)

    def half(step: int) -> Batch:
        batch = whole(step)
        batch = replace(batch, known=torch.zeros_like(batch.known), weight=torch.ones_like(batch.weight))
        values = ((field.name, getattr(batch, field.name)) for field in fields(batch))
        return replace(batch, **{name: value[rows] for name, value in values if isinstance(value, torch.Tensor)})

    trainer.sampler = half
    before = [p.detach().clone() for p in trainer.parameters]
    losses = [trainer.train_step()]
    gradients = [p.grad.clone() for p in trainer.parameters if p.grad is not None]
    losses += [trainer.train_step() for _ in range(STEPS - 1)]
    moved = [p.detach() - first for p, first in zip(trainer.parameters, before, strict=True)]
    trainer.processes.close()
    return {"losses": losses, "gradients": gradients, "moved": moved}


def work_on_a_half(rank: int, port: int, folder: str) -> None:
    """One of two processes, which has a half of each batch."""
    join(rank, port)
    half = SMALL.batch // 2
    torch.save(trained(slice(rank * half, (rank + 1) * half)), f"{folder}/{rank}.pt")


@pytest.mark.slow
def test_two_processes_take_the_steps_of_one_on_the_joint_batch(tmp_path: Path) -> None:
    port = 30_500 + os.getpid() % 1000
    spawn(work_on_a_half, (port, str(tmp_path)), nprocs=2)
    halves = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    whole = trained(slice(None))
    means = [sum(losses) / 2 for losses in zip(*(half["losses"] for half in halves), strict=True)]
    assert halves[0]["losses"] != halves[1]["losses"] and means == pytest.approx(whole["losses"], rel=1e-4)
    for half in halves:
        for name, tolerance in (("gradients", 1e-5), ("moved", 1e-3)):
            found, expected = (torch.cat([x.flatten() for x in part[name]]) for part in (half, whole))
            assert (found - expected).norm() < tolerance * expected.norm(), name
