"""The bridge's server: publishes face, sound and events over ZeroMQ and answers control requests.

    with Bridge(on_interrupt=stop_speaking) as bridge:
        bridge.publish_face(chunk, clock)
        bridge.publish_audio(audio, clock)

Publishing never blocks: a receiver that stops reading loses messages, the others do not notice. Nor does answering: the
control thread asks the owner (`on_interrupt`, `on_style`) by a thread of its own. With `keys` (see keys.py) everything
is encrypted, and only the receivers named there are let in.
"""

import contextlib
import ipaddress
import logging
import secrets
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Full, Queue

import msgspec
import zmq
from zmq.utils import z85
from zmq.utils.monitor import recv_monitor_message

from toktalk_node.bridge import keys as curve
from toktalk_node.bridge import protocol
from toktalk_node.bridge.protocol import AUDIO, EVENT, FACE, Audio, Event, Face, ProtocolError
from toktalk_node.face.arkit import BLENDSHAPES, HEAD
from toktalk_node.signals import AudioChunk, Clock, FaceChunk

log = logging.getLogger(__name__)

OnInterrupt = Callable[[str, int], tuple[int, int]]
"""(stream, played media time in ns or -1) -> (played frames, dropped frames)."""
OnStyle = Callable[[str, str], None]
"""(stream, style name); a ValueError's text goes back to the receiver."""


@dataclass
class BridgeStats:
    """Counters since the bridge began."""

    face_frames: int = 0
    audio_samples: int = 0
    events: int = 0
    messages: int = 0
    requests: int = 0
    errors: int = 0
    """Control messages that could not be read or done."""
    stalls: int = 0
    """Times that a receiver's queue was found full; it loses messages until it reads again."""
    refused: int = 0
    """Connections that were cut in the handshake: no ZeroMQ, or without a key that is let in."""


MAX_SUBSCRIPTION = 1024
"""Largest message in bytes that is read from a subscriber."""
REQUEST_QUEUE = 64
"""Requests and replies kept for each receiver."""
WAITING = 16
"""Requests to the owner that wait while it does another; what comes when there are more is refused."""
_REFUSED = zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_AUTH


