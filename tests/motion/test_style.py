"""Styles: read off a clip, blended by weights, changed while the face speaks."""

from dataclasses import replace

import pytest
import torch

from tests.motion.test_decoder import CONFIG, condition
from toktalk_node.motion.decoder import MotionDecoder, MotionStream, decode
from toktalk_node.motion.model import MotionModel
from toktalk_node.motion.style import Style, parse_blend


@pytest.fixture(scope="module")
def decoder() -> MotionDecoder:
    torch.manual_seed(0)
    model = MotionModel(replace(CONFIG, style_width=4))
    torch.nn.init.normal_(model.net.head.weight, std=0.3)
    model.set_statistics([torch.rand(50, 55)], [torch.randn(50, 7)], torch.full((7,), 0.2), torch.full((55,), 0.1))
    return MotionDecoder(model)


def clip(seed: int, frames: int = 100) -> torch.Tensor:
    return torch.rand(frames, 55, generator=torch.Generator().manual_seed(seed))


def test_a_style_is_read_off_a_clip_of_any_length_and_has_a_rest(decoder: MotionDecoder) -> None:
    one, other = decoder.style_of(clip(1)), decoder.style_of(clip(2, 333))
    assert one.vector.shape == other.vector.shape == (4,) and one.rest.shape == (55,)
    assert not torch.allclose(one.vector, other.vector)
    assert one.rest.isfinite().all() and not torch.allclose(one.rest, decoder.model.rest)


def test_a_bad_clip_is_refused_by_reason(decoder: MotionDecoder) -> None:
    with pytest.raises(ValueError, match="0.60 s is too short"):
        decoder.style_of(clip(1, 30))
    with pytest.raises(ValueError, match=r"\[frames, 55\], not \[100, 52\]"):
        decoder.style_of(clip(1)[:, :52])
    with pytest.raises(ValueError, match="trained without styles"):
        MotionDecoder(MotionModel(CONFIG)).style_of(clip(1))


def test_a_style_changes_the_face_and_a_new_one_is_blended_in_from_the_next_chunk(decoder: MotionDecoder) -> None:
    one, other = decoder.style_of(clip(1)), decoder.style_of(clip(2))
    given = condition(60)
    assert not torch.equal(decode(decoder, given, style=one), decode(decoder, given, style=other))

    stream = MotionStream(decoder, style=one)
    first = stream.push(given[:18])
    stream.set_style(other, frames=10)
    steps = []
    for start in range(18, 60, 6):
        stream.push(given[start : start + 6])
        steps.append(stream.state.style[-6:])
    assert torch.equal(first, decode(decoder, given, style=one)[:18])
    path = torch.cat([one.vector[None], *steps])
    change = path.diff(dim=0).norm(dim=1)
    torch.testing.assert_close(change[:10], torch.full((10,), (other.vector - one.vector).norm().item() / 10))
    assert torch.equal(path[-1], other.vector) and change[10:].max() < 1e-6

    stream.reset()
    assert torch.equal(torch.cat([stream.push(given), stream.finish()]), decode(decoder, given, style=other))


def test_blends_are_weighted_means_filled_up_by_the_default() -> None:
    known = {name: Style(torch.full((2,), value), torch.full((3,), value)) for name, value in (("a", 1.0), ("b", 3.0))}
    default = Style(torch.zeros(2), torch.zeros(3))
    blend = Style.blended(parse_blend("a=0.5, b=0.25"), known, default)
    assert blend.vector.tolist() == [1.25, 1.25] and blend.rest.tolist() == [1.25] * 3
    assert Style.blended(parse_blend(""), known, default).vector.tolist() == [0, 0]
    assert Style.blended(parse_blend("b"), known, default).vector.tolist() == [3, 3]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("happy", "no style is called 'happy'; there are a"),
        ("a=1.5", "from 0 to 1"),
        ("a=-0.1", "from 0 to 1"),
        ("a=much", "must be a number, not 'much'"),
        ("a=nan", "weights from 0 to 1"),
        ("a=0.2,a=0.2", "different names"),
    ],
)
def test_bad_blends_are_refused(text: str, words: str) -> None:
    style = Style(torch.zeros(2), torch.zeros(3))
    with pytest.raises(ValueError, match=words):
        Style.blended(parse_blend(text), {"a": style}, style)
