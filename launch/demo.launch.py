"""A face speaks in the browser.

    ros2 launch toktalk_node demo.launch.py
    ros2 launch toktalk_node demo.launch.py text:="How do you do?"
    ros2 launch toktalk_node demo.launch.py style:="warm=0.7, happiness=0.3"
    ros2 launch toktalk_node demo.launch.py source:=wav wav:=/path/to/speech.wav
"""

from ament_index_python.packages import get_package_share_path
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.substitutions import LaunchConfiguration
from launch_ros.parameter_descriptions import ParameterValue

from toktalk_node.nodes.launching import STYLE, bring_up, lifecycle_node

CONFIG = get_package_share_path("toktalk_node") / "config" / "toktalk.yaml"
WELCOME = "Hello! I am TokTalk. I listen to sound, and I move my face in time with it."
ARGUMENTS = {
    "config": (str(CONFIG), "Parameter file of all nodes."),
    "source": ("text", "What is spoken: text, wav or none (the action speak works with each)."),
    "text": (WELCOME, "Text to speak."),
    "wav": ("", "Recording to speak, with source:=wav."),
    "style": ("", STYLE),
    "repeat_after": ("4.0", "Seconds of pause before it is spoken again; 0: once."),
    "viewer_port": ("8765", "TCP port of the viewer."),
}


def _argument(name: str, kind: type) -> ParameterValue:
    return ParameterValue(LaunchConfiguration(name), value_type=kind)


def generate_launch_description() -> LaunchDescription:
    """The bridge, the decoder and the voice, in this order."""
    config = LaunchConfiguration("config")
    spoken = {name: _argument(name, str) for name in ("source", "text", "wav")}
    spoken["repeat_after"] = _argument("repeat_after", float)
    nodes = [
        lifecycle_node("bridge_node", "bridge", [config, {"viewer_port": _argument("viewer_port", int)}]),
        lifecycle_node("toktalk_node", "toktalk", [config, {"style": _argument("style", str)}]),
        lifecycle_node("speech_source_node", "speech_source", [config, spoken]),
    ]
    arguments = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (default, description) in ARGUMENTS.items()
    ]
    return LaunchDescription([*arguments, *bring_up(nodes)])
