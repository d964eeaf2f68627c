"""Sends the faces of a bridge as UDP packets, each frame at its presentation time: what receivers by UDP share.

    with UdpSender("tcp://127.0.0.1:5591", Address.parse("192.168.1.7", 11111), LiveLink()) as sender:
        ...                              # two threads send until it is closed; sender.stats counts

A stream that stops, also in the middle of a word, brings its face to rest; a face at rest goes on being sent, slowly,
so that receivers know that the sender is there. Neither a bridge nor a receiver that dies stops the sender.
"""

import contextlib
import errno
import logging
import math
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
import zmq
from msgspec import UNSET

from toktalk_node.bridge.address import Address
from toktalk_node.bridge.client import BridgeError, Client, Frame
from toktalk_node.bridge.keys import ClientKeys, load
from toktalk_node.bridge.protocol import ProtocolError
from toktalk_node.face.arkit import BLENDSHAPES, INDEX, MOTION_WIDTH
from toktalk_node.face.rest import REST, clamp
from toktalk_node.signals import NANOSECONDS

log = logging.getLogger(__name__)

HOLD = 0.12
"""Seconds that the last frame of a stream holds before the face comes to rest, as in the viewer."""
SETTLE = 0.22
"""Seconds in which it does."""
REST_INTERVAL = 0.1
"""Seconds between two packets of a face at rest. Unreal takes a subject for lost after 0.5 s."""
REST_FPS = 50
"""Frame rate that a face is said to have before its stream's first frame."""
AJAR = 0.1
"""jawOpen less mouthClose from which on a mouth is open."""
MAX_SUBJECTS = 64
"""Most streams that are sent; frames of others are counted."""
MAX_DELAY = 5.0
"""Most seconds that a face may be delayed."""
FORGET = 30.0
"""Seconds until the subject of a stream that the bridge has no more is let go."""
ANSWER, RETRY = 1.0, 1.0
"""Seconds to wait for the bridge's answer at first, and before it is asked again."""
_TICK, _POLL, _LOG_INTERVAL, _END = 0.02, 0.2, 60.0, 3.0


class Encoder(Protocol):
    """What one kind of receiver wants a face to look like."""

    def subject(self, stream: str) -> str:
        """Name under which the receiver knows `stream`. Two streams cannot share one: the first one has it."""

    def packets(self, subject: str, motion: np.ndarray, fps: int, time_ns: int) -> Sequence[bytes]:
        """The UDP payloads of one frame.

        motion: float32 [55], 52 weights in [0, 1] and the head's yaw, pitch and roll in radians, all finite; time_ns:
        when it is shown, since the Unix epoch on this machine's clock.
        """


@dataclass
class UdpStats:
    """Counters since the sender began."""

    frames: int = 0
    """Frames of streams that were sent."""
    rest_frames: int = 0
    """Frames that bring a face to rest or keep it there."""
    packets: int = 0
    send_errors: int = 0
    """Packets that the network refused, for example because no program listens there."""
    late_frames: int = 0
    """Frames that came after their time, so that a newer one was sent instead."""
    unsent_frames: int = 0
    """Frames of streams whose subject is another stream's, or beyond the most that are sent."""
    errors: int = 0
    """Messages of the bridge that were refused."""


@dataclass
class _Face:
    """A subject: what of it was shown last. Times are of time.monotonic()."""

    stream: str
    fps: int = REST_FPS
    motion: np.ndarray = field(default_factory=REST.copy)
    shown: float = -math.inf
    """When the newest frame of the stream was sent; -inf before the first."""
    sent: float = -math.inf
    """When the last packet was."""
    known: float = field(default_factory=time.monotonic)
    """When the bridge had the stream last."""
    ended: bool = False
    """Whether the stream said that it came to its end."""

    def at_rest(self) -> np.ndarray:
        """The face that it settles to: its last one where a stream ended in it with lips and eyes at ease, else REST.

        A style may rest with a smile; a stream that breaks off in the middle of a word leaves nothing to keep.
        """
        gap = self.motion[INDEX["jawOpen"]] - self.motion[INDEX["mouthClose"]]
        blink = max(self.motion[INDEX["eyeBlinkLeft"]], self.motion[INDEX["eyeBlinkRight"]])
        return self.motion if self.ended and gap < AJAR and blink < 0.5 else REST


class _Stopped(Exception):
    """The sender was closed."""


