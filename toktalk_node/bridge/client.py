"""A receiver of the face in Python: the reference for clients in every language.
A bridge that goes away and comes back is found again, and the frames go on.

from toktalk_node.bridge.client import Client
with Client("tcp://127.0.0.1:5591") as face:
    print("streams:", face.streams)
    for frame in face:                      # each frame arrives at the instant its sound is heard
        print(f"{frame.time:7.2f} s  jawOpen {frame['jawOpen']:.2f}  yaw {frame.head[0]:+.2f}")
        if frame.time > 10:
            face.interrupt(frame.media_ns)  # enough said
            break
"""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import zmq
from msgspec import UNSET
from zmq.utils.monitor import recv_monitor_message

from toktalk_node.bridge import keys as curve
from toktalk_node.bridge import protocol
from toktalk_node.bridge.clock import ClockFilter
from toktalk_node.bridge.playout import ClientStats, Frame, Playout
from toktalk_node.bridge.protocol import AUDIO, EVENT, FACE, Audio, Event, Face, ProtocolError
from toktalk_node.signals import NANOSECONDS

CLOCK_INTERVAL = 2.0
"""Seconds between clock exchanges while frames are read."""
CLOCK_SAMPLES = 8
"""Clock exchanges at the beginning, and with a bridge that was started again."""
CLIENT = "toktalk python"
QUEUE = 1024
"""Messages kept for a client that does not read."""
SILENCE = 6000
"""Milliseconds after which a bridge that does not even answer ZeroMQ's heartbeat is taken for gone."""
_CONNECTED = zmq.EVENT_HANDSHAKE_SUCCEEDED
_LOST = zmq.EVENT_DISCONNECTED
_REFUSED = zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_AUTH


class BridgeError(RuntimeError):
    """The bridge refused a request; the text is its reason."""


