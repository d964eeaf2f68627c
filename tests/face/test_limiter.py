"""Limits hold for any target, targets are met in the shortest time and not overshot."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toktalk_node.face.limiter import Limiter, Limits

PERIODS = (0.002, 0.01, 0.05)


def limits(low=-1.0, high=1.0, velocity=5.0, acceleration=100.0, jerk=np.inf) -> Limits:
    return Limits(*(np.array([value], float) for value in (low, high, velocity, acceleration, jerk)))


def moved(limiter: Limiter, targets: np.ndarray) -> np.ndarray:
    """Positions, velocities and accelerations [n, 3] on the way through `targets` [n]."""
    states = []
    for target in targets:
        limiter.step(np.array([target]))
        states.append([limiter.position[0], limiter.velocity[0], limiter.acceleration[0]])
    return np.array(states)


@settings(max_examples=150, deadline=None)
@given(
    targets=st.lists(st.floats(-3, 3), min_size=1, max_size=80),
    hold=st.integers(1, 12),
    velocity=st.floats(0.05, 50),
    acceleration=st.floats(0.5, 5000),
    jerk=st.one_of(st.just(np.inf), st.floats(50, 1e6)),
    period=st.sampled_from(PERIODS),
    start=st.floats(-1, 1),
)
def test_no_target_leads_beyond_a_limit(targets, hold, velocity, acceleration, jerk, period, start) -> None:
    limit = limits(velocity=velocity, acceleration=acceleration, jerk=jerk)
    limiter = Limiter(limit, period, np.array([start]))
    states = moved(limiter, np.repeat(targets, hold))
    positions, velocities, accelerations = np.concatenate([[[start, 0, 0]], states]).T
    slack = 1 + 1e-9
    assert positions.min() >= -slack and positions.max() <= slack
    assert np.abs(velocities).max() <= velocity * slack
    assert np.abs(accelerations).max() <= acceleration * slack
    assert np.abs(np.diff(accelerations)).max() <= jerk * period * slack + 1e-9
    # what a controller makes of it between the steps: the cubic through positions and velocities is this parabola
    assert np.allclose(np.diff(positions), (velocities[1:] + velocities[:-1]) / 2 * period, atol=1e-9)
    turn = velocities[:-1] * velocities[1:] < 0
    peak = positions[:-1][turn] - velocities[:-1][turn] ** 2 / (2 * np.diff(velocities)[turn] / period)
    assert (np.abs(peak) <= slack).all()


@settings(max_examples=100, deadline=None)
@given(
    start=st.floats(-1, 1), goal=st.floats(-1, 1), velocity=st.floats(0.2, 50), acceleration=st.floats(2, 2000),
    period=st.sampled_from(PERIODS),
)  # fmt: skip
def test_a_step_is_reached_in_the_shortest_time_without_overshoot(start, goal, velocity, acceleration, period) -> None:
    way = abs(goal - start)
    rising = min(velocity / acceleration, np.sqrt(way / acceleration))
    shortest = 2 * rising + (way - acceleration * rising**2) / velocity
    limiter = Limiter(limits(velocity=velocity, acceleration=acceleration), period, np.array([start]))
    states = moved(limiter, np.full(int(shortest / period) + 4, goal))
    assert states[-1, 0] == pytest.approx(goal, abs=1e-7) and states[-1, 1] == pytest.approx(0, abs=1e-6 * velocity)
    along = (states[:, 0] - start) * np.sign(goal - start)
    assert along.max() <= way + 1e-9 and np.diff(along).min() >= -1e-9


def test_a_limit_of_jerk_delays_by_what_it_says() -> None:
    limiter = Limiter(limits(jerk=4000.0), 0.01, np.array([0.0]))
    free = Limiter(limits(), 0.01, np.array([0.0]))
    targets = 0.05 * np.sin(np.arange(400) / 30)
    late, early = moved(limiter, targets)[100:, 0], moved(free, targets)[100:, 0]
    assert limiter.delay[0] == pytest.approx(0.02)
    assert np.abs(late[2:] - early[:-2]).max() < 0.0005


def test_a_fork_goes_its_own_way() -> None:
    limiter = Limiter(limits(jerk=4000.0), 0.01, np.array([0.0]))
    moved(limiter, np.full(5, 1.0))
    before = limiter.position.copy()
    fork = limiter.fork()
    moved(fork, np.full(50, -1.0))
    assert limiter.position == before and fork.position[0] == pytest.approx(-1.0)
    again = limiter.fork()
    assert np.array_equal(moved(again, np.full(9, 1.0)), moved(limiter, np.full(9, 1.0)))


@pytest.mark.parametrize(
    "wrong", [{"low": 1.0}, {"high": np.nan}, {"velocity": 0.0}, {"acceleration": -1.0}, {"jerk": np.nan}]
)
def test_limits_that_make_no_sense_are_refused(wrong: dict) -> None:
    with pytest.raises(ValueError, match="limits"):
        limits(**wrong)