class _DelayedClient(Client):
    """Gives frames `delay` seconds after their time, or before it where that is negative."""

    def __init__(self, endpoint: str, stream: str | None, delay: float, keys: ClientKeys | None) -> None:
        self._delay_ns = round(delay * NANOSECONDS)
        super().__init__(endpoint, stream=stream, timeout=ANSWER, keys=keys)

    def now_ns(self) -> int:
        return super().now_ns() - self._delay_ns

    def shown_ns(self, frame: Frame) -> int:
        """When `frame` is shown, on this machine's clock."""
        return frame.pts_ns + self._delay_ns - self.clock_offset_ns


class UdpSender:
    """Follows a bridge from threads of its own, also before the bridge is there and after it has gone.

    Args:
        endpoint: the bridge's control endpoint.
        address: where packets go.
        encoder: what they hold.
        stream: the stream to send, None for all.
        delay: seconds from a frame's presentation time to its packet. A negative one sends earlier, by at most what
            the bridge publishes ahead of time.
        keys: this receiver's keys, or their file (`toktalk keys`), for a bridge that encrypts. The packets themselves
            are never encrypted.

    Raises:
        ValueError: `endpoint` is none; `delay` is more than MAX_DELAY, or not finite; the keys cannot be read.
    """

    def __init__(
        self,
        endpoint: str,
        address: Address,
        encoder: Encoder,
        *,
        stream: str | None = None,
        delay: float = 0.0,
        keys: ClientKeys | str | Path | None = None,
    ) -> None:
        if not abs(delay) <= MAX_DELAY:
            raise ValueError(f"delay is {delay} s, use -{MAX_DELAY:g} to {MAX_DELAY:g}")
        _check(endpoint)
        self.address = address
        self.stats = UdpStats()
        self.connected = False
        """Whether the bridge has been found; from then on it is found again by itself."""
        self._keys = load(keys, ClientKeys) if isinstance(keys, str | Path) else keys
        self._endpoint, self._stream, self._delay, self._encoder = endpoint, stream, delay, encoder
        self._faces: dict[str, _Face] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._named: set[str] = set()
        self._log_at = -math.inf
        self._socket = socket.socket(address.family, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        self._connected = False
        self._threads = [
            threading.Thread(target=work, name=f"toktalk-udp-{work.__name__.strip('_')}", daemon=True)
            for work in (self._follow, self._rest)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def subjects(self) -> dict[str, str]:
        """Subject -> stream, as they are sent now."""
        with self._lock:
            return {subject: face.stream for subject, face in self._faces.items()}

    def close(self) -> None:
        """Stop sending. Closing twice is fine."""
        self._stop.set()
        for thread in self._threads:
            thread.join(_END)
        self._socket.close()

    def __enter__(self) -> "UdpSender":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _follow(self) -> None:
        """The thread of frames."""
        with contextlib.suppress(_Stopped), self._connect() as client:
            while True:
                self._meet(client)
                for frame in client.frames(timeout=_POLL):
                    if frame.live:  # what was before is where the face rests
                        motion = _motion(frame.names, frame.weights, frame.head)
                        self._show(frame, motion, client.shown_ns(frame))
                    self.stats.late_frames = client.stats.late_frames
                    self._meet(client)

    def _connect(self) -> _DelayedClient:
        """A client of the bridge, which finds it again by itself; asks as long as it takes."""
        said = ""
        while True:
            try:
                client = _DelayedClient(self._endpoint, self._stream, self._delay, self._keys)
                self.connected = True
                return client
            except (ConnectionError, ProtocolError, BridgeError, zmq.ZMQError) as error:
                if str(error) != said:
                    said = str(error)
                    log.warning("%s Waiting for it.", said)
            if self._stop.wait(RETRY):
                raise _Stopped

    def _meet(self, client: Client) -> None:
        """Keep a face for each stream that the bridge has, and forget those that have been gone for long."""
        if self._stop.is_set():
            raise _Stopped
        now = time.monotonic()
        self.stats.errors = client.stats.errors
        with self._lock:
            for stream, info in client.streams.items():
                if self._stream in (None, stream) and (found := self._face(stream)):
                    _, face = found
                    face.known, face.ended = now, info.speaking is False
                    late = None if info.face is UNSET else info.face  # the newest frame, for those who join late
                    if face.shown == -math.inf and late and late.count and late.width == len(client.names):
                        weights, head = late.arrays()
                        face.motion = _motion(client.names, weights[-1], head[-1])
            for subject in [subject for subject, face in self._faces.items() if now - face.known > FORGET]:
                del self._faces[subject]

    def _show(self, frame: Frame, motion: np.ndarray, time_ns: int) -> None:
        with self._lock:
            found = self._face(frame.stream)
            if found is None:
                self.stats.unsent_frames += 1
                return
            subject, face = found
            face.fps, face.motion, face.shown = frame.fps, motion, time.monotonic()
            self._send(subject, face, motion, time_ns)
            self.stats.frames += 1

    def _face(self, stream: str) -> tuple[str, _Face] | None:
        """The subject of `stream`, a new one where it has none; None where it cannot have one, which is said once."""
        subject = self._encoder.subject(stream)
        face = self._faces.get(subject)
        if face is None and len(self._faces) < MAX_SUBJECTS:
            face = self._faces[subject] = _Face(stream)
        if face is not None and face.stream == stream:
            return subject, face
        if stream not in self._named and len(self._named) < MAX_SUBJECTS:
            self._named.add(stream)
            owner = f"{subject!r} is the stream {face.stream!r}" if face else f"{MAX_SUBJECTS} others are"
            log.warning("stream %r is not sent to %s: %s", stream, self.address, owner)
        return None

    def _rest(self) -> None:
        """The thread of rest: takes over a face whose stream has stopped."""
        while not self._stop.wait(_TICK):
            with self._lock:
                now = time.monotonic()
                for subject, face in self._faces.items():
                    quiet = now - face.shown - max(HOLD, 1.5 / face.fps)
                    if quiet < 0 or (quiet > SETTLE and now - face.sent < REST_INTERVAL - _TICK / 2):
                        continue
                    left = np.float32(0.5 + 0.5 * math.cos(math.pi * min(quiet / SETTLE, 1.0)))
                    rest = face.at_rest()
                    self._send(subject, face, rest + left * (face.motion - rest), time.time_ns())
                    self.stats.rest_frames += 1

    def _send(self, subject: str, face: _Face, motion: np.ndarray, time_ns: int) -> None:
        face.sent = time.monotonic()
        for packet in self._encoder.packets(subject, motion, face.fps, time_ns):
            try:
                if not self._connected:  # only a connected socket hears that nobody listens
                    self._socket.connect((self.address.host, self.address.port))
                    self._connected = True
                self._socket.send(packet)
                self.stats.packets += 1
            except OSError as error:
                self.stats.send_errors += 1
                self._tell(error)

    def _tell(self, error: OSError) -> None:
        """Say what the network said, at most once in a while."""
        if time.monotonic() > self._log_at:
            self._log_at = time.monotonic() + _LOG_INTERVAL
            what = "no program listens there" if error.errno == errno.ECONNREFUSED else error.strerror
            log.warning("packets to %s are lost: %s; sending goes on", self.address, what)


def _check(endpoint: str) -> None:
    """ValueError unless ZeroMQ can connect to such an endpoint."""
    with zmq.Context() as context, context.socket(zmq.DEALER) as probe:
        probe.linger = 0
        try:
            probe.connect(endpoint)
        except (zmq.ZMQError, TypeError) as error:
            raise ValueError(f"{endpoint!r} is no endpoint of a bridge: use tcp://HOST:5591") from error


def _motion(names: tuple[str, ...], weights: np.ndarray, head: np.ndarray) -> np.ndarray:
    """The motion vector [55] of a frame: shapes that the bridge lacks are 0, numbers that no face has are put right."""
    places, columns = _places(names)
    motion = np.zeros(MOTION_WIDTH, np.float32)
    motion[places] = weights[columns]
    motion[len(BLENDSHAPES) :] = np.clip(head, -math.pi, math.pi)
    return clamp(motion[None])[0]


@lru_cache(maxsize=8)
def _places(names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """(places in a motion vector, columns of the stream) of the shapes that both know; says once what is missing."""
    shared = [(INDEX[name], column) for column, name in enumerate(names) if name in INDEX]
    if missing := [name for name in BLENDSHAPES if name not in names]:
        log.warning("the bridge has no %s: they stay 0", ", ".join(missing))
    return np.array([place for place, _ in shared], int), np.array([column for _, column in shared], int)
