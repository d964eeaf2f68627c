"""robot_face in a real ROS graph over DDS: what a servo's driver and a controller get."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy")
import yaml  # noqa: E402
from rcl_interfaces.msg import ParameterType  # noqa: E402
from rclpy.lifecycle import TransitionCallbackReturn  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402
from std_msgs.msg import Float32MultiArray  # noqa: E402
from toktalk_msgs.msg import AudioFrame, BlendShapes  # noqa: E402
from trajectory_msgs.msg import JointTrajectory  # noqa: E402

from tests.nodes.graph import DOMAIN, Graph  # noqa: E402
from toktalk_node.face import robot_file  # noqa: E402
from toktalk_node.nodes import conversions  # noqa: E402
from toktalk_node.nodes.parameters import STREAM_QOS  # noqa: E402
from toktalk_node.nodes.robot_face import PARAMETERS, RobotFaceNode  # noqa: E402
from toktalk_node.signals import AudioChunk  # noqa: E402

SECOND = 1_000_000_000
FPS, AHEAD = 50, 0.1
LISTENERS = 2
"""Of face/blendshapes: the listener of the test and the robot."""
CONFIG = Path(__file__).parents[2] / "launch" / "config" / "robot_face.yaml"


@pytest.fixture
def graph() -> Iterator[Graph]:
    made = Graph()
    yield made
    made.close()


class Speaker:
    """Publishes a mouth that opens and shuts, each frame 0.1 s before its time, until `stop`."""

    def __init__(self, graph: Graph, jaw: float = 0.5, sound: bool = False, offset: float = 0.0) -> None:
        self._node = graph.listener
        self._faces = self._node.create_publisher(BlendShapes, "face/blendshapes", STREAM_QOS)
        self._sounds = self._node.create_publisher(AudioFrame, "face/audio", STREAM_QOS) if sound else None
        self._jaw, self._offset = jaw, round(offset * SECOND)
        self._done = threading.Event()
        graph.wait(lambda: self._faces.get_subscription_count() >= LISTENERS, what="the robot does not listen")
        self.last_ns = 0
        self._thread = threading.Thread(target=self._speak, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._done.set()
        self._thread.join()

    def _speak(self) -> None:
        epoch = self._node.get_clock().now().nanoseconds + round(AHEAD * SECOND)
        frame = 0
        while not self._done.wait(1 / FPS):
            while epoch + frame * SECOND // FPS < self._node.get_clock().now().nanoseconds + AHEAD * SECOND:
                weights, head = np.zeros(52, np.float32), np.zeros(3, np.float32)
                weights[BlendShapes.JAW_OPEN] = self._jaw * (0.6 + 0.4 * np.cos(frame / FPS * 2 * np.pi * 2))
                self.last_ns = epoch + frame * SECOND // FPS
                stamp = self.last_ns + self._offset
                self._faces.publish(conversions.face_message(weights, head, frame, FPS, stamp))
                if self._sounds:
                    tone = 0.3 * np.sin(np.arange(320) * 0.3).astype(np.float32)
                    self._sounds.publish(conversions.audio_message(AudioChunk(tone, 16_000, frame * 320), stamp))
                frame += 1


class Joints:
    """What came on joint_states: arrival in ns, stamp in ns, positions and velocities by joint."""

    def __init__(self, graph: Graph) -> None:
        self.came: list[tuple[int, JointState]] = []
        node = graph.listener
        node.create_subscription(
            JointState, "joint_states", lambda m: self.came.append((node.get_clock().now().nanoseconds, m)), STREAM_QOS
        )

    def of(self, joint: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(stamps in ns, positions, velocities) of a joint."""
        messages = [message for _, message in self.came]
        index = messages[0].name.index(joint)
        stamps = np.array([conversions.from_time(message.header.stamp) for message in messages])
        return stamps, *np.array([[m.position[index], m.velocity[index]] for m in messages]).T


