"""The velocity network looks at no frame after a chunk, at any rate, in any shape of the network."""

import pytest
import torch

from toktalk_node.motion.config import MotionConfig, preset
from toktalk_node.motion.unet import CausalConv, TransformerBlock, VelocityUNet, block_causal_mask

TINY = dict(
    condition_width=5, channels=16, heads=2, head_width=8, feed_forward=2, style_width=3, time_width=16, overlap=4
)
KNOWN = 4
MINI = MotionConfig(**TINY, down_stages=1, middle_stages=2, blocks=1, predicts="motion", continued=8)
PAPER = MotionConfig(**TINY, down_stages=2, middle_stages=3, blocks=2)


def network(config: MotionConfig) -> VelocityUNet:
    torch.manual_seed(0)
    net = VelocityUNet(config).eval()
    torch.nn.init.normal_(net.head.weight)
    if net.continuation is not None:
        net.continuation.fit([torch.randn(60, config.motion_width).cumsum(0) / 5])
    return net


def inputs(config: MotionConfig, frames: int, batch: int = 2) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    known = torch.zeros(batch, frames, 1)
    known[:, :KNOWN] = 1
    motion = torch.randn(batch, frames, config.motion_width, generator=generator)
    return {
        "x": torch.randn(batch, frames, config.motion_width, generator=generator),
        "t": torch.rand(batch, generator=generator),
        "condition": torch.randn(batch, frames, config.condition_width, generator=generator),
        "style": torch.randn(batch, frames, config.style_width, generator=generator),
        "known": motion * known,
        "mask": known,
    }


