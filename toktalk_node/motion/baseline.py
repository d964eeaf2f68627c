"""What the methods that TokTalk is compared with share: configuration, style, and how a recording is generated."""

from dataclasses import dataclass

import torch
from torch import Tensor

from toktalk_node.motion.config import ModelConfig
from toktalk_node.motion.model import MotionModel

REST_SECONDS = 1.6
"""Seconds of silence that a style's resting face is read off."""


@dataclass(frozen=True)
class BaselineConfig(ModelConfig):
    """Sizes near those of the `mini` preset, and a longer look-ahead, because these methods are offline."""

    look_ahead: int = 10
    heads: int = 4


def slopes(heads: int) -> Tensor:
    """Slopes [heads] of a linear attention bias: 2^(-8/heads), its square, ... (ALiBi, Press et al. 2022)."""
    return 2.0 ** (-8.0 * torch.arange(1, heads + 1) / heads)


class BaselineModel(MotionModel):
    """A network of another method, with the statistics and the style encoder that every motion model has."""

    config: BaselineConfig
    config_type = BaselineConfig

    @torch.no_grad()
    def generate(self, condition: Tensor, reference: Tensor | None = None, seed: int = 0) -> Tensor:
        """Motion [frames, M], weights in [0, 1] and radians, of a recording's raw conditions [frames, E].

        reference: raw motion [R, M] whose style is taken; None leaves it open. The face starts at the rest of its
        style, which is what silence gives in it, as for the streaming decoder. Raises ValueError for another width
        of the condition, or a reference that `encode_style` refuses.
        """
        width = self.config.condition_width
        if condition.dim() != 2 or condition.shape[1] != width:
            raise ValueError(f"condition must be [frames, {width}], not {list(condition.shape)}")
        self.eval()
        style, rest = self.rest.new_zeros(self.config.style_width), self.rest
        if reference is not None:
            style, fps = self.encode_style(reference), self.config.fps
            silent = self._sample(self.silence.expand(round(REST_SECONDS * fps), -1), style, rest, seed)
            rest = silent[fps // 2 :].median(0).values
        return self._sample(condition.to(self.silence), style, rest, seed)

    def _sample(self, condition: Tensor, style: Tensor, rest: Tensor, seed: int) -> Tensor:
        """Motion [frames, M], raw, of conditions [frames, E], raw, behind the resting face [M]; style: [S]."""
        raise NotImplementedError

    def _padded(self, condition: Tensor, before: int, after: int) -> Tensor:
        """Standardised conditions [1, before + frames + after, E], row i being of motion frame i - before: moved by
        the look-ahead, with silence before the recording and behind it."""
        ahead = self.config.look_ahead
        silence = self.silence.expand(before + ahead + after, -1)
        rows = torch.cat([silence[:before], condition, silence[before:]])[ahead:]
        return self.standardise_condition(rows)[None]
