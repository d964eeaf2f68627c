"""A robot's face that speaks: the demo's graph, and robot_face beside it.

ros2 launch toktalk_node robot_face.launch.py                                    # twelve servos, on joint_states
ros2 launch toktalk_node robot_face.launch.py map:=jaw2 text:="How do you do?"
ros2 launch toktalk_node robot_face.launch.py map:=/home/me/my_head.yaml trajectory:=true controller:=head_controller
ros2 launch toktalk_node robot_face.launch.py speaks:=false                      # beside a graph that runs already
"""

from ament_index_python.packages import get_package_share_path
from launch import LaunchContext, LaunchDescription
from launch.actions import IncludeLaunchDescription
from launch.conditions import IfCondition
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode

from toktalk_node.nodes.launching import declared, given, lifecycle_node, nodes

SHARE = get_package_share_path("toktalk_node")
ARGUMENTS = {
    "map": ("head12", "Robot's map: the path of a YAML file, or head12, jaw2 or leds."),
    "trajectory": ("", "true: publish trajectories for ros2_control's joint_trajectory_controller."),
    "controller": ("", "Name of that controller; empty: that of robot_config (face_controller)."),
    "joint_states": ("", "false: do not publish positions on joint_states."),
    "measured": ("", "Topic of measured joint positions to start from."),
    "robot_config": (str(SHARE / "config" / "robot_face.yaml"), "Parameter file of robot_face."),
    "speaks": ("true", "Start the demo's graph as well."),
}


def make(context: LaunchContext) -> list[LifecycleNode]:
    """The robot's face."""
    chosen = given(context, map=str, trajectory=bool, controller=str, joint_states=bool, measured=str)
    return [lifecycle_node("robot_face_node", "robot_face", [LaunchConfiguration("robot_config"), chosen])]


def generate_launch_description() -> LaunchDescription:
    """robot_face, and what `demo.launch.py` starts, whose arguments (text, source, host ...) work here as well."""
    demo = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(SHARE / "launch" / "demo.launch.py")),
        condition=IfCondition(LaunchConfiguration("speaks")),
    )
    return LaunchDescription([*declared(ARGUMENTS), nodes(make), demo])
