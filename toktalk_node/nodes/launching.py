"""What the launch files share: lifecycle nodes that are brought up one after the other."""

from launch import Action
from launch.actions import EmitEvent, RegisterEventHandler
from launch.events import matches_action
from launch_ros.actions import LifecycleNode
from launch_ros.event_handlers import OnStateTransition
from launch_ros.events.lifecycle import ChangeState
from lifecycle_msgs.msg import Transition

STYLE = "Speaking style: a name, a blend like warm=0.7,happiness=0.3, or the path of a clip (Live Link Face CSV)."
"""What the launch argument `style` means."""


def lifecycle_node(executable: str, name: str, parameters: list, **options: object) -> LifecycleNode:
    """A node of this package in the namespace that the launch file pushed."""
    return LifecycleNode(
        package="toktalk_node",
        executable=executable,
        name=name,
        namespace="",
        parameters=parameters,
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
