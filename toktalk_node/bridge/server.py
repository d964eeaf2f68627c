"""The bridge's server: publishes face, sound and events over ZeroMQ and answers control requests.

    with Bridge(on_interrupt=stop_speaking) as bridge:
        bridge.publish_face(chunk, clock)
        bridge.publish_audio(audio, clock)

Publishing never blocks: a receiver that stops reading loses messages, the others do not notice.
"""

import contextlib
import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import zmq

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


class Bridge:
    """Publishes streams on PUB and answers control on ROUTER. Thread safe.

    Args:
        host: interface to bind, loopback by default.
        pub_port, control_port: TCP ports, 0 for any free one (see the properties of the same name).
        queue: messages kept for each receiver before it loses some.
        on_interrupt, on_style: called in the control thread; their exceptions are sent back as errors.

    Raises:
        OSError: a port is taken; the message names it.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        pub_port: int = protocol.PUB_PORT,
        control_port: int = protocol.CONTROL_PORT,
        *,
        queue: int = 256,
        on_interrupt: OnInterrupt | None = None,
        on_style: OnStyle | None = None,
    ) -> None:
        self.stats = BridgeStats()
        self.on_interrupt = on_interrupt
        self.on_style = on_style
        self._streams: dict[str, protocol.StreamInfo] = {}
        self._seq: dict[bytes, int] = defaultdict(int)
        self._lock = threading.Lock()
        self._closed = False
        self._context = zmq.Context()
        self._context.setsockopt(zmq.LINGER, 0)
        try:
            self._pub = self._context.socket(zmq.PUB)
            self._pub.setsockopt(zmq.SNDHWM, queue)
            self._pub.setsockopt(zmq.XPUB_NODROP, 1)
            self._pub.setsockopt(zmq.MAXMSGSIZE, protocol.MAX_CONTROL)
            self.pub_port = _bind(self._pub, host, pub_port)
            self._router = self._context.socket(zmq.ROUTER)
            self._router.setsockopt(zmq.MAXMSGSIZE, protocol.MAX_CONTROL)
            self.control_port = _bind(self._router, host, control_port)
            self._stop, self._stopped = self._context.socket(zmq.PAIR), self._context.socket(zmq.PAIR)
            self._stop.bind("inproc://stop")
            self._stopped.connect("inproc://stop")
        except BaseException:
            self._context.destroy(linger=0)
            raise
        self.host = host
        self._thread = threading.Thread(target=self._serve, name="toktalk-bridge", daemon=True)
        self._thread.start()

    @property
    def control_endpoint(self) -> str:
        """What a Client connects to."""
        return f"tcp://{self.host}:{self.control_port}"

    def announce(self, stream: str = "default", *, fps: int | None = None, audio_rate: int | None = None) -> None:
        """Tell receivers about `stream` before its first message."""
        with self._lock:
            self._update(stream, fps=fps, audio_rate=audio_rate)

    def publish_face(self, chunk: FaceChunk, clock: Clock, stream: str = "default") -> None:
        """Publish face frames; more than MAX_FRAMES are cut into several messages."""
        with self._lock:
            self._update(stream, fps=chunk.fps, epoch_ns=clock.epoch_ns)
            for i in range(0, len(chunk), protocol.MAX_FRAMES):
                part = slice(i, i + protocol.MAX_FRAMES)
                piece = FaceChunk(chunk.weights[part], chunk.head[part], chunk.fps, chunk.start + i)
                self._send(FACE, stream, protocol.face_message(piece, clock.pts_ns(piece.start, piece.fps)))
            self.stats.face_frames += len(chunk)

    def publish_audio(self, chunk: AudioChunk, clock: Clock, stream: str = "default") -> None:
        """Publish sound; more than MAX_SAMPLES samples are cut into several messages."""
        with self._lock:
            self._update(stream, audio_rate=chunk.rate, epoch_ns=clock.epoch_ns)
            for i in range(0, len(chunk.samples), protocol.MAX_SAMPLES):
                piece = AudioChunk(chunk.samples[i : i + protocol.MAX_SAMPLES], chunk.rate, chunk.start + i)
                self._send(AUDIO, stream, protocol.audio_message(piece, clock.pts_ns(piece.start, piece.rate)))
            self.stats.audio_samples += len(chunk.samples)

    def publish_event(
        self, kind: str, pts_ns: int, stream: str = "default", **data: int | float | str | bool | None
    ) -> None:
        """Publish that `kind` (start, end, interrupted, style, ...) happened at presentation time `pts_ns`."""
        with self._lock:
            self._update(stream)
            self._send(EVENT, stream, protocol.Event(seq=0, pts_ns=pts_ns, kind=kind, data=data))
            self.stats.events += 1

    def close(self) -> None:
        """Stop answering and free the ports. Closing twice is fine."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self._stop.send(b"")
        self._thread.join()
        for socket in (self._pub, self._router, self._stop, self._stopped):
            socket.close(linger=0)
        self._context.term()

    def __enter__(self) -> "Bridge":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _update(self, stream: str, **known: int | None) -> None:
        if self._closed:
            raise RuntimeError("the bridge is closed")
        info = self._streams.get(stream)
        if info is None:
            info = self._streams[stream] = protocol.StreamInfo(name=protocol.stream_name(stream))
        for name, value in known.items():
            if value is not None:
                setattr(info, name, value)

    def _send(self, kind: str, stream: str, message: Face | Audio | Event) -> None:
        """Send without ever blocking; a full queue is counted, then only its owner loses the message."""
        topic = protocol.topic(kind, stream)
        message.seq = self._seq[topic]
        parts = [topic, protocol.encode(message)]
        self._seq[topic] += 1
        self.stats.messages += 1
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
        poller.register(self._router, zmq.POLLIN)
        poller.register(self._stopped, zmq.POLLIN)
        while True:
            ready = dict(poller.poll())
            if self._stopped in ready:
                return
            received_ns = time.time_ns()
            parts = self._router.recv_multipart()
            self.stats.requests += 1
            reply = self._answer(parts[1:], received_ns)
            with contextlib.suppress(zmq.Again):
                self._router.send_multipart([parts[0], *reply], zmq.NOBLOCK)

    def _answer(self, parts: list[bytes], received_ns: int) -> list[bytes]:
        """The reply to one request, with REQ's empty delimiter when the request had it."""
        delimiter = parts[:1] if parts[:1] == [b""] else []
        request_id = 0
        try:
            name, request = protocol.decode_request(parts[len(delimiter) :])
            request_id = request.id
            reply: protocol.Request = self._do(request, received_ns)
        except ProtocolError as error:
            self.stats.errors += 1
            name, reply = "error", protocol.Refused(id=request_id, error=str(error))
        except Exception as error:  # a callback of the owner failed: the receiver is told, the bridge goes on
            self.stats.errors += 1
            log.warning("control request failed: %s", error)
            name, reply = "error", protocol.Refused(id=request_id, error=f"{type(error).__name__}: {error}"[:250])
        return [*delimiter, name.encode(), protocol.encode(reply)]

    def _do(self, request: protocol.Request, received_ns: int) -> protocol.Request:
        match request:
            case protocol.Hello():
                with self._lock:
                    streams = [msgspec.structs.replace(info) for info in self._streams.values()]
                return protocol.HelloReply(
                    id=request.id, names=list(BLENDSHAPES), head=list(HEAD), streams=streams, pub_port=self.pub_port
                )
            case protocol.ClockAsk():
                return protocol.ClockReply(id=request.id, t1_ns=request.t1_ns, t2_ns=received_ns, t3_ns=time.time_ns())
            case protocol.Interrupt():
                if self.on_interrupt is None:
                    raise ProtocolError("this bridge's streams cannot be interrupted")
                played, dropped = self.on_interrupt(self._known(request.stream), request.played_ns)
                return protocol.InterruptReply(id=request.id, played_frames=played, dropped_frames=dropped)
            case protocol.SetStyle():
                if self.on_style is None:
                    raise ProtocolError("this bridge's streams have no styles")
                self.on_style(self._known(request.stream), request.style)
        return protocol.Done(id=request.id)

    def _known(self, stream: str) -> str:
        with self._lock:
            if stream not in self._streams:
                raise ProtocolError(f"no stream {stream[:64]!r}, there are: {', '.join(self._streams) or 'none yet'}")
        return stream


def _bind(socket: zmq.Socket, host: str, port: int) -> int:
    """Bind to `port` (0: any free one) and return the port bound."""
    try:
        if port == 0:
            return socket.bind_to_random_port(f"tcp://{host}")
        socket.bind(f"tcp://{host}:{port}")
    except zmq.ZMQError as error:
        raise OSError(
            error.errno, f"cannot bind tcp://{host}:{port}: {error.strerror}; is another TokTalk running?"
        ) from error
    return port
