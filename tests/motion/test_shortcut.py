"""The few-step student: the base itself until it is trained, then one step of it is worth many of the base's."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from toktalk_node.motion import checkpoint
from toktalk_node.motion.decoder import DecodeSettings, MotionDecoder, decode
from toktalk_node.motion.model import MotionModel
from toktalk_node.motion.shortcut import COUNTS, mean_velocity, steps_at, student_of
from toktalk_node.motion.solver import solver_times
from toktalk_node.training.motion import MotionTrainer, TrainingConfig
from toktalk_node.training.shortcut import ShortcutTrainer

from .test_decoder import condition, model
from .test_training import SMALL, speaker, tiny, toy


def test_an_untrained_student_is_the_base_at_any_step_length() -> None:
    base = model(style_width=4)
    student = student_of(base, steps=1)
    live = {"steps": 1, "schedule": "uniform", "guidance": 0.0, "speech_temperature": 0.5}
    assert student.config == replace(base.config, shortcut=True, **live)
    for steps in (1, 3):
        settings = DecodeSettings(overlap=8, chunk=6, steps=steps)
        made, expected = (decode(MotionDecoder(m, settings), condition(20)) for m in (student, base))
        assert torch.equal(made, expected)
    with pytest.raises(ValueError, match="a few-step student already"):
        student_of(student)


def test_steps_lie_on_the_solver_s_schedule_and_their_parts_too() -> None:
    step = steps_at(torch.arange(0, 1, 1 / 600))
    begin, end = step.times(1)
    assert (begin < end).all() and begin.min() == 0 and end.max().item() == pytest.approx(1)
    whole = (begin == 0) & (end > 0.999)
    torch.testing.assert_close(step.count == 1, whole)
    assert whole.float().mean().item() == pytest.approx(1 / len(COUNTS), abs=0.01)
    for n in COUNTS:
        found = {round(t, 5) for times in step.times(3) for t in times[step.count == n].tolist()}
        assert found == {round(t, 5) for t in solver_times(3 * n, "uniform")}


def test_one_step_goes_where_euler_goes_and_known_frames_stay_on_their_path() -> None:
    step = steps_at(torch.tensor([0.1, 0.9]))
    noise, known = torch.randn(2, 4, 3), torch.randn(2, 4, 3)
    mask = torch.tensor([1.0, 0, 0, 0])[None, :, None].expand(2, -1, -1)
    seen: list[torch.Tensor] = []

    def velocity(x: torch.Tensor, t: torch.Tensor, length: torch.Tensor) -> torch.Tensor:
        seen.append(x)
        return -x

    times = step.times(3)
    x = torch.lerp(noise, known, times[0][:, None, None])
    mean = mean_velocity(velocity, x, noise, known, mask, times)
    end = x
    for t, after in pairwise(times):
        end = end * (1 - (after - t)[:, None, None])
    torch.testing.assert_close((x + (times[-1] - times[0])[:, None, None] * mean)[:, 1:], end[:, 1:])
    torch.testing.assert_close(seen[2][:, 0], torch.lerp(noise, known, times[2][:, None, None])[:, 0])


def trained(base: MotionModel, **settings: float) -> MotionModel:
    trainer = ShortcutTrainer(toy(16), base, TrainingConfig(windows=SMALL, **settings))
    for _ in range(settings["steps"]):
        trainer.train_step()
    trainer.swap_averages()
    return trainer.model


def test_one_step_of_the_student_comes_nearer_to_many_steps_of_the_base(tmp_path: Path) -> None:
    trainer = MotionTrainer(toy(16), tiny(), TrainingConfig(steps=120, windows=SMALL, learning_rate=4e-3, warm_up=10))
    for _ in range(120):
        trainer.train_step()
    base = trainer.model
    student = trained(base, steps=100, learning_rate=2e-3, warm_up=10, average=0.95)
    heard = speaker("new", "heldout", 60, 999).condition
    base.eval()
    many = decode(MotionDecoder(base, DecodeSettings(overlap=8, steps=16, schedule="uniform")), heard)
    one = decode(MotionDecoder(base, DecodeSettings(overlap=8, steps=1)), heard)
    short = decode(MotionDecoder(student, DecodeSettings(overlap=8, steps=1, guidance=0.0)), heard)
    assert (short - many).square().mean() < 0.7 * (one - many).square().mean()
    checkpoint.save(student, tmp_path)
    back = checkpoint.load(tmp_path)
    assert back.config.shortcut
    assert torch.equal(decode(MotionDecoder(back), heard), decode(MotionDecoder(student), heard))
