"""Training in several processes: gradients are those of the joint batch, and one process writes."""

import os
from pathlib import Path

import pytest
import torch
from torch.multiprocessing import spawn

from tests.motion.test_training import SMALL, tiny, toy
from toktalk_node.training.motion import MotionTrainer, TrainingConfig


def work(rank: int, port: int, folder: str) -> None:
    """One of two processes: two steps of training on its own batches."""
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
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
