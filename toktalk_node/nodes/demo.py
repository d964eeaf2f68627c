"""The demo's supervisor, for machines without `ros2 launch`: its nodes, their lifecycle, live figures."""

import json
import os
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from toktalk_msgs.msg import AudioFrame, BlendShapes, FaceEvent

from toktalk_node.nodes import conversions
from toktalk_node.nodes.parameters import STREAM_QOS
from toktalk_node.nodes.processes import Processes
from toktalk_node.nodes.runtime import UP
from toktalk_node.signals import media_time_ns

MODULES = {
    "bridge": "toktalk_node.nodes.bridge",
    "toktalk": "toktalk_node.nodes.toktalk",
    "speech_source": "toktalk_node.nodes.speech_source",
}
"""Node -> module."""
REPORTED = (
    "compute_p50_ms", "compute_p99_ms", "reaction_p50_ms", "reaction_p99_ms", "lateness_max_ms", "rtf", "rtf_thread"
)  # fmt: skip
"""The decoder's measurements that `--once` prints. `rtf` is by the clock on the wall, `rtf_thread` processor time."""
LIVE_SECONDS = 10.0
"""How long `--once` listens to a microphone, which has no end of its own."""
_START_SECONDS = 90.0
_ASK_AGAIN = 2.0
_SILENCE_SECONDS = 30.0


class DemoError(RuntimeError):
    """The demo cannot go on; the text is for people."""


@dataclass
class Figures:
    """What the supervisor saw on the topics."""

    frames: int = 0
    first_sound_at: float | None = None
    first_frame_at: float | None = None
    streams_at: set[int] = field(default_factory=set)
    """Epochs of the streams, in ns, as their first events say."""
    faces_at: set[int] = field(default_factory=set)
    """Epochs that the stamps and the indices of face frames say."""
    sounds_at: set[int] = field(default_factory=set)
    level: float = 0.0
    jaw: float = 0.0
    ended: bool = False
    fault: str = ""
    decoder: dict[str, str] = field(default_factory=dict)
    decoder_text: str = "starting"
    final: bool = False
    """Diagnostics have come since the stream ended."""

    @property
    def skew_ns(self) -> int:
        """Largest difference between the clocks that faces and sound of a stream follow."""

        def off(epochs: set[int]) -> int:
            return max((min(abs(epoch - stream) for stream in self.streams_at) for epoch in epochs), default=0)

        return off(self.faces_at) + off(self.sounds_at) if self.streams_at else 0

    def report(self, memory_mb: float) -> dict[str, float | int | None]:
        """The figures of `--once`."""
        first = None
        if self.first_frame_at is not None and self.first_sound_at is not None:
            first = round(self.first_frame_at - self.first_sound_at, 4)
        figure = {name: float(self.decoder.get(name, 0)) for name in REPORTED}
        count = {name: int(self.decoder.get(name, 0)) for name in ("chunks", "underruns", "late_frames", "faults")}
        skew_ms = round(self.skew_ns / 1e6, 6)
        return {
            "frames": self.frames,
            **count,
            "time_to_first_frame": first,
            **figure,
            "skew_max_ms": skew_ms,
            "decoder_memory_mb": memory_mb,
        }