class Bridge:
    """Publishes streams on PUB and answers control on ROUTER. Thread safe.

    Args:
        host: interface to bind, loopback by default.
        pub_port, control_port: TCP ports, 0 for any free one (see the properties of the same name).
        queue: messages kept for each receiver before it loses some.
        on_interrupt, on_style: called one after another in a thread of their own, in which they may take their time;
            their exceptions are sent back as errors.
        styles: names that `on_style` takes, so that receivers can offer them.
        keys: file of the bridge's keys (`toktalk keys`): encrypt, and let in whom it names. None: no encryption.

    Raises:
        OSError: a port is taken; the message names it.
        ValueError: the file of keys cannot be read.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        pub_port: int = protocol.PUB_PORT,
        control_port: int = protocol.CONTROL_PORT,
        *,
        queue: int = 1024,
        on_interrupt: OnInterrupt | None = None,
        on_style: OnStyle | None = None,
        styles: Collection[str] = (),
        keys: str | Path | None = None,
    ) -> None:
        self.stats = BridgeStats()
        self.id = secrets.token_hex(8)
        """Names this run in the hello, so that receivers notice a new one."""
        self.on_interrupt = on_interrupt
        self.on_style = on_style
        self.styles = tuple(styles)
        self._streams: dict[str, protocol.StreamInfo] = {}
        self._seq: dict[bytes, int] = defaultdict(int)
        self._lock = threading.Lock()
        self._closed = False
        self._asked: Queue[tuple[list[bytes], str, protocol.Request] | None] = Queue(WAITING)
        """(envelope, topic, request) for the owner; None ends its thread."""
        self._keys = Path(keys) if keys is not None else None
        own = curve.load(self._keys, curve.BridgeKeys) if self._keys else None
        self.local_keys = curve.new_client(own) if own else None
        """Keys for receivers in this process: a bridge that encrypts always lets them in."""
        if own is None and not _is_loopback(host):
            log.warning(
                "the bridge listens on %s without encryption: whoever reaches it hears the voice and may interrupt it; "
                "make keys with `toktalk keys` where that is not wanted",
                host,
            )
        self._context = zmq.Context()
        self._context.setsockopt(zmq.LINGER, 0)
        self._context.setsockopt(zmq.IPV6, ":" in host)
        try:
            self._zap = self._context.socket(zmq.REP)
            self._zap.bind("inproc://zeromq.zap.01")
            self._pub = self._socket(zmq.PUB, own)
            self._pub.setsockopt(zmq.SNDHWM, queue)
            self._pub.setsockopt(zmq.XPUB_NODROP, 1)
            self._pub.setsockopt(zmq.MAXMSGSIZE, MAX_SUBSCRIPTION)
            self._router = self._socket(zmq.ROUTER, own)
            self._router.setsockopt(zmq.MAXMSGSIZE, protocol.MAX_CONTROL)
            self._router.setsockopt(zmq.SNDHWM, REQUEST_QUEUE)
            self._router.setsockopt(zmq.RCVHWM, REQUEST_QUEUE)
            self._monitors = [s.get_monitor_socket(_REFUSED) for s in (self._pub, self._router)]
            self.pub_port = _bind(self._pub, host, pub_port)
            self.control_port = _bind(self._router, host, control_port)
            self._done = self._context.socket(zmq.PULL)
            self._done.bind("inproc://done")
        except BaseException:
            self._context.destroy(linger=0)
            raise
        self.host = host
        self._threads = [
            threading.Thread(target=work, name=name, daemon=True)
            for work, name in ((self._serve, "toktalk-bridge"), (self._ask_owner, "toktalk-bridge-owner"))
        ]
        for thread in self._threads:
            thread.start()

    @property
    def control_endpoint(self) -> str:
        """What a Client connects to."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"tcp://{host}:{self.control_port}"

    def announce(
        self,
        stream: str = "default",
        *,
        fps: int | None = None,
        audio_rate: int | None = None,
        style: str | None = None,
    ) -> None:
        """Tell receivers about `stream` before its first message."""
        with self._lock:
            self._stream(stream, fps=fps, audio_rate=audio_rate, style=style)

    def remove(self, stream: str) -> None:
        """Tell receivers that `stream` is gone, and forget it."""
        with self._lock:
            if stream not in self._streams:
                return
            self._send(EVENT, stream, Event(seq=0, pts_ns=time.time_ns(), kind="gone"))
            del self._streams[stream]
            for kind in protocol.PUBLISHED:
                self._seq.pop(protocol.topic(kind, stream), None)

    def publish_face(self, chunk: FaceChunk, clock: Clock, stream: str = "default") -> None:
        """Publish face frames; more than MAX_FRAMES are cut into several messages."""
        with self._lock:
            self._stream(stream, fps=chunk.fps)
            for i in range(0, len(chunk), protocol.MAX_FRAMES):
                part = slice(i, i + protocol.MAX_FRAMES)
                piece = FaceChunk(chunk.weights[part], chunk.head[part], chunk.fps, chunk.start + i)
                self._send(FACE, stream, protocol.face_message(piece, clock.pts_ns(piece.start, piece.fps)))
            self.stats.face_frames += len(chunk)

    def publish_audio(self, chunk: AudioChunk, clock: Clock, stream: str = "default") -> None:
        """Publish sound; more than MAX_SAMPLES samples are cut into several messages."""
        with self._lock:
            self._stream(stream, audio_rate=chunk.rate)
            for i in range(0, len(chunk.samples), protocol.MAX_SAMPLES):
                piece = AudioChunk(chunk.samples[i : i + protocol.MAX_SAMPLES], chunk.rate, chunk.start + i)
                self._send(AUDIO, stream, protocol.audio_message(piece, clock.pts_ns(piece.start, piece.rate)))
            self.stats.audio_samples += len(chunk.samples)

    def publish_event(
        self, kind: str, pts_ns: int, stream: str = "default", **data: int | float | str | bool | None
    ) -> None:
        """Publish that `kind` (start, end, interrupted, style, ...) happened at presentation time `pts_ns`."""
        with self._lock:
            self._stream(stream)
            self._send(EVENT, stream, Event(seq=0, pts_ns=pts_ns, kind=kind, data=data))

    def close(self) -> None:
        """Stop answering and free the ports, after what the owner is doing. Closing twice is fine."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        with self._context.socket(zmq.PUSH) as stop:
            stop.connect("inproc://done")
            stop.send(b"")
            self._threads[0].join()
        with contextlib.suppress(Empty):
            while True:
                self._asked.get_nowait()
        self._asked.put(None)
        self._threads[1].join()
        for socket in (self._pub, self._router):
            socket.disable_monitor()
        for socket in (self._pub, self._router, *self._monitors, self._zap, self._done):
            socket.close(linger=0)
        self._context.term()

    def __enter__(self) -> "Bridge":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _socket(self, kind: int, own: curve.BridgeKeys | None) -> zmq.Socket:
        socket = self._context.socket(kind)
        if own is not None:
            socket.curve_server = True
            socket.curve_secretkey = own.secret.encode()
            socket.zap_domain = b"toktalk"
        return socket

    def _stream(self, stream: str, **known: int | str | None) -> None:
        """Announce `stream` when it is new, with what is known of it."""
        if self._closed:
            raise RuntimeError("the bridge is closed")
        info = self._streams.get(stream)
        new = info is None
        if new:
            if len(self._streams) >= protocol.MAX_STREAMS:
                raise ProtocolError(f"no stream {stream!r}: a bridge has at most {protocol.MAX_STREAMS}, remove one")
            info = self._streams[stream] = protocol.StreamInfo(name=protocol.stream_name(stream))
        for name, value in known.items():
            if value is not None:
                setattr(info, name, value)
        if new:
            data = {name: value for name, value in known.items() if value is not None}
            self._send(EVENT, stream, Event(seq=0, pts_ns=time.time_ns(), kind="stream", data=data))

    def _send(self, kind: str, stream: str, message: Face | Audio | Event) -> None:
        """Send without ever blocking; a full queue is counted, then only its owner loses the message."""
        topic = protocol.topic(kind, stream)
        message.seq = self._seq[topic]
        parts = [topic, protocol.encode(message)]
        self._seq[topic] += 1
        self._streams[stream].learn(message)
        self.stats.messages += 1
        self.stats.events += kind == EVENT
        try:
            self._pub.send_multipart(parts, zmq.NOBLOCK)
        except zmq.Again:
            self.stats.stalls += 1
            self._pub.setsockopt(zmq.XPUB_NODROP, 0)
            self._pub.send_multipart(parts, zmq.NOBLOCK)
            self._pub.setsockopt(zmq.XPUB_NODROP, 1)

    def _serve(self) -> None:
        """The control thread: answers until close()."""
        poller = zmq.Poller()
        for socket in (self._router, self._zap, self._done, *self._monitors):
            poller.register(socket, zmq.POLLIN)
        while True:
            ready = dict(poller.poll())
            if self._done in ready:
                reply = self._done.recv_multipart()
                if reply == [b""]:
                    return
                self._reply(reply)
            for monitor in self._monitors:
                if monitor in ready:
                    recv_monitor_message(monitor)
                    self.stats.refused += 1
            if self._zap in ready:
                self._zap.send_multipart(self._let_in(self._zap.recv_multipart()))
            if self._router in ready:
                received_ns = time.time_ns()
                parts = self._router.recv_multipart()
                self.stats.requests += 1
                if (reply := self._answer(parts, received_ns)) is not None:
                    self._reply(reply)

    def _reply(self, reply: list[bytes]) -> None:
        """Send a reply, envelope first; it is lost where its receiver does not read."""
        self.stats.errors += reply[-2] == b"error"
        with contextlib.suppress(zmq.Again):
            self._router.send_multipart(reply, zmq.NOBLOCK)

    def _ask_owner(self) -> None:
        """The owner's thread: has it do what receivers ask for, in the order of their requests."""
        with self._context.socket(zmq.PUSH) as done:
            done.connect("inproc://done")
            while (asked := self._asked.get()) is not None:
                envelope, name, request = asked
                done.send_multipart([*envelope, *self._result(name, request, self._do)])

    def _let_in(self, request: list[bytes]) -> list[bytes]:
        """The answer to libzmq's question whether a receiver may connect (ZAP, ZeroMQ RFC 27)."""
        version, number, _domain, _address, _identity, mechanism, *credentials = request
        code, text = b"400", b"this key is not let in"
        if mechanism == b"CURVE" and self._keys is not None:
            try:
                clients = curve.load(self._keys, curve.BridgeKeys).clients.values()
                if z85.encode(credentials[0]).decode() in (*clients, self.local_keys.public):
                    code, text = b"200", b"OK"
            except ValueError as error:
                log.warning("nobody is let in: %s", error)
        return [version, number, code, text, b"", b""]

    def _answer(self, parts: list[bytes], received_ns: int) -> list[bytes] | None:
        """The reply to one request, with its envelope (identity, and REQ's empty part); None: it comes when done."""
        count = 2 if parts[1:2] == [b""] else 1
        envelope = parts[:count]
        try:
            name, request = protocol.decode_request(parts[count:])
        except ProtocolError as error:
            return [*envelope, *_refusal(0, str(error))]
        if isinstance(request, protocol.Interrupt | protocol.SetStyle):
            try:
                self._asked.put_nowait((envelope, name, request))
            except Full:
                return [*envelope, *_refusal(request.id, f"{WAITING} requests wait already: ask again later")]
            return None
        return [*envelope, *self._result(name, request, lambda request: self._tell(request, received_ns))]

    @staticmethod
    def _result(
        name: str, request: protocol.Request, do: Callable[[protocol.Request], protocol.Request]
    ) -> list[bytes]:
        """[topic, body] of what `do` answers, or of why it does not."""
        try:
            return [name.encode(), protocol.encode(do(request))]
        except ProtocolError as error:
            return _refusal(request.id, str(error))
        except Exception as error:  # a callback of the owner failed: the receiver is told, the bridge goes on
            log.warning("control request failed: %s", error)
            return _refusal(request.id, f"{type(error).__name__}: {error}")

    def _tell(self, request: protocol.Request, received_ns: int) -> protocol.Request:
        """What the bridge knows by itself."""
        match request:
            case protocol.Hello():
                with self._lock:
                    streams = [msgspec.structs.replace(info) for info in self._streams.values()]
                styles = [name for name in self.styles if len(name) <= protocol.MAX_TEXT][: protocol.MAX_STYLES]
                return protocol.HelloReply(
                    id=request.id,
                    names=list(BLENDSHAPES),
                    head=list(HEAD),
                    streams=streams,
                    pub_port=self.pub_port,
                    bridge=self.id,
                    styles=styles or msgspec.UNSET,
                )
            case protocol.ClockAsk():
                return protocol.ClockReply(
                    id=request.id, t1_ns=request.t1_ns, t2_ns=received_ns, t3_ns=time.time_ns(), bridge=self.id
                )
        return protocol.Done(id=request.id)

    def _do(self, request: protocol.Interrupt | protocol.SetStyle) -> protocol.Request:
        """What only the owner can do."""
        if isinstance(request, protocol.Interrupt):
            if self.on_interrupt is None:
                raise ProtocolError("this bridge's streams cannot be interrupted")
            played, dropped = self.on_interrupt(self._known(request.stream), request.played_ns)
            return protocol.InterruptReply(id=request.id, played_frames=int(played), dropped_frames=int(dropped))
        if self.on_style is None:
            raise ProtocolError("this bridge's streams have no styles")
        self.on_style(self._known(request.stream), request.style)
        with self._lock:
            if info := self._streams.get(request.stream):
                info.style = request.style
        return protocol.Done(id=request.id)

    def _known(self, stream: str) -> str:
        with self._lock:
            if stream not in self._streams:
                raise ProtocolError(f"no stream {stream[:64]!r}, there are: {', '.join(self._streams) or 'none yet'}")
        return stream


def _refusal(request_id: int, text: str) -> list[bytes]:
    """[topic, body] of a Refused."""
    text = text[: protocol.MAX_TEXT].encode(errors="replace").decode()
    return [b"error", protocol.encode(protocol.Refused(id=request_id, error=text))]


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host in ("localhost", "lo")


def _bind(socket: zmq.Socket, host: str, port: int) -> int:
    """Bind to `port` (0: any free one) and return the port bound."""
    host = f"[{host}]" if ":" in host else host
    try:
        if port == 0:
            return socket.bind_to_random_port(f"tcp://{host}")
        socket.bind(f"tcp://{host}:{port}")
    except zmq.ZMQError as error:
        raise OSError(
            error.errno, f"cannot bind tcp://{host}:{port}: {error.strerror}; is another TokTalk running?"
        ) from error
    return port
