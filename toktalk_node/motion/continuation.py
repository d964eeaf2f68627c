"""How a face goes on from the frames that are known, before anything is heard: linear prediction.

A network that answers with whole faces misses the last known one by a little in every chunk, and a head that moves
half a milliradian a frame then trembles at every boundary. So what it answers is only how the motion departs from a
linear prediction of each channel, in the deviation that such a departure has: next to nothing one frame after the
known ones, as much as the motion itself once they say nothing any more. Channels that jump, as lips and lids do, are
answered as they are: to shut the lips from wherever they were, their departure would have to be exact.

Preconditioning as in Karras et al. 2022, section 5, along the frames of an inpainted window in place of the levels of
noise.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

LEAST_SPREAD = 0.02
"""Least departure in deviations of a channel, also of one that never moves."""
SOON, SLOW = 4, 0.5
"""A channel is continued whose departure `SOON` frames later is less than this."""


class Continuation(nn.Module):
    """x_k = level_k x_0 + trend_k (x_0 - x_-1), k frames after the last known x_0, and the spread of the departure."""

    level: Tensor
    trend: Tensor
    spread: Tensor

    def __init__(self, width: int, frames: int) -> None:
        """width: channels M; frames: the furthest k; later ones are predicted as that one is."""
        super().__init__()
        self.register_buffer("level", torch.zeros(frames, width))
        self.register_buffer("trend", torch.zeros(frames, width))
        self.register_buffer("spread", torch.ones(frames, width))

    def fit(self, motions: Sequence[Tensor]) -> None:
        """Least squares over standardised motions [frames, M], channel by channel; short ones count as far as they
        reach."""
        for k in range(1, len(self.level) + 1):
            long = [motion for motion in motions if len(motion) >= k + 2]
            if not long:
                break
            last = torch.cat([motion[1:-k] for motion in long])
            change = last - torch.cat([motion[: -k - 1] for motion in long])
            later = torch.cat([motion[k + 1 :] for motion in long])
            sums = torch.stack([(a * b).mean(0) for a, b in ((last, last), (last, change), (change, change))])
            a, b, c = sums + torch.tensor([1e-4, 0.0, 1e-4]).to(sums)[:, None]
            p, q = (later * last).mean(0), (later * change).mean(0)
            level, trend = (c * p - b * q) / (a * c - b * b), (a * q - b * p) / (a * c - b * b)
            self.level[k - 1], self.trend[k - 1] = level, trend
            departure = (later - level * last - trend * change).square().mean(0).sqrt()
            self.spread[k - 1] = departure.clamp(LEAST_SPREAD, 1)
        jumps = self.spread[min(SOON, len(self.spread)) - 1] >= SLOW
        self.level[:, jumps], self.trend[:, jumps], self.spread[:, jumps] = 0, 0, 1

    def forward(self, known: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The known frames and their continuation, and the spread of it, both [batch, frames, M].

        known: standardised motion [batch, frames, M], whose first frames are given, by `mask` [batch, frames, 1]. Where
        none is given the continuation is 0 and the spread 1.
        """
        count = mask.sum(1, keepdim=True).long()
        width = known.shape[-1]
        last = known.gather(1, (count - 1).clamp_min(0).expand(-1, -1, width))
        change = last - known.gather(1, (count - 2).clamp_min(0).expand(-1, -1, width))
        ahead = torch.arange(known.shape[1], device=known.device)[:, None] - count
        row = ahead.clamp(0, len(self.level) - 1).squeeze(-1)
        predicted = self.level[row] * last + self.trend[row] * change
        some = count > 0
        continued = torch.where(mask > 0, known, torch.where(some, predicted, 0.0))
        return continued, torch.where(some & (ahead >= 0), self.spread[row], 1.0)
