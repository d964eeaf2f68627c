"""A receiver of the face in Python: the reference for clients in every language.

from toktalk_node.bridge.client import Client
with Client("tcp://127.0.0.1:5591") as face:
    print("streams:", face.streams)
    for frame in face:                      # each frame arrives at the instant its sound is heard
        print(f"{frame.time:7.2f} s  jawOpen {frame['jawOpen']:.2f}  yaw {frame.head[0]:+.2f}")
        if frame.time > 10:
            face.interrupt(frame.media_ns)  # enough said
            break
"""

import bisect
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import zmq

from toktalk_node.bridge import protocol
from toktalk_node.bridge.protocol import AUDIO, EVENT, FACE, Audio, Event, Face, ProtocolError
from toktalk_node.signals import NANOSECONDS, media_time_ns

CLOCK_INTERVAL = 10.0
"""Seconds between clock exchanges while frames are read."""
CLOCK_SAMPLES = 8
QUEUE = 256
"""Messages kept for a client that does not read."""
MAX_WAITING = 30_000
"""Frames kept until their time; beyond that messages wait in the socket."""


def _pts(frame: "Frame") -> int:
    return frame.pts_ns


class BridgeError(RuntimeError):
    """The bridge refused a request; the text is its reason."""


@dataclass(frozen=True)
class Frame:
    """One face frame. `frame["jawOpen"]` is a weight in [0, 1]; `head` is yaw, pitch, roll in radians."""

    stream: str
    index: int
    fps: int
    pts_ns: int
    names: tuple[str, ...]
    weights: np.ndarray
    head: np.ndarray

    @property
    def media_ns(self) -> int:
        """Time within the stream in nanoseconds."""
        return media_time_ns(self.index, self.fps)

    @property
    def time(self) -> float:
        """Time within the stream in seconds."""
        return self.media_ns / NANOSECONDS

    def __getitem__(self, name: str) -> float:
        try:
            return float(self.weights[self.names.index(name)])
        except ValueError:
            raise KeyError(f"no blendshape {name!r} in this stream; it has {', '.join(self.names)}") from None

    def as_dict(self) -> dict[str, float]:
        """All weights by name."""
        return dict(zip(self.names, self.weights.tolist(), strict=True))


@dataclass
class ClientStats:
    """Counters since the client connected."""

    messages: int = 0
    frames: int = 0
    late_frames: int = 0
    """Frames that arrived after their time, so that a newer one was shown instead."""
    lost_messages: int = 0
    """Gaps in the sequence numbers: this client read too slowly or joined a queue that was full."""
    errors: int = 0
    """Messages that could not be decoded."""


