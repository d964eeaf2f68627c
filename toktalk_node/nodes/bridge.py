"""The ZeroMQ bridge and the viewer as a node: face/* topics to receivers outside ROS, their requests back in."""

import sys
from dataclasses import asdict
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from toktalk_node.bridge import livelink_udp, protocol, vmc, web
from toktalk_node.bridge.address import Address
from toktalk_node.bridge.server import Bridge
from toktalk_node.bridge.speaker import Speaker
from toktalk_node.bridge.udp import UdpSender
from toktalk_node.nodes.bridged import BridgedFace, named
from toktalk_node.nodes.parameters import Parameter, declare
from toktalk_node.nodes.runtime import StreamNode, run

LOOPBACK, EVERYWHERE = "127.0.0.1", ("0.0.0.0", "::", "*")
PARAMETERS = (
    Parameter("host", LOOPBACK, "Network interface that the sockets and the viewer listen on."),
    Parameter("pub_port", protocol.PUB_PORT, "TCP port of face, sound and events; 0 for any free one.", 0, 65535),
    Parameter("control_port", protocol.CONTROL_PORT, "TCP port of control; 0 for any free one.", 0, 65535),
    Parameter("viewer", True, "Serve the viewer page."),
    Parameter("viewer_port", web.PORT, "TCP port of the viewer; 0 for any free one.", 0, 65535),
    Parameter("viewer_origins", "", "Other servers whose pages may show the face, apart by spaces: https://shop.example."),
    Parameter("viewer_avatars", "", "Avatars of the viewer for ?avatar=NAME: .glb, .vrm, .gltf files and folders, "
              "apart by spaces."),
    Parameter("stream", "default", "Name of the stream in topics and in the hello."),
    Parameter("streams", [""], "Namespaces of the faces: /robot1 is the stream robot1, the node's own (empty) is the "
              "one that the parameter stream names."),
    Parameter("decoder", "toktalk", "Name of each face's decoder node, whose services interrupts and styles go to."),
    Parameter("request_timeout", 2.0, "Seconds to wait for the decoder's answer to a receiver.", 0.1, 60.0),
    Parameter("keys", "", "File of the bridge's keys (toktalk keys), for an encrypted wire; empty: not encrypted."),
    Parameter("livelink_to", "", "HOST or HOST:PORT of Unreal Engine (Live Link Face, UDP); empty: not sent."),
    Parameter("livelink_subject", livelink_udp.STREAM, "Live Link subject; {stream} in it is the stream's name."),
    Parameter("livelink_delay", 0.0, "Seconds by which Unreal gets the face later than its time.", -5.0, 5.0),
    Parameter("vmc_to", "", "HOST or HOST:PORT of a VMC receiver (VSeeFace, Warudo, ...; UDP), for the first face; "
              "empty: not sent."),
    Parameter("vmc_names", vmc.PASCAL, "Shapes sent by VMC: perfect sync as JawOpen (pascal) or jawOpen (camel), or "
              "the presets of VRM 0 or 1.", choices=tuple(vmc.NAMES)),
    Parameter("vmc_head", True, "Send the head's rotation by VMC."),
    Parameter("vmc_delay", 0.0, "Seconds by which the VMC receiver gets the face later than its time.", -5.0, 5.0),
    Parameter("speaker", "", "Loudspeaker of this machine that plays the sound: its number, a part of its name, or "
              "default; empty: none."),
    Parameter("speaker_delay", 0.0, "Seconds by which the sound is played later than its time.", -5.0, 5.0),
)  # fmt: skip


