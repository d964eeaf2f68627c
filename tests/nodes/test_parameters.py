from pathlib import Path

import pytest

rclpy = pytest.importorskip("rclpy")
import yaml  # noqa: E402
from rcl_interfaces.msg import ParameterType  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402

from toktalk_node.nodes import bridge, speech_source, toktalk  # noqa: E402
from toktalk_node.nodes.parameters import STREAM_QOS  # noqa: E402

CONFIG = Path(__file__).parents[2] / "launch" / "config" / "toktalk.yaml"
NODES = {
    "speech_source": (speech_source.SpeechSourceNode, speech_source.PARAMETERS),
    "toktalk": (toktalk.ToktalkNode, toktalk.PARAMETERS),
    "bridge": (bridge.BridgeNode, bridge.PARAMETERS),
}


@pytest.fixture
def context():
    made = rclpy.Context()
    rclpy.init(context=made)
    yield made
    made.try_shutdown()


@pytest.mark.parametrize("name", NODES)
def test_the_parameter_file_holds_every_parameter_at_its_default(name: str) -> None:
    written = yaml.safe_load(CONFIG.read_text())[f"/**/{name}"]["ros__parameters"]
    assert written == {parameter.name: parameter.default for parameter in NODES[name][1]}


@pytest.mark.parametrize("name", NODES)
def test_ros_tells_what_each_parameter_means_and_allows(name: str, context) -> None:
    node = NODES[name][0](context=context)
    try:
        for parameter in NODES[name][1]:
            described = node.describe_parameter(parameter.name)
            assert described.description == parameter.description
            if described.type == ParameterType.PARAMETER_DOUBLE:
                assert described.floating_point_range, f"{parameter.name} has no range"
            if described.type == ParameterType.PARAMETER_INTEGER:
                assert described.integer_range, f"{parameter.name} has no range"
    finally:
        node.destroy_node()


def test_values_out_of_range_and_unknown_choices_are_refused(context) -> None:
    with pytest.raises(Exception, match="playout_delay"):
        toktalk.ToktalkNode(context=context, parameter_overrides=[Parameter("playout_delay", value=-1.0)])
    with pytest.raises(ValueError, match="choose none, text"):
        speech_source.SpeechSourceNode(context=context, parameter_overrides=[Parameter("source", value="radio")])


def test_qos_can_be_overridden_by_parameters(context) -> None:
    override = Parameter("qos_overrides./face/blendshapes.publisher.depth", value=3)
    node = toktalk.ToktalkNode(context=context, parameter_overrides=[override])
    try:
        (info,) = node.get_publishers_info_by_topic("/face/blendshapes")
        assert node.get_parameter(override.name).value == 3
        assert STREAM_QOS.depth == 100, "other topics keep theirs"
        assert info.topic_type == "toktalk_msgs/msg/BlendShapes"
    finally:
        node.destroy_node()
