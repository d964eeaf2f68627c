"""A face speaks in the browser.

    ros2 launch toktalk_node demo.launch.py
    ros2 launch toktalk_node demo.launch.py text:="How do you do?"
    ros2 launch toktalk_node demo.launch.py style:="warm=0.7, happiness=0.3"
    ros2 launch toktalk_node demo.launch.py source:=wav wav:=/path/to/speech.wav
    ros2 launch toktalk_node demo.launch.py host:=0.0.0.0         # phones and other machines get the face as well
"""

from ament_index_python.packages import get_package_share_path
from launch import LaunchContext, LaunchDescription
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode

from toktalk_node.nodes.launching import BRIDGE, STYLE, declared, given, lifecycle_node, nodes

CONFIG = get_package_share_path("toktalk_node") / "config" / "toktalk.yaml"
WELCOME = "Hello! I am TokTalk. I listen to sound, and I move my face in time with it."
ARGUMENTS = {
    "config": (str(CONFIG), "Parameter file of all nodes."),
    "source": ("text", "What is spoken: text, wav or none (the action speak works with each)."),
    "text": (WELCOME, "Text to speak."),
    "wav": ("", "Recording to speak, with source:=wav."),
    "repeat_after": ("4.0", "Seconds of pause before it is spoken again; 0: once."),
    **STYLE,
    **BRIDGE,
}


def make(context: LaunchContext) -> list[LifecycleNode]:
    """The bridge, the decoder and the voice, in this order."""
    config = LaunchConfiguration("config")
    spoken = given(context, source=str, text=str, wav=str, repeat_after=float)
    return [
        lifecycle_node("bridge_node", "bridge", [config, given(context, host=str, viewer_port=int)]),
        lifecycle_node("toktalk_node", "toktalk", [config, given(context, style=str)]),
        lifecycle_node("speech_source_node", "speech_source", [config, spoken]),
    ]


def generate_launch_description() -> LaunchDescription:
    """The nodes of `make`, each brought up once the one before it is active."""
    return LaunchDescription([*declared(ARGUMENTS), nodes(make)])