@pytest.mark.parametrize("config", [MINI, PAPER], ids=["mini", "paper"])
@pytest.mark.parametrize(("chunk", "offset"), [(2, 0), (4, 0), (4, 2), (6, 4), (20, 0)])
@torch.no_grad()
def test_no_output_before_a_perturbed_chunk_changes(config: MotionConfig, chunk: int, offset: int) -> None:
    net, frames = network(config), 24
    given = inputs(config, frames)
    before = net(**given, chunk=chunk, offset=offset)
    for frame in range(frames):
        chunk_start = max(0, (frame + offset) // chunk * chunk - offset)
        given_again = ["known"] if frame < KNOWN else []  # what is not known is zero, always
        for name in ["x", "condition", "style", *given_again]:
            changed = {k: v.clone() for k, v in given.items()}
            changed[name][:, frame] += 3
            after = net(**changed, chunk=chunk, offset=offset)
            assert torch.equal(before[:, :chunk_start], after[:, :chunk_start]), (name, frame)
            assert not torch.equal(before[:, chunk_start:], after[:, chunk_start:]), (name, frame)


@pytest.mark.parametrize("config", [MINI, PAPER], ids=["mini", "paper"])
@torch.no_grad()
def test_nothing_earlier_changes_inside_the_network_at_any_rate(config: MotionConfig) -> None:
    net, frames, chunk = network(config), 24, 4
    given, rows = inputs(config, frames), {}
    for name, module in net.named_modules():
        module.register_forward_hook(lambda _, __, out, name=name: rows.setdefault(name, []).append(out))
    net(**given, chunk=chunk)
    for frame in range(frames):
        changed = {k: v.clone() for k, v in given.items()}
        changed["x"][:, frame] += 3
        net(**changed, chunk=chunk)
    rates = set()
    for name, (before, *after) in rows.items():
        if not isinstance(before, torch.Tensor) or before.dim() != 3 or before.shape[1] not in (frames, frames // 2):
            continue
        rate = frames // before.shape[1]
        rates.add(rate)
        for frame, now in enumerate(after):
            start = frame // chunk * chunk // rate
            assert torch.equal(before[:, :start], now[:, :start]), (name, frame)
    assert rates == {1, 2}, "both rates were looked at"


@pytest.mark.slow
@torch.no_grad()
def test_the_paper_preset_is_block_causal_at_its_full_size() -> None:
    """Row i of a batch has frame i changed, in all that the network is given; every layer is looked at."""
    config = preset("paper", condition_width=64)
    net, frames, chunk, offset = network(config), 16, 4, 2
    given = {k: v.expand(frames, *v.shape[1:]).clone() for k, v in inputs(config, frames, batch=1).items()}
    rows: dict[str, list[torch.Tensor]] = {}
    for name, module in net.named_modules():
        module.register_forward_hook(lambda _, __, out, name=name: rows.setdefault(name, []).append(out))
    before = net(**given, chunk=chunk, offset=offset)
    own = torch.arange(frames)
    for name in ("x", "condition", "style"):
        given[name][own, own] += 3
    after = net(**given, chunk=chunk, offset=offset)
    blocks = {name for name, module in net.named_modules() if isinstance(module, TransformerBlock)}
    looked_at = {1: 0, 2: 0}
    for name, (one, other) in rows.items():
        if not isinstance(one, torch.Tensor) or one.dim() != 3 or one.shape[1] not in (frames, frames // 2):
            continue
        rate = frames // one.shape[1]
        looked_at[rate] += name in blocks
        for frame in range(frames):
            start = max(0, (frame + offset) // chunk * chunk - offset)
            assert torch.equal(one[frame, : start // rate], other[frame, : start // rate]), (name, frame)
            assert not torch.equal(before[frame, start:], after[frame, start:]), frame
    assert looked_at == {1: 2 * 4, 2: 14 * 4}, "blocks of the outer stages at full rate, of the others at half"


@torch.no_grad()
def test_the_first_frame_of_a_chunk_sees_its_last_and_full_context_sees_all() -> None:
    net, given = network(MINI), inputs(MINI, 12)
    changed = {k: v.clone() for k, v in given.items()}
    changed["condition"][:, 11] += 3
    assert not torch.equal(net(**given, chunk=6)[:, 6], net(**changed, chunk=6)[:, 6])
    assert not torch.equal(net(**given, chunk=None)[:, 0], net(**changed, chunk=None)[:, 0])


def test_mask_shows_whole_chunks_up_to_ones_own() -> None:
    visible = block_causal_mask(6, 4, offset=2)
    assert visible.int().tolist() == [[1, 1, 0, 0, 0, 0]] * 2 + [[1] * 6] * 4
    assert block_causal_mask(4, 2).sum(1).tolist() == [2, 2, 4, 4]


def test_causal_conv_equals_a_padded_convolution() -> None:
    torch.manual_seed(0)
    for kernel, stride in ((3, 1), (4, 2)):
        conv = CausalConv(3, 7, kernel, stride)
        x = torch.randn(2, 10, 3)
        weight = conv.linear.weight.view(7, kernel, 3).transpose(1, 2)
        padded = torch.nn.functional.pad(x.transpose(1, 2), (kernel - stride, 0))
        expected = torch.nn.functional.conv1d(padded, weight, conv.linear.bias, stride=stride).transpose(1, 2)
        torch.testing.assert_close(conv(x), expected)


def test_a_predicted_motion_becomes_the_velocity_that_leads_to_it() -> None:
    config = MotionConfig(**TINY, down_stages=1, middle_stages=1, blocks=1, predicts="motion")
    net, given = VelocityUNet(config), inputs(config, 12)
    torch.nn.init.constant_(net.head.bias, 0.7)  # with the head's weight at zero, x_1 = 0.7 everywhere
    given["t"] = torch.tensor([0.0, 0.6])
    velocity = net(**given, chunk=6)
    torch.testing.assert_close(velocity[0], 0.7 - given["x"][0])
    torch.testing.assert_close(given["x"][1] + 0.4 * velocity[1], torch.full((12, 55), 0.7))


def test_odd_windows_and_chunks_are_refused() -> None:
    net = network(MINI)
    with pytest.raises(ValueError, match="frames must be an even number.*not 11"):
        net(**inputs(MINI, 11), chunk=4)
    with pytest.raises(ValueError, match="chunk must be an even number.*not 5"):
        net(**inputs(MINI, 12), chunk=5)


def test_paper_preset_has_the_papers_shape_and_size() -> None:
    config = preset("paper", condition_width=512)
    assert (config.down_stages, config.middle_stages, config.blocks, config.heads) == (2, 12, 4, 8)
    with torch.device("meta"):
        net = VelocityUNet(config)
        size = sum(p.numel() for p in net.parameters())
        window = [1, config.overlap + config.chunk]
        velocity = net(
            torch.empty(*window, 55), torch.empty(1), torch.empty(*window, 512), torch.empty(*window, 128),
            torch.empty(*window, 55), torch.empty(*window, 1), config.chunk,
        )  # fmt: skip
    assert 66e6 < size < 84e6
    assert list(velocity.shape) == [*window, 55]


def test_wrong_sizes_are_named() -> None:
    with pytest.raises(ValueError, match="no motion preset is called 'huge'; there are mini, paper"):
        preset("huge", 8)
    with pytest.raises(ValueError, match="chunk must be an even number of frames, 2 or more, not 7"):
        preset("mini", 8, chunk=7)
    with pytest.raises(ValueError, match="condition_width must be at least 1, not 0"):
        preset("mini", 0)
    with pytest.raises(ValueError, match="look_ahead 18 must not exceed overlap 16"):
        preset("mini", 8, look_ahead=18)
