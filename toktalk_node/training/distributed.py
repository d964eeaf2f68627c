"""Training on several GPUs or machines: `torchrun --nproc-per-node 4 -m toktalk_node.cli train motion ...`.

Every process draws batches of its own and holds all of the weights; gradients are averaged over the processes before
each step, as PyTorch's DistributedDataParallel does, so that a step is one of the joint batch.
"""

import os
from collections.abc import Sequence

import torch
from torch import Tensor, distributed


class Processes:
    """The processes that train together; one where torchrun was not used."""

    def __init__(self, device: str) -> None:
        self.size = int(os.environ.get("WORLD_SIZE", "1"))
        self.rank = int(os.environ.get("RANK", "0"))
        self.device = device
        if device == "cuda" and self.size > 1:
            self.device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
        if self.size > 1 and not distributed.is_initialized():
            distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo")

    @property
    def first(self) -> bool:
        """Whether this process writes files and reports."""
        return self.rank == 0

    def average(self, parameters: Sequence[Tensor]) -> None:
        """Replace the gradients of `parameters` by their means over all processes."""
        if self.size == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([g.flatten() for g in gradients])
        distributed.all_reduce(flat)
        flat /= self.size
        for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(mean.view_as(gradient))

    def agree(self, value: float) -> float:
        """The first process's `value`, in every process."""
        if self.size == 1:
            return value
        shared = torch.tensor([value], dtype=torch.float64, device=self.device if "cuda" in self.device else "cpu")
        distributed.broadcast(shared, 0)
        return shared.item()

    def close(self) -> None:
        """End the group."""
        if self.size > 1:
            distributed.destroy_process_group()
