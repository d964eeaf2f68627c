"""The whole wire between TokTalk and its receivers, in one typed file. docs/protocol.md is made from it.

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

Within a version the wire only grows by optional fields, which are left out of the map when they have nothing to
say (`UNSET`), by kinds of events and by requests; what a receiver does not know it ignores.
"""

from typing import Annotated, TypeVar

import msgspec
import numpy as np
from msgspec import UNSET, Meta, UnsetType

from toktalk_node.face.arkit import HEAD
from toktalk_node.signals import AudioChunk, FaceChunk, media_time_ns

VERSION = 1
PUB_PORT = 5590
CONTROL_PORT = 5591

MAX_BODY = 4 << 20
"""Largest body in bytes that is decoded."""
MAX_CONTROL = 64 << 10
"""Largest body of a request in bytes."""
MAX_FRAMES = 1024
"""Most face frames in one message."""
MAX_SAMPLES = 192_000
"""Most audio samples in one message."""
MAX_WIDTH = 512
"""Most weights in one frame."""
MAX_TEXT = 256
"""Most characters of a text."""
MAX_STREAM_NAME = 64
"""Most characters of a stream's name."""
MAX_STREAMS = 256
"""Most streams of one bridge."""
MAX_DATA = 64
"""Most entries in the data of an event."""
MAX_STYLES = 256
"""Most styles that a bridge names."""
FPS = 1, 1000
"""Frames per second that a stream may have, in Hz."""
AUDIO_RATE = 1000, 384_000
"""Sample rates that a stream may have, in Hz."""
INT64 = 2**63 - 1

FACE, AUDIO, EVENT = "face", "audio", "event"


class ProtocolError(ValueError):
    """A message that this version of the wire does not allow. Its text says what was wrong."""


def _int(unit: str, meaning: str, low: int = -INT64 - 1, high: int = INT64) -> Meta:
    return Meta(ge=low, le=high, description=meaning, extra={"unit": unit})


def _floats(unit: str, meaning: str, most: int) -> Meta:
    return Meta(max_length=4 * most, description=meaning, extra={"unit": unit})


def _text(meaning: str, most: int = MAX_TEXT) -> Meta:
    return Meta(max_length=most, description=meaning)


Seq = Annotated[int, _int("messages", "counts the messages of this topic from 0", 0)]
Name = Annotated[str, Meta(max_length=MAX_STREAM_NAME)]
StyleNames = Annotated[
    list[Annotated[str, Meta(max_length=MAX_TEXT)]],
    Meta(max_length=MAX_STYLES, description="names that `set_style` takes, so that people can choose"),
]
StreamName = Annotated[str, _text("name of the stream", MAX_STREAM_NAME)]
BridgeId = Annotated[str, _text("names this run of the bridge; another one means that it was started again")]
Scalar = int | float | Annotated[str, Meta(max_length=MAX_CONTROL)] | bool | None


class Message(msgspec.Struct, kw_only=True):
    """What every body carries."""

    v: Annotated[int, Meta(description="version of the wire")] = VERSION

    def check(self) -> None:
        """Raise ProtocolError when fields disagree with each other."""


class Face(Message, kw_only=True):
    """`count` face frames. Frame `start + k` begins at `pts_ns + k / fps`."""

    seq: Seq
    pts_ns: Annotated[int, _int("ns", "presentation time of the first frame")]
    fps: Annotated[int, _int("Hz", "frames per second", *FPS)]
    start: Annotated[int, _int("frames", "index of the first frame within the stream")]
    count: Annotated[int, _int("frames", "how many frames", 0, MAX_FRAMES)]
    width: Annotated[int, _int("weights", "weights in one frame: as many as `names` in the hello", 1, MAX_WIDTH)]
    weights: Annotated[bytes, _floats("0 to 1", "float32 [count, width]", MAX_FRAMES * MAX_WIDTH)]
    head: Annotated[bytes, _floats("rad", "float32 [count, 3]: yaw left, pitch up, roll left", MAX_FRAMES * len(HEAD))]

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """(weights float32 [count, width], head float32 [count, 3]), read-only views of the message."""
        weights = np.frombuffer(self.weights, "<f4").reshape(self.count, self.width)
        return weights, np.frombuffer(self.head, "<f4").reshape(self.count, len(HEAD))

    def newest(self) -> "Face":
        """The last frame alone; `count` is 1 or more."""
        k = self.count - 1
        return Face(
            seq=self.seq,
            pts_ns=self.pts_ns + media_time_ns(k, self.fps),
            fps=self.fps,
            start=self.start + k,
            count=1,
            width=self.width,
            weights=self.weights[-4 * self.width :],
            head=self.head[-4 * len(HEAD) :],
        )

    def check(self) -> None:
        """Raise ProtocolError unless sizes agree and every value is finite."""
        _sized("weights", self.weights, self.count * self.width)
        _sized("head", self.head, self.count * len(HEAD))


