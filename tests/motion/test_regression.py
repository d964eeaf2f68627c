"""The regressor hears no future, repeats itself step by step, learns, and comes back from its files."""

from pathlib import Path

import pytest
import torch

from toktalk_node.face.arkit import INDEX
from toktalk_node.motion import checkpoint
from toktalk_node.motion.checkpoint import CheckpointError
from toktalk_node.motion.regression import FaceFormer, RegressionConfig, RegressionModel, causal_bias
from toktalk_node.training.regression import RegressionTrainer, regression_training

from .test_training import JAW, SMALL, speaker, toy


def config(**changes: int) -> RegressionConfig:
    sizes = dict(channels=32, heads=2, head_width=16, feed_forward=2, encoder_layers=1, decoder_layers=1, look_ahead=4)
    return RegressionConfig(3, **(sizes | changes))


def network(**changes: int) -> FaceFormer:
    torch.manual_seed(0)
    net = FaceFormer(config(**changes))
    torch.nn.init.normal_(net.head.weight, std=0.3)
    return net.eval()


def first_change(a: torch.Tensor, b: torch.Tensor) -> int:
    return int((a != b).flatten(2).any(-1)[0].nonzero()[0])


@torch.no_grad()
def test_a_frame_depends_on_the_past_alone() -> None:
    net, motion, heard = network(decoder_layers=2), torch.randn(1, 16, 55), torch.randn(1, 16, 3)
    before = net.teach(motion, heard)
    for frame in (0, 5, 10):
        moved, said = motion.clone(), heard.clone()
        moved[:, frame] += 1
        said[:, frame] += 1
        step = frame - frame % 2
        assert first_change(before, net.teach(moved, heard)) == step + 2
        assert first_change(before, net.teach(motion, said)) == step


def test_a_key_costs_its_periods_and_falls_out_of_sight() -> None:
    bias = causal_bias(1, 6, heads=8, context=5, period=2)[0, 0]
    assert bias.tolist() == [-torch.inf, -1.0, -0.5, -0.5, 0.0, 0.0]


@torch.no_grad()
def test_its_own_past_gives_what_it_would_predict_behind_that_past() -> None:
    net, heard, none = network(context=4), torch.randn(2, 24, 3), torch.zeros(2, 24, 55)
    own = net(none, none[..., :1], heard)
    torch.testing.assert_close(net.teach(own, heard), own, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_long_recordings_are_encoded_in_pieces_without_a_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    net, heard = network(encoder_layers=2, context=4), torch.randn(1, 60, 3)
    whole = net.listen(heard)[0].key
    monkeypatch.setattr("toktalk_node.motion.regression.PIECE", 16)
    torch.testing.assert_close(net.listen(heard)[0].key, whole, atol=1e-5, rtol=1e-4)


def test_it_learns_and_comes_back_from_its_files(tmp_path: Path) -> None:
    training = regression_training(steps=90, windows=SMALL, learning_rate=5e-3, warm_up=10, average=0.9)
    trainer = RegressionTrainer(toy(16), config(style_width=4), training)
    for _ in range(90):
        trainer.train_step()
    assert trainer.share() == 1
    unseen = speaker("new", "heldout", 121, 999)
    motion = trainer.generate(unseen.condition, None)
    assert torch.corrcoef(torch.stack([unseen.motion[:, JAW], motion[:, JAW]]))[0, 1] > 0.9
    assert motion[:, INDEX["browInnerUp"]].max() < 0.05

    checkpoint.save(trainer.model, tmp_path)
    model = checkpoint.load(tmp_path, kind=RegressionModel)
    assert motion.shape == (121, 55) and torch.equal(model.generate(unseen.condition, seed=5), motion)
    assert not torch.equal(model.generate(unseen.condition, unseen.motion), motion)
    with pytest.raises(CheckpointError, match="does not describe a motion model.*toktalk train motion"):
        checkpoint.load(tmp_path)
    (tmp_path / checkpoint.WEIGHTS_FILE).write_bytes(b"short")
    with pytest.raises(CheckpointError, match="motion.safetensors is damaged.*toktalk train regression"):
        checkpoint.load(tmp_path, kind=RegressionModel)


def test_bad_input_is_named() -> None:
    model = RegressionModel(config(style_width=4))
    with pytest.raises(ValueError, match=r"condition must be \[frames, 3\], not \[9, 4\]"):
        model.generate(torch.zeros(9, 4))
    with pytest.raises(ValueError, match="style clip of 0.60 s is too short"):
        model.generate(torch.zeros(9, 3), torch.zeros(30, 55))
    with pytest.raises(ValueError, match="hop must be at least 1, not 0"):
        config(hop=0)
