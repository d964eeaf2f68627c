"""Streaming: the same frames however the input was cut, behind a resting face, at any setting of the knobs."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from toktalk_node.face.arkit import INDEX
from toktalk_node.motion.config import MotionConfig
from toktalk_node.motion.decoder import DecodeSettings, MotionDecoder, MotionStream, decode
from toktalk_node.motion.model import MotionModel
from toktalk_node.motion.noise import frame_noise
from toktalk_node.motion.style import Style

CONFIG = MotionConfig(
    condition_width=7, channels=16, heads=2, head_width=8, feed_forward=2, down_stages=1, middle_stages=1, blocks=1,
    time_width=16, overlap=8, chunk=6, steps=2,
)  # fmt: skip


def model(**changes: int) -> MotionModel:
    torch.manual_seed(0)
    made = MotionModel(replace(CONFIG, **changes))
    torch.nn.init.normal_(made.net.head.weight, std=0.3)
    made.set_statistics([torch.rand(50, 55)], [torch.randn(50, 7)], torch.full((7,), 0.2), torch.full((55,), 0.1))
    return made.eval()


def condition(frames: int) -> torch.Tensor:
    return torch.randn(frames, 7, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize("look_ahead", [0, 3])
@pytest.mark.parametrize("settings", [{}, {"guidance": 0.0, "chunk": 4}, {"chunk": 20, "steps": 1, "overlap": 6}])
def test_any_packets_give_the_offline_motion_bit_for_bit(look_ahead: int, settings: dict) -> None:
    decoder = MotionDecoder(model(look_ahead=look_ahead), DecodeSettings(**{"overlap": 8, "steps": 2, **settings}))
    rng = np.random.default_rng(0)
    for frames in (1, 5, 40, 61):
        given = condition(frames)
        offline = decode(decoder, given, seed=3)
        assert offline.shape == (frames, 55)
        assert offline.isfinite().all() and offline.std() > 0
        for _ in range(4):
            cuts = np.sort(rng.integers(0, frames + 1, rng.integers(0, 12)))
            stream = MotionStream(decoder, seed=3)
            parts = [stream.push(packet) for packet in torch.tensor_split(given, cuts.tolist())]
            assert torch.equal(torch.cat([*parts, stream.finish()]), offline)


def test_frames_come_as_soon_as_their_chunk_and_look_ahead_are_there() -> None:
    stream = MotionStream(MotionDecoder(model(look_ahead=2)))
    ready = [len(stream.push(condition(1))) for _ in range(16)]
    assert [i + 1 for i, n in enumerate(ready) if n] == [8, 14]
    assert len(stream.finish()) == 4


def test_a_stream_is_at_its_start_after_finish_and_reset() -> None:
    decoder, given = MotionDecoder(model()), condition(20)
    stream = MotionStream(decoder, seed=1)
    first = torch.cat([stream.push(given), stream.finish()])
    assert torch.equal(torch.cat([stream.push(given), stream.finish()]), first)
    stream.push(given[:9])
    stream.reset()
    assert torch.equal(torch.cat([stream.push(given), stream.finish()]), first)
    stream.reset()
    assert len(stream.finish()) == 0


def test_later_conditions_change_no_frame_that_was_shown() -> None:
    decoder, given = MotionDecoder(model()), condition(30)
    changed = given.clone()
    changed[18:] += 2
    a, b = decode(decoder, given), decode(decoder, changed)
    assert torch.equal(a[:18], b[:18]) and not torch.equal(a[18:], b[18:])


def test_seeds_differ_and_repeat() -> None:
    decoder, given = MotionDecoder(model()), condition(12)
    assert torch.equal(decode(decoder, given, seed=4), decode(decoder, given, seed=4))
    assert not torch.equal(decode(decoder, given, seed=4), decode(decoder, given, seed=5))


def test_streams_decode_together_as_they_do_alone() -> None:
    decoder = MotionDecoder(model())
    given = torch.stack([condition(18), condition(18).flip(0)])
    states = [decoder.start(1), decoder.start(2)]
    parts = []
    for i in range(3):
        motion, states = decoder.step(states, given[:, 6 * i : 6 * i + 6])
        parts.append(motion)
    together = torch.cat(parts, dim=1)
    for row, seed in enumerate((1, 2)):
        torch.testing.assert_close(together[row], decode(decoder, given[row], seed), atol=1e-4, rtol=1e-4)


def test_weights_stay_in_range_and_head_angles_are_free() -> None:
    wild = model()
    torch.nn.init.normal_(wild.net.head.weight, std=20)
    motion = decode(MotionDecoder(wild), condition(24))
    assert motion[:, :52].min() >= 0 and motion[:, :52].max() <= 1
    assert motion[:, 52:].abs().max() > 1


def test_noise_is_a_function_of_seed_and_frame_alone() -> None:
    whole = frame_noise(7, -10, 400, 55)
    for start, frames in ((-10, 3), (-1, 2), (0, 6), (123, 1)):
        assert np.array_equal(frame_noise(7, start, frames, 55), whole[start + 10 : start + 10 + frames])
    assert np.array_equal(frame_noise(7, 2**40, 2, 55)[1], frame_noise(7, 2**40 + 1, 1, 55)[0])
    assert not np.array_equal(frame_noise(8, 0, 1, 55), frame_noise(7, 0, 1, 55))
    assert abs(whole.mean()) < 0.03 and abs(whole.std() - 1) < 0.03
    assert abs(np.corrcoef(whole[:-1].ravel(), whole[1:].ravel())[0, 1]) < 0.03


def test_temperatures_scale_the_noise_of_what_speech_moves_and_of_the_rest() -> None:
    cold = DecodeSettings(overlap=8, chunk=6, steps=2, guidance=0.0, temperature=0.0, speech_temperature=0.0)
    given = condition(12)
    a, b = (decode(MotionDecoder(model(), cold), given, seed) for seed in (1, 2))
    assert torch.equal(a, b), "without noise there is one motion"
    jaw, brow = INDEX["jawOpen"], INDEX["browInnerUp"]
    state = MotionDecoder(model(), replace(cold, temperature=2.0, speech_temperature=0.5)).start(1)
    plain = torch.from_numpy(frame_noise(1, -8, 8, 55))
    assert torch.equal(state.noise[:, jaw], 0.5 * plain[:, jaw])
    assert torch.equal(state.noise[:, brow], 2 * plain[:, brow])
    with pytest.raises(ValueError, match="temperature must not be negative"):
        DecodeSettings(temperature=-1.0)


def test_guidance_is_one_batch_of_two_whose_second_half_hears_nothing_and_keeps_what_is_known(monkeypatch) -> None:
    made, calls = model(style_width=4), []
    forward = made.net.forward

    def watched(x, t, condition, style, known, mask, *rest):
        calls.append((x, condition, style, known, mask))
        return forward(x, t, condition, style, known, mask, *rest)

    monkeypatch.setattr(made.net, "forward", watched)
    decoder = MotionDecoder(made, DecodeSettings(overlap=8, chunk=6, steps=3, guidance=0.3))
    style = Style(torch.ones(4), torch.full((55,), 0.1))
    decoder.step([decoder.start(1, style)], condition(6)[None])
    assert len(calls) == 3, "one pass of the network a step"
    for x, heard, spoken, known, mask in calls:
        assert len(x) == 2 and torch.equal(x[0], x[1])
        assert heard[0].any() and not heard[1].any() and spoken[0].any() and not spoken[1].any()
        assert torch.equal(known[0], known[1]) and mask[:, :8].all() and not mask[:, 8:].any()


def test_wrong_shapes_and_settings_are_named() -> None:
    decoder = MotionDecoder(model())
    with pytest.raises(ValueError, match=r"\[streams, chunk, E\] = \[1, 6, 7\], not \[1, 5, 7\]"):
        decoder.step([decoder.start()], torch.zeros(1, 5, 7))
    with pytest.raises(ValueError, match=r"condition must be \[frames, 7\], not \[4, 8\]"):
        MotionStream(decoder).push(torch.zeros(4, 8))
    with pytest.raises(ValueError, match="chunk must be an even number"):
        DecodeSettings(chunk=7)
    with pytest.raises(ValueError, match="overlap 2 must be at least the model's look-ahead 4"):
        MotionDecoder(model(look_ahead=4), DecodeSettings(overlap=2))