class Audio(Message, kw_only=True):
    """Mono sound. Sample `start` is heard at `pts_ns`."""

    seq: Seq
    pts_ns: Annotated[int, _int("ns", "presentation time of the first sample")]
    rate: Annotated[int, _int("Hz", "samples per second", *AUDIO_RATE)]
    start: Annotated[int, _int("samples", "index of the first sample within the stream")]
    count: Annotated[int, _int("samples", "how many samples", 0, MAX_SAMPLES)]
    samples: Annotated[bytes, _floats("-1 to 1", "float32 [count]", MAX_SAMPLES)]

    def array(self) -> np.ndarray:
        """Samples float32 [count], a read-only view of the message."""
        return np.frombuffer(self.samples, "<f4")

    def check(self) -> None:
        """Raise ProtocolError unless sizes agree and every value is finite."""
        _sized("samples", self.samples, self.count)


class Event(Message, kw_only=True):
    """Something that happened at `pts_ns`."""

    seq: Seq
    pts_ns: Annotated[int, _int("ns", "when it happened, as presentation time")]
    kind: Annotated[str, _text("what happened: see the table of events")]
    data: Annotated[
        dict[Annotated[str, Meta(max_length=MAX_TEXT)], Scalar],
        Meta(max_length=MAX_DATA, description="scalars that belong to it"),
    ] = {}


EVENTS: dict[str, tuple[str, str]] = {
    "stream": ("fps, audio_rate, style: what is known", "A stream that the hello did not name. Sent once, before the "
               "stream's first message."),
    "gone": ("", "The stream was removed; another of this name begins again with seq 0."),
    "start": ("text: what will be said, when known", "An utterance begins at `pts_ns`, the stream's epoch from here "
              "on."),
    "end": ("", "The utterance ends at `pts_ns`; the face is at rest from then on."),
    "interrupted": ("played_ns, dropped_frames: when known", "Of this stream all that was published before this event "
                    "and belongs to `pts_ns` or later is void: drop it, cut the sound there."),
    "style": ("detail: name of the style", "The stream speaks in this style from now on."),
    "styles": ("", "There are other styles than before: `styles` of a new hello names them."),
    "underrun": ("detail: text for people", "The sound was late: the face rests until it goes on."),
    "fault": ("detail: text for people", "Something failed; the stream goes on when it can."),
}  # fmt: skip
"""Kind of event -> (its data, what it means). Any entry of the data may be missing; others may come."""


class Request(Message, kw_only=True):
    """What every control request carries."""

    id: Annotated[int, _int("", "1 or more, chosen by the client; the reply repeats it (0: it was unreadable)", 0)]


class Hello(Request, kw_only=True):
    """A receiver introduces itself. It may do so again at any time, to learn what there is now."""

    client: Annotated[str, _text("what it is, for people")] = ""