class Client:
    """A connection to a Bridge. For one thread.

    Args:
        endpoint: the bridge's control endpoint.
        stream: the stream to follow, None for all.
        timeout: seconds to wait for an answer of the bridge.
        keys: this receiver's keys, or their file (`toktalk keys`), for a bridge that encrypts.

    Raises:
        ConnectionError: nobody answers at `endpoint`.
        ProtocolError: the bridge speaks another version.
        ValueError: `endpoint` or `stream` is none, or the file of keys cannot be read.
    """

    def __init__(
        self,
        endpoint: str = "tcp://127.0.0.1:5591",
        *,
        stream: str | None = None,
        timeout: float = 3.0,
        keys: curve.ClientKeys | str | Path | None = None,
    ) -> None:
        self.stats = ClientStats()
        self.clock_offset_ns = 0
        """Server clock minus this machine's clock."""
        self.clock_delay_ns = 0
        """Round trip of the exchange that gave the offset."""
        self.names: tuple[str, ...] = ()
        """Blendshapes, in the order of the weights."""
        self.streams: dict[str, protocol.StreamInfo] = {}
        """The streams that there are, by name, and what is known of each."""
        self.styles: tuple[str, ...] = ()
        """Names that `set_style` takes, where the bridge tells."""
        self.pub_endpoint = ""
        self.connected = False
        """Whether the bridge is there; when it is not, it is looked for."""
        self.endpoint, self._timeout, self._followed = endpoint, timeout, stream
        self._keys = curve.load(keys, curve.ClientKeys) if isinstance(keys, str | Path) else keys
        self._bridge: str | None = None
        self._turned_away = False
        self._hello_due = False
        self._next_id = 1
        self._seq: dict[bytes, int] = {}
        self._unseen: set[str] = set()
        """Streams whose newest face is of before this client joined, and was not given yet."""
        self._clock = ClockFilter()
        self._clock_due = 0.0
        self._clock_hurry = 0
        """Exchanges that are to follow each other quickly."""
        self._context = zmq.Context()
        self._context.setsockopt(zmq.LINGER, 0)
        self._context.setsockopt(zmq.IPV6, "[" in endpoint)
        self._poller = zmq.Poller()
        try:
            self._sub, self._control = self._socket(zmq.SUB), self._socket(zmq.DEALER)
            self._control.setsockopt(zmq.IMMEDIATE, True)
            self._monitor = self._control.get_monitor_socket(_CONNECTED | _LOST | _REFUSED)
            for kind in (FACE, AUDIO, EVENT):
                self._sub.subscribe(protocol.topic(kind, stream) if stream else f"{kind}/".encode())
            try:
                self._control.connect(endpoint)
            except zmq.ZMQError as error:
                raise ValueError(f"{endpoint!r} is no endpoint: give one like tcp://127.0.0.1:5591") from error
            for socket in (self._sub, self._control, self._monitor):
                self._poller.register(socket, zmq.POLLIN)
            self._ask("hello", protocol.Hello(id=0, client=CLIENT))
            for _ in range(CLOCK_SAMPLES):
                self._ask("clock", protocol.ClockAsk(id=0, t1_ns=time.time_ns()))
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Disconnect. Closing twice is fine."""
        if not self._context.closed:
            self._control.disable_monitor()
            self._context.destroy(linger=0)

    def now_ns(self) -> int:
        """The present on the server's clock, to compare with `pts_ns`."""
        return time.time_ns() + self.clock_offset_ns

    def interrupt(self, played_ns: int = -1, stream: str = "default") -> protocol.InterruptReply:
        """Stop `stream`; `played_ns` is the media time heard so far (`Frame.media_ns`), -1 when unknown."""
        return self._ask("interrupt", protocol.Interrupt(id=0, stream=stream, played_ns=played_ns))

    def set_style(self, style: str, stream: str = "default") -> None:
        """Let `stream` speak in `style` from now on."""
        self._ask("set_style", protocol.SetStyle(id=0, stream=stream, style=style))

    def ping(self) -> float:
        """Round trip to the bridge in seconds."""
        begin = time.perf_counter()
        self._ask("ping", protocol.Ping(id=0))
        return time.perf_counter() - begin

    def messages(self, timeout: float | None = None) -> Iterator[tuple[str, Face | Audio | Event]]:
        """(stream, message) as they arrive, for receivers that schedule them; ends after `timeout` quiet seconds."""
        while (item := self.receive(timeout)) is not None:
            yield item

    def __iter__(self) -> Iterator[Frame]:
        return self.frames()

    def frames(self, timeout: float | None = None) -> Iterator[Frame]:
        """Frames, each at its presentation time; ends after `timeout` seconds without a message.

        The first of a stream that was there before is its newest frame of then, at once and not `live`. Of frames that
        arrive late only the newest is given, so that the face catches up with the sound.
        """
        playout = self.playout()
        while True:
            wait = playout.wait_ns(self.now_ns())
            if wait == 0:
                for _ in range(QUEUE):
                    if (item := self.receive(0)) is None:
                        break
                    playout.add(*item, self.names, self.now_ns())
                yield from playout.due(self.now_ns())
            elif (item := self.receive(timeout if wait is None else wait / NANOSECONDS)) is not None:
                playout.add(*item, self.names, self.now_ns())
            elif wait is None:
                return

    def playout(self) -> Playout:
        """A new Playout, which holds the newest face of each stream of before this client joined, the first time."""
        playout = Playout(self.stats)
        unseen, self._unseen = self._unseen, set()
        for stream in unseen:
            info = self.streams.get(stream)
            if info is not None and info.face is not UNSET:
                playout.add(stream, info.face, self.names, self.now_ns(), live=False)
        return playout

    def receive(self, timeout: float | None) -> tuple[str, Face | Audio | Event] | None:
        """(stream, message) that arrives next, None after `timeout` seconds; keeps clock and connection meanwhile."""
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            if self._hello_due:
                self._hello_due = not self._try("hello", protocol.Hello(id=0, client=CLIENT))
            if time.monotonic() >= self._clock_due:
                self._clock_due = time.monotonic() + (CLOCK_INTERVAL / 50 if self._clock_hurry else CLOCK_INTERVAL)
                self._clock_hurry = max(self._clock_hurry - 1, 0)
                self._try("clock", protocol.ClockAsk(id=0, t1_ns=time.time_ns()))
            wake = self._clock_due if end is None else min(end, self._clock_due)
            ready = dict(self._poller.poll(round(max(wake - time.monotonic(), 0.0) * 1000)))
            if self._monitor in ready:
                self._connection()
            try:
                if self._control in ready:
                    self._control_message()
                if self._sub in ready and (item := self._published(self._sub.recv_multipart())):
                    return item
            except ProtocolError:
                self.stats.errors += 1
            if end is not None and time.monotonic() >= end:
                return None

    def _published(self, parts: list[bytes]) -> tuple[str, Face | Audio | Event] | None:
        """What PUB sent, None when it is of a stream whose name only begins like the one that is followed."""
        stream, message = protocol.decode_published(parts)
        if self._followed not in (None, stream):
            return None
        info = self.streams.get(stream)
        if info is None:
            if len(self.streams) >= protocol.MAX_STREAMS:
                raise ProtocolError(f"stream {stream!r} is one more than a bridge may have")
            info = self.streams[stream] = protocol.StreamInfo(name=stream)
        info.learn(message)
        if isinstance(message, Face):
            self._unseen.discard(stream)
        self.stats.messages += 1
        expected = self._seq.get(parts[0], message.seq)
        self.stats.lost_messages += max(message.seq - expected, 0)
        self._seq[parts[0]] = message.seq + 1
        if isinstance(message, Event) and message.kind == "gone":
            self._forget(stream)
        elif isinstance(message, Event) and message.kind == "styles":
            self._hello_due = True
        return stream, message

    def _forget(self, stream: str) -> None:
        self.streams.pop(stream, None)
        for kind in (FACE, AUDIO, EVENT):
            self._seq.pop(protocol.topic(kind, stream), None)

    def _socket(self, kind: int) -> zmq.Socket:
        socket = self._context.socket(kind)
        socket.setsockopt(zmq.MAXMSGSIZE, protocol.MAX_BODY)
        socket.setsockopt(zmq.RCVHWM, QUEUE)
        socket.setsockopt(zmq.HEARTBEAT_IVL, SILENCE // 3)
        socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, SILENCE)
        if self._keys is not None:
            self._keys.apply(socket)
        return socket

    def _connection(self) -> None:
        """Note whether the bridge is there; one that comes back is asked anew what it has."""
        event = recv_monitor_message(self._monitor)["event"]
        self.connected = event == _CONNECTED
        self._turned_away = not self.connected and (self._turned_away or bool(event & _REFUSED))
        if self.connected and self._bridge is not None:
            self.stats.reconnects += 1
            self._hello_due = True

    def _welcome(self, hello: protocol.HelloReply) -> None:
        """Take in what a bridge says of itself; of another run of it nothing that was counted before holds."""
        self.names = tuple(hello.names)
        self.styles = () if hello.styles is UNSET else tuple(hello.styles)
        self.streams = {info.name: info for info in hello.streams}
        if self._bridge is None:
            self._unseen = set(self.streams) if self._followed is None else {self._followed}
        bridge = "" if hello.bridge is UNSET else hello.bridge
        if bridge != self._bridge or not bridge:
            self._seq.clear()
            self._clock.clear()
            if self._bridge is not None:
                self._clock_due, self._clock_hurry = 0.0, CLOCK_SAMPLES
        self._bridge = bridge
        pub_endpoint = f"{self.endpoint.rpartition(':')[0]}:{hello.pub_port}"
        if pub_endpoint != self.pub_endpoint:
            if self.pub_endpoint:
                self._sub.disconnect(self.pub_endpoint)
            self._sub.connect(pub_endpoint)
            self.pub_endpoint = pub_endpoint

    def _send(self, name: str, request: protocol.Request) -> int:
        """Send a request and return its id; zmq.Again while the bridge is away, so that nothing is done too late."""
        request.id = self._next_id
        self._control.send_multipart([name.encode(), protocol.encode(request)], zmq.NOBLOCK)
        self._next_id += 1
        return request.id

    def _try(self, name: str, request: protocol.Request) -> bool:
        """Send a request whose reply is taken when it comes; False while the bridge is away."""
        with contextlib.suppress(zmq.Again):
            return self._send(name, request) > 0
        return False

    def _ask(self, name: str, request: protocol.Request) -> protocol.Request:
        end = time.monotonic() + self._timeout
        request_id, wrong = None, None
        while (left := end - time.monotonic()) > 0:
            if request_id is None:
                with contextlib.suppress(zmq.Again):
                    request_id = self._send(name, request)
            waiting = [(self._monitor, zmq.POLLIN), (self._control, zmq.POLLIN | (request_id is None and zmq.POLLOUT))]
            ready = dict(zmq.zmq_poll(waiting, round(left * 1000)))
            if self._monitor in ready:
                self._connection()
            if not ready.get(self._control, 0) & zmq.POLLIN:
                continue
            try:
                reply = self._control_message()
            except ProtocolError as error:
                self.stats.errors += 1
                wrong = error
                continue
            if isinstance(reply, protocol.Refused) and reply.id in (request_id, 0):
                raise BridgeError(reply.error)
            if reply.id == request_id:
                return reply
        if wrong is not None:
            raise wrong
        reason = (
            "somebody is there and refuses the connection: does it ask for keys (`toktalk keys`), or not know these?"
            if self._turned_away
            else "is TokTalk running there?"
        )
        raise ConnectionError(f"no bridge answers at {self.endpoint} in {self._timeout:g} s: {reason}")

    def _control_message(self) -> protocol.Request:
        _, reply = protocol.decode_reply(self._control.recv_multipart())
        match reply:
            case protocol.HelloReply():
                self._welcome(reply)
            case protocol.ClockReply():
                self._clock.add(reply.t1_ns, reply.t2_ns, reply.t3_ns, time.time_ns())
                self.clock_offset_ns, self.clock_delay_ns = self._clock.offset_ns, self._clock.delay_ns
                if self._bridge is not None and reply.bridge not in (UNSET, self._bridge):
                    self._hello_due = True
        return reply
