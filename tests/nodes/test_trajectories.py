"""The trajectories of robot_face by the rules of ros2_control's joint_trajectory_controller."""

import time
from collections.abc import Iterator
from copy import deepcopy

import numpy as np
import pytest

pytest.importorskip("rclpy")
from builtin_interfaces.msg import Duration  # noqa: E402
from trajectory_msgs.msg import JointTrajectory  # noqa: E402

from tests.nodes.controller import Controller, refusal  # noqa: E402
from tests.nodes.graph import Graph  # noqa: E402
from tests.nodes.test_robot_face import FPS, SECOND, Speaker  # noqa: E402
from toktalk_node.face import robot_file  # noqa: E402
from toktalk_node.face.robot_motion import COMMITTED, RobotMotion  # noqa: E402
from toktalk_node.nodes import conversions, robot_messages  # noqa: E402
from toktalk_node.nodes.parameters import STREAM_QOS  # noqa: E402
from toktalk_node.nodes.robot_face import RobotFaceNode  # noqa: E402

UPDATE_NS = SECOND // 200


@pytest.fixture
def graph() -> Iterator[Graph]:
    made = Graph()
    yield made
    made.close()


def test_a_controller_takes_every_trajectory_and_ends_at_rest(graph: Graph, capsys) -> None:
    came: list[tuple[int, JointTrajectory]] = []
    clock = graph.listener.get_clock()
    graph.listener.create_subscription(
        JointTrajectory,
        "face_controller/joint_trajectory",
        lambda message: came.append((clock.now().nanoseconds, message)),
        STREAM_QOS,
    )
    node = graph.up(RobotFaceNode, map="head12", trajectory=True, joint_states=False)
    speaker = Speaker(graph)
    time.sleep(3.0)
    speaker.stop()
    time.sleep(1.0)
    node.trigger_deactivate()
    time.sleep(0.3)
    robot = robot_file.load("head12")
    assert len(came) > 10
    sent = [conversions.from_time(message.header.stamp) for _, message in came]
    assert all(stamp < arrived for stamp, (arrived, _) in zip(sent, came, strict=True)), "none begins in the future"
    controllers_time = [stamp + SECOND // 10 for stamp in sent]  # one that is late itself; the machine has other work
    taken = zip(came, controllers_time, strict=True)
    assert {refusal(message, robot.names, now_ns) for (_, message), now_ns in taken} == {""}
    limits, controller, waiting = robot.limits, Controller(robot.rest), list(came)
    states = []
    for now_ns in range(came[0][0], came[-1][0] + SECOND, UPDATE_NS):
        while waiting and waiting[0][0] <= now_ns:
            controller.take(waiting.pop(0)[1], now_ns)
        states.append(controller.update(now_ns))
    position, velocity = np.array(states).transpose(1, 0, 2)
    late = max(arrived - stamp for stamp, (arrived, _) in zip(sent, came, strict=True)) / SECOND
    with capsys.disabled():
        print(f"\n{len(came)} trajectories, up to {1000 * late:.1f} ms old when they come")
    assert np.ptp(position[:, robot.names.index("jaw")]) > 0.1, "the jaw moves"
    assert (position >= limits.low - 1e-6).all() and (position <= limits.high + 1e-6).all()
    assert np.allclose(position[-1], robot.rest, atol=1e-6) and not velocity[-1].any(), "it ends at rest"
    assert (np.abs(velocity) <= limits.velocity * (1 + 1e-3)).all()


@pytest.mark.parametrize("age", [0.0, 0.004, 0.01, COMMITTED])
def test_a_controller_goes_over_to_trajectories_of_this_age_without_a_jump(age: float) -> None:
    robot, generator = robot_file.load("head12"), np.random.default_rng(0)
    motion, controller = RobotMotion(robot, 0.01), Controller(robot.rest)
    frames = np.repeat(generator.uniform(0, 1, (40, 55)), 3, axis=0)  # the face jumps 17 times a second
    frames[:, 52:] -= 0.5
    period, coming, states = SECOND // 100, [], []
    for step in range(400):
        now_ns = SECOND + step * period
        if step % 2 == 0 and step // 2 < len(frames):
            motion.push(now_ns + SECOND // 10, FPS, frames[step // 2])
        motion.follow()
        if step % 5 == 0:
            planned = motion.plan(now_ns)
            positions, velocities = robot.commands(planned[0]), robot.rates(planned[1])
            message = robot_messages.trajectory(robot.names, positions, velocities, now_ns, motion.period)
            coming.append((now_ns + round(age * SECOND), message))
        for update_ns in (now_ns, now_ns + UPDATE_NS):
            while coming and coming[0][0] <= update_ns:
                controller.take(coming.pop(0)[1], update_ns)
            states.append(controller.update(update_ns))
    position, velocity = np.array(states).transpose(1, 0, 2)
    limits, seconds = robot.limits, UPDATE_NS / SECOND
    assert (np.ptp(position, axis=0) > 0.3 * (limits.high - limits.low)).any(), "it moves"
    assert (position >= limits.low - 1e-9).all() and (position <= limits.high + 1e-9).all()
    assert (np.abs(np.diff(position, axis=0)) <= limits.velocity * seconds * (1 + 1e-6)).all()
    assert (np.abs(np.diff(velocity, axis=0)) <= limits.acceleration * seconds * (1 + 1e-6)).all()


@pytest.fixture
def good() -> JointTrajectory:
    """Two joints on their way, at 10 ms."""
    positions = np.array([[0.0, 0.0], [0.1, 0.2], [0.1, 0.2]])
    return robot_messages.trajectory(("jaw", "lips"), positions, np.zeros((3, 2)), SECOND, 0.01)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda m: m.joint_names.pop(), "joints are not"),
        (lambda m: m.points.clear(), "empty"),
        (lambda m: m.points[-1].velocities.__setitem__(1, 0.1), "ends in motion"),
        (lambda m: setattr(m.points[1], "time_from_start", m.points[0].time_from_start), "do not rise at point 1"),
        (lambda m: m.points[1].positions.pop(), "point 1 has 1 positions"),
        (lambda m: m.points[1].velocities.pop(), "point 1 has 1 velocities"),
        (lambda m: m.header.stamp.__setattr__("sec", 0) or setattr(m.header.stamp, "nanosec", 1), "in the past"),
    ],
)
def test_what_a_controller_refuses_is_found(good: JointTrajectory, spoil, reason: str) -> None:
    assert refusal(good, ("jaw", "lips"), 1_200_000_000) == ""
    bad = deepcopy(good)
    spoil(bad)
    assert reason in refusal(bad, ("jaw", "lips"), 1_200_000_000)


def test_its_cubic_is_the_limiters_parabola() -> None:
    """Between two points of one acceleration the controller moves as the limiter does, and not faster."""
    positions, velocities = np.array([[0.0], [0.004], [0.016]]), np.array([[0.0], [0.8], [1.6]])
    message = robot_messages.trajectory(("jaw",), positions, velocities, SECOND, 0.01)
    message.points[0].time_from_start = Duration(nanosec=10_000_000)
    controller = Controller(np.zeros(1))
    controller.take(message, SECOND)
    for t in np.linspace(0.01, 0.03, 21):
        x, v = controller.update(SECOND + round(t * SECOND))
        assert x[0] == pytest.approx(40 * (t - 0.01) ** 2, abs=1e-9)
        assert v[0] == pytest.approx(80 * (t - 0.01), abs=1e-6)
