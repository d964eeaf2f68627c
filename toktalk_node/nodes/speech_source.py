"""Speech as a node: text, a recording or a microphone in, sound in real time out on `audio`; action `speak`."""

import sys
import threading
import time
from collections.abc import Callable, Iterable

import numpy as np
from builtin_interfaces.msg import Duration
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.executors import MultiThreadedExecutor
from toktalk_msgs.action import Speak
from toktalk_msgs.msg import AudioFrame, FaceEvent

from toktalk_node.nodes import conversions
from toktalk_node.nodes.parameters import Parameter, declare, stream_qos
from toktalk_node.nodes.runtime import StreamNode, run
from toktalk_node.signals import NANOSECONDS, AudioChunk, Clock
from toktalk_node.speech.files import FileSource
from toktalk_node.speech.microphone import MicrophoneSource
from toktalk_node.speech.source import Source
from toktalk_node.speech.tts import TextSource

SOURCES = ("none", "text", "wav", "microphone")
PARAMETERS = (
    Parameter("source", "none", "What is spoken on activation; the action speak works beside all but the microphone.",
              choices=SOURCES),
    Parameter("text", "", "Text to speak (source text)."),
    Parameter("wav", "", "Path of a recording that libsndfile reads (source wav)."),
    Parameter("device", "", "Microphone: its number, a part of its name, or empty for the default."),
    Parameter("voice", "en-us", "Voice of espeak-ng, with a variant after a plus: en-us+f2."),
    Parameter("packet", 0.02, "Seconds of sound in one message.", 0.005, 1.0),
    Parameter("repeat_after", 0.0, "Seconds of pause before text or recording is repeated; 0: it is spoken once.",
              0.0, 3600.0),
    Parameter("wait_for_listener", 5.0, "Seconds to wait at most for a subscriber of audio before speaking.",
              0.0, 60.0),
    Parameter("retry_after", 2.0, "Seconds until a microphone that cannot be opened is tried again.", 0.1, 60.0),
    Parameter("frame_id", "head", "Frame of the mouth, in the header of messages."),
)  # fmt: skip


