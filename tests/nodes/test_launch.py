"""The launch files as a user starts them, `ros2 launch`, on packages that colcon built: faces come, nothing stays."""

import os
import shutil
import signal
import subprocess
import sys
import time
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pytest
import yaml

pytest.importorskip("rclpy")
pytest.importorskip("colcon_core")
import soundfile  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402
from toktalk_msgs.msg import AudioTokens, BlendShapes, FaceEvent  # noqa: E402

from tests.nodes.graph import DOMAIN, Graph  # noqa: E402
from tests.speech import pulse  # noqa: E402
from toktalk_node.nodes.parameters import STREAM_QOS  # noqa: E402
from toktalk_node.speech import espeak  # noqa: E402
from toktalk_node.speech.resample import resample  # noqa: E402
from toktalk_node.stream.session import WEIGHTS  # noqa: E402
from toktalk_node.tokens import phonetic  # noqa: E402

ROOT = Path(__file__).parents[2]
ROS2 = shutil.which("ros2")
pytestmark = [
    pytest.mark.peer,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(ROS2 is None, reason="needs ros2 launch: ros-$ROS_DISTRO-ros2launch"),
]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The package as colcon installs it: the environment in which ros2 finds it."""
    folder = tmp_path_factory.mktemp("colcon")
    command = [sys.executable, "-m", "colcon", "build", "--base-paths", ROOT, "--packages-select", "toktalk_node",
               "--merge-install"]  # fmt: skip
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    prefix = folder / "install"
    (modules,) = {path.parents[2] for path in prefix.glob("**/toktalk_node/nodes/toktalk.py")}
    ros = os.environ.get("AMENT_PREFIX_PATH") or sys.prefix
    paths = [str(modules), os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ,
        "AMENT_PREFIX_PATH": os.pathsep.join([str(prefix), ros]),
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "ROS_DOMAIN_ID": str(DOMAIN),
        "PYTHONUNBUFFERED": "1",
    }


@pytest.fixture
def graph() -> Iterator[Graph]:
    made = Graph()
    yield made
    made.close()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The parameter file that ships, with ports that are free."""
    parameters = yaml.safe_load((ROOT / "launch" / "config" / "toktalk.yaml").read_text())
    parameters["/**/bridge"]["ros__parameters"] |= {"pub_port": 0, "control_port": 0, "viewer_port": 0}
    path = tmp_path / "parameters.yaml"
    path.write_text(yaml.safe_dump(parameters))
    return path


