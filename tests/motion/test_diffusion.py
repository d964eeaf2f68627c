"""Diffusion: noise forward and back in closed forms; the model learns, and comes back from its files."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from toktalk_node.motion import checkpoint
from toktalk_node.motion.checkpoint import CheckpointError
from toktalk_node.motion.diffusion import Denoise, DiffusionConfig, DiffusionModel, noised, sample, signal_level
from toktalk_node.training.diffusion import DiffusionTrainer, diffusion_training

from .test_training import JAW, SMALL, speaker, toy


def config(**changes: float) -> DiffusionConfig:
    sizes = dict(channels=32, heads=2, head_width=16, feed_forward=2, layers=1, look_ahead=4, nearby=8)
    return DiffusionConfig(3, **(sizes | dict(previous=8, window=16, steps=10) | changes))


def test_signal_fades_from_all_to_almost_nothing_along_the_cosine() -> None:
    level = signal_level(500)
    assert level[0] == 1 and 0 < level[-1] < 1e-4 and (level.diff() < 0).all()
    s = 0.008
    expected = (math.cos((0.5 + s) / (1 + s) * math.pi / 2) / math.cos(s / (1 + s) * math.pi / 2)) ** 2
    assert level[250].item() == pytest.approx(expected)


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_a_denoiser_that_knows_gives_the_motion_back(eta: float) -> None:
    x0, level = torch.randn(2, 4, 3), signal_level(50)
    x = noised(x0, torch.randn_like(x0), level[[50, 50]])
    made = sample(lambda x, n: x0, x, level, 10, eta, torch.Generator().manual_seed(0))
    torch.testing.assert_close(made, x0)


MEAN, DEVIATION = 2.0, 0.5


def best_denoiser(level: torch.Tensor) -> Denoise:
    """The expectation of x_0 given x_n where x_0 is Gaussian."""

    def denoise(x: torch.Tensor, n: int) -> torch.Tensor:
        a = level[n].item()
        gain = math.sqrt(a) * DEVIATION**2 / (a * DEVIATION**2 + 1 - a)
        return MEAN + gain * (x - math.sqrt(a) * MEAN)

    return denoise


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_sampling_turns_noise_into_the_distribution_that_was_noised(eta: float) -> None:
    level, generator = signal_level(200), torch.Generator().manual_seed(0)
    noise = torch.randn(4000, 1, 1, generator=generator)
    made = sample(best_denoiser(level), noise, level, 200, eta, generator)
    assert made.mean().item() == pytest.approx(MEAN, abs=0.03)
    assert made.std().item() == pytest.approx(DEVIATION, abs=0.03)


def test_ddim_takes_each_noise_to_its_own_motion_in_few_steps_too() -> None:
    level, noise = signal_level(400), torch.linspace(-2, 2, 9).view(1, 9, 1)
    for steps, error in ((400, 0.03), (25, 0.1)):
        made = sample(best_denoiser(level), noise, level, steps, 0.0, torch.Generator().manual_seed(steps))
        torch.testing.assert_close(made, MEAN + DEVIATION * noise, atol=error, rtol=0)


def test_it_learns_and_comes_back_from_its_files(tmp_path: Path) -> None:
    sizes = config(style_width=4)
    training = diffusion_training(sizes, steps=150, windows=SMALL, learning_rate=5e-3, warm_up=10, average=0.95)
    trainer = DiffusionTrainer(toy(16), sizes, training)
    for _ in range(150):
        trainer.train_step()
    trainer.swap_averages()
    unseen = speaker("new", "heldout", 61, 999)
    motion = trainer.generate(unseen.condition, unseen.motion)
    assert trainer.model.config == sizes
    assert torch.corrcoef(torch.stack([unseen.motion[:, JAW], motion[:, JAW]]))[0, 1] > 0.9

    checkpoint.save(trainer.model, tmp_path)
    model = checkpoint.load(tmp_path, kind=DiffusionModel)
    made = model.generate(unseen.condition)
    assert made.shape == (61, 55) and torch.equal(trainer.model.generate(unseen.condition), made)
    assert not torch.equal(model.generate(unseen.condition, seed=2), made)
    model.config = replace(model.config, guidance=0.0, eta=0.0, steps=4)
    assert not torch.equal(model.generate(unseen.condition), made)
    (tmp_path / checkpoint.CONFIG_FILE).unlink()
    with pytest.raises(
        CheckpointError, match="no diffusion model in .*motion.json is missing.*toktalk train diffusion"
    ):
        checkpoint.load(tmp_path, kind=DiffusionModel)


def test_bad_settings_are_named() -> None:
    with pytest.raises(ValueError, match="steps 600 must not exceed noise_steps 500"):
        config(steps=600)
    with pytest.raises(ValueError, match="eta must be in"):
        config(eta=2.0)
