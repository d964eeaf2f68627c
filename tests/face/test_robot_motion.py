"""Frames in, joints out: in time, within the limits, and at rest when nothing comes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toktalk_node.face import robot_file
from toktalk_node.face.arkit import INDEX, MOTION_WIDTH
from toktalk_node.face.robot import Joint, RobotMap, Term
from toktalk_node.face.robot_motion import LONGEST_PLAN, RobotMotion, Timeline

SECOND = 1_000_000_000
FPS, PERIOD = 50, 0.01


def jaw(velocity: float, acceleration: float, keep: int = 0, jerk: float = np.inf) -> RobotMap:
    """A jaw that follows jawOpen as it is."""
    joint = Joint("jaw", "rad", 0.0, 0.0, 1.0, velocity, acceleration, jerk, (Term("jawOpen"),), keep=keep)
    return RobotMap([joint])


def opened(values: np.ndarray) -> np.ndarray:
    """Frames [n, 55] of a jaw that is open by `values` [n]."""
    motion = np.zeros((len(values), MOTION_WIDTH))
    motion[:, INDEX["jawOpen"]] = values
    return motion


def played(motion: RobotMotion, frames: np.ndarray, seconds: float, ahead: float = 0.1) -> np.ndarray:
    """Positions, velocities and accelerations [n, 3, joints] while `frames` at FPS come `ahead` seconds early."""
    states, pushed = [], 0
    for step in range(round(seconds / PERIOD)):
        now_ns = round(step * PERIOD * SECOND)
        while pushed < len(frames) and pushed * SECOND // FPS <= now_ns + ahead * SECOND:
            motion.push(pushed * SECOND // FPS, FPS, frames[pushed])
            pushed += 1
        motion.step(now_ns)
        states.append([motion.limiter.position, motion.limiter.velocity, motion.limiter.acceleration])
    return np.array(states)


def test_a_joint_that_is_fast_enough_is_where_the_face_is() -> None:
    frames = opened(0.5 - 0.5 * np.cos(np.arange(100) / FPS * 2 * np.pi))
    states = played(RobotMotion(jaw(20.0, 1000.0), PERIOD), frames, 1.9)
    time = np.arange(len(states)) * PERIOD
    true = np.interp(time, (np.arange(len(frames)) + 0.5) / FPS, frames[:, INDEX["jawOpen"]])
    assert np.abs(states[10:, 0, 0] - true[10:]).max() < 0.01


def test_a_slow_joint_that_keeps_its_low_end_shuts_in_time() -> None:
    """A closure of 60 ms, as of a b, that the servo cannot reach when it sets out with the face."""
    values = np.full(100, 0.4)
    values[50:53] = 0.0
    lows = {keep: played(RobotMotion(jaw(4.0, 60.0, keep), PERIOD), opened(values), 1.9)[:, 0, 0] for keep in (0, -1)}
    time = np.arange(len(lows[0])) * PERIOD
    shut = (time >= 1.0) & (time <= 1.06)
    assert lows[0][shut].min() > 0.1
    assert lows[-1][shut].min() < 0.01
    assert lows[-1][(time > 0.5) & (time < 0.85)].min() == pytest.approx(0.4), "it is not early without need"
    assert np.abs(lows[-1] - lows[0]).max() < 0.45 and lows[-1][time > 1.25].min() == pytest.approx(0.4, abs=1e-3)


def test_a_jerk_limit_delays_nothing_that_is_known_ahead() -> None:
    frames = opened(0.5 - 0.5 * np.cos(np.arange(100) / FPS * np.pi))
    states = played(RobotMotion(jaw(20.0, 200.0, jerk=10_000.0), PERIOD), frames, 1.8)
    time = np.arange(len(states)) * PERIOD
    true = np.interp(time, (np.arange(len(frames)) + 0.5) / FPS, frames[:, INDEX["jawOpen"]])
    assert np.abs(states[20:, 0, 0] - true[20:]).max() < 0.01


def test_lead_moves_the_joint_earlier() -> None:
    values = np.concatenate([np.zeros(50), np.linspace(0, 1, 50)])
    moves = [played(RobotMotion(jaw(20.0, 1000.0), PERIOD, lead), opened(values), 1.8)[:, 0, 0] for lead in (0, 0.05)]
    assert np.abs(moves[1][120:-10] - moves[0][125:-5]).max() < 0.002


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    smooth=st.integers(1, 10),
    preset=st.sampled_from(["head12", "jaw2", "leds"]),
    lead=st.sampled_from([0.0, 0.03]),
)
def test_no_stream_moves_a_preset_beyond_its_limits(seed: int, smooth: int, preset: str, lead: float) -> None:
    """Wild faces, gaps, new streams that overlap the old one, and a rest in the middle."""
    random = np.random.default_rng(seed)
    robot = robot_file.load(preset)
    motion = RobotMotion(robot, PERIOD, lead)
    states, stamp_ns = [motion.limiter.position], 0
    rates = [motion.limiter.velocity]
    for step in range(200):
        now_ns = round(step * PERIOD * SECOND)
        while stamp_ns <= now_ns + SECOND // 10:
            if step % smooth == 0:
                motion.push(stamp_ns, FPS, random.uniform(-2, 2, MOTION_WIDTH))
                motion.loudness.put(stamp_ns, random.uniform(0, 1, 1))
            stamp_ns += SECOND // FPS
        if random.random() < 0.02:
            stamp_ns += round(random.uniform(-0.1, 0.5) * SECOND)
        motion.resting = 120 < step < 150
        motion.step(now_ns)
        states.append(motion.limiter.position)
        rates.append(motion.limiter.velocity)
    position, velocity, limits = np.array(states), np.array(rates), robot.limits
    slack = 1e-9 * (limits.high - limits.low)
    assert (position >= limits.low - slack).all() and (position <= limits.high + slack).all()
    assert (np.abs(velocity) <= limits.velocity * (1 + 1e-9)).all()
    assert (np.abs(np.diff(velocity, axis=0)) <= limits.acceleration * PERIOD * (1 + 1e-9) + 1e-12).all()
    assert np.allclose(np.diff(position, axis=0), (velocity[1:] + velocity[:-1]) / 2 * PERIOD, atol=1e-9)
    planned, speeds = motion.plan(now_ns)
    assert (planned >= limits.low - slack).all() and (planned <= limits.high + slack).all()
    assert (np.abs(np.diff(speeds, axis=0)) <= limits.acceleration * PERIOD * (1 + 1e-9) + 1e-12).all()
    assert (
        np.allclose(planned[-1], robot.rest, atol=1e-6)
        and not speeds[-1].any()
        and len(planned) * PERIOD < LONGEST_PLAN
    )


def test_the_face_goes_to_rest_when_frames_stop() -> None:
    motion = RobotMotion(jaw(4.0, 60.0), PERIOD, watchdog=0.25)
    states = played(motion, opened(np.full(50, 0.8)), 2.0)[:, 0, 0]
    time = np.arange(len(states)) * PERIOD
    end = 0.99  # the middle of the last frame
    assert states[(time > 0.5) & (time < end + 0.22)].min() == pytest.approx(0.8)
    resting = time[(time > end) & (states < 0.79)][0]
    assert end + 0.2 < resting < end + 0.3
    assert motion.standing and not motion.live
    assert states[-1] == 0.0


def test_a_plan_is_what_happens_when_nothing_more_comes() -> None:
    frames = opened(np.random.default_rng(1).uniform(0, 1, 60))
    motion = RobotMotion(jaw(4.0, 60.0, keep=-1, jerk=4000.0), PERIOD)
    played(motion, frames, 0.6)
    now_ns = round(0.59 * SECOND)
    positions, velocities = motion.plan(now_ns)
    for i, (position, velocity) in enumerate(zip(positions, velocities, strict=True), 1):
        motion.step(now_ns + round(i * PERIOD * SECOND))
        assert np.allclose(motion.limiter.position, position) and np.allclose(motion.limiter.velocity, velocity)
    assert motion.standing


def test_a_plan_that_is_followed_is_kept_to_whatever_comes_in_between() -> None:
    motion = RobotMotion(jaw(4.0, 60.0, keep=-1, jerk=4000.0), PERIOD)
    played(motion, opened(np.full(20, 0.5)), 0.3)
    now_ns = round(0.29 * SECOND)
    positions, velocities = motion.plan(now_ns)
    for i in range(len(positions)):
        motion.push(now_ns + i * SECOND // 100, FPS, opened(np.array([i % 2]))[0])
        motion.follow()
        assert np.array_equal(motion.limiter.position, positions[i])
        assert np.array_equal(motion.limiter.velocity, velocities[i])


def test_an_interruption_replaces_the_frames_ahead() -> None:
    timeline = Timeline(1, 0.25)
    for k in range(10):
        timeline.put(k * SECOND // 50, np.array([1.0]))
    timeline.put(5 * SECOND // 50, np.array([0.0]))
    values, known = timeline.read(np.array([4, 5, 9, 30]) * SECOND // 50)
    assert values[:, 0].tolist() == [1.0, 0.0, 0.0, 0.0] and known.tolist() == [True, True, True, False]


def test_a_timeline_is_read_between_its_frames_and_not_across_a_gap() -> None:
    timeline = Timeline(1, 0.25)
    assert not timeline.read(np.array([0]))[1].any()
    for time, value in ((1.0, 0.0), (1.1, 1.0), (2.0, 5.0)):
        timeline.put(round(time * SECOND), np.array([value]))
    times = np.array([0.9, 1.05, 1.2, 1.5, 1.99, 2.0, 2.2, 2.3])
    values, known = timeline.read((times * SECOND).astype(np.int64))
    assert known.tolist() == [False, True, True, False, False, True, True, False]
    assert values[known][:, 0] == pytest.approx([0.5, 1.0, 5.0, 5.0])


def test_a_long_stream_takes_no_more_memory() -> None:
    motion = RobotMotion(jaw(4.0, 60.0), PERIOD)
    played(motion, opened(np.zeros(500)), 9.0)
    assert len(motion.faces._items) < 40
