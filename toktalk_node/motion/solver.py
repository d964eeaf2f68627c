"""Sampling from the flow: Euler's method, classifier-free guidance, and inpainting of known frames."""

import math
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

Velocity = Callable[[Tensor, float, float], Tensor]
"""v(x_t [batch, frames, motion], t, length of the step) -> velocity of the same shape."""

Schedule = Literal["cosine", "uniform"]


def solver_times(steps: int, schedule: Schedule = "cosine") -> list[float]:
    """`steps` + 1 times from 0 to 1: evenly spaced, or t = 1 - cos(pi s / 2), which takes small steps at first."""
    if steps < 1:
        raise ValueError(f"steps must be at least 1, not {steps}")
    even = [i / steps for i in range(steps + 1)]
    if schedule == "uniform":
        return even
    if schedule == "cosine":
        return [1 - math.cos(s * math.pi / 2) for s in even[:-1]] + [1.0]
    raise ValueError(f"no schedule is called {schedule!r}; there are cosine and uniform")


def euler(velocity: Velocity, noise: Tensor, times: Sequence[float], known: Tensor | None = None) -> Tensor:
    """Solve dX/dt = v(X, t, step) from `noise` [batch, frames, motion] at times[0] to times[-1].

    known: [batch, k, motion], the motion of the first k frames. They are put back on their straight path before
    every step, and come out as they went in (the paper's temporal inpainting).
    """
    x = noise
    for t, next_t in zip(times[:-1], times[1:], strict=True):
        if known is not None:
            k = known.shape[1]
            x = torch.cat([torch.lerp(noise[:, :k], known, t), x[:, k:]], dim=1)
        x = x + (next_t - t) * velocity(x, t, next_t - t)
    return x if known is None else torch.cat([known, x[:, known.shape[1] :]], dim=1)


def guided(velocity_pair: Velocity, scale: float) -> Velocity:
    """Classifier-free guidance: v = (1 + w) v_c - w v_0, both halves from one batch of two.

    velocity_pair: takes the batch twice over and answers [v_c; v_0], conditional half first.
    """

    def velocity(x: Tensor, t: float, length: float) -> Tensor:
        conditional, unconditional = velocity_pair(torch.cat([x, x]), t, length).chunk(2)
        return torch.lerp(unconditional, conditional, 1 + scale)

    return velocity
