"""The few-step student: a velocity network that is told how far the solver goes with its answer.

A shortcut model (Frans, Hafner, Levine & Abbeel 2024, 'One Step Diffusion via Shortcut Models') learns s(x_t, t, d),
the mean velocity over [t, t + d]. With d near 0 it is the velocity of flow matching; for larger steps it is taught to
agree with itself: one step is worth the two halves of it, taken by an average of its own weights. So it is fine-tuned
from a trained network with forward passes for targets.

Two methods with the same end were left. Consistency models (Song et al. 2023) map every point of the path to its end;
several steps then need fresh noise between them, so that Euler's method, the inpainting of known frames and the
repeatable noise of a stream would each need another form. MeanFlow (Geng et al. 2025) learns the same mean velocity
from its derivative along the path, which asks for forward-mode differentiation through the attention at every step
of training; smaller steps ask for forward passes alone, and run wherever the base model does.

Our changes: what every n but 1 learns is not what another student has made of the base, but the frozen base itself,
*with* guidance, in four times as many steps, as in progressive distillation (Salimans & Ho 2022): for two steps the
base's eight. A single step learns of the student's own two. Styles stay those of the base, and the student needs no
second, unconditional pass, so that n steps cost n forward passes. It learns on the noise that a live stream starts
from, which `DecodeSettings` makes smaller where speech moves the face: a student is only as good as the points that it
has been at. What noise a step is left with is what a face trembles with. So the steps are even: the last of two then
begins where half of the noise is gone, on the cosine schedule 29 %; and live, lips begin from half of the base's noise.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from toktalk_node.motion.model import MotionModel

COUNTS: tuple[int, ...] = (1, 2, 4)
"""Numbers of steps n that a student is taught, evenly."""
OF_BASE, OF_OWN = 4, 2
"""Steps of the base that one of the student's is worth, and of its own where there is but one."""


class Step(NamedTuple):
    """Step `index` of `count` even ones for each window, both [batch]."""

    index: Tensor
    count: Tensor

    def times(self, parts: int) -> list[Tensor]:
        """The times [batch] from its beginning to its end in `parts` times as many steps."""
        return [(self.index + part / parts) / self.count for part in range(parts + 1)]


def student_of(base: MotionModel, steps: int = 2) -> MotionModel:
    """A student that gives what `base` gives until it is trained; its live defaults are `steps`, evenly, without
    guidance and with half of the noise where speech moves the face.

    Raises ValueError for a base that is a student itself.
    """
    if base.config.shortcut:
        raise ValueError("the base is a few-step student already; give the model that it was made from")
    config = replace(base.config, shortcut=True, steps=steps, schedule="uniform", guidance=0.0)
    student = MotionModel(replace(config, speech_temperature=base.config.speech_temperature / 2))
    student.load_state_dict(base.state_dict(), strict=False)
    last = next(layer for layer in reversed(student.net.length.net) if isinstance(layer, nn.Linear))
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return student.to(base.silence.device).eval()


def steps_at(draw: Tensor) -> Step:
    """A step for each of even draws [batch] in [0, 1): any of n steps, n of `COUNTS`."""
    place = draw * len(COUNTS)
    n = torch.tensor(COUNTS, device=draw.device)[place.long().clamp_max(len(COUNTS) - 1)]
    return Step(((place - place.floor()) * n).floor(), n)


def mean_velocity(
    velocity: Callable[[Tensor, Tensor, Tensor], Tensor],
    x: Tensor,
    noise: Tensor,
    known: Tensor,
    mask: Tensor,
    times: Sequence[Tensor],
) -> Tensor:
    """The velocity [batch, frames, M] that takes x in one step to where Euler's method takes it in several.

    velocity: v(x, t [batch], length [batch]); x: the point of the path at times[0]; known: motion [batch, frames, M],
    put back on its straight path from `noise` where `mask` [batch, frames, 1] is 1; times: each [batch].
    """
    end = x
    for t, after in pairwise(times):
        end = torch.where(mask > 0, torch.lerp(noise, known, t.view(-1, 1, 1)), end)
        end = end + (after - t).view(-1, 1, 1) * velocity(end, t, after - t)
    return (end - x) / (times[-1] - times[0]).view(-1, 1, 1)
