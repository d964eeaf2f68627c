"""What every node of ours shares: its life as a process and as a lifecycle node."""

import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable

import rclpy
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.executors import Executor, SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.signals import SignalHandlerOptions

UP = "waits to be configured"
"""What a node says when it can be asked to change its state."""
_DRAIN = 0.05
"""Seconds for callbacks that an executor handed to its threads: rclpy does not wait for them when it shuts down."""


class StreamNode(LifecycleNode):
    """A lifecycle node in four steps: `prepare` (configure), `begin` (activate), `halt`, `release` (cleanup).

    An exception of a step is logged and refuses the transition; the node stays and can be asked again.
    """

    finalized = False

    def prepare(self) -> None:
        """Load and bind what the parameters name."""

    def begin(self) -> None:
        """Start to work."""

    def halt(self) -> None:
        """Stop to work; called also when nothing was begun."""

    def release(self) -> None:
        """Give everything back; called also when nothing was prepared."""

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        result = self._step(self.prepare) and super().on_configure(state)
        if not result:
            self.release()
        return result or TransitionCallbackReturn.FAILURE

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        result = super().on_activate(state)
        if not self._step(self.begin):
            self.halt()
            super().on_deactivate(state)
            return TransitionCallbackReturn.FAILURE
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self.halt()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        self.release()
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        self.finalized = True
        self.halt()
        self.release()
        return super().on_shutdown(state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        self.halt()
        self.release()
        return TransitionCallbackReturn.SUCCESS

    def value(self, name: str) -> bool | int | float | str | list[str]:
        """The parameter `name` as it is now."""
        return self.get_parameter(name).value

    def _step(self, step: Callable[[], None]) -> bool:
        try:
            step()
        except Exception as error:
            self.get_logger().error(f"{type(error).__name__}: {error}")
            self.get_logger().debug(traceback.format_exc())
            return False
        return True


def run(create: Callable[[], StreamNode], executor: type[Executor] = SingleThreadedExecutor) -> int:
    """Run a node until SIGINT or SIGTERM and shut it down in order. Returns the exit status.

    ROS's own signal handler would take the context away before the node could clean up.
    """
    stop = threading.Event()
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        node = create()
    except (InvalidParameterTypeException, InvalidParameterValueException, ValueError) as error:
        print(f"toktalk: {error}", file=sys.stderr)
        rclpy.try_shutdown()
        return 2
    spinner = executor()
    spinner.add_node(node)
    node.get_logger().info(UP)
    try:
        while not stop.is_set():
            spinner.spin_once(timeout_sec=0.2)
    finally:
        time.sleep(_DRAIN)
        if not node.finalized:
            node.trigger_shutdown()
        spinner.shutdown()
        node.destroy_node()
        rclpy.try_shutdown()
        for number in (signal.SIGINT, signal.SIGTERM):  # a second one finds nothing left to stop
            signal.signal(number, signal.SIG_IGN)
    return 0
