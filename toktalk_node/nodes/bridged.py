"""A face of the ROS graph as a stream of the bridge: its topics go out, receivers' requests go to its decoder."""

import threading
import time
from collections.abc import Callable, Sequence
from functools import partial

from rclpy.client import Client
from std_msgs.msg import String
from toktalk_msgs.msg import AudioFrame, BlendShapes, FaceEvent
from toktalk_msgs.srv import Interrupt, SetStyle

from toktalk_node.bridge import protocol
from toktalk_node.bridge.server import Bridge
from toktalk_node.nodes import conversions
from toktalk_node.nodes.parameters import LATCHED_QOS, stream_qos
from toktalk_node.nodes.runtime import StreamNode
from toktalk_node.signals import Clock, FaceChunk, media_time_ns

EVENT_NAMES = {
    FaceEvent.STREAM_STARTED: "start",
    FaceEvent.STREAM_ENDED: "end",
    FaceEvent.INTERRUPTED: "interrupted",
    FaceEvent.UNDERRUN: "underrun",
    FaceEvent.STYLE_CHANGED: "style",
    FaceEvent.FAULT: "fault",
}


def named(namespaces: Sequence[str], own: str) -> dict[str, str]:
    """Stream -> namespace of its face: each is named as its namespace, that of the node itself ("") is `own`.

    Raises ValueError where there are none, two are the same, or a name is none (see `protocol.stream_name`).
    """
    found: dict[str, str] = {}
    for namespace in namespaces:
        stream = protocol.stream_name(namespace.strip("/") or own)
        if stream in found:
            raise ValueError(f"streams: {found[stream]!r} and {namespace!r} would both be the stream {stream!r}")
        found[stream] = namespace.rstrip("/")
    if not found:
        raise ValueError("streams is empty: name the faces' namespaces, or [''] for the node's own")
    return found


class BridgedFace:
    """The face of `namespace` as `stream`, until `close`. What comes is forwarded while `forwarding`.

    The presentation times in the messages do the rest. `on_styles` is called when the decoder told its `styles`.
    """

    def __init__(
        self, node: StreamNode, bridge: Bridge, namespace: str, stream: str, on_styles: Callable[[], None]
    ) -> None:
        self.forwarding = False
        self.styles: list[str] = []
        """Names that the decoder knows."""
        self.refused, self.problem = 0, ""
        """How many messages could not be forwarded, and what was wrong with the latest."""
        self._on_styles = on_styles
        self._node, self._bridge, self._stream, self._epoch_ns = node, bridge, stream, 0
        prefix, decoder = f"{namespace}/" if namespace else "", node.value("decoder")
        self._inputs = [
            node.create_subscription(kind, f"{prefix}face/{topic}", partial(self._forward, send), **stream_qos())
            for kind, topic, send in (
                (BlendShapes, "blendshapes", self._face),
                (AudioFrame, "audio", self._sound),
                (FaceEvent, "events", self._event),
            )
        ]
        styles = node.create_subscription(String, f"{prefix}{decoder}/styles", self._told_styles, LATCHED_QOS)
        self._inputs.append(styles)
        self._interrupt = node.create_client(Interrupt, f"{prefix}{decoder}/interrupt")
        self._set_style = node.create_client(SetStyle, f"{prefix}{decoder}/set_style")
        bridge.announce(stream)

    def close(self) -> None:
        """Listen no more."""
        for subscription in self._inputs:
            self._node.destroy_subscription(subscription)
        for client in (self._interrupt, self._set_style):
            self._node.destroy_client(client)

    def interrupt(self, played_ns: int) -> tuple[int, int]:
        """A receiver's barge-in, in the bridge's thread for its owner: (played frames, dropped frames)."""
        request = Interrupt.Request()
        if played_ns >= 0 and self._epoch_ns:
            request.played = conversions.to_time(self._epoch_ns + played_ns)
        response = self._ask(self._interrupt, request)
        return response.played_frames, response.dropped_frames

    def set_style(self, style: str) -> None:
        """Speak in `style`. ValueError: the decoder knows no such style."""
        self._ask(self._set_style, SetStyle.Request(name=style))

    def _told_styles(self, message: String) -> None:
        self.styles = [name for name in message.data.split(", ") if name]
        self._on_styles()
        self._bridge.publish_event("styles", time.time_ns(), self._stream)

    def _forward(self, send: Callable[[object], None], message: object) -> None:
        """Send what can be sent; all else is counted and said."""
        if not self.forwarding:
            return
        try:
            send(message)
        except (OverflowError, ValueError) as error:
            self.refused += 1
            self.problem = f"{self._stream}: {error}"
            self._node.get_logger().error(self.problem, throttle_duration_sec=5.0)

    def _face(self, message: BlendShapes) -> None:
        fps = round(_within(protocol.FPS, message.rate, "face frame"))
        weights, head = conversions.face_arrays(message)
        chunk = FaceChunk(weights[None], head[None], fps, message.frame)
        epoch_ns = conversions.from_time(message.header.stamp) - media_time_ns(message.frame, fps)
        self._bridge.publish_face(chunk, Clock(epoch_ns), self._stream)
        self._epoch_ns = epoch_ns

    def _sound(self, message: AudioFrame) -> None:
        if not len(message.samples):
            return
        rate = _within(protocol.AUDIO_RATE, message.rate, "sound")
        chunk = conversions.audio_chunk(message)
        epoch_ns = conversions.from_time(message.header.stamp) - media_time_ns(message.start, rate)
        self._bridge.publish_audio(chunk, Clock(epoch_ns), self._stream)

    def _event(self, message: FaceEvent) -> None:
        kind = EVENT_NAMES.get(message.type, "event")
        data: dict[str, int | str] = {"frame": message.frame, "detail": message.detail}
        if message.text:
            data["text"] = message.text[: protocol.MAX_CONTROL]
        self._bridge.publish_event(kind, conversions.from_time(message.header.stamp), self._stream, **data)

    def _ask(self, client: Client, request: object) -> object:
        """The decoder's answer; RuntimeError or ValueError says why there is none."""
        if not client.service_is_ready():
            raise RuntimeError(f"no service {client.srv_name}: is the decoder running?")
        done = threading.Event()
        future = client.call_async(request)
        future.add_done_callback(lambda _: done.set())
        seconds = self._node.value("request_timeout")
        if not done.wait(seconds):
            client.remove_pending_request(future)
            raise RuntimeError(f"{client.srv_name} did not answer in {seconds:g} s")
        response = future.result()
        if not response.success:
            raise ValueError(response.message)
        return response


def _within(bounds: tuple[int, int], rate: float, what: str) -> float:
    """`rate` itself; ValueError where it is none that a stream of the bridge may have."""
    low, high = bounds
    if not low <= rate <= high:
        raise ValueError(f"{what} at {rate:g} Hz; {low} to {high:,} Hz can be sent")
    return rate