class SpeechSourceNode(StreamNode):
    """One voice: what it is asked to say is said one after the other."""

    def __init__(self, **options: object) -> None:
        super().__init__("speech_source", **options)
        declare(self, PARAMETERS)
        self._voice = threading.Lock()
        self._stop = threading.Event()
        self._hush = threading.Event()
        self._problem = ""
        self._spoken = 0
        self._active = False
        self._source: Source | None = None
        self._thread: threading.Thread | None = None
        group = ReentrantCallbackGroup()
        self._audio = self.create_lifecycle_publisher(AudioFrame, "audio", **stream_qos())
        self._diagnostics = self.create_lifecycle_publisher(DiagnosticArray, "/diagnostics", 10)
        self._events = self.create_subscription(
            FaceEvent, "face/events", self._on_event, callback_group=group, **stream_qos()
        )
        self._action = ActionServer(
            self, Speak, "speak", self._on_speak, callback_group=group,
            goal_callback=self._on_goal, cancel_callback=lambda _: CancelResponse.ACCEPT,
        )  # fmt: skip
        self._beat = self.create_timer(1.0, self._diagnose)
        self._beat.cancel()

    def prepare(self) -> None:
        kind = self.value("source")
        if kind in ("text", "wav") and not self.value(kind):
            raise ValueError(f"source is {kind}: set the parameter {kind} to what is to be spoken")
        if kind in ("text", "wav"):  # what is wrong with it is said before anything waits for sound
            source = self._open()
            next(iter(source), None)
            source.close()

    def begin(self) -> None:
        self._stop.clear()
        self._problem, self._active = "", True
        self._beat.reset()
        if self.value("source") != "none":
            self._thread = threading.Thread(target=self._run, name="speech", daemon=True)
            self._thread.start()

    def halt(self) -> None:
        self._active = False
        self._stop.set()
        self._hush.set()
        if self._source is not None:
            self._source.close()
        if self._thread:
            self._thread.join(timeout=5)
            self._thread = None
        self._beat.cancel()

    def _open(self) -> Source:
        """The source that the parameters name. Raises what that source raises."""
        packet = self.value("packet")
        match self.value("source"):
            case "text":
                return self._reader(self.value("text"), "")
            case "wav":
                return FileSource(self.value("wav"), packet)
            case _:
                return MicrophoneSource(self.value("device") or None, block=packet)

    def _words(self) -> str:
        """What the node's own source says, where that is known."""
        return self.value("text") if self.value("source") == "text" else ""

    def _reader(self, text: str, voice: str) -> TextSource:
        return TextSource(text, voice or self.value("voice"), block=self.value("packet"))

    def _run(self) -> None:
        """The thread of the node's own source."""
        live = self.value("source") == "microphone"
        deadline = time.monotonic() + self.value("wait_for_listener")
        while not self._audio.get_subscription_count() and time.monotonic() < deadline:
            if self._stop.wait(0.02):
                return
        while not self._stop.is_set():
            try:
                with self._voice:
                    self._source = self._open()
                    self._say(self._source, live, self._words())
                self._problem = ""
            except Exception as error:  # a source that fails is reported and tried again; the node goes on
                self._problem = str(error) or type(error).__name__
            if self._problem:
                self.get_logger().error(self._problem, throttle_duration_sec=10.0)
            pause = self.value("retry_after") if live else self.value("repeat_after")
            if pause == 0 or self._stop.wait(pause):
                return

    def _say(
        self,
        chunks: Iterable[AudioChunk],
        live: bool = False,
        text: str = "",
        over: Callable[[float], bool] = lambda _: False,
    ) -> float:
        """Publish `chunks` in real time as one stream, which says `text`, and return the seconds spoken.

        A live source sets its own pace. `over(seconds)` is asked before each message and ends the speech.
        """
        self._hush.clear()
        begun, end, rate, clock = 0.0, 0, 0, None
        for chunk in chunks:
            now_ns = self.get_clock().now().nanoseconds
            if clock is None:
                begun, rate = time.monotonic(), chunk.rate
                behind = len(chunk.samples) / rate if live else 0.0
                clock = Clock(now_ns - int(behind * NANOSECONDS))
            if not live:
                self._hush.wait(max(begun + chunk.start / rate - time.monotonic(), 0))
            if self._stop.is_set() or (self._hush.is_set() and not live) or over(chunk.start / rate):
                break
            self._publish(chunk, clock, text="" if chunk.start else text)
            end = chunk.end
        if clock is not None:
            self._publish(AudioChunk(np.zeros(0, np.float32), rate, end), clock, last=True)
        return end / rate if rate else 0.0

    def _publish(self, chunk: AudioChunk, clock: Clock, last: bool = False, text: str = "") -> None:
        stamp_ns = clock.pts_ns(chunk.start, chunk.rate)
        self._audio.publish(conversions.audio_message(chunk, stamp_ns, self.value("frame_id"), last, text))
        self._spoken += len(chunk.samples)

    def _on_event(self, event: FaceEvent) -> None:
        """Barge-in: who is interrupted stops to speak."""
        if event.type == FaceEvent.INTERRUPTED:
            self._hush.set()

    def _on_goal(self, goal: Speak.Goal) -> GoalResponse:
        if not self._active or not goal.text.strip() or self.value("source") == "microphone":
            self.get_logger().warning("speak refused: the node is inactive, the text is empty or the microphone is on")
            return GoalResponse.REJECT
        return GoalResponse.ACCEPT

    def _on_speak(self, handle) -> Speak.Result:
        """Runs in a thread of the executor, one goal after the other."""
        result = Speak.Result()
        try:
            with self._voice:
                chunks = list(self._reader(handle.request.text, handle.request.voice))
                total = chunks[-1].end / chunks[-1].rate if chunks else 0.0
                told = -1.0

                def over(seconds: float) -> bool:
                    nonlocal told
                    if seconds - told >= 0.1:
                        told = seconds
                        handle.publish_feedback(Speak.Feedback(spoken=_duration(seconds), progress=seconds / total))
                    return handle.is_cancel_requested

                spoken = self._say(chunks, text=handle.request.text, over=over)
        except (ValueError, RuntimeError) as error:
            result.message = str(error)
            handle.abort()
            return result
        result.duration = _duration(spoken)
        if handle.is_cancel_requested:
            result.message = "cancelled"
            handle.canceled()
        elif spoken < total:
            result.message = "interrupted"
            handle.abort()
        else:
            result.success = True
            handle.succeed()
        return result

    def _diagnose(self) -> None:
        source = self._source
        status = DiagnosticStatus(level=DiagnosticStatus.OK, name=f"{self.get_fully_qualified_name()}: speech")
        status.message = "speaking" if self._voice.locked() else "silent"
        if isinstance(source, FileSource) and source.warning:
            status.level, status.message = DiagnosticStatus.WARN, f"{source.path}: {source.warning}"
        if isinstance(source, MicrophoneSource) and not source.connected:
            status.level, status.message = DiagnosticStatus.ERROR, "no sound from the microphone; silence instead"
        if self._problem:
            status.level, status.message = DiagnosticStatus.ERROR, self._problem
        status.values = [
            KeyValue(key="source", value=str(self.value("source"))),
            KeyValue(key="samples", value=str(self._spoken)),
            KeyValue(key="listeners", value=str(self._audio.get_subscription_count())),
        ]
        message = DiagnosticArray(status=[status])
        message.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(message)


def _duration(seconds: float) -> Duration:
    whole = int(seconds * NANOSECONDS)
    return Duration(sec=whole // NANOSECONDS, nanosec=whole % NANOSECONDS)


def main() -> None:
    """Entry point of the executable `speech_source_node`."""
    sys.exit(run(SpeechSourceNode, MultiThreadedExecutor))


if __name__ == "__main__":
    main()