class Watcher(Node):
    """Listens to the face of `decoder` and walks the nodes `names` through their lifecycle."""

    def __init__(self, names: Sequence[str], decoder: str) -> None:
        super().__init__("toktalk_demo")
        self.figures, self.names = Figures(), names
        self._decoder = f"/{decoder}: decoder"
        self._changes = {name: self.create_client(ChangeState, f"{name}/change_state") for name in names}
        self._states = {name: self.create_client(GetState, f"{name}/get_state") for name in names}
        face = decoder.removesuffix("toktalk")
        self.create_subscription(AudioFrame, f"{face}audio", self._on_input, STREAM_QOS)
        self.create_subscription(AudioFrame, f"{face}face/audio", self._on_sound, STREAM_QOS)
        self.create_subscription(BlendShapes, f"{face}face/blendshapes", self._on_face, STREAM_QOS)
        self.create_subscription(FaceEvent, f"{face}face/events", self._on_event, STREAM_QOS)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)

    def ready(self, name: str) -> bool:
        """Whether the node can be asked to change its state."""
        return self._changes[name].service_is_ready() and self._states[name].service_is_ready()

    def change(self, name: str, transition: int):
        """Ask the node for a transition; the future's result has `success`."""
        return self._changes[name].call_async(ChangeState.Request(transition=Transition(id=transition)))

    def state(self, name: str):
        """Ask the node for its state; the future's result has `current_state`."""
        return self._states[name].call_async(GetState.Request())

    def _on_input(self, message: AudioFrame) -> None:
        if self.figures.first_sound_at is None:
            self.figures.first_sound_at = time.monotonic()
        if len(message.samples):
            self.figures.level = float(np.sqrt(np.mean(np.square(np.asarray(message.samples)))))
        if message.last:
            self.figures.level = 0.0

    def _on_face(self, message: BlendShapes) -> None:
        figures = self.figures
        if figures.first_frame_at is None:
            figures.first_frame_at = time.monotonic()
        figures.frames += 1
        figures.jaw = float(message.weights[BlendShapes.JAW_OPEN])
        stamp_ns = conversions.from_time(message.header.stamp)
        figures.faces_at.add(stamp_ns - media_time_ns(message.frame, round(message.rate)))

    def _on_sound(self, message: AudioFrame) -> None:
        stamp_ns = conversions.from_time(message.header.stamp)
        self.figures.sounds_at.add(stamp_ns - media_time_ns(message.start, message.rate))

    def _on_event(self, message: FaceEvent) -> None:
        if message.type == FaceEvent.STREAM_STARTED:
            self.figures.streams_at.add(conversions.from_time(message.header.stamp))
        elif message.type == FaceEvent.STREAM_ENDED:
            self.figures.ended, self.figures.jaw = True, 0.0
        elif message.type == FaceEvent.FAULT:
            self.figures.fault = message.detail

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name == self._decoder:
                self.figures.decoder = {item.key: item.value for item in status.values}
                self.figures.decoder_text = status.message
                self.figures.final = self.figures.ended


def run_demo(parameters: dict[str, dict[str, object]], *, once: bool, live: bool, viewer_url: str) -> int:
    """Start the graph with `parameters` of each node, show its first face, and leave nothing behind.

    Nodes are called as in MODULES, maybe within a namespace, and activated in their order: who listens comes first.
    `once` ends after the speech (after LIVE_SECONDS of a `live` source) and prints one JSON line. Returns the
    exit status.
    """
    console = Console(stderr=True)
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")  # a demo is for this machine
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    up: set[str] = set()

    def on_line(name: str, line: str) -> None:
        if line.endswith(UP):
            up.add(name)
        else:
            console.print(f"{name} {line}", style="dim", markup=False, highlight=False, soft_wrap=True)

    processes = Processes(on_line)
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    decoder = next(name for name in parameters if name.rpartition("/")[2] == "toktalk")
    watcher = Watcher(list(parameters), decoder)
    executor = SingleThreadedExecutor()
    executor.add_node(watcher)
    spinner = threading.Thread(target=_spin, args=(executor,), daemon=True)
    spinner.start()
    try:
        for name, values in parameters.items():
            processes.start_node(name, MODULES[name.rpartition("/")[2]], values)
        _bring_up(watcher, processes, up, stop, console)
        if not stop.is_set():
            console.print(f"The face is at [bold]{viewer_url}[/]  (Ctrl-C ends)", highlight=False, soft_wrap=True)
        _watch(watcher.figures, processes, stop, console, once=once, live=live)
        if once:
            print(json.dumps(watcher.figures.report(processes.memory_mb(decoder))), flush=True)
        return 0 if watcher.figures.frames or not once else 1
    except DemoError as error:
        console.print(f"[red]{error}[/]", highlight=False, soft_wrap=True)
        return 1
    finally:
        processes.stop()
        executor.shutdown()
        spinner.join(timeout=5)
        watcher.destroy_node()
        rclpy.try_shutdown()


def _spin(executor: SingleThreadedExecutor) -> None:
    try:
        executor.spin()
    except ExternalShutdownException:
        return


def _alone(watcher: Watcher) -> None:
    """DemoError where other nodes have the names of ours: they would hear each other."""
    there = [f"{namespace.rstrip('/')}/{name}" for name, namespace in watcher.get_node_names_and_namespaces()]
    others = [name for name in watcher.names if there.count(f"/{name}") > 1]
    if others:
        domain = int(os.environ.get("ROS_DOMAIN_ID", "0"))
        raise DemoError(
            f"ROS domain {domain} has other nodes called {', '.join(others)}: end that TokTalk, or run this one in "
            f"another domain with ROS_DOMAIN_ID={(domain + 1) % 100}"
        )


