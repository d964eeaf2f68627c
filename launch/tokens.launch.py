"""An avatar that an Audio-LLM drives: toktalk_msgs/AudioTokens on `tokens`, or sound of any node on `audio`.

    ros2 launch toktalk_node tokens.launch.py tokens:=/llm/tokens
    ros2 launch toktalk_node tokens.launch.py audio:=/audio_out/raw audio_type:=audio_common_msgs/msg/AudioData
"""

from ament_index_python.packages import get_package_share_path
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.substitutions import LaunchConfiguration
from launch_ros.parameter_descriptions import ParameterValue

from toktalk_node.nodes.launching import STYLE, bring_up, lifecycle_node

CONFIG = get_package_share_path("toktalk_node") / "config" / "toktalk.yaml"
ARGUMENTS = {
    "config": (str(CONFIG), "Parameter file of all nodes."),
    "tokens": ("tokens", "Topic of the tokens."),
    "audio": ("audio", "Topic of the sound."),
    "audio_type": ("toktalk_msgs/msg/AudioFrame", "Message type of the sound."),
    "style": ("", STYLE),
}


def generate_launch_description() -> LaunchDescription:
    """The bridge and the decoder, in this order."""
    config = LaunchConfiguration("config")
    chosen = {name: ParameterValue(LaunchConfiguration(name), value_type=str) for name in ("audio_type", "style")}
    remappings = [(name, LaunchConfiguration(name)) for name in ("tokens", "audio")]
    nodes = [
        lifecycle_node("bridge_node", "bridge", [config]),
        lifecycle_node("toktalk_node", "toktalk", [config, chosen], remappings=remappings),
    ]
    arguments = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in ARGUMENTS.items()
    ]
    return LaunchDescription([*arguments, *bring_up(nodes)])