def diagnosed(graph: Graph) -> tuple[int, str, dict[str, str]]:
    return graph.listener.status.get("robot_face", (0, "", {}))


def test_joints_follow_the_face_at_their_own_rate_within_their_limits(graph: Graph, capsys) -> None:
    joints = Joints(graph)
    node = graph.up(RobotFaceNode, map="head12", rate=100.0)
    speaker = Speaker(graph)
    time.sleep(3.0)
    speaker.stop()
    graph.wait(lambda: diagnosed(graph)[2].get("watchdog") == "at rest" and joints.came, what="no rest")
    robot = robot_file.load("head12")
    assert joints.came[0][1].name == list(robot.names)
    stamps, position, velocity = joints.of("jaw")
    moving = (stamps > stamps[0] + SECOND) & (stamps < speaker.last_ns)
    assert np.ptp(position[moving]) > 0.1, "the jaw opens and shuts"
    for joint in robot.joints:
        _, position, velocity = joints.of(joint.name)
        assert position.min() >= joint.low and position.max() <= joint.high
        assert np.abs(velocity).max() <= joint.velocity * (1 + 1e-9)
        assert np.abs(np.diff(velocity)).max() <= joint.acceleration * 0.01 * (1 + 1e-9) + 1e-12
        assert np.abs(np.diff(position)).max() <= joint.velocity * 0.01 * (1 + 1e-9), "it never jumps"
    arrivals = np.diff([came for came, _ in joints.came][50:]) / 1e6
    middle, late = np.percentile(arrivals, (50, 99))
    with capsys.disabled():
        print(f"\njoint_states at 100 Hz: intervals p50 {middle:.2f}, p99 {late:.2f}, max {arrivals.max():.2f} ms")
        print(f"missed periods {node.figures.missed_periods} of {node.figures.steps}")
    assert middle == pytest.approx(10.0, abs=2.0)


