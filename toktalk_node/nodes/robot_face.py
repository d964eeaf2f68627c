"""A robot's face as a node: face/blendshapes in, joints within their limits out, at a rate of its own.

    face/blendshapes, face/audio  ->  joint_states, CONTROLLER/joint_trajectory, ~/leds, ~/facs, /diagnostics
    ~/expression                  ->  the decoder's service set_style

When frames stop coming, on deactivation and on SIGINT the face goes to rest along its limits. Every trajectory ends at
rest as well, so that a controller brings the face there by itself should this process be killed.
"""

import sys
import threading
import time
from collections.abc import Callable

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.lifecycle import TransitionCallbackReturn
from sensor_msgs.msg import JointState
from std_msgs.msg import Float32MultiArray
from toktalk_msgs.msg import AudioFrame, BlendShapes
from toktalk_msgs.srv import SetStyle
from trajectory_msgs.msg import JointTrajectory

from toktalk_node.face import robot_file
from toktalk_node.face.arkit import MOTION_WIDTH
from toktalk_node.face.expressions import style_of
from toktalk_node.face.robot import RobotMap, loudness_of
from toktalk_node.face.robot_motion import LONGEST_PLAN, MAX_AHEAD, RobotMotion
from toktalk_node.nodes import conversions, robot_messages
from toktalk_node.nodes.parameters import Parameter, declare, qos_overrides, stream_qos
from toktalk_node.nodes.robot_figures import Figures
from toktalk_node.nodes.runtime import StreamNode, run
from toktalk_node.signals import NANOSECONDS

PARAMETERS = (
    Parameter("map", "", "Robot's map: the path of a YAML file, or the name of a preset (head12, jaw2, leds)."),
    Parameter("rate", 100.0, "Positions per second.", 10.0, 500.0),
    Parameter("joint_states", True, "Publish sensor_msgs/JointState on joint_states."),
    Parameter("trajectory", False, "Publish trajectory_msgs/JointTrajectory on CONTROLLER/joint_trajectory."),
    Parameter("trajectory_rate", 20.0, "Trajectories per second; each holds all that is known and ends at rest.",
              1.0, 100.0),
    Parameter("controller", "face_controller", "Name of the joint_trajectory_controller of ros2_control."),
    Parameter("lead", 0.0, "Seconds that faces are read ahead, to make up for servos that answer late; at most the "
              "decoder's publish_ahead.", 0.0, 1.0),
    Parameter("watchdog", 0.25, "Seconds after the last frame until the face goes to rest.", 0.05, 10.0),
    Parameter("measured", "", "Topic of measured joint positions (sensor_msgs/JointState) to start from; empty: the "
              "joints are taken to be at rest when the node is activated."),
    Parameter("action_units", False, "Publish hri_msgs/FacialActionUnits on ~/facs, 25 per second."),
    Parameter("expressions", False, "Take hri_msgs/Expression on ~/expression as the decoder's style."),
    Parameter("decoder", "toktalk", "Name of the decoder node, whose style expressions change."),
    Parameter("frame_id", "head", "Frame of the head at rest, in the header of ~/facs."),
    Parameter("autostart", False, "Configure and activate the node by itself when its process starts."),
)  # fmt: skip
ACTION_UNIT_RATE = 25.0
SETTLE = 0.1
"""Seconds that rest is published when the node is halted: what a process says last before it ends may get lost."""
OUTSIDE = 0.05
"""Share of its travel by which a measured joint may be outside its limits when the node starts."""


