"""The path, the loss and the solver, against closed forms."""

import math

import pytest
import torch

from toktalk_node.motion.flow import cfm_loss, cosine_time, difference_loss, straight_path
from toktalk_node.motion.solver import euler, guided, solver_times


def test_straight_path_runs_from_noise_to_motion_at_constant_velocity() -> None:
    x0, x1 = torch.randn(3, 4, 2), torch.randn(3, 4, 2)
    t = torch.tensor([0.0, 0.25, 1.0])
    x_t, dx_t = straight_path(x0, x1, t)
    assert torch.equal(x_t[0], x0[0])
    torch.testing.assert_close(x_t[1], 0.75 * x0[1] + 0.25 * x1[1])
    torch.testing.assert_close(x_t[2], x1[2])
    assert torch.equal(dx_t, x1 - x0)


def test_loss_weighs_channels_and_leaves_known_frames_out() -> None:
    predicted, target = torch.zeros(1, 2, 2), torch.tensor([[[1.0, 2.0], [50.0, 50.0]]])
    loss = cfm_loss(predicted, target, torch.tensor([3.0, 1.0]), torch.tensor([[[1.0], [0.0]]]))
    assert loss.item() == pytest.approx((3 * 1 + 1 * 4) / 4)
    assert cfm_loss(predicted, target, torch.ones(2), torch.zeros(1, 2, 1)).item() == 0


def test_difference_loss_is_of_what_trembles_and_of_the_step_from_what_is_known() -> None:
    all_new, target = torch.ones(1, 4, 1), torch.zeros(1, 4, 1)
    assert difference_loss(torch.full((1, 4, 1), 5.0), target, torch.ones(1), all_new).item() == 0
    behind_a_known = torch.tensor([[[0.0], [1.0], [1.0], [1.0]]])
    trembling = torch.tensor([[[9.0], [1.0], [-1.0], [1.0]]])
    loss = difference_loss(trembling, target, torch.ones(1), behind_a_known)
    assert loss.item() == pytest.approx((1 + 4 + 4) / 3)


def test_times_run_from_zero_to_one_evenly_or_by_the_cosine() -> None:
    assert solver_times(4, "uniform") == [0, 0.25, 0.5, 0.75, 1]
    times = solver_times(8)
    assert times[0] == 0 and times[-1] == 1 and times == sorted(times)
    assert times[1] < 1 / 8
    assert times[4] == pytest.approx(cosine_time(torch.tensor(0.5)).item())
    with pytest.raises(ValueError, match="steps must be at least 1, not 0"):
        solver_times(0)


def test_euler_approaches_the_closed_form_of_a_linear_ode_at_first_order() -> None:
    x0 = torch.randn(2, 4, 3, dtype=torch.float64)
    exact = x0 * math.exp(-1.5)
    errors = [(euler(lambda x, t, d: -1.5 * x, x0, solver_times(n, "uniform")) - exact).abs().max() for n in (100, 200)]
    assert errors[1] < 0.01
    assert errors[0] / errors[1] == pytest.approx(2, abs=0.05)


def test_euler_is_exact_in_one_step_where_the_velocity_is_constant() -> None:
    x0, x1 = torch.randn(1, 4, 3, dtype=torch.float64), torch.randn(1, 4, 3, dtype=torch.float64)
    for schedule in ("uniform", "cosine"):
        for steps in (1, 5):
            torch.testing.assert_close(euler(lambda x, t, d: x1 - x0, x0, solver_times(steps, schedule)), x1)


def test_euler_follows_a_velocity_that_depends_on_time() -> None:
    x = euler(lambda x, t, d: torch.full_like(x, 3 * t * t), torch.zeros(1, 2, 1), solver_times(2000, "cosine"))
    torch.testing.assert_close(x, torch.ones(1, 2, 1), atol=2e-3, rtol=0)


def test_known_frames_are_on_their_path_at_every_step_and_come_out_unchanged() -> None:
    noise, known = torch.randn(1, 6, 2), torch.randn(1, 4, 2)
    seen = []

    def velocity(x: torch.Tensor, t: float, length: float) -> torch.Tensor:
        seen.append(x[:, :4].clone())
        return torch.full_like(x, 9.0)

    times = solver_times(3)
    out = euler(velocity, noise, times, known)
    assert torch.equal(out[:, :4], known)
    torch.testing.assert_close(out[:, 4:], noise[:, 4:] + 9)
    for t, x in zip(times, seen, strict=False):
        torch.testing.assert_close(x, (1 - t) * noise[:, :4] + t * known)


def test_guidance_moves_away_from_the_unconditional_velocity() -> None:
    x = torch.zeros(2, 3, 1)

    def pair(doubled: torch.Tensor, t: float, length: float) -> torch.Tensor:
        assert doubled.shape == (4, 3, 1)
        return torch.cat([torch.full((2, 3, 1), 2.0), torch.full((2, 3, 1), 1.0)])

    torch.testing.assert_close(guided(pair, 0.3)(x, 0.0, 0.5), torch.full((2, 3, 1), 1.3 * 2 - 0.3 * 1))
