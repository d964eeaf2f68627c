"""Several faces that speak, through one bridge and in one page, each in a namespace of its own.

    ros2 launch toktalk_node faces.launch.py
    ros2 launch toktalk_node faces.launch.py faces:="ada bob eve" text:="My name is {name}."
    ros2 launch toktalk_node faces.launch.py source:=none         # they wait for the actions /ada/speak and /bob/speak

The page shows one of them at a time, http://127.0.0.1:8765/?stream=bob that one; receivers take them by their names.
"""

from ament_index_python.packages import get_package_share_path
from launch import LaunchContext, LaunchDescription
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode
from launch_ros.parameter_descriptions import ParameterValue

from toktalk_node.nodes.launching import BRIDGE, STYLE, declared, given, lifecycle_node, nodes

CONFIG = get_package_share_path("toktalk_node") / "config" / "toktalk.yaml"
ARGUMENTS = {
    "config": (str(CONFIG), "Parameter file of all nodes."),
    "faces": ("ada bob", "Their names: namespaces in the graph, streams of the bridge."),
    "source": ("text", "What they speak: text, or none (the actions speak work with both)."),
    "text": ("Hello! I am {name}.", "Text that each speaks, with its name."),
    "repeat_after": ("4.0", "Seconds of pause before it is spoken again; 0: once."),
    **STYLE,
    **BRIDGE,
}


def make(context: LaunchContext) -> list[LifecycleNode]:
    """The bridge of all, then the decoder and the voice of each."""
    config = LaunchConfiguration("config")
    names = LaunchConfiguration("faces").perform(context).split()
    chosen = {"streams": names, **given(context, host=str, viewer_port=int)}
    made = [lifecycle_node("bridge_node", "bridge", [config, chosen])]
    for name in names:
        text = LaunchConfiguration("text").perform(context).replace("{name}", name)
        spoken = {"text": ParameterValue(text, value_type=str), **given(context, source=str, repeat_after=float)}
        made.append(lifecycle_node("toktalk_node", "toktalk", [config, given(context, style=str)], name))
        made.append(lifecycle_node("speech_source_node", "speech_source", [config, spoken], name))
    return made


def generate_launch_description() -> LaunchDescription:
    """The nodes of `make`, each brought up once the one before it is active."""
    return LaunchDescription([*declared(ARGUMENTS), nodes(make)])
