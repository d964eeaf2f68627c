"""The few-step student: a velocity network that is told how far the solver goes with its answer.

A shortcut model (Frans, Hafner, Levine & Abbeel 2024, 'One Step Diffusion via Shortcut Models') learns s(x_t, t, d),
the mean velocity over [t, t + d]. With d near 0 it is the velocity of flow matching; for larger steps it is taught to
agree with itself: one step is worth the two halves of it, taken by an average of its own weights. So it is fine-tuned
from a trained network with forward passes for targets.

Two methods with the same end were left. Consistency models (Song et al. 2023) map every point of the path to its end;
several steps then need fresh noise between them, so that Euler's method, the inpainting of known frames and the
repeatable noise of a stream would each need another form. MeanFlow (Geng et al. 2025) learns the same mean velocity
from its derivative along the path, which asks for forward-mode differentiation through the attention at every step
of training; halving the step asks for two more forward passes, and runs wherever the base model does.

Our changes: steps are those of the solver's cosine schedule, whose halves differ in length, so the target is the mean
of both velocities weighted by it. The halves of every n but 1 are the frozen base's own velocity, *with* guidance, as
in the first round of progressive distillation (Salimans & Ho 2022): what two steps learn are the base's four, not what
another student has made of them; styles stay those of the base; and the student needs no second, unconditional pass,
so that n steps cost n forward passes. It learns on the noise that a live stream starts from, which `DecodeSettings`
makes smaller where speech moves the face: a student is only as good as the points that it has been at.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from toktalk_node.motion.flow import cosine_time
from toktalk_node.motion.model import MotionModel

COUNTS: tuple[int, ...] = (1, 2, 3, 4)
"""Numbers of steps n that a student is taught, evenly. A single step learns of the student's own two."""


class Step(NamedTuple):
    """One step of the solver for each window, and its halves on the schedule of twice as many; each [batch]."""

    begin: Tensor
    middle: Tensor
    end: Tensor
    halves_are_base: Tensor
    """Whether the base takes the halves, and not the student."""


def student_of(base: MotionModel, steps: int = 2) -> MotionModel:
    """A student that gives what `base` gives until it is trained; `steps` becomes its live default, without guidance.

    Raises ValueError for a base that is a student itself.
    """
    if base.config.shortcut:
        raise ValueError("the base is a few-step student already; give the model that it was made from")
    student = MotionModel(replace(base.config, shortcut=True, steps=steps, guidance=0.0))
    student.load_state_dict(base.state_dict(), strict=False)
    last = next(layer for layer in reversed(student.net.length.net) if isinstance(layer, nn.Linear))
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return student.to(base.silence.device).eval()


def steps_at(draw: Tensor) -> Step:
    """A step for each of even draws [batch] in [0, 1): step k of n on the cosine schedule, n of `COUNTS`, k below n."""
    place = draw * len(COUNTS)
    n = torch.tensor(COUNTS, device=draw.device)[place.long().clamp_max(len(COUNTS) - 1)]
    k = ((place - place.floor()) * n).floor()
    begin, middle, end = (cosine_time((k + share) / n) for share in (0.0, 0.5, 1.0))
    return Step(begin, middle, end, n > 1)


def two_halves(
    velocity: Callable[[Tensor, Tensor, Tensor], Tensor],
    x: Tensor,
    noise: Tensor,
    known: Tensor,
    mask: Tensor,
    step: Step,
) -> Tensor:
    """The mean velocity over a step [batch, frames, M] of the two halves of it: what one step is taught to be worth.

    velocity: v(x, t [batch], length [batch]), of length 0 where the base is asked; x: the point of the path at the
    step's beginning; known: motion [batch, frames, M], put back on its straight path from `noise` where `mask`
    [batch, frames, 1] is 1.
    """
    first, second = (t.view(-1, 1, 1) for t in (step.middle - step.begin, step.end - step.middle))
    long = ~step.halves_are_base
    v1 = velocity(x, step.begin, (step.middle - step.begin) * long)
    path = torch.lerp(noise, known, step.middle.view(-1, 1, 1))
    x = torch.where(mask > 0, path, x + first * v1)
    v2 = velocity(x, step.middle, (step.end - step.middle) * long)
    return (first * v1 + second * v2) / (first + second)
