"""A robot's face that speaks: the demo's graph, and robot_face beside it.

ros2 launch toktalk_node robot_face.launch.py                                    # twelve servos, on joint_states
ros2 launch toktalk_node robot_face.launch.py map:=jaw2 text:="How do you do?"
ros2 launch toktalk_node robot_face.launch.py map:=/home/me/my_head.yaml trajectory:=true controller:=head_controller
ros2 launch toktalk_node robot_face.launch.py speaks:=false                      # beside a graph that runs already
"""

from ament_index_python.packages import get_package_share_path
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.conditions import IfCondition
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.parameter_descriptions import ParameterValue

from toktalk_node.nodes.launching import bring_up, lifecycle_node

SHARE = get_package_share_path("toktalk_node")
ARGUMENTS: dict[str, tuple[type, str, str]] = {
    "map": (str, "head12", "Robot's map: the path of a YAML file, or head12, jaw2 or leds."),
    "trajectory": (bool, "false", "Publish trajectories for ros2_control's joint_trajectory_controller."),
    "controller": (str, "face_controller", "Name of that controller."),
    "joint_states": (bool, "true", "Publish positions on joint_states."),
    "measured": (str, "", "Topic of measured joint positions to start from."),
}


def generate_launch_description() -> LaunchDescription:
    """robot_face, and what `demo.launch.py` starts, whose arguments (text, source, wav ...) work here as well."""
    chosen = {
        name: ParameterValue(LaunchConfiguration(name), value_type=kind) for name, (kind, _, _) in ARGUMENTS.items()
    }
    robot = lifecycle_node("robot_face_node", "robot_face", [LaunchConfiguration("robot_config"), chosen])
    demo = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(SHARE / "launch" / "demo.launch.py")),
        condition=IfCondition(LaunchConfiguration("speaks")),
    )
    arguments = [
        DeclareLaunchArgument(name, default_value=default, description=description)
        for name, (_, default, description) in ARGUMENTS.items()
    ]
    config = str(SHARE / "config" / "robot_face.yaml")
    return LaunchDescription(
        [
            *arguments,
            DeclareLaunchArgument("robot_config", default_value=config, description="Parameter file of robot_face."),
            DeclareLaunchArgument("speaks", default_value="true", description="Start the demo's graph as well."),
            *bring_up([robot]),
            demo,
        ]
    )