def test_the_jaw_is_where_the_face_is_at_that_time(graph: Graph) -> None:
    joints = Joints(graph)
    graph.up(RobotFaceNode, map="jaw2")
    speaker = Speaker(graph, jaw=0.4)
    time.sleep(2.0)
    speaker.stop()
    stamps, position, _ = joints.of("jaw")
    robot = robot_file.load("jaw2")
    moving = (stamps > stamps[0] + SECOND) & (stamps < speaker.last_ns - SECOND // 5)
    (term,) = robot.joints[0].terms
    epoch = speaker.last_ns % (SECOND // FPS)
    phase = ((stamps - epoch) / SECOND - 0.5 / FPS) % 0.5
    wanted = [term(0.4 * (0.6 + 0.4 * np.cos((phase + shift) * 4 * np.pi))) for shift in np.arange(0, 0.5, 0.005)]
    errors = [np.abs(position[moving] - curve[moving]).mean() for curve in wanted]
    assert min(errors) < 0.01, "the shape of the motion is the face's"


def test_the_face_goes_to_rest_when_the_stream_stops(graph: Graph, capsys) -> None:
    joints = Joints(graph)
    graph.up(RobotFaceNode, map="jaw2", watchdog=0.2)
    speaker = Speaker(graph, jaw=0.6)
    time.sleep(1.0)
    speaker.stop()
    graph.wait(lambda: joints.of("jaw")[1][-1] == 0.0, 5, "the jaw stays open")
    stamps, position, _ = joints.of("jaw")
    moved = stamps[np.flatnonzero(np.abs(np.diff(position)) > 1e-6)[-1]]
    seconds = (moved - speaker.last_ns - SECOND / FPS) / SECOND
    with capsys.disabled():
        print(f"\nlast frame over to jaw at rest: {seconds:.3f} s, of which the watchdog waits 0.2 s")
    assert 0.2 < seconds < 0.6
    graph.wait(lambda: diagnosed(graph)[2].get("rests") == "1", what="diagnostics do not tell")


def test_deactivation_brings_the_face_to_rest_first(graph: Graph) -> None:
    joints = Joints(graph)
    node = graph.up(RobotFaceNode, map="jaw2")
    speaker = Speaker(graph, jaw=0.6)
    graph.wait(lambda: joints.came and joints.of("jaw")[1][-1] > 0.1, what="the jaw does not open")
    assert node.trigger_deactivate() == TransitionCallbackReturn.SUCCESS
    speaker.stop()
    time.sleep(0.2)
    _, position, velocity = joints.of("jaw")
    assert position[-1] == 0.0 and velocity[-1] == 0.0
    assert np.abs(np.diff(position)).max() <= 5.0 * 0.01 * (1 + 1e-9)
    count = len(joints.came)
    time.sleep(0.2)
    assert len(joints.came) == count, "an inactive node is silent"
    assert node.trigger_activate() == TransitionCallbackReturn.SUCCESS
    graph.wait(lambda: len(joints.came) > count, what="it does not come back")
    assert node.trigger_deactivate() == node.trigger_cleanup() == TransitionCallbackReturn.SUCCESS
    assert node.set_parameters([Parameter("map", value="head12")])[0].successful
    assert node.trigger_configure() == node.trigger_activate() == TransitionCallbackReturn.SUCCESS
    graph.wait(lambda: len(joints.came[-1][1].name) == 12, what="it does not take another map")


def test_trajectories_hold_what_is_known_and_end_at_rest(graph: Graph) -> None:
    """As the joint_trajectory_controller takes them: positions and velocities, times that rise, standing at the end."""
    came: list[JointTrajectory] = []
    graph.listener.create_subscription(JointTrajectory, "head_controller/joint_trajectory", came.append, STREAM_QOS)
    joints = Joints(graph)
    graph.up(RobotFaceNode, map="jaw2", trajectory=True, controller="head_controller", joint_states=True)
    speaker = Speaker(graph)
    time.sleep(1.5)
    speaker.stop()
    graph.wait(lambda: joints.came and joints.of("jaw")[1][-1] == 0.0, 5)
    robot = robot_file.load("jaw2")
    assert 10 < len(came) < 60
    busy = max(came, key=lambda message: len(message.points))
    for message in came:
        assert message.joint_names == ["jaw", "lips"]
        times = [conversions.from_time(point.time_from_start) for point in message.points]
        assert times[:-1] == [round(i * SECOND / 100) for i in range(1, len(times))]
        assert times[-1] == times[-2] + SECOND // 2, "a controller refuses what is over when it comes"
        assert list(message.points[-1].positions) == pytest.approx(robot.rest.tolist(), abs=1e-6)
        assert not any(message.points[-1].velocities), "controllers refuse a trajectory that ends in motion"
        assert message.points[-1].positions == message.points[-2].positions
        positions = np.array([point.positions for point in message.points])
        assert (positions >= robot.limits.low).all() and (positions <= robot.limits.high).all()
        speeds = np.array([point.velocities for point in message.points])
        assert (np.abs(np.diff(speeds, axis=0)) <= robot.limits.acceleration * 0.01 * (1 + 1e-9)).all()
    assert len(busy.points) > 20 and max(point.positions[0] for point in busy.points) > 0.05
    # the trajectory of a moment and the state published for the same moment are one motion
    stamps, position, _ = joints.of("jaw")
    start = conversions.from_time(busy.header.stamp)
    (index,) = np.flatnonzero(stamps == start)
    assert at(busy, stamps[index + 1]) == pytest.approx(position[index + 1], abs=0.01)
    # each begins on the one before it, however late the node was
    for before, after in zip(came, came[1:], strict=False):
        passed, rest = divmod(
            conversions.from_time(after.header.stamp) - conversions.from_time(before.header.stamp), SECOND // 100
        )
        assert rest == 0
        state, first = before.points[min(passed, len(before.points)) - 1], after.points[0]
        change = np.subtract(first.velocities, state.velocities)
        assert (np.abs(change) <= robot.limits.acceleration * 0.01 * (1 + 1e-6) + 1e-9).all()
        way = np.add(first.velocities, state.velocities) / 2 * 0.01
        assert np.subtract(first.positions, state.positions) == pytest.approx(way, abs=1e-9)


def at(message: JointTrajectory, time_ns: int) -> float:
    """Where a trajectory has its first joint at a time."""
    times = [conversions.from_time(point.time_from_start) for point in message.points]
    positions = [point.positions[0] for point in message.points]
    return float(np.interp(time_ns - conversions.from_time(message.header.stamp), times, positions))


def test_leds_open_with_the_mouth_and_shine_with_the_voice(graph: Graph) -> None:
    came: list[Float32MultiArray] = []
    graph.listener.create_subscription(Float32MultiArray, "robot_face/leds", came.append, STREAM_QOS)
    graph.up(RobotFaceNode, map="leds")
    speaker = Speaker(graph, sound=True)
    time.sleep(1.5)
    speaker.stop()
    graph.wait(lambda: max(came[-1].data) == pytest.approx(0.25, abs=1e-3), 5, "the mouth of lights does not rest")
    lit = np.array([message.data for message in came]).reshape(-1, 5, 9)
    assert [(dim.label, dim.size) for dim in came[0].layout.dim] == [("rows", 5), ("columns", 9)]
    assert lit.max() > 0.8 and lit.min() >= 0.0 and lit.max() <= 1.0
    assert (lit > 0).sum(axis=(1, 2)).max() > 20
    assert (lit[-1][[0, 1, 3, 4]] == 0).all(), "at rest it is a line"


def test_it_starts_where_the_joints_stand(graph: Graph) -> None:
    joints = Joints(graph)
    graph.up(RobotFaceNode, map="jaw2", measured="measured_states")
    publisher = graph.listener.create_publisher(JointState, "measured_states", STREAM_QOS)
    graph.wait(publisher.get_subscription_count)
    publisher.publish(JointState(name=["jaw"], position=[0.3]))
    graph.wait(lambda: "no positions of lips" in diagnosed(graph)[1], what="diagnostics do not tell what is missing")
    publisher.publish(JointState(name=["lips"], position=[1.8]))
    graph.wait(lambda: "lips at 1.8 (limits -1 to 1)" in diagnosed(graph)[1], what="diagnostics do not tell")
    assert not joints.came, "it does not move before it knows"
    publisher.publish(JointState(name=["lips"], position=[0.5]))
    graph.wait(lambda: joints.came and joints.of("jaw")[1][-1] == 0.0, 5)
    assert joints.of("jaw")[1][0] == pytest.approx(0.3, abs=0.01)
    assert joints.of("lips")[1][0] == pytest.approx(0.5, abs=0.03)


def test_frames_that_are_wrong_or_late_are_counted_and_change_nothing(graph: Graph) -> None:
    joints = Joints(graph)
    node = graph.up(RobotFaceNode, map="jaw2")
    publisher = graph.listener.create_publisher(BlendShapes, "face/blendshapes", STREAM_QOS)
    weights, head = np.ones(52, np.float32), np.zeros(3, np.float32)
    while not node.figures.frames:  # late ones, until the node's side knows the publisher
        publisher.publish(conversions.face_message(weights, head, 0, FPS, 0))
        time.sleep(0.2)
    time.sleep(1)
    before = node.figures.frames
    now_ns = graph.listener.get_clock().now().nanoseconds
    for bad in (np.full(52, np.nan, np.float32), np.full(52, np.inf, np.float32)):
        publisher.publish(conversions.face_message(bad, head, 0, FPS, now_ns))
    publisher.publish(conversions.face_message(weights, head, 0, 0, now_ns))
    publisher.publish(conversions.face_message(weights, head, 0, FPS, now_ns + 3600 * SECOND))
    publisher.publish(conversions.face_message(weights, head, 0, FPS, now_ns - 5 * SECOND))
    graph.wait(lambda: diagnosed(graph)[2].get("far_frames") == "1", what="diagnostics do not tell")
    level, text, values = diagnosed(graph)
    counts = [int(values[name]) for name in ("bad_frames", "late_frames", "frames")]
    assert counts == [3, before + 1, before + 5]
    assert level == 1 and "not finite" in text
    assert not joints.of("jaw")[1].any()


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"map": ""}, "head12, jaw2 or leds"),
        ({"map": "/nowhere/head.yaml"}, "No such file"),
        ({"map": "jaw2", "joint_states": False}, "nothing to publish"),
        ({"map": "jaw2", "action_units": True}, "install ros-$ROS_DISTRO-hri-msgs"),
    ],
)
def test_what_it_cannot_do_refuses_to_configure(graph: Graph, parameters: dict, words: str, capfd) -> None:
    node = graph.add(RobotFaceNode, **parameters)
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert words in capfd.readouterr().err
    assert node.set_parameters([Parameter("map", value="jaw2")])[0].successful


