"""A ROS graph inside the test: nodes of ours and a listener, spinning in a thread over the real middleware."""

import os
import threading
import time
from collections.abc import Callable

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from rclpy.executors import Executor, MultiThreadedExecutor, SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.node import Node
from rclpy.parameter import Parameter
from toktalk_msgs.msg import AudioFrame, BlendShapes, FaceEvent

from toktalk_node.nodes.parameters import STREAM_QOS
from toktalk_node.nodes.speech_source import SpeechSourceNode

CONFIGURE, ACTIVATE = Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE
DEACTIVATE, CLEANUP = Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_CLEANUP
DOMAIN = int(os.environ["ROS_DOMAIN_ID"]) + 50
"""Beside the domain of the demos that tests run as processes."""


class Listener(Node):
    """Keeps what the face says."""

    def __init__(self, context: rclpy.Context) -> None:
        super().__init__("listener", context=context)
        self.faces: list[tuple[int, BlendShapes]] = []
        self.sounds: list[AudioFrame] = []
        self.inputs: list[AudioFrame] = []
        self.events: list[FaceEvent] = []
        self.status: dict[str, tuple[int, str, dict[str, str]]] = {}
        self.create_subscription(BlendShapes, "face/blendshapes", self._face, STREAM_QOS)
        self.create_subscription(AudioFrame, "face/audio", self.sounds.append, STREAM_QOS)
        self.create_subscription(FaceEvent, "face/events", self.events.append, STREAM_QOS)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._diagnostics, 10)

    def _face(self, message: BlendShapes) -> None:
        self.faces.append((self.get_clock().now().nanoseconds, message))

    def _diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            values = {item.key: item.value for item in status.values}
            self.status[status.name.split(":")[0].strip("/")] = (status.level[0], status.message, values)

    def hear_input(self) -> None:
        """Keep what the source says, too."""
        self.create_subscription(AudioFrame, "audio", self.inputs.append, STREAM_QOS)

    def seen(self, kind: int) -> bool:
        """Whether an event of this type came."""
        return any(event.type == kind for event in self.events)


class Graph:
    """Nodes that spin until `close`."""

    def __init__(self) -> None:
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=DOMAIN)
        self.nodes: list[Node] = []
        self._spinning: list[tuple[Executor, threading.Thread]] = []
        self.listener = Listener(self.context)
        self._spin(self.listener, SingleThreadedExecutor)

    def add(self, kind: type, namespace: str = "", **parameters: object):
        """A node of the class `kind` with these parameters."""
        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        node = kind(context=self.context, namespace=namespace, parameter_overrides=overrides)
        self._spin(node, MultiThreadedExecutor if kind is SpeechSourceNode else SingleThreadedExecutor)
        return node

    def up(self, kind: type, namespace: str = "", **parameters: object):
        """As `add`, configured and active."""
        node = self.add(kind, namespace, **parameters)
        assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
        assert node.trigger_activate() == TransitionCallbackReturn.SUCCESS
        return node

    def wait(self, condition: Callable[[], object], seconds: float = 20.0, what: str = "") -> None:
        """Until `condition` holds; fails with `what` and the latest events and diagnostics."""
        deadline = time.monotonic() + seconds
        while not condition():
            details = [(event.type, event.detail) for event in self.listener.events], self.listener.status
            assert time.monotonic() < deadline, f"{what or 'nothing'} within {seconds} s: {details}"
            time.sleep(0.01)

    def call(self, service: type, name: str, request: object, seconds: float = 10.0):
        """The answer of a service."""
        client = self.listener.create_client(service, name)
        assert client.wait_for_service(seconds), f"no service {name}"
        future = client.call_async(request)
        self.wait(future.done, seconds, f"no answer of {name}")
        return future.result()

    def close(self) -> None:
        for node in self.nodes[1:]:
            if not node.finalized:
                node.trigger_shutdown()
        time.sleep(0.05)
        for executor, thread in self._spinning:
            executor.shutdown()
            thread.join(5)
        for node in self.nodes:
            node.destroy_node()
        self.context.try_shutdown()

    def _spin(self, node: Node, kind: type[Executor]) -> None:
        """Each node in a thread of its own, with the executor that it has as a process."""
        executor = kind(context=self.context)
        executor.add_node(node)
        thread = threading.Thread(target=executor.spin, daemon=True)
        thread.start()
        self.nodes.append(node)
        self._spinning.append((executor, thread))