class RobotFaceNode(StreamNode):
    """Moves the joints from a thread of its own; ROS's executor only takes what comes in."""

    def __init__(self, **options: object) -> None:
        super().__init__("robot_face", **options)
        declare(self, PARAMETERS)
        self._robot: RobotMap | None = None
        self._motion: RobotMotion | None = None
        self.figures = Figures()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._outputs: dict[str, object] = {}
        self._inputs: list = []
        self._measured: dict[str, float] = {}
        self._problem = ""
        self._wish = self._asked = self._style = ""  # styles: of the latest expression, requested, granted
        self._set_style = None
        self._diagnostics = self.create_lifecycle_publisher(DiagnosticArray, "/diagnostics", 10)
        self._beat = self.create_timer(1.0, self._diagnose)
        self._beat.cancel()

    def prepare(self) -> None:
        if not self.value("map"):
            raise ValueError("parameter map is empty: give the path of a robot's map, or head12, jaw2 or leds")
        self._robot = robot_file.load(self.value("map"))
        moves = bool(self._robot.names)
        outputs = {
            "joint_states": (moves and self.value("joint_states"), JointState, "joint_states"),
            "trajectory": (
                moves and self.value("trajectory"), JointTrajectory, f"{self.value('controller')}/joint_trajectory"
            ),
            "leds": (self._robot.panel is not None, Float32MultiArray, "~/leds"),
        }  # fmt: skip
        if not any(wanted for wanted, _, _ in outputs.values()):
            raise ValueError("nothing to publish: set joint_states or trajectory, or give a map with leds")
        inputs = [(BlendShapes, "face/blendshapes", self._on_face)]
        if self._robot.hears:
            inputs.append((AudioFrame, "face/audio", self._on_sound))
        if self.value("measured"):
            inputs.append((JointState, self.value("measured"), self._on_measured))
        if self.value("action_units"):
            outputs["facs"] = (True, conversions.message_type("hri_msgs/msg/FacialActionUnits"), "~/facs")
        if self.value("expressions"):
            inputs.append((conversions.message_type("hri_msgs/msg/Expression"), "~/expression", self._on_expression))
            self._set_style = self.create_client(SetStyle, f"{self.value('decoder')}/set_style")
        for name, (wanted, kind, topic) in outputs.items():
            if wanted:
                self._outputs[name] = self.create_lifecycle_publisher(
                    kind, topic, 10, qos_overriding_options=qos_overrides()
                )
        for kind, topic, callback in inputs:
            self._inputs.append(self.create_subscription(kind, topic, callback, **stream_qos()))

    def begin(self) -> None:
        self.figures, self._problem, self._measured = Figures(), "", {}
        self._wish = self._asked = self._style = ""
        self._stop.clear()
        if not self.value("measured"):
            self._start_at(None)
        self._thread = threading.Thread(target=self._run, name="joints", daemon=True)
        self._thread.start()
        self._beat.reset()

    def halt(self) -> None:
        """Returns once the joints stand at rest."""
        self._beat.cancel()
        self._stop.set()
        if self._thread:
            self._thread.join(LONGEST_PLAN + 1)
            self._thread = None
        self._motion = None

    def release(self) -> None:
        for subscription in self._inputs:
            self.destroy_subscription(subscription)
        for publisher in self._outputs.values():
            self.destroy_lifecycle_publisher(publisher)
        if self._set_style:
            self.destroy_client(self._set_style)
        self._inputs, self._outputs, self._set_style, self._robot = [], {}, None, None

    def _now(self) -> int:
        return self.get_clock().now().nanoseconds

    def _start_at(self, start: np.ndarray | None) -> None:
        self._motion = RobotMotion(
            self._robot, 1 / self.value("rate"), self.value("lead"), self.value("watchdog"), start
        )

    def _on_face(self, message: BlendShapes) -> None:
        motion = self._motion
        if motion is None or self._stop.is_set():
            return
        weights, head = conversions.face_arrays(message)
        pose, figures = np.concatenate([weights, head]), self.figures
        figures.frames += 1
        stamp_ns, now_ns = conversions.from_time(message.header.stamp), self._now()
        if not (np.isfinite(pose).all() and np.isfinite(message.rate) and message.rate >= 1):
            figures.bad_frames += 1
        elif stamp_ns > now_ns + MAX_AHEAD * NANOSECONDS:
            figures.far_frames += 1
        else:
            figures.late_frames += stamp_ns + NANOSECONDS / message.rate < now_ns
            with self._lock:
                motion.push(stamp_ns, message.rate, pose)

    def _on_sound(self, message: AudioFrame) -> None:
        motion, samples = self._motion, np.frombuffer(message.samples, np.float32)
        if motion is None or not len(samples) or not message.rate:
            return
        middle_ns = conversions.from_time(message.header.stamp) + len(samples) * NANOSECONDS // (2 * message.rate)
        if middle_ns < self._now() + MAX_AHEAD * NANOSECONDS:
            with self._lock:
                motion.loudness.put(middle_ns, np.array([loudness_of(samples)]))

    def _on_measured(self, message: JointState) -> None:
        """Where the joints stand: once all are known, the motion starts from there."""
        if self._motion is not None or self._thread is None or self._stop.is_set():
            return
        self._measured |= dict(zip(message.name, message.position, strict=False))
        joints = self._robot.joints
        missing = [joint.name for joint in joints if joint.name not in self._measured]
        outside = [
            f"{joint.name} at {self._measured[joint.name]:.3g} (limits {joint.low:g} to {joint.high:g})"
            for joint in joints
            if joint.name in self._measured and not _near(self._measured[joint.name], joint.low, joint.high)
        ]
        if outside:
            self._problem = f"will not move: outside its limits stands {', '.join(outside)}"
        elif missing:
            self._problem = f"will not move: no positions of {', '.join(missing)} on {self.value('measured')}"
        else:
            self._problem = ""
            self._start_at(self._robot.driven_from(self._measured))

    def _on_expression(self, message: object) -> None:
        try:
            self._wish = style_of(message.expression, message.valence, message.arousal)
        except ValueError as error:
            self.get_logger().warning(str(error), throttle_duration_sec=5.0)
            return
        self._ask_style()

    def _ask_style(self) -> None:
        """Ask the decoder for the style that is wished, one request at a time: expressions may come many a second."""
        if not self._set_style.service_is_ready():
            self._asked = ""
            problem = f"no service {self._set_style.srv_name}: is the decoder running?"
            self.get_logger().warning(problem, throttle_duration_sec=5.0)
        elif not self._asked and self._wish != self._style:
            self._asked = self._wish
            self._set_style.call_async(SetStyle.Request(name=self._asked)).add_done_callback(self._styled)

    def _styled(self, future: object) -> None:
        asked, self._asked = self._asked, ""
        self._style = asked if future.result().success else ""
        if not self._style:
            self.get_logger().warning(f"the decoder refuses the expression: {future.result().message}")
        if self._wish != asked:
            self._ask_style()

    def _run(self) -> None:
        """One step each period, until the node is halted and the joints stand at rest."""
        period_ns = round(NANOSECONDS / self.value("rate"))
        every: dict[str, int] = {
            "trajectory": max(round(self.value("rate") / self.value("trajectory_rate")), 1),
            "facs": max(round(self.value("rate") / ACTION_UNIT_RATE), 1),
        }
        due_ns, end, stood = self._now(), None, 0
        while True:
            late_ns = self._now() - due_ns
            if late_ns < 0:
                time.sleep(min(-late_ns, period_ns) / NANOSECONDS)
                if -late_ns > 2 * period_ns:  # the clock was set back
                    due_ns = self._now()
                continue
            missed = late_ns // period_ns
            due_ns += (missed + 1) * period_ns
            if self._stop.is_set() and end is None:
                end = time.monotonic() + LONGEST_PLAN
            motion, figures = self._motion, self.figures
            if motion is not None:
                figures.steps += 1
                figures.missed_periods += missed
                figures.lateness.append(late_ns / NANOSECONDS)
                self._move(motion, due_ns - period_ns, missed, every)
                stood = stood + 1 if motion.standing else 0
            settled = motion is None or stood * period_ns >= SETTLE * NANOSECONDS
            if end is not None and (settled or time.monotonic() > end):
                return

    def _move(self, motion: RobotMotion, now_ns: int, missed: int, every: dict[str, int]) -> None:
        """Move on to `now_ns` and publish.

        A controller went on along its trajectory in the `missed` periods, and so do we; a servo waited for us.
        """
        figures, robot, state = self.figures, motion.robot, motion.limiter
        planned = None
        with self._lock:
            was_live, stops = motion.live, self._stop.is_set() and not motion.resting
            motion.resting = motion.resting or stops
            if "trajectory" in self._outputs:
                for _ in range(min(missed + 1, round(LONGEST_PLAN / motion.period))):
                    motion.follow()
                if stops or self._wanted("trajectory", every, motion):
                    planned = motion.plan(now_ns)
            else:
                motion.step(now_ns)
            figures.rests += was_live and not motion.live
            figures.watch(motion)
            face = motion.faces.read(np.array([now_ns]))[0][0] if self._wanted("facs", every, motion) else None
        publish: dict[str, Callable[[], object]] = {
            "joint_states": lambda: robot_messages.joint_state(
                robot.names, robot.commands(state.position), robot.rates(state.velocity), now_ns
            ),
            "leds": lambda: robot_messages.lights(robot.lights(state.position)),
        }
        if planned is not None:
            publish["trajectory"] = lambda: robot_messages.trajectory(
                robot.names, robot.commands(planned[0]), robot.rates(planned[1]), now_ns, motion.period
            )
        if face is not None:
            shown = face if motion.live else np.zeros(MOTION_WIDTH)
            publish["facs"] = lambda: robot_messages.facial_action_units(
                self._outputs["facs"].msg_type, shown, now_ns, self.value("frame_id")
            )
        for name, make in publish.items():
            if name in self._outputs:
                self._outputs[name].publish(make())

    def _wanted(self, output: str, every: dict[str, int], motion: RobotMotion) -> bool:
        """Whether it is the turn of an output that is slower than the others; the last ones at rest go out as well."""
        last = self._stop.is_set() and motion.standing
        return output in self._outputs and (last or self.figures.steps % every[output] == 1 % every[output])

    def _diagnose(self) -> None:
        motion, waits = self._motion, ""
        if motion is None:
            waits = self._problem or f"will not move: no joint positions on {self.value('measured')}"
        status = self.figures.status(motion, waits)
        status.name = f"{self.get_fully_qualified_name()}: robot face"
        message = DiagnosticArray(status=[status])
        message.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(message)


def _near(value: float, low: float, high: float) -> bool:
    """Whether a measured position is within the limits, or nearly."""
    return low - OUTSIDE * (high - low) <= value <= high + OUTSIDE * (high - low)


def started() -> RobotFaceNode:
    """The node, active where `autostart` asks for it. Raises ValueError where it cannot be."""
    node = RobotFaceNode()
    for step in (node.trigger_configure, node.trigger_activate) if node.value("autostart") else ():
        if step() != TransitionCallbackReturn.SUCCESS:
            node.destroy_node()
            raise ValueError("robot_face cannot start: see above")
    return node


def main() -> None:
    """Entry point of the executable `robot_face_node`."""
    sys.exit(run(started))


if __name__ == "__main__":
    main()