def _bring_up(
    watcher: Watcher, processes: Processes, up: set[str], stop: threading.Event, console: Console
) -> None:
    """Configure all, then activate all, each in their order."""
    deadline = time.monotonic() + _START_SECONDS
    with console.status("Starting the nodes and loading the model"):
        _wait(lambda: len(up) == len(watcher.names), "the nodes do not start", deadline, processes, stop)
        _wait(lambda: all(map(watcher.ready, watcher.names)), "the nodes do not answer", deadline, processes, stop)
        _alone(watcher)
        for transition in (Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE):
            for name in watcher.names:
                change = _Change(watcher, name, transition)
                _wait(change.done, f"the node {name} does not change its state", deadline, processes, stop)
                if change.failed:
                    time.sleep(0.3)  # its own words are still on their way to the terminal
                    _alone(watcher)  # nodes of another demo may have been found before ours, and refused
                    raise DemoError(f"the node {name} cannot start: see what it says above")


class _Change:
    """A transition that is asked for until it is seen to have happened.

    The answer of a service is lost when it leaves before the two sides have found each other.
    """

    def __init__(self, watcher: Watcher, name: str, transition: int) -> None:
        self.failed = False
        self._watcher, self._name, self._transition = watcher, name, transition
        self._goal = "inactive" if transition == Transition.TRANSITION_CONFIGURE else "active"
        self._origin = "unconfigured" if transition == Transition.TRANSITION_CONFIGURE else "inactive"
        self._answer = watcher.change(name, transition)
        self._state = None
        self._ask_at = time.monotonic() + _ASK_AGAIN

    def done(self) -> bool:
        """Whether the node changed its state or refused to; asks again where nothing is heard of it."""
        if self._answer.done():
            self.failed = not self._answer.result().success
            return True
        if self._state is not None and self._state.done():
            label, self._state = self._state.result().current_state.label, None
            if label == self._goal:
                return True
            if label == self._origin:
                self._answer = self._watcher.change(self._name, self._transition)
        if time.monotonic() > self._ask_at:
            self._ask_at = time.monotonic() + _ASK_AGAIN
            self._state = self._watcher.state(self._name)
        return False


def _wait(condition, problem: str, deadline: float, processes: Processes, stop: threading.Event) -> None:
    while not stop.is_set() and not condition():
        if ended := processes.ended():
            time.sleep(0.3)
            raise DemoError(f"the node {next(iter(ended))} ended by itself: see what it says above")
        if time.monotonic() > deadline:
            raise DemoError(f"{problem} within {_START_SECONDS:.0f} s")
        stop.wait(0.05)


def _watch(
    figures: Figures, processes: Processes, stop: threading.Event, console: Console, *, once: bool, live: bool
) -> None:
    """Show the figures until Ctrl-C, or until the speech is over when it is spoken once."""
    begun = time.monotonic()
    with Live(_table(figures), console=console, refresh_per_second=10, transient=True) as display:
        while not stop.wait(0.1):
            display.update(_table(figures))
            if ended := processes.ended():
                raise DemoError(f"the node {next(iter(ended))} ended by itself: see what it says above")
            if not once:
                continue
            elapsed = time.monotonic() - begun
            if figures.final or (live and elapsed > LIVE_SECONDS):
                return
            if elapsed > _SILENCE_SECONDS and not figures.frames:
                raise DemoError(f"no face frame within {_SILENCE_SECONDS:.0f} s: {figures.decoder_text}")


def _table(figures: Figures) -> Table:
    """Two bars and one line of figures."""
    table = Table.grid(padding=(0, 2))
    level_db = 20 * np.log10(max(figures.level, 1e-4))
    table.add_row("sound", ProgressBar(total=60, completed=max(level_db + 60, 0), width=40), f"{level_db:5.0f} dB")
    table.add_row("jaw", ProgressBar(total=1, completed=figures.jaw, width=40), f"{figures.jaw:5.2f}")
    number = {name: float(value) for name, value in figures.decoder.items()}
    table.add_row(
        "",
        f"frames {figures.frames}  late {number.get('late_frames', 0):.0f}  underruns {number.get('underruns', 0):.0f}",
        f"latency {number.get('reaction_p50_ms', 0):.0f} ms (p99 {number.get('reaction_p99_ms', 0):.0f})  "
        f"load {number.get('rtf', 0):.2f}",
    )
    table.add_row("", figures.fault or figures.decoder_text, "")
    return table
