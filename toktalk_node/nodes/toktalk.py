"""The decoder as a node: sound or tokens in, blendshapes and the same sound out, on one clock.

audio, tokens  ->  face/blendshapes, face/audio, face/events, /diagnostics
services ~/interrupt, ~/set_style
~/styles: the names that ~/set_style takes, apart by commas; latched
"""

import sys
import threading
import time

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rcl_interfaces.msg import SetParametersResult
from rclpy.parameter import Parameter as RosParameter
from std_msgs.msg import String
from toktalk_msgs.msg import AudioFrame, AudioTokens, BlendShapes, FaceEvent
from toktalk_msgs.srv import Interrupt, SetStyle

from toktalk_node.nodes import conversions
from toktalk_node.nodes.decoding import DecodingThread, Tokens
from toktalk_node.nodes.parameters import LATCHED_QOS, Parameter, declare, stream_qos
from toktalk_node.nodes.playout import FaceFrame, Happening, Output, Playout, Sounding
from toktalk_node.nodes.runtime import StreamNode, run
from toktalk_node.signals import NANOSECONDS
from toktalk_node.stream.clips import chosen_style, is_clip
from toktalk_node.stream.session import LIVE_PRESET

PARAMETERS = (
    Parameter("preset", LIVE_PRESET, "Motion model that is loaded at configure."),
    Parameter("device", "cpu", "Where the model runs, as PyTorch names it: cpu, cuda, cuda:1."),
    Parameter("threads", 1, "Threads that PyTorch may use; 0 leaves its own choice.", 0, 64),
    Parameter("seed", 0, "Seed of the noise that motion starts from.", 0, 2**31 - 1),
    Parameter("adapter", "", "Folder of the adapter of another token space, whose tokens the node then takes."),
    Parameter("chunk", 0.0, "Seconds of motion that are decoded at once; 0 takes the preset's own.", 0.0, 2.0),
    Parameter("steps", 0, "Solver steps for each chunk; 0 takes the preset's own.", 0, 100),
    Parameter("schedule", "", "Spacing of the solver's times: cosine or uniform; empty takes the preset's own.",
              choices=("", "cosine", "uniform")),
    Parameter("guidance", -1.0, "Strength of classifier-free guidance; -1 takes the preset's own.", -1.0, 10.0),
    Parameter("style", "", "Speaking style: a name, a blend (warm=0.7, happiness=0.3), or the path of a clip "
              "whose style is taken, a Live Link Face CSV or an NPZ of `toktalk render`; empty: the model's own. May "
              "change while the face speaks."),
    Parameter("strength_upper", 1.0, "How far brows, cheeks, nose and head go from rest; may change while it speaks.",
              0.0, 2.0),
    Parameter("strength_lower", 1.0, "How far mouth, jaw and tongue go from rest; may change while it speaks.",
              0.0, 2.0),
    Parameter("smoothing", 0.0, "How much head, brows and gaze are calmed, at the cost of coming later: 0 not at all, "
              "1 by 2.5, 4 and 8 Hz.", 0.0, 10.0),
    Parameter("playout_delay", 0.4, "Seconds from the time of a sample to its presentation.", 0.05, 10.0),
    Parameter("publish_ahead", 0.1, "Seconds before its presentation that a message is published.", 0.0, 5.0),
    Parameter("input_timeout", 0.5, "Seconds without input after which a stream is over.", 0.05, 60.0),
    Parameter("audio_type", "toktalk_msgs/msg/AudioFrame", "Message type on the topic audio.",
              choices=tuple(conversions.CONVERTERS)),
    Parameter("audio_rate", 16000, "Rate in Hz of sound in messages that carry none.", 4000, 384000),
    Parameter("audio_channels", 1, "Channels of sound in messages that do not say.", 1, 64),
    Parameter("audio_encoding", "S16LE", "Sample format of sound in messages of bytes.",
              choices=tuple(conversions.ENCODINGS)),
    Parameter("frame_id", "head", "Frame of the head at rest, in the header of face messages."),
)  # fmt: skip
_PERIOD = 0.02
"""Seconds between looks at what is due."""
WARM_UP = 16000
"""Samples, one second."""


