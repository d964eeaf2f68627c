"""The adaptation layer: it streams exactly, keeps its promise of delay, and sees no frame before its time."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from toktalk_node.motion.adapter import Adapter, AdapterConfig, AdapterStream, interpolate


def made(**changes: float) -> Adapter:
    sizes = dict(source_space="codec", source_rate=12.5, source_width=6, base_width=5, width=16, heads=2, window=6)
    torch.manual_seed(0)
    return Adapter(AdapterConfig(**(sizes | changes))).eval()


def streamed(adapter: Adapter, source: torch.Tensor, cuts: list[int]) -> torch.Tensor:
    stream = AdapterStream(adapter)
    parts = np.split(source.numpy(), sorted(cut % (len(source) + 1) for cut in cuts))
    return torch.cat([*(stream.push(torch.from_numpy(part)) for part in parts), stream.finish()])


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(0, 30), max_size=10))
def test_packets_of_any_size_give_the_same_conditions(cuts):
    adapter, source = made(), torch.randn(20, 6, generator=torch.Generator().manual_seed(1))
    whole = streamed(adapter, source, [])
    assert len(whole) == 80 and torch.equal(streamed(adapter, source, cuts), whole)


@pytest.mark.parametrize("delay", [0, 3, 4, 9])
def test_every_frame_comes_once_and_no_later_than_promised(delay):
    adapter, source = made(delay=delay), torch.randn(7, 6)
    stream, given_out = AdapterStream(adapter), 0
    for token in range(7):
        given_out += len(stream.push(source[token : token + 1]))
        heard = (token + 1) / 12.5
        due = int((heard - adapter.config.look_ahead) * 50 + 1e-6)
        assert given_out >= due
    assert given_out + len(stream.finish()) == 28
    assert len(streamed(adapter, source[:0], [])) == 0 and len(streamed(adapter, source[:1], [])) == 4


def test_a_frame_depends_on_no_token_beyond_the_look_ahead():
    adapter, source = made(delay=4), torch.randn(12, 6)
    changed = source.clone()
    changed[8:] = 1.0
    same = (streamed(adapter, source, []) == streamed(adapter, changed, [])).all(dim=1)
    assert same[: 8 * 4 - 4].all() and not same[8 * 4 - 4]


def test_a_frame_forgets_what_lies_behind_the_window():
    adapter, source = made(), torch.randn(12, 6)
    changed = source.clone()
    changed[:3] = 1.0
    same = (streamed(adapter, source, []) == streamed(adapter, changed, [])).all(dim=1)
    first = 4 * (3 + adapter.config.window - 1) - adapter.config.delay
    assert same[first:].all() and not same[first - 1]


def test_inside_a_window_attention_is_block_causal():
    adapter, source = made(), torch.randn(1, 6, 6)
    changed = source.clone()
    changed[:, 4:] = 0.5
    with torch.no_grad():
        a, b = adapter(source), adapter(changed)
    torch.testing.assert_close(a[:, :16], b[:, :16])
    assert (a[:, 16:] != b[:, 16:]).any(-1).all()


def test_interpolation_reaches_each_token_at_its_own_end():
    x = torch.tensor([[[0.0], [4.0], [2.0]]])
    assert interpolate(x, 4)[0, :, 0].tolist() == [0, 0, 0, 0, 1, 2, 3, 4, 3.5, 3, 2.5, 2]


def test_impossible_adapters_are_refused():
    with pytest.raises(ValueError, match="whole multiple.*50 Hz is not one of 30"):
        made(source_rate=30.0)
    with pytest.raises(ValueError, match="delay must be from 0 to 23 frames, the window, not 24"):
        made(delay=24)
    with pytest.raises(ValueError, match=r"source must be \[batch, 6, 6\], not \[1, 5, 6\]"):
        made()(torch.zeros(1, 5, 6))
