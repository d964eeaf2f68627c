"""Rate, jitter, load and watchdog of robot_face in a process of its own, over DDS.

python -m tests.nodes.measure_robot_face
"""

import os
import signal
import subprocess
import sys
import time

os.environ.setdefault("ROS_DOMAIN_ID", "41")
os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")

import numpy as np
import psutil

from tests.nodes.graph import DOMAIN, Graph
from tests.nodes.test_robot_face import FPS, SECOND, Joints, Speaker

SECONDS, WATCHDOG = 10.0, 0.25


def main() -> None:
    """Print a line for each figure."""
    env = os.environ | {"ROS_DOMAIN_ID": str(DOMAIN)}
    parameters = {"map": "head12", "autostart": "true", "trajectory": "true", "watchdog": WATCHDOG}
    words = [word for name, value in parameters.items() for word in ("-p", f"{name}:={value}")]
    command = [sys.executable, "-m", "toktalk_node.nodes.robot_face", "--ros-args", *words]
    graph = Graph()
    node = subprocess.Popen(command, env=env)
    try:
        joints = Joints(graph)
        graph.wait(lambda: joints.came, 60, "it does not start")
        speaker = Speaker(graph, jaw=0.6)
        time.sleep(1.0)
        process, first = psutil.Process(node.pid), len(joints.came)
        process.cpu_percent()
        time.sleep(SECONDS)
        load, last = process.cpu_percent(), len(joints.came)
        speaker.stop()
        graph.wait(lambda: joints.of("jaw")[1][-1] == 0.0, 5, "the jaw stays open")
        arrivals = np.array([came for came, _ in joints.came[first:last]])
        stamps, position, _ = joints.of("jaw")
        still = stamps[np.flatnonzero(np.abs(np.diff(position)) > 1e-6)[-1]]
        middle, late = np.percentile(np.diff(arrivals) / 1e6, (50, 99))
        sent = np.percentile(np.diff(stamps[first:last]) / 1e6, 99)
        print(f"joint_states of head12 and 20 trajectories per second: {(last - first) / SECONDS:.1f} per second")
        print(
            f"intervals as they arrive: p50 {middle:.2f} ms, p99 {late:.2f} ms; as they are stamped: p99 {sent:.2f} ms"
        )
        print(f"load of the process: {load:.0f} % of a core, {process.memory_info().rss / 1e6:.0f} MB")
        over = (still - speaker.last_ns - SECOND / FPS) / SECOND
        print(f"last frame over to jaw at rest: {over:.3f} s, of which the watchdog waits {WATCHDOG} s")
    finally:
        node.send_signal(signal.SIGINT)
        node.wait(10)
        graph.close()


if __name__ == "__main__":
    main()
