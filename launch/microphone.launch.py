"""An avatar that speaks with your voice.

    ros2 launch toktalk_node microphone.launch.py
    ros2 launch toktalk_node microphone.launch.py device:=USB style:=lively
"""

from ament_index_python.packages import get_package_share_path
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.substitutions import LaunchConfiguration
from launch_ros.parameter_descriptions import ParameterValue

from toktalk_node.nodes.launching import STYLE, bring_up, lifecycle_node

CONFIG = get_package_share_path("toktalk_node") / "config" / "toktalk.yaml"


def generate_launch_description() -> LaunchDescription:
    """The bridge, the decoder and the microphone, in this order."""
    config = LaunchConfiguration("config")
    style = {"style": ParameterValue(LaunchConfiguration("style"), value_type=str)}
    microphone = {"source": "microphone", "device": ParameterValue(LaunchConfiguration("device"), value_type=str)}
    nodes = [
        lifecycle_node("bridge_node", "bridge", [config]),
        lifecycle_node("toktalk_node", "toktalk", [config, style]),
        lifecycle_node("speech_source_node", "speech_source", [config, microphone]),
    ]
    arguments = [
        DeclareLaunchArgument("config", default_value=str(CONFIG), description="Parameter file of all nodes."),
        DeclareLaunchArgument("style", default_value="", description=STYLE),
        DeclareLaunchArgument("device", default_value="", description="Number or part of the microphone's name."),
    ]
    return LaunchDescription([*arguments, *bring_up(nodes)])
