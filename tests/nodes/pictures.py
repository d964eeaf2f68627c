"""The picture of docs/robots.md: ``python -m tests.nodes.pictures docs/pictures`` (needs matplotlib).

Writes robot-joints.png: the JointState messages that robot_face, in a process of its own, publishes while a sentence is
spoken in the graph, beside what was on face/blendshapes and face/audio.
"""

import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("ROS_DOMAIN_ID", "43")
os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")

import numpy as np
import soundfile
from matplotlib.figure import Figure
from sensor_msgs.msg import JointState
from toktalk_msgs.msg import FaceEvent

from tests.nodes.graph import DOMAIN, Graph
from toktalk_node.face import robot_file
from toktalk_node.face.robot import RobotMap, signals
from toktalk_node.nodes import conversions
from toktalk_node.nodes.parameters import STREAM_QOS
from toktalk_node.nodes.speech_source import SpeechSourceNode
from toktalk_node.nodes.toktalk import ToktalkNode
from toktalk_node.speech import espeak
from toktalk_node.speech.phones import BILABIALS, Phone

SENTENCE = "My papa may buy a map, but Bob and mama keep maybe five big poems about Pompeii."
MAP, JOINTS = "head12", ("jaw", "lid_left", "lip_corner_left", "neck_pitch")
BEFORE, AFTER = 0.3, 0.8
"""Seconds of the picture around the speech."""


@dataclass(frozen=True)
class Recording:
    """What was on the topics, at seconds of the stream."""

    states: list[tuple[float, JointState]]
    faces: tuple[np.ndarray, np.ndarray]
    """Seconds [n] of the frames' middles, motion [n, 55]."""
    sound: tuple[np.ndarray, np.ndarray]
    """Seconds [n], samples [n]."""
    phones: list[Phone]


def record(folder: Path) -> Recording:
    """Speak the sentence through the graph and keep what comes."""
    samples, rate, phones = espeak.synthesize(SENTENCE, "en-us")
    soundfile.write(folder / "speech.wav", samples, rate)
    words = ["--ros-args", "-p", f"map:={MAP}", "-p", "autostart:=true"]
    node = subprocess.Popen(
        [sys.executable, "-m", "toktalk_node.nodes.robot_face", *words], env=os.environ | {"ROS_DOMAIN_ID": str(DOMAIN)}
    )
    graph, came = Graph(), []
    listener = graph.listener
    listener.create_subscription(JointState, "joint_states", came.append, STREAM_QOS)
    try:
        graph.wait(lambda: came, 60, "robot_face does not start")
        graph.up(ToktalkNode, playout_delay=4.0)  # the machine may have other work
        graph.up(SpeechSourceNode, source="wav", wav=str(folder / "speech.wav"))
        graph.wait(lambda: listener.seen(FaceEvent.STREAM_ENDED), 60, "the speech does not end")
        ended = len(came)
        graph.wait(lambda: len(came) > ended + 150, what="robot_face went silent")
    finally:
        node.send_signal(signal.SIGINT)
        node.wait(10)
        graph.close()
    epoch_ns = next(
        conversions.from_time(event.header.stamp) for event in listener.events if event.type == FaceEvent.STREAM_STARTED
    )

    def seconds(message: object) -> float:
        return (conversions.from_time(message.header.stamp) - epoch_ns) / 1e9

    faces = [message for _, message in listener.faces]
    middles = np.array([seconds(message) + 0.5 / message.rate for message in faces])
    heard = [seconds(m) + np.arange(len(m.samples)) / m.rate for m in listener.sounds]
    return Recording(
        [(seconds(message), message) for message in came],
        (middles, np.array([np.concatenate(conversions.face_arrays(message)) for message in faces])),
        (np.concatenate(heard), np.concatenate([message.samples for message in listener.sounds])),
        [phone for phone in phones if phone.label in BILABIALS],
    )


def draw(heard: Recording, robot: RobotMap) -> Figure:
    """Sound, positions and velocities over time, with the limits."""
    end = heard.sound[0][-1] + AFTER
    states = [(time, message) for time, message in heard.states if -BEFORE <= time <= end]
    time = np.array([time for time, _ in states])
    figure = Figure(figsize=(13, 1.5 + 1.9 * len(JOINTS)), layout="constrained")
    axes = figure.subplots(1 + len(JOINTS), 2, sharex=True, height_ratios=[0.6, *[1] * len(JOINTS)])
    for axis in axes[0]:
        axis.plot(*heard.sound, color="0.3", linewidth=0.4)
        axis.set_title("sound on face/audio", fontsize=9, loc="left")
        axis.set_yticks([])
    wanted = robot.targets(signals(heard.faces[1]))
    for row, name in zip(axes[1:], JOINTS, strict=True):
        index = states[0][1].name.index(name)
        joint = next(joint for joint in robot.joints if joint.name == name)
        row[0].plot(heard.faces[0], wanted[:, index], color="0.6", linewidth=2.2, label="the face, by the map")
        panels = ("position", "rad", joint.low, joint.high), ("velocity", "rad/s", -joint.velocity, joint.velocity)
        for axis, (what, unit, low, high) in zip(row, panels, strict=True):
            values = [getattr(message, what)[index] for _, message in states]
            axis.plot(time, values, color="#0072b2", linewidth=1.2, label="JointState")
            axis.axhline(low, color="#d55e00", linewidth=1, linestyle="--", label="limit")
            axis.axhline(high, color="#d55e00", linewidth=1, linestyle="--")
            axis.set_title(f"{name}: {what} ({unit})", fontsize=9, loc="left")
    for axis in axes.flat:
        for k, phone in enumerate(heard.phones):
            label = "p, b, m" if k == 0 else None
            axis.axvspan(phone.start, phone.end, color="#cc79a7", alpha=0.25, linewidth=0, label=label)
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(labelsize=8)
        axis.set_xlim(-BEFORE, end)
    for axis in axes[-1]:
        axis.set_xlabel("time of the stream (s)", fontsize=8)
    handles, labels = axes[1][0].get_legend_handles_labels()
    figure.legend(handles, labels, fontsize=8, loc="outside lower center", ncol=len(labels), frameon=False)
    intervals = np.diff(time) * 1000
    title = f"{len(states)} messages on joint_states, {intervals.mean():.1f} ms apart: {SENTENCE}"
    figure.suptitle(title, fontsize=10, x=0.01, horizontalalignment="left")
    return figure


def main(target: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        heard = record(Path(folder))
    draw(heard, robot_file.load(MAP)).savefig(target / "robot-joints.png", dpi=110)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
