"""The ZeroMQ bridge and the viewer as a node: face/* topics to receivers outside ROS, their requests back in."""

import sys
import threading
from dataclasses import asdict

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from toktalk_msgs.msg import AudioFrame, BlendShapes, FaceEvent
from toktalk_msgs.srv import Interrupt, SetStyle

from toktalk_node.bridge import livelink_udp, protocol, vmc, web
from toktalk_node.bridge.address import Address
from toktalk_node.bridge.server import Bridge
from toktalk_node.bridge.speaker import Speaker
from toktalk_node.bridge.udp import UdpSender
from toktalk_node.nodes import conversions
from toktalk_node.nodes.parameters import STREAM_QOS, Parameter, declare, qos_overrides
from toktalk_node.nodes.runtime import StreamNode, run
from toktalk_node.signals import Clock, FaceChunk, media_time_ns

LOOPBACK, EVERYWHERE = "127.0.0.1", ("0.0.0.0", "::", "*")
PARAMETERS = (
    Parameter("host", LOOPBACK, "Network interface that the sockets and the viewer listen on."),
    Parameter("pub_port", protocol.PUB_PORT, "TCP port of face, sound and events; 0 for any free one.", 0, 65535),
    Parameter("control_port", protocol.CONTROL_PORT, "TCP port of control; 0 for any free one.", 0, 65535),
    Parameter("viewer", True, "Serve the viewer page."),
    Parameter("viewer_port", web.PORT, "TCP port of the viewer; 0 for any free one.", 0, 65535),
    Parameter("viewer_origins", "", "Other servers whose pages may show the face, apart by spaces: https://shop.example."),
    Parameter("stream", "default", "Name of the stream in topics and in the hello."),
    Parameter("decoder", "toktalk", "Name of the decoder node, whose services interrupts and styles go to."),
    Parameter("request_timeout", 2.0, "Seconds to wait for the decoder's answer to a receiver.", 0.1, 60.0),
    Parameter("keys", "", "File of the bridge's keys (toktalk keys), for an encrypted wire; empty: not encrypted."),
    Parameter("livelink_to", "", "HOST or HOST:PORT of Unreal Engine (Live Link Face, UDP); empty: not sent."),
    Parameter("livelink_subject", livelink_udp.STREAM, "Live Link subject; {stream} in it is the stream's name."),
    Parameter("livelink_delay", 0.0, "Seconds by which Unreal gets the face later than its time.", -5.0, 5.0),
    Parameter("vmc_to", "", "HOST or HOST:PORT of a VMC receiver (VSeeFace, Warudo, ...; UDP); empty: not sent."),
    Parameter("vmc_names", vmc.PASCAL, "Shapes sent by VMC: perfect sync as JawOpen (pascal) or jawOpen (camel), or "
              "the presets of VRM 0 or 1.", choices=tuple(vmc.NAMES)),
    Parameter("vmc_head", True, "Send the head's rotation by VMC."),
    Parameter("vmc_delay", 0.0, "Seconds by which the VMC receiver gets the face later than its time.", -5.0, 5.0),
    Parameter("speaker", "", "Loudspeaker of this machine that plays the sound: its number, a part of its name, or "
              "default; empty: none."),
    Parameter("speaker_delay", 0.0, "Seconds by which the sound is played later than its time.", -5.0, 5.0),
)  # fmt: skip
EVENT_NAMES = {
    FaceEvent.STREAM_STARTED: "start",
    FaceEvent.STREAM_ENDED: "end",
    FaceEvent.INTERRUPTED: "interrupted",
    FaceEvent.UNDERRUN: "underrun",
    FaceEvent.STYLE_CHANGED: "style",
    FaceEvent.FAULT: "fault",
}


