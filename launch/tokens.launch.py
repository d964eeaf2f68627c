"""An avatar that an Audio-LLM drives: toktalk_msgs/AudioTokens on `tokens`, or sound of any node on `audio`.

    ros2 launch toktalk_node tokens.launch.py tokens:=/llm/tokens
    ros2 launch toktalk_node tokens.launch.py audio:=/audio_out/raw audio_type:=audio_common_msgs/msg/AudioData
"""

from ament_index_python.packages import get_package_share_path
from launch import LaunchContext, LaunchDescription
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode

from toktalk_node.nodes.launching import BRIDGE, STYLE, declared, given, lifecycle_node, nodes

CONFIG = get_package_share_path("toktalk_node") / "config" / "toktalk.yaml"
ARGUMENTS = {
    "config": (str(CONFIG), "Parameter file of all nodes."),
    "tokens": ("tokens", "Topic of the tokens."),
    "audio": ("audio", "Topic of the sound."),
    "audio_type": ("", "Message type of the sound; empty: that of config."),
    **STYLE,
    **BRIDGE,
}


def make(context: LaunchContext) -> list[LifecycleNode]:
    """The bridge and the decoder, in this order."""
    config = LaunchConfiguration("config")
    chosen = given(context, audio_type=str, style=str)
    remappings = [(name, LaunchConfiguration(name)) for name in ("tokens", "audio")]
    return [
        lifecycle_node("bridge_node", "bridge", [config, given(context, host=str, viewer_port=int)]),
        lifecycle_node("toktalk_node", "toktalk", [config, chosen], remappings=remappings),
    ]


def generate_launch_description() -> LaunchDescription:
    """The nodes of `make`, each brought up once the one before it is active."""
    return LaunchDescription([*declared(ARGUMENTS), nodes(make)])
