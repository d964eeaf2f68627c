"""A phone-loop hidden Markov model: frame scores to phone posteriors, with a fixed lag.

A state is (phone, phone before it, third of the phone). Any phone may follow any other with the probability of a
trigram. The forward recursion runs frame by frame; the posterior of a frame is smoothed by the frames up to `lag`
later (Rabiner 1989; fixed-lag smoothing, Moore 1973), no further, so that it streams.
"""

import torch
from torch import Tensor

from toktalk_node.speech.phones import INDEX, PHONES, SILENCE
from toktalk_node.tokens.acoustic import STATES


class PhoneLoop(torch.nn.Module):
    """The loop's transitions: `stay` [phone, state] and trigram `follow` [phone, phone before, next phone]."""

    def __init__(self) -> None:
        super().__init__()
        phones = len(PHONES)
        self.register_buffer("stay", torch.full((phones, STATES), 0.5))
        self.register_buffer("follow", torch.full((phones, phones, phones), 1 / phones))

    def start(self, streams: int) -> Tensor:
        """Beliefs [streams, phone, before, state] at the start: silence."""
        belief = torch.zeros(streams, len(PHONES), len(PHONES), STATES)
        belief[:, INDEX[SILENCE], INDEX[SILENCE], 0] = 1
        return belief

    def forward(self, belief: Tensor, likelihood: Tensor) -> Tensor:
        """Beliefs after one more frame of `likelihood`, both [streams, phone, before, state]."""
        stay = self.stay[:, None]
        moved = belief * (1 - stay)
        after = belief * stay
        after[..., 1:] += moved[..., :-1]
        after[..., 0] += torch.matmul(moved[..., 2].transpose(0, 1), self.follow).permute(1, 2, 0)
        after *= likelihood
        total = after.sum(dim=(1, 2, 3), keepdim=True)
        return torch.where(total > 1e-30, after / total, self.start(len(belief)))

    def backward_step(self, message: Tensor, likelihood: Tensor) -> Tensor:
        """What the frames from the next on say of each state: `message` of the next frame, its `likelihood`."""
        stay = self.stay[:, None]
        weighted = message * likelihood
        before = weighted * stay
        before[..., :-1] += (1 - stay[..., :-1]) * weighted[..., 1:]
        entered = weighted[..., 0].permute(2, 0, 1)
        before[..., 2] += (1 - stay[..., 2]) * torch.matmul(entered, self.follow.transpose(1, 2)).transpose(0, 1)
        return before / before.amax(dim=(1, 2, 3), keepdim=True).clamp_min(1e-30)

    def posteriors(self, beliefs: Tensor, likelihoods: Tensor, count: int) -> Tensor:
        """Posteriors [streams, count, phone] of the first `count` of n frames, given all n.

        beliefs, likelihoods: [n, streams, phone, before, state].
        """
        message = torch.ones_like(beliefs[0])
        out = []
        for t in reversed(range(len(beliefs))):
            if t < count:
                phones = (beliefs[t] * message).sum(dim=(2, 3))
                out.append(phones / phones.sum(dim=1, keepdim=True).clamp_min(1e-30))
            if t:
                message = self.backward_step(message, likelihoods[t])
        return torch.stack(out[::-1], dim=1)