class StreamInfo(msgspec.Struct, kw_only=True):
    """One speaker's stream, as it is now. It is part of a HelloReply and carries no `v` of its own."""

    name: StreamName
    fps: Annotated[int, _int("Hz", "face frames per second, null until known", *FPS)] | None = None
    audio_rate: Annotated[int, _int("Hz", "sample rate of the sound, null until known", *AUDIO_RATE)] | None = None
    epoch_ns: Annotated[int, _int("ns", "presentation time of frame 0 and sample 0, null until begun")] | None = None
    speaking: Annotated[bool, Meta(description="between `start` and `end`, as published")] | UnsetType = UNSET
    style: Annotated[str, _text("the style that it speaks in")] | UnsetType = UNSET
    face: Annotated[Face, Meta(description="newest frame (count 1): the face until the next")] | UnsetType = UNSET

    def learn(self, message: Face | Audio | Event) -> None:
        """Keep what `message` tells about its stream."""
        match message:
            case Face():
                self.fps = message.fps
                self.epoch_ns = message.pts_ns - media_time_ns(message.start, message.fps)
                if message.count:
                    self.face = message.newest()
            case Audio():
                self.audio_rate = message.rate
                self.epoch_ns = message.pts_ns - media_time_ns(message.start, message.rate)
            case Event(kind="start"):
                self.epoch_ns, self.speaking = message.pts_ns, True
            case Event(kind="end"):
                self.speaking = False
            case Event(kind="interrupted"):
                self.speaking = False
                if self.face is not UNSET and self.face.pts_ns >= message.pts_ns:
                    self.face = UNSET
            case Event(kind="style", data={"detail": str(style)}):
                self.style = style[:MAX_TEXT]


class HelloReply(Request, kw_only=True):
    """All that a receiver needs, whenever it joins."""

    names: Annotated[list[Name], Meta(max_length=MAX_WIDTH, description="blendshapes, in the order of the weights")]
    head: Annotated[list[Name], Meta(max_length=len(HEAD), description="angles, in the order of `head`")]
    streams: Annotated[list[StreamInfo], Meta(max_length=MAX_STREAMS, description="the streams that there are")]
    pub_port: Annotated[int, _int("", "TCP port of PUB, on the host of this socket", 1, 65535)]
    bridge: BridgeId | UnsetType = UNSET
    styles: StyleNames | UnsetType = UNSET

    def check(self) -> None:
        """Raise ProtocolError when a stream's face is none."""
        for stream in self.streams:
            if stream.face is not UNSET:
                stream.face.check()


class ClockAsk(Request, kw_only=True):
    """The first stamp of a clock exchange."""

    t1_ns: Annotated[int, _int("ns", "the client's time of sending, on any clock of its own")]


class ClockReply(Request, kw_only=True):
    """The next two stamps; the fourth, `t4`, is the client's time of arrival."""

    t1_ns: Annotated[int, _int("ns", "as it was asked")]
    t2_ns: Annotated[int, _int("ns", "the server's time of receiving")]
    t3_ns: Annotated[int, _int("ns", "the server's time of answering")]
    bridge: BridgeId | UnsetType = UNSET


class Interrupt(Request, kw_only=True):
    """Stop speaking (barge-in)."""

    stream: StreamName
    played_ns: Annotated[int, _int("ns", "media time of the stream that was heard, below 0 when none or unknown")]


class InterruptReply(Request, kw_only=True):
    """What became of the face."""

    played_frames: Annotated[int, _int("frames", "frames of the stream that had been played", 0)]
    dropped_frames: Annotated[int, _int("frames", "frames that were dropped", 0)]


class SetStyle(Request, kw_only=True):
    """Speak in another style from now on."""

    stream: StreamName
    style: Annotated[str, _text("name of the style")]


class Ping(Request, kw_only=True):
    """A sign of life."""


class Done(Request, kw_only=True):
    """It was done."""


class Refused(Request, kw_only=True):
    """It was not done. Topic `error`."""

    error: Annotated[str, _text("why, for people")]


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


_REQUEST_TYPES = frozenset(REQUESTS.values())


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
    limit = MAX_CONTROL if kind in _REQUEST_TYPES else MAX_BODY
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


def _sized(name: str, data: bytes, values: int) -> None:
    if len(data) != 4 * values:
        raise ProtocolError(f"{name} has {len(data)} bytes, expected {4 * values} for {values} float32 values")
    if not np.isfinite(np.frombuffer(data, "<f4")).all():
        raise ProtocolError(f"{name} holds values that are not finite")