class ToktalkNode(StreamNode):
    """Runs one session; decoding and publishing have a thread each, so that messages leave on time.

    A wake-up of ROS's executor costs a hundred times that of a thread, and decoding would have to wait for it.
    """

    def __init__(self, **options: object) -> None:
        super().__init__("toktalk", **options)
        declare(self, PARAMETERS)
        self._session = None
        self._thread: DecodingThread | None = None
        self._playout = Playout(0)
        self._problem = ""
        self._refused = 0
        self._counted = (time.monotonic(), 0)
        self._faces = self.create_lifecycle_publisher(BlendShapes, "face/blendshapes", **stream_qos())
        self._sounds = self.create_lifecycle_publisher(AudioFrame, "face/audio", **stream_qos())
        self._events = self.create_lifecycle_publisher(FaceEvent, "face/events", **stream_qos())
        self._diagnostics = self.create_lifecycle_publisher(DiagnosticArray, "/diagnostics", 10)
        self._styles = self.create_publisher(String, "~/styles", LATCHED_QOS)
        self._offers = [
            self.create_service(Interrupt, "~/interrupt", self._on_interrupt),
            self.create_service(SetStyle, "~/set_style", self._on_set_style),
        ]
        self._inputs: list = []
        self._beat = self.create_timer(1.0, self._diagnose)
        self._beat.cancel()
        self._publisher: threading.Thread | None = None
        self._halted = threading.Event()
        self.add_on_set_parameters_callback(self._on_parameters)

    def prepare(self) -> None:
        import torch

        from toktalk_node.stream import Session

        if self.value("threads"):
            torch.set_num_threads(self.value("threads"))
        self._session = Session.load(
            self.value("preset"),
            seed=self.value("seed"),
            chunk=self.value("chunk") or None,
            steps=self.value("steps") or None,
            schedule=self.value("schedule") or None,
            guidance=None if self.value("guidance") < 0 else self.value("guidance"),
            device=self.value("device"),
            adapter=self.value("adapter") or None,
        )
        self._styles.publish(String(data=", ".join(self._session.styles)))
        self._use_style(self.value("style"))
        self._session.strength = self.value("strength_upper"), self.value("strength_lower")
        self._session.smoothing = self.value("smoothing")
        self._session.push_audio(np.zeros(WARM_UP, np.float32), WARM_UP)  # the first chunks of a process take long
        self._session.reset()
        least = self._session.look_ahead + self.value("publish_ahead")
        if self.value("playout_delay") < least:
            self.get_logger().warning(
                f"playout_delay is {self.value('playout_delay'):g} s, but frames take {least:.2f} s "
                "(look-ahead of the model and publish_ahead) and computing: they will be late"
            )
        audio_type = self.value("audio_type")
        self._convert = conversions.converter(audio_type)
        self._raw = conversions.RawFormat(
            self.value("audio_rate"), self.value("audio_channels"), self.value("audio_encoding")
        )
        self._inputs = [
            self.create_subscription(conversions.message_type(audio_type), "audio", self._on_audio, **stream_qos()),
            self.create_subscription(AudioTokens, "tokens", self._on_tokens, **stream_qos()),
        ]

    def begin(self) -> None:
        self._problem, self._refused = "", 0
        self._playout = Playout(int(self.value("publish_ahead") * NANOSECONDS))
        self._thread = DecodingThread(
            self._session,
            self._playout,
            self._now,
            delay_ns=int(self.value("playout_delay") * NANOSECONDS),
            timeout=self.value("input_timeout"),
        )
        self._halted.clear()
        self._publisher = threading.Thread(target=self._publish, name="playout", daemon=True)
        self._publisher.start()
        self._beat.reset()

    def halt(self) -> None:
        self._beat.cancel()
        if self._thread:
            self._thread.stop()
            self._thread = None
        if self._publisher:
            self._halted.set()
            self._publisher.join()
            self._publisher = None

    def release(self) -> None:
        for subscription in self._inputs:
            self.destroy_subscription(subscription)
        self._inputs = []
        self._session = None

    def _now(self) -> int:
        return self.get_clock().now().nanoseconds

    def _on_audio(self, message: object) -> None:
        if self._thread is None:
            return
        try:
            self._thread.push(self._convert(message, self._raw))
        except ValueError as error:
            self._refuse(error)

    def _on_tokens(self, message: AudioTokens) -> None:
        if self._thread is None:
            return
        try:
            chunk = conversions.token_chunk(message)
        except ValueError as error:
            self._refuse(error)
            return
        self._thread.push(Tokens(chunk, conversions.from_time(message.header.stamp), message.last, message.text))

    def _refuse(self, error: ValueError) -> None:
        """A message that cannot be read is counted, reported and dropped; the stream ends when no good one follows."""
        self._refused += 1
        self._problem = str(error)
        self.get_logger().error(self._problem, throttle_duration_sec=5.0)

    def _publish(self) -> None:
        while not self._halted.wait(_PERIOD):
            for pts_ns, output in self._playout.due(self._now()):
                self._send(pts_ns, output)

    def _send(self, pts_ns: int, output: Output) -> None:
        frame_id = self.value("frame_id")
        if isinstance(output, FaceFrame):
            message = conversions.face_message(output.weights, output.head, output.frame, output.fps, pts_ns, frame_id)
            self._faces.publish(message)
        elif isinstance(output, Sounding):
            self._sounds.publish(conversions.audio_message(output.chunk, pts_ns, frame_id, output.last))
        elif isinstance(output, Happening):
            message = FaceEvent(type=output.type, frame=output.frame, detail=output.detail, text=output.text)
            message.header.stamp = conversions.to_time(pts_ns)
            message.header.frame_id = frame_id
            self._events.publish(message)
            if output.type == FaceEvent.FAULT:
                self.get_logger().error(output.detail)
            if output.type in (FaceEvent.FAULT, FaceEvent.STREAM_ENDED):
                self._diagnose()

    def _on_interrupt(self, request: Interrupt.Request, response: Interrupt.Response) -> Interrupt.Response:
        if self._thread is None:
            response.message = "the node is not active"
            return response
        result = self._thread.interrupt(conversions.from_time(request.played) or self._now())
        response.success = True
        response.played_frames, response.dropped_frames = result.played_frames, result.dropped_frames
        return response

    def _on_set_style(self, request: SetStyle.Request, response: SetStyle.Response) -> SetStyle.Response:
        """Names and blends only: who asks may be far away, and this machine's files are not theirs to name."""
        if self._session is None:
            response.message = "the node is not configured"
        elif is_clip(request.name):
            response.message = f"{request.name!r} is a file: the parameter style takes clips, this service names"
        else:
            result = self.set_parameters([RosParameter("style", value=request.name)])[0]
            response.success, response.message = result.successful, result.reason
        return response

    def _on_parameters(self, parameters: list[RosParameter]) -> SetParametersResult:
        """Style and strengths change at once; the others are read when the node is configured or activated."""
        changed = {parameter.name: parameter.value for parameter in parameters}
        if self._session is None:
            return SetParametersResult(successful=True)
        try:
            if "style" in changed:
                self._use_style(changed["style"])
        except ValueError as error:
            return SetParametersResult(successful=False, reason=str(error))
        strengths = ("strength_upper", "strength_lower")
        self._session.strength = tuple(changed.get(name, self.value(name)) for name in strengths)
        return SetParametersResult(successful=True)

    def _use_style(self, text: str) -> None:
        style = chosen_style(self._session, text, self.get_logger().warning)
        if self._thread:
            self._thread.set_style(style, text)
        else:
            self._session.set_style(style)

    def _rate(self, frames: int) -> float:
        """Frames per second since it was asked last."""
        (then, before), self._counted = self._counted, (time.monotonic(), frames)
        return round(max(frames - before, 0) / max(self._counted[0] - then, 1e-3), 1)

    def _diagnose(self) -> None:
        thread, session = self._thread, self._session
        if thread is None or session is None:
            return
        out, inp, done = self._playout.stats, thread.stats, session.stats
        level, text = DiagnosticStatus.OK, "decoding" if len(self._playout) else "waiting for sound"
        if out.late_frames:
            level, text = DiagnosticStatus.WARN, f"{out.late_frames} frames were late: raise playout_delay"
        if done.bad_values:
            level, text = DiagnosticStatus.WARN, f"{done.bad_values} samples were not finite; they became silence"
        if self._problem or inp.last_fault:
            level, text = DiagnosticStatus.ERROR, self._problem or inp.last_fault
        values = {
            "rate_hz": self._rate(out.frames),
            "frames": out.frames,
            "late_frames": out.late_frames,
            "underruns": out.underruns,
            "lateness_max_ms": round(out.max_late_ns / 1e6, 3),
            "streams": inp.streams,
            "chunks": done.chunks,
            "input_seconds": round(done.seconds, 3),
            "compute_p50_ms": _percentile(done.chunk_seconds, 50),
            "compute_p99_ms": _percentile(done.chunk_seconds, 99),
            "reaction_p50_ms": _percentile(inp.reaction, 50),
            "reaction_p99_ms": _percentile(inp.reaction, 99),
            "rtf": round(done.real_time_factor, 4),
            "rtf_thread": round(done.thread_factor, 4),
            "refused_messages": self._refused,
            "lost_samples": inp.lost_samples,
            "bad_values": done.bad_values,
            "faults": inp.faults,
            "threads": threading.active_count(),
        }
        status = DiagnosticStatus(level=level, name=f"{self.get_fully_qualified_name()}: decoder", message=text)
        status.hardware_id = str(self.value("device"))
        status.values = [KeyValue(key=key, value=str(value)) for key, value in values.items()]
        message = DiagnosticArray(status=[status])
        message.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(message)


def _percentile(seconds: "list[float]", share: int) -> float:
    """Percentile of durations, in milliseconds; 0 when there are none."""
    values = list(seconds)
    return round(1e3 * float(np.percentile(values, share)), 3) if values else 0.0


def main() -> None:
    """Entry point of the executable `toktalk_node`."""
    sys.exit(run(ToktalkNode))


if __name__ == "__main__":
    main()
