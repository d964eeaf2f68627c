"""A chunk begins where the last one ended: what is known is continued, and the network says how motion departs."""

import torch

from toktalk_node.motion.config import MotionConfig
from toktalk_node.motion.continuation import LEAST_SPREAD, Continuation
from toktalk_node.motion.unet import VelocityUNet


def curves(frames: int, seed: int) -> torch.Tensor:
    """Three channels: a sine of which two frames tell all that follows, white noise, and one that never moves."""
    phase = torch.rand(1, generator=torch.Generator().manual_seed(seed)) * 6
    noise = torch.randn(frames, generator=torch.Generator().manual_seed(seed + 1))
    return torch.stack([2**0.5 * torch.sin(0.3 * torch.arange(frames) + phase), noise, torch.zeros(frames)], dim=1)


def fitted(frames: int = 12) -> Continuation:
    continuation = Continuation(3, frames)
    continuation.fit([curves(300, seed) for seed in range(20)])
    return continuation


def test_what_two_frames_tell_is_continued_and_what_they_do_not_is_left_open() -> None:
    true = curves(20, 99)[None]
    mask = (torch.arange(20) < 8).float()[None, :, None]
    continued, spread = fitted()(true * mask, mask)
    assert torch.equal(continued[:, :8], true[:, :8]) and torch.equal(spread[:, :8], torch.ones(1, 8, 3))
    torch.testing.assert_close(continued[0, 8:, 0], true[0, 8:, 0], atol=0.02, rtol=0)
    assert spread[0, 8:, 0].max() == spread[0, 8:, 2].max() == LEAST_SPREAD
    assert not continued[0, 8:, 1].any() and torch.equal(spread[0, 8:, 1], torch.ones(12))


def test_without_known_frames_nothing_is_continued_and_beyond_the_table_its_end_holds() -> None:
    continuation = fitted(4)
    nothing = torch.zeros(1, 10, 1)
    continued, spread = continuation(torch.zeros(1, 10, 3), nothing)
    assert not continued.any() and torch.equal(spread, torch.ones(1, 10, 3))
    mask = nothing.clone()
    mask[:, :2] = 1
    continued, spread = continuation(curves(10, 5)[None] * mask, mask)
    assert torch.equal(continued[:, 5], continued[:, 9]) and torch.equal(spread[:, 5], spread[:, 9])


def test_the_network_departs_from_the_continuation_by_its_spread() -> None:
    config = MotionConfig(5, channels=16, heads=2, head_width=8, feed_forward=2, down_stages=1, middle_stages=1,
                          blocks=1, time_width=16, overlap=4, predicts="motion", continued=8)  # fmt: skip
    net = VelocityUNet(config).eval()
    net.continuation.fit([torch.randn(80, 55).cumsum(0) / 5])
    torch.nn.init.constant_(net.head.bias, 0.5)  # with the head's weight at zero, the answer is 0.5 everywhere
    mask = (torch.arange(12) < 4).float()[None, :, None]
    known = torch.randn(1, 12, 55) * mask
    x = torch.randn(1, 12, 55)
    nothing = torch.zeros(1, 12, 0)
    reached = x + net(x, torch.zeros(1), torch.zeros(1, 12, 5), nothing, known, mask, chunk=4)
    continued, spread = net.continuation(known, mask)
    torch.testing.assert_close(reached[:, 4:], (continued + 0.5 * spread)[:, 4:])