@dataclass
class Launched:
    """A launch that runs."""

    process: subprocess.Popen

    def ended(self) -> bool:
        """Whether it ended by itself."""
        return self.process.poll() is not None

    def hosts(self) -> set[str]:
        """Addresses at which its processes take connections."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        sockets = [socket for process in family for socket in process.net_connections("tcp")]
        return {socket.laddr.ip for socket in sockets if socket.status == psutil.CONN_LISTEN}


@contextmanager
def launched(env: dict[str, str], *arguments: str, nodes: int) -> Iterator[Launched]:
    """`ros2 launch toktalk_node ARGUMENTS`, and a Ctrl-C at the end that must leave no process."""
    log = Path(env["ROS_LOG_DIR"]) / "launch.txt"
    log.parent.mkdir(exist_ok=True)
    with log.open("w") as output:
        process = subprocess.Popen(
            [ROS2, "launch", "toktalk_node", *arguments], env=env, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        yield Launched(process)
        family = psutil.Process(process.pid).children(recursive=True)
        assert len(family) >= nodes, log.read_text()
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0, log.read_text()
        assert not psutil.wait_procs(family, timeout=5)[1], log.read_text()
        assert "Traceback" not in log.read_text()
    except AssertionError as error:
        raise AssertionError(f"{error}\n{log.read_text()}") from error
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def speech(rate: int) -> np.ndarray:
    spoken, made, _ = espeak.synthesize("Papa had a large armchair in the back of his car.", "en-us")
    return resample(spoken, made, rate)


def speaks(graph: Graph) -> bool:
    """Whether the mouth opened for a vowel."""
    faces = [message for _, message in graph.listener.faces]
    return len(faces) > 50 and max(message.weights[BlendShapes.JAW_OPEN] for message in faces) > 0.1


def test_the_demo_speaks_a_recording(installed, graph: Graph, config: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "speech.wav", speech(24_000), 24_000)
    env = installed | {"ROS_LOG_DIR": str(tmp_path / "log")}
    arguments = ("demo.launch.py", f"config:={config}", "host:=0.0.0.0", "source:=wav", f"wav:={tmp_path}/speech.wav")
    with launched(env, *arguments, nodes=3) as demo:
        graph.wait(lambda: demo.ended() or speaks(graph), 120, "the face does not speak")
        assert demo.hosts() == {"0.0.0.0"}, "bridge and viewer are for other machines"


@pytest.mark.skipif(not pulse.available(), reason="needs pulseaudio, pulseaudio-utils and libasound2-plugins")
def test_the_microphone_moves_the_face(installed, graph: Graph, config: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "speech.wav", speech(24_000), 24_000)
    with pulse.PulseServer(tmp_path) as server:
        sound = {name: value for name, value in server.env.items() if os.environ.get(name) != value}
        env = installed | sound | {"ROS_LOG_DIR": str(tmp_path / "log")}
        with launched(env, "microphone.launch.py", f"config:={config}", nodes=3) as avatar:
            graph.wait(lambda: avatar.ended() or graph.listener.faces, 120, "no frames of the microphone's silence")
            player = server.play(tmp_path / "speech.wav")
            graph.wait(lambda: speaks(graph), 60, "the face does not follow the microphone")
            player.wait(20)
            assert avatar.hosts() == {"127.0.0.1"}


def test_tokens_of_another_topic_move_the_face(installed, graph: Graph, config: Path, tmp_path: Path) -> None:
    stream = phonetic.load(WEIGHTS / phonetic.SPACE).stream()
    ids = np.concatenate([stream.push(speech(16_000)), stream.finish()])
    publisher = graph.listener.create_publisher(AudioTokens, "/llm/tokens", STREAM_QOS)
    env = installed | {"ROS_LOG_DIR": str(tmp_path / "log")}
    with launched(env, "tokens.launch.py", f"config:={config}", "tokens:=/llm/tokens", nodes=2) as avatar:
        graph.wait(lambda: avatar.ended() or publisher.get_subscription_count(), 120, "nobody listens to the tokens")
        graph.wait(lambda: "toktalk" in graph.listener.status, 60, "the decoder is not active")
        for start in range(0, len(ids), 10):
            part = ids[start : start + 10]
            message = AudioTokens(space=phonetic.SPACE, start=start, codebooks=1, last=start + 10 >= len(ids))
            message.ids = array("i", part.ravel().astype(np.int32))
            message.header.stamp = graph.listener.get_clock().now().to_msg()
            publisher.publish(message)
            time.sleep(0.2)
        graph.wait(lambda: speaks(graph), 60, "the face does not follow the tokens")


def test_a_robots_jaw_moves_with_the_speech(installed, graph: Graph, config: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "speech.wav", speech(24_000), 24_000)
    config.write_text(config.read_text().replace("playout_delay: 0.4", "playout_delay: 3.0"))
    came: list[JointState] = []
    graph.listener.create_subscription(JointState, "joint_states", came.append, 10)
    env = installed | {"ROS_LOG_DIR": str(tmp_path / "log")}
    arguments = ("robot_face.launch.py", "map:=jaw2", f"config:={config}", "host:=0.0.0.0", "source:=wav",
                 f"wav:={tmp_path}/speech.wav")  # fmt: skip
    with launched(env, *arguments, nodes=4) as robot:
        graph.wait(lambda: robot.ended() or any(m.position[0] > 0.05 for m in came), 120, "the jaw does not move")
        assert came[-1].name == ["jaw", "lips"] and robot.hosts() == {"0.0.0.0"}


def test_several_faces_speak_each_in_a_namespace_of_its_own(installed, graph: Graph, config: Path, tmp_path) -> None:
    config.write_text(config.read_text().replace("playout_delay: 0.4", "playout_delay: 3.0"))
    came: dict[str, list[BlendShapes]] = {"ada": [], "bob": []}
    begun: dict[str, list[FaceEvent]] = {"ada": [], "bob": []}
    for name in came:
        graph.listener.create_subscription(BlendShapes, f"{name}/face/blendshapes", came[name].append, STREAM_QOS)
        graph.listener.create_subscription(FaceEvent, f"{name}/face/events", begun[name].append, STREAM_QOS)
    env = installed | {"ROS_LOG_DIR": str(tmp_path / "log")}
    arguments = ("faces.launch.py", f"config:={config}", "text:=My papa is called {name}.", "repeat_after:=1.0")

    def speak() -> bool:
        return all(m and max(f.weights[BlendShapes.JAW_OPEN] for f in m) > 0.1 for m in came.values())

    with launched(env, *arguments, nodes=5) as faces:
        graph.wait(lambda: faces.ended() or speak(), 180, "not both faces speak")
        assert {name: events[0].text for name, events in begun.items()} == {
            name: f"My papa is called {name}." for name in came
        }
        assert "bridge" in graph.listener.status
