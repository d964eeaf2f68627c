"""The motion model: velocity network, style encoder, and the statistics that standardise what goes in and out."""

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from toktalk_node.motion.config import MotionConfig
from toktalk_node.motion.style import StyleEncoder
from toktalk_node.motion.unet import VelocityUNet

MIN_MOTION_STD = 0.01
"""Least standard deviation of a motion channel: an unused channel then stays within this of its mean."""
MIN_CONDITION_STD = 1e-3
REFERENCE_SECONDS = 5
"""Longest clip that the style encoder reads at once, as in training."""


class MotionModel(nn.Module):
    """A velocity network and, where styles are wanted, their encoder, with the mean and deviation of every channel of
    motion and condition.

    `silence` is the condition of silence and `rest` the face at rest, both raw: what lies before a stream's first
    frame and, of the condition, behind its last.
    """

    method: ClassVar[str] = "motion"
    """Name of the method in checkpoints, and of the verb that trains it."""
    config_type: ClassVar[type] = MotionConfig
    network: ClassVar[type[nn.Module]] = VelocityUNet

    motion_mean: Tensor
    motion_std: Tensor
    condition_mean: Tensor
    condition_std: Tensor
    silence: Tensor
    rest: Tensor

    def __init__(self, config: MotionConfig) -> None:
        super().__init__()
        self.config = config
        self.net = self.network(config)
        self.style = StyleEncoder(config.motion_width, config.style_width) if config.style_width else None
        self.register_buffer("motion_mean", torch.zeros(config.motion_width))
        self.register_buffer("motion_std", torch.ones(config.motion_width))
        self.register_buffer("condition_mean", torch.zeros(config.condition_width))
        self.register_buffer("condition_std", torch.ones(config.condition_width))
        self.register_buffer("silence", torch.zeros(config.condition_width))
        self.register_buffer("rest", torch.zeros(config.motion_width))

    def set_statistics(
        self, motions: Sequence[Tensor], conditions: Sequence[Tensor], silence: Tensor, rest: Tensor
    ) -> None:
        """Take means and deviations, and how motion continues, from motions [n, M] and conditions [n, E]; silence is
        [E], rest is [M]."""
        for name, rows, least in (("motion", motions, MIN_MOTION_STD), ("condition", conditions, MIN_CONDITION_STD)):
            every = torch.cat(list(rows))
            getattr(self, f"{name}_mean").copy_(every.mean(0))
            getattr(self, f"{name}_std").copy_(every.std(0).clamp_min(least))
        self.silence.copy_(silence)
        self.rest.copy_(rest)
        if (continuation := getattr(self.net, "continuation", None)) is not None:
            continuation.fit([self.standardise_motion(motion.to(self.rest)) for motion in motions])

    def standardise_motion(self, motion: Tensor) -> Tensor:
        """Motion [..., M] in weights and radians to channels of mean 0 and deviation 1."""
        return (motion - self.motion_mean) / self.motion_std

    def standardise_condition(self, condition: Tensor) -> Tensor:
        """Condition [..., E] to channels of mean 0 and deviation 1, which zeros then stand for 'none'."""
        return (condition - self.condition_mean) / self.condition_std

    def to_motion(self, x: Tensor) -> Tensor:
        """Standardised motion [..., M] to weights clamped to [0, 1] and head angles in radians."""
        motion = x * self.motion_std + self.motion_mean
        weights = self.config.space.weights
        return torch.cat([motion[..., :weights].clamp(0, 1), motion[..., weights:]], dim=-1)

    def encode_style(self, motion: Tensor) -> Tensor:
        """Embedding [S] of the style of a clip of motion [frames, M], raw, at the model's rate.

        A long clip is the mean of windows as long as those that the encoder learned from. Raises ValueError for a model
        without styles, another width, or a clip shorter than a second.
        """
        if self.style is None:
            raise ValueError("this motion model was trained without styles")
        if motion.dim() != 2 or motion.shape[1] != self.config.motion_width:
            raise ValueError(f"a style clip is [frames, {self.config.motion_width}], not {list(motion.shape)}")
        if len(motion) < self.config.fps:
            seconds = len(motion) / self.config.fps
            raise ValueError(f"a style clip of {seconds:.2f} s is too short; a style shows in 1 s or more, best in 5 s")
        clip = self.standardise_motion(motion.to(self.motion_mean))
        windows = clip.tensor_split(-(-len(clip) // (REFERENCE_SECONDS * self.config.fps)))
        return torch.stack([self.style(window[None])[0] for window in windows]).mean(0)