def test_a_map_that_is_wrong_is_told_with_its_lines(graph: Graph, tmp_path: Path, capfd) -> None:
    path = tmp_path / "my_head.yaml"
    path.write_text("joints:\n  jaw:\n    unit: inch\n    rest: .nan\n")
    node = graph.add(RobotFaceNode, map=str(path))
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    told = capfd.readouterr().err
    assert "my_head.yaml:3: joint jaw: unit 'inch'" in told and "my_head.yaml:4: joint jaw: rest is .nan" in told


def test_ctrl_c_brings_the_face_to_rest_before_the_process_ends(graph: Graph) -> None:
    """The executable as `ros2 run` starts it."""
    env = os.environ | {"ROS_DOMAIN_ID": str(DOMAIN)}
    command = [sys.executable, "-m", "toktalk_node.nodes.robot_face", "--ros-args", "-p", "autostart:=true", "-p"]
    refused = subprocess.run([*command, "map:=no_such_map"], env=env, capture_output=True, text=True, timeout=60)
    assert refused.returncode == 2 and "one of head12, jaw2, leds" in refused.stderr
    process = subprocess.Popen([*command, "map:=jaw2"], env=env)
    try:
        joints = Joints(graph)
        graph.wait(lambda: joints.came, 60, "it does not start by itself")
        speaker = Speaker(graph, jaw=0.6)
        graph.wait(lambda: joints.came and joints.of("jaw")[1][-1] > 0.1, what="the jaw does not open")
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        speaker.stop()
        time.sleep(0.1)
        _, position, velocity = joints.of("jaw")
        assert position[-1] == 0.0 and velocity[-1] == 0.0
        assert np.abs(np.diff(position)).max() <= 5.0 * 0.01 * (1 + 1e-9)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(10)


def test_the_parameter_file_and_the_descriptions_are_complete(graph: Graph) -> None:
    written = yaml.safe_load(CONFIG.read_text())["/**/robot_face"]["ros__parameters"]
    assert written == {parameter.name: parameter.default for parameter in PARAMETERS}
    node = graph.add(RobotFaceNode)
    for parameter in PARAMETERS:
        described = node.describe_parameter(parameter.name)
        assert described.description == parameter.description
        if described.type == ParameterType.PARAMETER_DOUBLE:
            assert described.floating_point_range, f"{parameter.name} has no range"


def test_qos_can_be_overridden(graph: Graph) -> None:
    override = {"qos_overrides./joint_states.publisher.depth": 1, "map": "jaw2"}
    node = graph.up(RobotFaceNode, **override)
    assert node.get_parameter("qos_overrides./joint_states.publisher.depth").value == 1
