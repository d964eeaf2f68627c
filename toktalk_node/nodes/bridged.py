"""A face of the ROS graph as a stream of the bridge: its topics go out, receivers' requests go to its decoder."""

import threading
from collections.abc import Sequence

from rclpy.client import Client
from toktalk_msgs.msg import AudioFrame, BlendShapes, FaceEvent
from toktalk_msgs.srv import Interrupt, SetStyle

from toktalk_node.bridge import protocol
from toktalk_node.bridge.server import Bridge
from toktalk_node.nodes import conversions
from toktalk_node.nodes.parameters import stream_qos
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

    The presentation times in the messages do the rest.
    """

    def __init__(self, node: StreamNode, bridge: Bridge, namespace: str, stream: str) -> None:
        self.forwarding = False
        self._node, self._bridge, self._stream, self._epoch_ns = node, bridge, stream, 0
        prefix, decoder = f"{namespace}/" if namespace else "", node.value("decoder")
        self._inputs = [
            node.create_subscription(BlendShapes, f"{prefix}face/blendshapes", self._on_face, **stream_qos()),
            node.create_subscription(AudioFrame, f"{prefix}face/audio", self._on_audio, **stream_qos()),
            node.create_subscription(FaceEvent, f"{prefix}face/events", self._on_event, **stream_qos()),
        ]
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

    def _on_face(self, message: BlendShapes) -> None:
        if not self.forwarding:
            return
        weights, head = conversions.face_arrays(message)
        fps = round(message.rate)
        if fps < 1:
            self._drop(f"face frame at {message.rate} Hz")
            return
        chunk = FaceChunk(weights[None], head[None], fps, message.frame)
        self._epoch_ns = conversions.from_time(message.header.stamp) - media_time_ns(message.frame, fps)
        self._bridge.publish_face(chunk, Clock(self._epoch_ns), self._stream)

    def _on_audio(self, message: AudioFrame) -> None:
        if not self.forwarding or not len(message.samples):
            return
        if message.rate < 1:
            self._drop(f"sound at {message.rate} Hz")
            return
        chunk = conversions.audio_chunk(message)
        epoch_ns = conversions.from_time(message.header.stamp) - media_time_ns(message.start, message.rate)
        self._bridge.publish_audio(chunk, Clock(epoch_ns), self._stream)

    def _on_event(self, message: FaceEvent) -> None:
        if not self.forwarding:
            return
        kind = EVENT_NAMES.get(message.type, "event")
        data: dict[str, int | str] = {"frame": message.frame, "detail": message.detail}
        if message.text:
            data["text"] = message.text[: protocol.MAX_CONTROL]
        self._bridge.publish_event(kind, conversions.from_time(message.header.stamp), self._stream, **data)

    def _drop(self, what: str) -> None:
        self._node.get_logger().error(f"{self._stream}: {what} dropped", throttle_duration_sec=5.0)

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
