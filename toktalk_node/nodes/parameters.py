"""Parameters of a node as one table: default, meaning and range together, declared in one call."""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions

STREAM_QOS = QoSProfile(depth=100, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.VOLATILE)
"""Sound, tokens and face frames: none may be lost, old ones are of no use."""
LATCHED_QOS = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)
"""What is said once, and reaches those who come later too."""


@dataclass(frozen=True)
class Parameter:
    """A parameter: its default, what it means with its unit, and the range or the choices allowed."""

    name: str
    default: bool | int | float | str | list[str]
    description: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()

    def descriptor(self) -> ParameterDescriptor:
        """What `ros2 param describe` shows."""
        descriptor = ParameterDescriptor(name=self.name, description=self.description)
        if self.low is not None and self.high is not None:
            if isinstance(self.default, float):
                descriptor.floating_point_range = [
                    FloatingPointRange(from_value=float(self.low), to_value=float(self.high))
                ]
            else:
                descriptor.integer_range = [IntegerRange(from_value=int(self.low), to_value=int(self.high))]
        if self.choices:
            descriptor.additional_constraints = "one of: " + ", ".join(self.choices)
        return descriptor


def declare(node: Node, parameters: Sequence[Parameter]) -> None:
    """Declare all `parameters` on `node`. Raises ValueError for a choice that is not one."""
    for parameter in parameters:
        value = node.declare_parameter(parameter.name, parameter.default, parameter.descriptor()).value
        if parameter.choices and value not in parameter.choices:
            raise ValueError(f"parameter {parameter.name} is {value!r}; choose {', '.join(parameter.choices)}")


def qos_overrides() -> QoSOverridingOptions:
    """Lets launch files set history, depth and reliability of a topic (`qos_overrides./topic...`)."""
    return QoSOverridingOptions.with_default_policies()


def stream_qos() -> dict[str, Any]:
    """Arguments of one publisher or subscription: `STREAM_QOS`, with what launch files set.

    Each gets a profile of its own, for an override changes the profile that it is given.
    """
    return {"qos_profile": copy(STREAM_QOS), "qos_overriding_options": qos_overrides()}
