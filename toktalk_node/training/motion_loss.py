"""What an error of motion costs: lips weigh more than the rest, the opening between them most, trembling besides."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from toktalk_node.face.arkit import INDEX
from toktalk_node.face.space import ARKIT
from toktalk_node.motion.flow import cfm_loss, difference_loss, late_weight
from toktalk_node.motion.model import MIN_MOTION_STD, MotionModel
from toktalk_node.motion.unet import VelocityUNet

LIP_SHAPES: tuple[str, ...] = tuple(
    """
    jawOpen mouthClose mouthFunnel mouthPucker mouthRollLower mouthRollUpper mouthPressLeft mouthPressRight
    mouthLowerDownLeft mouthLowerDownRight mouthUpperUpLeft mouthUpperUpRight tongueOut
    """.split()
)
"""The shapes that make speech readable; they weigh more in the loss."""
SHUT = 0.0
"""Opening jawOpen - mouthClose under which lips are shut."""


@dataclass(frozen=True)
class LossWeights:
    """What weighs how much in the loss of motion."""

    lip_weight: float = 3.0
    """Weight of `LIP_SHAPES` in the loss; other channels weigh 1."""
    aperture_weight: float = 5.0
    """Weight of the opening between the lips, jawOpen - mouthClose, as one more channel of the loss: errors that part
    shut lips, or shut open ones, are the most visible."""
    shut_weight: float = 4.0
    """How much more the opening weighs where the lips are shut."""
    difference_weight: float = 1.0
    """Weight of the loss on changes from frame to frame: less trembling, most of all of the head, for a little less
    precise lips."""
    unused_weight: float = 0.1
    """Weight of channels that do not move in the data."""


class WindowBatch(Protocol):
    """What the loss reads of a batch of windows."""

    motion: Tensor
    """Standardised [batch, frames, M]."""
    known: Tensor
    """1 where the motion is given [batch, frames, 1]."""
    weight: Tensor
    """1 where the loss counts [batch, frames, 1]."""


class MotionLoss:
    """The loss of standardised motion, or of its velocity, for one model's face."""

    def __init__(self, model: MotionModel, motions: Sequence[Tensor], weights: LossWeights) -> None:
        """motions: some of the data, raw [frames, M], which say how far the lips open."""
        self.model, self.weights = model, weights
        self.channel_weight = self._channel_weight()
        self.aperture = self._aperture_scale(motions)

    def __call__(self, batch: WindowBatch, predicted: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """Squared error of [batch, frames, M] by `weight` [batch, frames, 1 or M], the opening between the lips as one
        more channel, and the loss on changes."""
        c = self.weights
        opens = self.aperture.abs().squeeze(-1)
        opens = (weight * opens).sum(-1, keepdim=True) / opens.sum().clamp_min(1e-6)
        opens = opens * (1 + c.shut_weight * self._shut(batch.motion))
        shapes = cfm_loss(predicted, target, self.channel_weight, weight)
        changes = difference_loss(predicted, target, self.channel_weight, weight)
        opening = cfm_loss(predicted @ self.aperture, target @ self.aperture, weight.new_ones(1), opens)
        total, extra = self.channel_weight.sum(), c.aperture_weight
        return (shapes * total + opening * extra) / (total + extra) + c.difference_weight * changes

    def _shut(self, motion: Tensor) -> Tensor:
        """Which of the standardised frames [batch, frames, M] have their lips shut, 0 or 1 [batch, frames, 1]."""
        if self.model.config.space is not ARKIT:
            return torch.zeros_like(motion[..., :1])
        jaw, close = INDEX["jawOpen"], INDEX["mouthClose"]
        shapes = motion * self.model.motion_std + self.model.motion_mean
        return (shapes[..., jaw : jaw + 1] - shapes[..., close : close + 1] < SHUT).float()

    def _channel_weight(self) -> Tensor:
        channels = self.model.config.space.channels
        weight = torch.tensor([self.weights.lip_weight if name in LIP_SHAPES else 1.0 for name in channels])
        weight = weight.to(self.model.motion_mean)
        weight[self.model.motion_std <= 1.01 * MIN_MOTION_STD] = self.weights.unused_weight
        return weight

    def _aperture_scale(self, motions: Sequence[Tensor]) -> Tensor:
        """[M, 1] that turns standardised motion into the standardised opening between the lips; zeros without lips."""
        scale = torch.zeros(self.model.config.motion_width, 1)
        if self.model.config.space is not ARKIT:
            return scale.to(self.model.silence)
        jaw, close = INDEX["jawOpen"], INDEX["mouthClose"]
        opening = torch.cat([motion[::4, jaw].float() - motion[::4, close].float() for motion in motions])
        std = self.model.motion_std.cpu()
        scale[jaw], scale[close] = std[jaw], -std[close]
        return (scale / opening.std().clamp_min(MIN_MOTION_STD)).to(self.model.silence)


def velocity_weight(net: VelocityUNet, batch: WindowBatch, t: Tensor) -> Tensor:
    """Weight [batch, frames, 1 or M] of velocities at times t [batch]: bounded late, where they are made of a predicted
    motion, and the larger, the less motion departs from what continues the known frames, which are what a live stream
    shows."""
    weight = batch.weight
    if net.config.predicts == "motion":
        weight = weight * late_weight(t)[:, None, None]
    if net.continuation is not None:
        _, spread = net.continuation(batch.motion * batch.known, batch.known)
        weight = weight / spread
    return weight
