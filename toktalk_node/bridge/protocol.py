"""The whole wire between TokTalk and its receivers, in one typed file.

Two ZeroMQ sockets. Every message is multipart ``[topic, body]``: the topic is UTF-8 text, the body one
msgpack map whose keys are the field names of the structs below. Every body carries ``v``, the version.

PUB (default port 5590), one message per chunk, subscribe by prefix:

    face/<stream>    Face    blendshape weights and head rotation
    audio/<stream>   Audio   the sound that the face belongs to
    event/<stream>   Event   start, end, interrupted, style, ...

ROUTER (default port 5591), request and reply; a reply carries the request's ``id`` and its topic, or ``error``:

    hello       Hello      -> HelloReply    names, head, streams (fps, audio rate, epoch), port of PUB
    clock       ClockAsk   -> ClockReply    four-stamp clock exchange (RFC 5905, section 8)
    interrupt   Interrupt  -> InterruptReply
    set_style   SetStyle   -> Done
    ping        Ping       -> Done

A DEALER sends ``[topic, body]``; a REQ socket's empty delimiter is accepted too. Numbers that come in bulk are
little-endian float32 in a msgpack ``bin``, row by row. Times are nanoseconds: ``pts_ns`` is the presentation
time since the Unix epoch on the server's clock (the stream's epoch plus media time); face and sound of the same
instant carry the same ``pts_ns``. Weights are in the order of ``HelloReply.names``, never assumed.
"""

from typing import TypeVar

import msgspec
import numpy as np

from toktalk_node.face.arkit import HEAD
from toktalk_node.signals import AudioChunk, FaceChunk

VERSION = 1
PUB_PORT = 5590
CONTROL_PORT = 5591

MAX_BODY = 4 << 20
"""Largest body in bytes that is decoded."""
MAX_CONTROL = 64 << 10
"""Largest control body in bytes."""
MAX_FRAMES = 1024
"""Most face frames in one message."""
MAX_SAMPLES = 192_000
"""Most audio samples in one message."""
MAX_WIDTH = 512
MAX_TEXT = 256
MAX_STREAM_NAME = 64

FACE, AUDIO, EVENT = "face", "audio", "event"


class ProtocolError(ValueError):
    """A message that this version of the wire does not allow. Its text says what was wrong."""


class Message(msgspec.Struct, kw_only=True):
    """What every body carries."""

    v: int = VERSION


class Face(Message, kw_only=True):
    """`count` face frames: `weights` [count, width] in [0, 1], `head` [count, 3] yaw, pitch, roll in radians.

    Frame `start + k` begins at `pts_ns + k / fps`. `seq` counts the messages of this topic: a gap is a loss.
    """

    seq: int
    pts_ns: int
    fps: int
    start: int
    count: int
    width: int
    weights: bytes
    head: bytes

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """(weights float32 [count, width], head float32 [count, 3]), read-only views of the message."""
        weights = np.frombuffer(self.weights, "<f4").reshape(self.count, self.width)
        return weights, np.frombuffer(self.head, "<f4").reshape(self.count, len(HEAD))

    def check(self) -> None:
        """Raise ProtocolError unless sizes agree and every value is finite."""
        _bounded("fps", self.fps, 1, 1000)
        _bounded("count", self.count, 0, MAX_FRAMES)
        _bounded("width", self.width, 1, MAX_WIDTH)
        _sized("weights", self.weights, self.count * self.width)
        _sized("head", self.head, self.count * len(HEAD))


class Audio(Message, kw_only=True):
    """Mono sound: `samples` [count] in [-1, 1] at `rate` Hz; sample `start` is heard at `pts_ns`."""

    seq: int
    pts_ns: int
    rate: int
    start: int
    count: int
    samples: bytes

    def array(self) -> np.ndarray:
        """Samples float32 [count], a read-only view of the message."""
        return np.frombuffer(self.samples, "<f4")

    def check(self) -> None:
        """Raise ProtocolError unless sizes agree and every value is finite."""
        _bounded("rate", self.rate, 1000, 384_000)
        _bounded("count", self.count, 0, MAX_SAMPLES)
        _sized("samples", self.samples, self.count)