class BridgeNode(StreamNode):
    """Forwards every message as it comes; the presentation times in them do the rest."""

    def __init__(self, **options: object) -> None:
        super().__init__("bridge", **options)
        declare(self, PARAMETERS)
        self._bridge: Bridge | None = None
        self._viewer: web.WebViewer | None = None
        self._senders: dict[str, UdpSender | Speaker] = {}
        self._refused = 0
        self._inputs: list = []
        self.endpoint = ""
        """Where receivers connect to, once configured."""
        self._epoch_ns = 0
        self._forwarding = False
        self._diagnostics = self.create_lifecycle_publisher(DiagnosticArray, "/diagnostics", 10)
        self._beat = self.create_timer(1.0, self._diagnose)
        self._beat.cancel()
        decoder = self.value("decoder")
        self._interrupt = self.create_client(Interrupt, f"{decoder}/interrupt")
        self._set_style = self.create_client(SetStyle, f"{decoder}/set_style")

    def prepare(self) -> None:
        self._stream = protocol.stream_name(self.value("stream"))
        self._bridge = Bridge(
            self.value("host"),
            self.value("pub_port"),
            self.value("control_port"),
            on_interrupt=self._on_interrupt,
            on_style=self._on_style,
            keys=self.value("keys") or None,
        )
        self._bridge.announce(self._stream)
        options = {"qos_profile": STREAM_QOS, "qos_overriding_options": qos_overrides()}
        self._inputs = [
            self.create_subscription(BlendShapes, "face/blendshapes", self._on_face, **options),
            self.create_subscription(AudioFrame, "face/audio", self._on_audio, **options),
            self.create_subscription(FaceEvent, "face/events", self._on_event, **options),
        ]
        own = f"tcp://{LOOPBACK}:{self._bridge.control_port}"
        self.endpoint = own if self.value("host") in EVERYWHERE else self._bridge.control_endpoint
        self.get_logger().info(f"receivers connect to {self.endpoint}")
        if self.value("viewer"):
            self._viewer = web.WebViewer(
                self.endpoint,
                host=self.value("host"),
                port=self.value("viewer_port"),
                origins=self.value("viewer_origins").split(),
                keys=self._bridge.local_keys,
            )
            self.get_logger().info(f"the face is at {self._viewer.url}")
        self._start_senders()

    def _start_senders(self) -> None:
        """Start what the parameters ask for: receivers of the bridge that happen to live in this process."""
        own = {"stream": self._stream, "keys": self._bridge.local_keys}
        kinds = {
            "livelink": lambda: livelink_udp.LiveLink(self.value("livelink_subject")),
            "vmc": lambda: vmc.Vmc(self.value("vmc_names"), head=self.value("vmc_head")),
        }
        for name, port in (("livelink", livelink_udp.PORT), ("vmc", vmc.PORT)):
            if to := self.value(f"{name}_to"):
                address = Address.parse(to, port, f"{name}_to")
                delay = self.value(f"{name}_delay")
                self._senders[name] = UdpSender(self.endpoint, address, kinds[name](), delay=delay, **own)
                self.get_logger().info(f"{name} goes to {address}")
        if device := self.value("speaker"):
            device = None if device == "default" else device
            self._senders["speaker"] = Speaker(self.endpoint, device, delay=self.value("speaker_delay"), **own)

    def begin(self) -> None:
        self._forwarding = True
        self._beat.reset()

    def halt(self) -> None:
        self._forwarding = False
        self._beat.cancel()

    def release(self) -> None:
        for subscription in self._inputs:
            self.destroy_subscription(subscription)
        self._inputs = []
        for sender in self._senders.values():
            sender.close()
        self._senders, self._refused = {}, 0
        if self._viewer:
            self._viewer.close()
            self._viewer = None
        if self._bridge:
            self._bridge.close()
            self._bridge = None

    def _on_face(self, message: BlendShapes) -> None:
        if not self._forwarding:
            return
        weights, head = conversions.face_arrays(message)
        fps = round(message.rate)
        if fps < 1:
            self.get_logger().error(f"face frame at {message.rate} Hz dropped", throttle_duration_sec=5.0)
            return
        chunk = FaceChunk(weights[None], head[None], fps, message.frame)
        self._epoch_ns = conversions.from_time(message.header.stamp) - media_time_ns(message.frame, fps)
        self._bridge.publish_face(chunk, Clock(self._epoch_ns), self._stream)

    def _on_audio(self, message: AudioFrame) -> None:
        if not self._forwarding or not len(message.samples):
            return
        if message.rate < 1:
            self.get_logger().error(f"sound at {message.rate} Hz dropped", throttle_duration_sec=5.0)
            return
        chunk = conversions.audio_chunk(message)
        epoch_ns = conversions.from_time(message.header.stamp) - media_time_ns(message.start, message.rate)
        self._bridge.publish_audio(chunk, Clock(epoch_ns), self._stream)

    def _on_event(self, message: FaceEvent) -> None:
        if not self._forwarding:
            return
        kind = EVENT_NAMES.get(message.type, "event")
        pts_ns = conversions.from_time(message.header.stamp)
        self._bridge.publish_event(kind, pts_ns, self._stream, frame=message.frame, detail=message.detail)

    def _on_interrupt(self, stream: str, played_ns: int) -> tuple[int, int]:
        """A receiver's barge-in, in the bridge's own thread: (played frames, dropped frames)."""
        request = Interrupt.Request()
        if played_ns >= 0 and self._epoch_ns:
            request.played = conversions.to_time(self._epoch_ns + played_ns)
        response = self._ask(self._interrupt, request)
        return response.played_frames, response.dropped_frames

    def _on_style(self, stream: str, style: str) -> None:
        self._ask(self._set_style, SetStyle.Request(name=style))

    def _diagnose(self) -> None:
        bridge, viewer = self._bridge, self._viewer
        if bridge is None:
            return
        values = asdict(bridge.stats)
        for whose, part in {"viewer": viewer, **self._senders}.items():
            values |= {f"{whose}_{name}": value for name, value in asdict(part.stats).items()} if part else {}
        status = DiagnosticStatus(level=DiagnosticStatus.OK, name=f"{self.get_fully_qualified_name()}: bridge")
        status.message = "forwarding"
        if bridge.stats.stalls:
            status.level = DiagnosticStatus.WARN
            status.message = f"{bridge.stats.stalls} times a receiver did not read in time and lost messages"
        lost = {name: values.get(f"{name}_send_errors", 0) for name in ("livelink", "vmc")}
        if sum(lost.values()) > self._refused:
            self._refused = sum(lost.values())
            status.level = DiagnosticStatus.WARN
            status.message = "packets are lost: does the receiver run? " + ", ".join(
                f"{self._senders[name].address} ({name}) refused {count}" for name, count in lost.items() if count
            )
        status.values = [KeyValue(key=key, value=str(value)) for key, value in values.items()]
        message = DiagnosticArray(status=[status])
        message.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(message)

    def _ask(self, client, request):
        """The decoder's answer; RuntimeError or ValueError says why there is none."""
        if not client.service_is_ready():
            raise RuntimeError(f"no service {client.srv_name}: is the decoder running?")
        done = threading.Event()
        future = client.call_async(request)
        future.add_done_callback(lambda _: done.set())
        if not done.wait(self.value("request_timeout")):
            client.remove_pending_request(future)
            raise RuntimeError(f"{client.srv_name} did not answer in {self.value('request_timeout'):g} s")
        response = future.result()
        if not response.success:
            raise ValueError(response.message)
        return response


def main() -> None:
    """Entry point of the executable `bridge_node`."""
    sys.exit(run(BridgeNode))


if __name__ == "__main__":
    main()