class Client:
    """A connection to a Bridge. For one thread.

    Args:
        endpoint: the bridge's control endpoint.
        stream: the stream to follow, None for all.
        timeout: seconds to wait for an answer of the bridge.

    Raises:
        ConnectionError: nobody answers at `endpoint`.
        ProtocolError: the bridge speaks another version.
    """

    def __init__(
        self, endpoint: str = "tcp://127.0.0.1:5591", *, stream: str | None = None, timeout: float = 3.0
    ) -> None:
        self.stats = ClientStats()
        self.clock_offset_ns = 0
        """Server clock minus this machine's clock."""
        self.clock_delay_ns = 0
        """Round trip of the exchange that gave the offset."""
        self._endpoint, self._timeout = endpoint, timeout
        self._next_id = 1
        self._seq: dict[bytes, int] = {}
        self._clock: deque[tuple[int, int]] = deque(maxlen=CLOCK_SAMPLES)
        self._clock_due = 0.0
        self._context = zmq.Context()
        self._context.setsockopt(zmq.LINGER, 0)
        try:
            self._control = self._socket(zmq.DEALER, endpoint)
            hello = self._ask("hello", protocol.Hello(id=0, client="toktalk python"))
            self.names: tuple[str, ...] = tuple(hello.names)
            self.streams: dict[str, protocol.StreamInfo] = {info.name: info for info in hello.streams}
            for _ in range(CLOCK_SAMPLES):
                self._ask("clock", protocol.ClockAsk(id=0, t1_ns=time.time_ns()))
            self.pub_endpoint = f"{endpoint.rpartition(':')[0]}:{hello.pub_port}"
            self._sub = self._socket(zmq.SUB, self.pub_endpoint)
            for kind in (FACE, AUDIO, EVENT):
                self._sub.subscribe(protocol.topic(kind, stream) if stream else f"{kind}/".encode())
        except BaseException:
            self._context.destroy(linger=0)
            raise
        self._poller = zmq.Poller()
        self._poller.register(self._sub, zmq.POLLIN)
        self._poller.register(self._control, zmq.POLLIN)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Disconnect. Closing twice is fine."""
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
        while (item := self._receive(timeout)) is not None:
            yield item

    def __iter__(self) -> Iterator[Frame]:
        return self.frames()

    def frames(self, timeout: float | None = None) -> Iterator[Frame]:
        """Frames, each at its presentation time; ends after `timeout` seconds without a message.

        Of frames that arrive late only the newest is given, so that the face catches up with the sound.
        """
        waiting: list[Frame] = []
        while True:
            if not waiting:
                if (item := self._receive(timeout)) is None:
                    return
                self._enqueue(waiting, *item)
                continue
            wait = (waiting[0].pts_ns - self.now_ns()) / NANOSECONDS
            if wait > 0 and len(waiting) >= MAX_WAITING:
                time.sleep(wait)
            elif wait > 0:
                if (item := self._receive(wait)) is not None:
                    self._enqueue(waiting, *item)
            else:
                while len(waiting) < MAX_WAITING and (item := self._receive(0)) is not None:
                    self._enqueue(waiting, *item)
                due = bisect.bisect_right(waiting, self.now_ns(), key=_pts)
                newest = {frame.stream: frame for frame in waiting[:due]}
                self.stats.late_frames += due - len(newest)
                del waiting[:due]
                yield from newest.values()

    def _enqueue(self, waiting: list[Frame], stream: str, message: Face | Audio | Event) -> None:
        if isinstance(message, Event) and message.kind == "interrupted":
            waiting[:] = [f for f in waiting if f.stream != stream or f.pts_ns < message.pts_ns]
        if not isinstance(message, Face):
            return
        if message.width != len(self.names):
            self.stats.errors += 1
            return
        weights, head = message.arrays()
        for k in range(message.count):
            pts = message.pts_ns + media_time_ns(k, message.fps)
            frame = Frame(stream, message.start + k, message.fps, pts, self.names, weights[k], head[k])
            bisect.insort(waiting, frame, key=_pts)
        self.stats.frames += message.count

    def _receive(self, timeout: float | None) -> tuple[str, Face | Audio | Event] | None:
        """The next good message of PUB, None after `timeout` seconds; keeps the clock in step meanwhile."""
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            if time.monotonic() >= self._clock_due:
                self._clock_due = time.monotonic() + CLOCK_INTERVAL
                self._send("clock", protocol.ClockAsk(id=0, t1_ns=time.time_ns()))
            left = CLOCK_INTERVAL if end is None else min(max(end - time.monotonic(), 0.0), CLOCK_INTERVAL)
            ready = dict(self._poller.poll(round(left * 1000)))
            try:
                if self._control in ready:
                    self._control_message()
                if self._sub in ready:
                    return self._published(self._sub.recv_multipart())
            except ProtocolError:
                self.stats.errors += 1
            if end is not None and time.monotonic() >= end:
                return None

    def _published(self, parts: list[bytes]) -> tuple[str, Face | Audio | Event]:
        stream, message = protocol.decode_published(parts)
        self.stats.messages += 1
        expected = self._seq.get(parts[0], message.seq)
        self.stats.lost_messages += max(message.seq - expected, 0)
        self._seq[parts[0]] = message.seq + 1
        return stream, message

    def _socket(self, kind: int, endpoint: str) -> zmq.Socket:
        socket = self._context.socket(kind)
        socket.setsockopt(zmq.MAXMSGSIZE, protocol.MAX_BODY)
        socket.setsockopt(zmq.RCVHWM, QUEUE)
        socket.connect(endpoint)
        return socket

    def _send(self, name: str, request: protocol.Request) -> int:
        request.id = self._next_id
        self._next_id += 1
        self._control.send_multipart([name.encode(), protocol.encode(request)], zmq.NOBLOCK)
        return request.id

    def _ask(self, name: str, request: protocol.Request) -> protocol.Request:
        request_id = self._send(name, request)
        end = time.monotonic() + self._timeout
        while (left := end - time.monotonic()) > 0:
            if not self._control.poll(round(left * 1000)):
                break
            reply = self._control_message()
            if isinstance(reply, protocol.Refused) and reply.id in (request_id, 0):
                raise BridgeError(reply.error)
            if reply.id == request_id:
                return reply
        raise ConnectionError(f"no bridge answers at {self._endpoint} in {self._timeout} s: is TokTalk running there?")

    def _control_message(self) -> protocol.Request:
        _, reply = protocol.decode_reply(self._control.recv_multipart())
        if isinstance(reply, protocol.ClockReply):
            self._clock_answer(reply)
        return reply

    def _clock_answer(self, reply: protocol.ClockReply) -> None:
        """Offset and delay of one exchange (RFC 5905, section 8); of the last eight the quickest one counts."""
        t4 = time.time_ns()
        offset = ((reply.t2_ns - reply.t1_ns) + (reply.t3_ns - t4)) // 2
        self._clock.append(((t4 - reply.t1_ns) - (reply.t3_ns - reply.t2_ns), offset))
        self.clock_delay_ns, self.clock_offset_ns = min(self._clock)