class Event(Message, kw_only=True):
    """Something that happened at `pts_ns`: `kind` names it, `data` holds its scalars.

    Kinds that receivers know: `start` (data: `text` when known), `end`, `style`, and `interrupted`: of this stream all
    that was published before the event and belongs to `pts_ns` or later is void.
    """

    seq: int
    pts_ns: int
    kind: str
    data: dict[str, int | float | str | bool | None] = {}

    def check(self) -> None:
        """Raise ProtocolError unless the texts are short."""
        _short("kind", self.kind)
        for key, value in self.data.items():
            _short("data key", key)
            if isinstance(value, str) and len(value) > MAX_CONTROL:
                raise ProtocolError(f"event data {key!r} has {len(value)} characters, allowed are {MAX_CONTROL}")


class Request(Message, kw_only=True):
    """What every control request carries; the reply repeats `id` (1 or more; 0 when it could not be read)."""

    id: int

    def check(self) -> None:
        """Raise ProtocolError when a text is too long."""
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, str):
                _short(name, value)


class Hello(Request, kw_only=True):
    """A receiver introduces itself."""

    client: str = ""


class StreamInfo(msgspec.Struct, kw_only=True):
    """One speaker's stream. `epoch_ns` is null until it has begun, `fps` and `audio_rate` (Hz) until known."""

    name: str
    fps: int | None = None
    audio_rate: int | None = None
    epoch_ns: int | None = None


class HelloReply(Request, kw_only=True):
    """All that a receiver needs: the order of the weights, the streams and where PUB is."""

    names: list[str]
    head: list[str]
    streams: list[StreamInfo]
    pub_port: int


class ClockAsk(Request, kw_only=True):
    """`t1_ns`: the client's time of sending, on any clock of its own."""

    t1_ns: int


class ClockReply(Request, kw_only=True):
    """`t2_ns`, `t3_ns`: the server's times of receiving and answering. With `t4_ns` the client's time of arrival,
    offset = ((t2 - t1) + (t3 - t4)) / 2 and delay = (t4 - t1) - (t3 - t2)."""

    t1_ns: int
    t2_ns: int
    t3_ns: int


class Interrupt(Request, kw_only=True):
    """Stop speaking. `played_ns`: media time of the stream that was heard, -1 when the receiver does not know."""

    stream: str
    played_ns: int


class InterruptReply(Request, kw_only=True):
    """Face frames that had been played and that were dropped."""

    played_frames: int
    dropped_frames: int


class SetStyle(Request, kw_only=True):
    """Speak in the style called `style` from now on."""

    stream: str
    style: str


class Ping(Request, kw_only=True):
    """A sign of life."""


class Done(Request, kw_only=True):
    """It was done."""


class Refused(Request, kw_only=True):
    """It was not done; `error` says why. Topic `error`."""

    error: str


PUBLISHED: dict[str, type[Message]] = {FACE: Face, AUDIO: Audio, EVENT: Event}
REQUESTS: dict[str, type[Request]] = {
    "hello": Hello,
    "clock": ClockAsk,
    "interrupt": Interrupt,
    "set_style": SetStyle,
    "ping": Ping,
}
REPLIES: dict[str, type[Request]] = {
    "hello": HelloReply,
    "clock": ClockReply,
    "interrupt": InterruptReply,
    "set_style": Done,
    "ping": Done,
    "error": Refused,
}

M = TypeVar("M", bound=Message)
_encoder = msgspec.msgpack.Encoder()
_decoders = {
    kind: msgspec.msgpack.Decoder(kind) for kind in {*PUBLISHED.values(), *REQUESTS.values(), *REPLIES.values()}
}


class _Versioned(msgspec.Struct):
    v: int


_version = msgspec.msgpack.Decoder(_Versioned)


def topic(kind: str, stream: str) -> bytes:
    """Topic of `kind` (face, audio, event) for `stream`: ``b"face/default"``."""
    return f"{kind}/{stream_name(stream)}".encode()


def stream_name(stream: str) -> str:
    """`stream` itself; ProtocolError unless it is 1 to 64 printable characters without spaces."""
    if not 0 < len(stream) <= MAX_STREAM_NAME or not stream.isprintable() or " " in stream:
        raise ProtocolError(f"stream name {stream!r}: use 1 to {MAX_STREAM_NAME} printable characters without spaces")
    return stream


