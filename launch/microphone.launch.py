"""An avatar that speaks with your voice.

    ros2 launch toktalk_node microphone.launch.py
    ros2 launch toktalk_node microphone.launch.py device:=USB style:=lively
    ros2 launch toktalk_node microphone.launch.py host:=0.0.0.0   # phones and other machines get the face as well
"""

from ament_index_python.packages import get_package_share_path
from launch import LaunchContext, LaunchDescription
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode

from toktalk_node.nodes.launching import BRIDGE, STYLE, declared, given, lifecycle_node, nodes

CONFIG = get_package_share_path("toktalk_node") / "config" / "toktalk.yaml"
ARGUMENTS = {
    "config": (str(CONFIG), "Parameter file of all nodes."),
    "device": ("", "Number or part of the microphone's name; empty: that of config."),
    **STYLE,
    **BRIDGE,
}


def make(context: LaunchContext) -> list[LifecycleNode]:
    """The bridge, the decoder and the microphone, in this order."""
    config = LaunchConfiguration("config")
    microphone = {"source": "microphone", **given(context, device=str)}
    return [
        lifecycle_node("bridge_node", "bridge", [config, given(context, host=str, viewer_port=int)]),
        lifecycle_node("toktalk_node", "toktalk", [config, given(context, style=str)]),
        lifecycle_node("speech_source_node", "speech_source", [config, microphone]),
    ]


def generate_launch_description() -> LaunchDescription:
    """The nodes of `make`, each brought up once the one before it is active."""
    return LaunchDescription([*declared(ARGUMENTS), nodes(make)])
