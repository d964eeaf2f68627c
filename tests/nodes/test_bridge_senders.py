"""Senders that the bridge node starts by its parameters, from ROS topics to real UDP sockets."""

import time

import numpy as np
import pytest

pytest.importorskip("rclpy")
from rclpy.lifecycle import TransitionCallbackReturn  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from toktalk_msgs.msg import BlendShapes  # noqa: E402

from tests.bridge.udp_peer import Receiver  # noqa: E402
from tests.nodes.graph import Graph  # noqa: E402
from toktalk_node.bridge.keys import create_bridge  # noqa: E402
from toktalk_node.bridge.livelink_udp import device_id  # noqa: E402
from toktalk_node.nodes import conversions  # noqa: E402
from toktalk_node.nodes.bridge import BridgeNode  # noqa: E402
from toktalk_node.nodes.parameters import STREAM_QOS  # noqa: E402

PORTS = {"pub_port": 0, "control_port": 0, "viewer_port": 0}


@pytest.fixture
def graph():
    graph = Graph()
    yield graph
    graph.close()


def speak(graph: Graph, jaw: float) -> None:
    """Publish half a second of a face with this jaw."""
    publisher = graph.listener.create_publisher(BlendShapes, "face/blendshapes", STREAM_QOS)
    graph.wait(lambda: publisher.get_subscription_count() >= 2)
    weights = np.zeros(52, np.float32)
    weights[BlendShapes.JAW_OPEN] = jaw
    epoch_ns = time.time_ns() + 200_000_000
    for k in range(25):
        message = BlendShapes(weights=weights, head_yaw=0.1, head_pitch=0.2, head_roll=0.3, frame=k, rate=50.0)
        message.header.stamp = conversions.to_time(epoch_ns + k * 20_000_000)
        publisher.publish(message)


def big_endian(jaw: float) -> bytes:
    return np.array(jaw, ">f4").tobytes()


def test_unreal_and_an_avatar_get_the_face_and_diagnostics_count_it(graph: Graph) -> None:
    with Receiver() as unreal, Receiver() as avatar:
        graph.up(
            BridgeNode,
            **PORTS,
            livelink_to=unreal.address,
            livelink_subject="robot",
            vmc_to=avatar.address,
            vmc_names="camel",
        )
        assert unreal.listen(5.0, until=lambda raw: device_id("robot").encode() in raw), "no resting face"
        assert avatar.listen(5.0, until=lambda raw: b"jawOpen" in raw), "no resting face"
        speak(graph, 0.625)
        assert big_endian(0.625) in unreal.listen(3.0, until=lambda raw: big_endian(0.625) in raw)[-1][1]
        assert b"jawOpen" in avatar.listen(3.0, until=lambda raw: big_endian(0.625) in raw)[-1][1]
        graph.wait(
            lambda: "bridge" in graph.listener.status and int(graph.listener.status["bridge"][2]["livelink_frames"]) > 5
        )
        level, _, values = graph.listener.status["bridge"]
        assert level == 0 and int(values["vmc_frames"]) > 5 and values["livelink_send_errors"] == "0"


def test_a_receiver_that_does_not_run_is_a_warning_and_stops_nothing(graph: Graph) -> None:
    with Receiver() as receiver:
        address = receiver.address
    node = graph.up(BridgeNode, **PORTS, livelink_to=address)
    graph.wait(lambda: graph.listener.status.get("bridge", (0,))[0] == 1)
    assert f"does the receiver run? {address} (livelink)" in graph.listener.status["bridge"][1]
    with Receiver(int(address.rpartition(":")[2])) as receiver:
        assert receiver.listen(5.0, until=lambda raw: True)
        graph.wait(lambda: graph.listener.status["bridge"][0] == 0)
    assert node.trigger_deactivate() == TransitionCallbackReturn.SUCCESS
    assert node.trigger_cleanup() == TransitionCallbackReturn.SUCCESS
    assert not node._senders


@pytest.mark.parametrize(
    "wrong",
    [
        {"livelink_to": "127.0.0.1:70000"},
        {"vmc_to": "no-such-host.invalid"},
        {"livelink_to": "127.0.0.1", "livelink_subject": " "},
        {"speaker": "no such loudspeaker"},
        {"keys": "/no/such/file.json"},
    ],
)
def test_what_cannot_work_refuses_to_configure_and_can_be_put_right(graph: Graph, wrong: dict[str, str]) -> None:
    node = graph.add(BridgeNode, **PORTS, **wrong)
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert not node._senders
    defaults = {"livelink_to": "", "livelink_subject": "{stream}", "vmc_to": "", "speaker": "", "keys": ""}
    node.set_parameters([Parameter(name, value=value) for name, value in defaults.items()])
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS


def test_an_encrypted_wire_serves_the_senders_of_the_node(graph: Graph, tmp_path) -> None:
    create_bridge(tmp_path / "bridge.json")
    with Receiver() as unreal:
        node = graph.add(BridgeNode, **PORTS, keys=str(tmp_path / "bridge.json"), livelink_to=unreal.address)
        assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
        assert node.trigger_activate() == TransitionCallbackReturn.SUCCESS
        speak(graph, 0.375)
        assert unreal.listen(5.0, until=lambda raw: big_endian(0.375) in raw)
