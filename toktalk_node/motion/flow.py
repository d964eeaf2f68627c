"""Conditional flow matching: the straight path and its loss (Lipman et al. 2023; TokTalk, section Method)."""

import math
from typing import NamedTuple

import torch
from torch import Tensor


class PathSample(NamedTuple):
    """A point of the path, `x_t`, and the velocity there, `dx_t`; both [batch, frames, motion]."""

    x_t: Tensor
    dx_t: Tensor


def straight_path(x0: Tensor, x1: Tensor, t: Tensor) -> PathSample:
    """X_t = (1 - t) X_0 + t X_1 and its velocity X_1 - X_0, for noise x0, motion x1 and t [batch] in [0, 1]."""
    t = t.view(-1, *[1] * (x0.dim() - 1))
    return PathSample(torch.lerp(x0, x1, t), x1 - x0)


def cosine_time(s: Tensor) -> Tensor:
    """t = 1 - cos(pi s / 2): spends more of s in [0, 1] near the noise, where the motion is decided (CosyVoice)."""
    return 1 - torch.cos(s * (math.pi / 2))


LATE = 0.3
"""1 - t from which on velocities made of a predicted motion stop to weigh more."""


def late_weight(t: Tensor) -> Tensor:
    """Weight of the loss at times t where the network predicts x_1, the velocity being (x_1 - x_t) / (1 - t).

    1 until 1 - t falls below `LATE`; later errors of the motion weigh no more than there, for the division would let
    the last moments of the path outweigh all others. (As a bound on the weight, after min-SNR: Hang et al. 2023.)
    """
    remaining = 1 - t
    return (remaining / remaining.clamp_min(LATE)).square()


def cfm_loss(predicted: Tensor, target: Tensor, channel_weight: Tensor, frame_weight: Tensor) -> Tensor:
    """Weighted mean of the squared error of velocities.

    predicted, target: [batch, frames, motion]; channel_weight [motion]; frame_weight [batch, frames, 1],
    zero where the motion is known.
    """
    weight = channel_weight * frame_weight
    return ((predicted - target).square() * weight).sum() / weight.sum().clamp_min(1e-6)


def difference_loss(predicted: Tensor, target: Tensor, channel_weight: Tensor, frame_weight: Tensor) -> Tensor:
    """`cfm_loss` of the change from frame to frame: the share of the error that is seen as trembling.

    The change to a frame that counts also counts where the frame before it is known, and so without error.
    """
    error = (predicted - target) * (frame_weight > 0)
    return cfm_loss(error.diff(dim=1), torch.zeros_like(error[:, 1:]), channel_weight, frame_weight[:, 1:])