class BridgeNode(StreamNode):
    """The bridge of one face or more, each as a stream."""

    def __init__(self, **options: object) -> None:
        super().__init__("bridge", **options)
        declare(self, PARAMETERS)
        self._bridge: Bridge | None = None
        self._viewer: web.WebViewer | None = None
        self._senders: dict[str, UdpSender | Speaker] = {}
        self._refused = 0
        self._faces: dict[str, BridgedFace] = {}
        self.endpoint = ""
        """Where receivers connect to, once configured."""
        self._diagnostics = self.create_lifecycle_publisher(DiagnosticArray, "/diagnostics", 10)
        self._beat = self.create_timer(1.0, self._diagnose)
        self._beat.cancel()

    def prepare(self) -> None:
        namespaces = named(self.value("streams"), self.value("stream"))
        self._bridge = Bridge(
            self.value("host"),
            self.value("pub_port"),
            self.value("control_port"),
            on_interrupt=lambda stream, played_ns: self._faces[stream].interrupt(played_ns),
            on_style=lambda stream, style: self._faces[stream].set_style(style),
            keys=self.value("keys") or None,
        )
        for stream, namespace in namespaces.items():
            self._faces[stream] = BridgedFace(self, self._bridge, namespace, stream, self._know_styles)
        self._know_styles()
        own = f"tcp://{LOOPBACK}:{self._bridge.control_port}"
        self.endpoint = own if self.value("host") in EVERYWHERE else self._bridge.control_endpoint
        self.get_logger().info(f"receivers connect to {self.endpoint}")
        if self.value("viewer"):
            self._viewer = web.WebViewer(
                self.endpoint,
                host=self.value("host"),
                port=self.value("viewer_port"),
                origins=self.value("viewer_origins").split(),
                avatars=[Path(path) for path in self.value("viewer_avatars").split()],
                keys=self._bridge.local_keys,
            )
            self.get_logger().info(f"the face is at {self._viewer.url}")
        self._start_senders()

    def _know_styles(self) -> None:
        """The hello names the styles of all faces."""
        if self._bridge:
            names = [name for face in list(self._faces.values()) for name in face.styles]
            self._bridge.styles = tuple(dict.fromkeys(names))

    def _start_senders(self) -> None:
        """Start what the parameters ask for: receivers of the bridge that happen to live in this process."""
        first, *others = self._faces
        every = {"stream": None if others else first, "keys": self._bridge.local_keys}
        kinds = {
            "livelink": lambda: livelink_udp.LiveLink(self.value("livelink_subject")),
            "vmc": lambda: vmc.Vmc(self.value("vmc_names"), head=self.value("vmc_head")),
        }
        for name, port in (("livelink", livelink_udp.PORT), ("vmc", vmc.PORT)):
            if to := self.value(f"{name}_to"):
                address = Address.parse(to, port, f"{name}_to")
                delay = self.value(f"{name}_delay")
                options = every | {"stream": first} if name == "vmc" else every
                self._senders[name] = UdpSender(self.endpoint, address, kinds[name](), delay=delay, **options)
                self.get_logger().info(f"{name} goes to {address}")
        if device := self.value("speaker"):
            device = None if device == "default" else device
            self._senders["speaker"] = Speaker(self.endpoint, device, delay=self.value("speaker_delay"), **every)

    def begin(self) -> None:
        for face in self._faces.values():
            face.forwarding = True
        self._beat.reset()

    def halt(self) -> None:
        for face in self._faces.values():
            face.forwarding = False
        self._beat.cancel()

    def release(self) -> None:
        for sender in self._senders.values():
            sender.close()
        self._senders, self._refused = {}, 0
        if self._viewer:
            self._viewer.close()
            self._viewer = None
        if self._bridge:
            self._bridge.close()
            self._bridge = None
        for face in self._faces.values():
            face.close()
        self._faces = {}

    def _diagnose(self) -> None:
        bridge, viewer = self._bridge, self._viewer
        if bridge is None:
            return
        values = asdict(bridge.stats) | {"refused_messages": sum(face.refused for face in self._faces.values())}
        for whose, part in {"viewer": viewer, **self._senders}.items():
            values |= {f"{whose}_{name}": value for name, value in asdict(part.stats).items()} if part else {}
        status = DiagnosticStatus(level=DiagnosticStatus.OK, name=f"{self.get_fully_qualified_name()}: bridge")
        status.message = "forwarding"
        if bridge.stats.stalls:
            status.level = DiagnosticStatus.WARN
            status.message = f"{bridge.stats.stalls} times a receiver did not read in time and lost messages"
        if problems := [face.problem for face in self._faces.values() if face.problem]:
            status.level = DiagnosticStatus.WARN
            status.message = f"{values['refused_messages']} messages were refused: {'; '.join(problems)}"
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


def main() -> None:
    """Entry point of the executable `bridge_node`."""
    sys.exit(run(BridgeNode))


if __name__ == "__main__":
    main()
