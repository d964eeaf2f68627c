"""What the launch files share: their arguments, and lifecycle nodes that are brought up one after the other."""

from collections.abc import Callable, Mapping

from launch import Action, LaunchContext
from launch.actions import DeclareLaunchArgument, EmitEvent, OpaqueFunction, RegisterEventHandler
from launch.events import matches_action
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode
from launch_ros.event_handlers import OnStateTransition
from launch_ros.events.lifecycle import ChangeState
from launch_ros.parameter_descriptions import ParameterValue
from lifecycle_msgs.msg import Transition

BRIDGE = {
    "host": ("", "Network interface of the bridge and the viewer: 0.0.0.0 for other machines; empty: that of config."),
    "viewer_port": ("", "TCP port of the viewer; empty: that of config."),
}
STYLE = {
    "style": ("", "Speaking style: a name, a blend like warm=0.7,happiness=0.3, or the path of a clip (Live Link Face "
              "CSV); empty: that of config."),
}  # fmt: skip
"""Argument -> (default, meaning), as `declared` takes them."""


def declared(arguments: Mapping[str, tuple[str, str]]) -> list[DeclareLaunchArgument]:
    """The arguments of a launch file: name -> (default, meaning)."""
    return [
        DeclareLaunchArgument(name, default_value=default, description=meaning)
        for name, (default, meaning) in arguments.items()
    ]


def nodes(make: Callable[[LaunchContext], list[LifecycleNode]]) -> OpaqueFunction:
    """What `make` gives once the arguments are known, brought up in its order."""
    return OpaqueFunction(function=lambda context: bring_up(make(context)))


def given(context: LaunchContext, **kinds: type) -> dict[str, ParameterValue]:
    """Parameters of the arguments named, of these types; those left empty are the parameter file's own."""
    texts = {name: LaunchConfiguration(name) for name in kinds}
    return {name: ParameterValue(text, value_type=kinds[name]) for name, text in texts.items() if text.perform(context)}


def lifecycle_node(
    executable: str, name: str, parameters: list, namespace: str = "", **options: object
) -> LifecycleNode:
    """A node of this package; `namespace` is within the one that the launch file pushed."""
    return LifecycleNode(
        package="toktalk_node",
        executable=executable,
        name=name,
        namespace=namespace,
        parameters=[source for source in parameters if source],
        output="screen",
        **options,
    )


def bring_up(nodes: list[LifecycleNode]) -> list[Action]:
    """Start all `nodes`; configure and activate each once the one before it is active.

    Who listens comes first in the list, so that no sound is lost.
    """
    actions: list[Action] = []
    for i, node in enumerate(nodes):
        following = [_change(nodes[i + 1], Transition.TRANSITION_CONFIGURE)] if i + 1 < len(nodes) else []
        activate = [_change(node, Transition.TRANSITION_ACTIVATE)]
        actions.append(_when(node, "configuring", "inactive", activate))
        actions.append(_when(node, "activating", "active", following))
    return [*actions, *nodes, _change(nodes[0], Transition.TRANSITION_CONFIGURE)]


def _change(node: LifecycleNode, transition: int) -> EmitEvent:
    return EmitEvent(event=ChangeState(lifecycle_node_matcher=matches_action(node), transition_id=transition))


def _when(node: LifecycleNode, start: str, goal: str, actions: list[Action]) -> RegisterEventHandler:
    handler = OnStateTransition(target_lifecycle_node=node, start_state=start, goal_state=goal, entities=actions)
    return RegisterEventHandler(handler)