def split_topic(raw: bytes) -> tuple[str, str]:
    """(kind, stream) of a PUB topic; ProtocolError when it is none."""
    try:
        kind, _, stream = raw.decode().partition("/")
    except UnicodeDecodeError as error:
        raise ProtocolError(f"topic {raw[:40]!r} is not UTF-8") from error
    if kind not in PUBLISHED:
        raise ProtocolError(f"unknown topic {kind[:40]!r}, expected one of {', '.join(PUBLISHED)}")
    return kind, stream_name(stream)


def encode(message: Message) -> bytes:
    """The msgpack body of `message`."""
    return _encoder.encode(message)


def decode(body: bytes, kind: type[M]) -> M:
    """`body` as a checked message of type `kind`; ProtocolError names what is wrong with it."""
    limit = MAX_CONTROL if issubclass(kind, Request) else MAX_BODY
    if len(body) > limit:
        raise ProtocolError(f"{kind.__name__} message of {len(body)} bytes, at most {limit} are allowed")
    try:
        version = _version.decode(body).v
        if version != VERSION:
            raise ProtocolError(f"message of version {version}, this side speaks {VERSION}: update the older one")
        message = _decoders[kind].decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(f"not a {kind.__name__} message: {error}") from error
    message.check()
    return message


def decode_published(parts: list[bytes]) -> tuple[str, Face | Audio | Event]:
    """(stream, message) of a multipart message from PUB."""
    if len(parts) != 2:
        raise ProtocolError(f"message of {len(parts)} parts, expected topic and body")
    kind, stream = split_topic(parts[0])
    return stream, decode(parts[1], PUBLISHED[kind])


def decode_request(parts: list[bytes]) -> tuple[str, Request]:
    """(topic, request) of a multipart message at ROUTER, without its identity and delimiter."""
    return _decode_control(parts, REQUESTS)


def decode_reply(parts: list[bytes]) -> tuple[str, Request]:
    """(topic, reply) of a multipart message from ROUTER."""
    return _decode_control(parts, REPLIES)


def _decode_control(parts: list[bytes], kinds: dict[str, type[Request]]) -> tuple[str, Request]:
    if len(parts) != 2:
        raise ProtocolError(f"message of {len(parts)} parts, expected topic and body")
    name = parts[0][:40].decode(errors="replace")
    if name not in kinds:
        raise ProtocolError(f"unknown topic {name!r}, expected one of {', '.join(kinds)}")
    return name, decode(parts[1], kinds[name])


def face_message(chunk: FaceChunk, pts_ns: int) -> Face:
    """The wire form of `chunk` (at most MAX_FRAMES frames); values that are not finite become rest (0)."""
    weights = np.clip(np.nan_to_num(chunk.weights, nan=0.0), 0.0, 1.0).astype("<f4")
    head = np.nan_to_num(chunk.head, nan=0.0, posinf=0.0, neginf=0.0).astype("<f4")
    return Face(
        seq=0,
        pts_ns=pts_ns,
        fps=chunk.fps,
        start=chunk.start,
        count=weights.shape[0],
        width=weights.shape[1],
        weights=weights.tobytes(),
        head=head.tobytes(),
    )


def audio_message(chunk: AudioChunk, pts_ns: int) -> Audio:
    """The wire form of `chunk` (at most MAX_SAMPLES samples); values that are not finite become silence."""
    samples = np.clip(np.nan_to_num(chunk.samples, nan=0.0, posinf=0.0, neginf=0.0), -1.0, 1.0).astype("<f4")
    count = len(samples)
    return Audio(seq=0, pts_ns=pts_ns, rate=chunk.rate, start=chunk.start, count=count, samples=samples.tobytes())


def _bounded(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise ProtocolError(f"{name} is {value}, allowed are {low} to {high}")


def _sized(name: str, data: bytes, values: int) -> None:
    if len(data) != 4 * values:
        raise ProtocolError(f"{name} has {len(data)} bytes, expected {4 * values} for {values} float32 values")
    if not np.isfinite(np.frombuffer(data, "<f4")).all():
        raise ProtocolError(f"{name} holds values that are not finite")


def _short(name: str, text: str) -> None:
    if len(text) > MAX_TEXT:
        raise ProtocolError(f"{name} has {len(text)} characters, at most {MAX_TEXT} are allowed")
