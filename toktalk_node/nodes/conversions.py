"""Between ROS messages and signals: our own messages, and other people's sound. Pure functions.

Other packages' message types are named, never imported here: a converter reads the fields that the
type's definition has (ros-drivers/audio_common, mgonzs13/audio_common, std_msgs).
"""

from array import array
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from toktalk_msgs.msg import AudioFrame, AudioTokens, BlendShapes

from toktalk_node.signals import NANOSECONDS, AudioChunk, TokenChunk

ENCODINGS = {"U8": "u1", "S8": "i1", "S16LE": "<i2", "S16BE": ">i2", "S32LE": "<i4", "F32LE": "<f4"}
"""GStreamer's names of raw sample formats -> numpy types."""
_PORTAUDIO_FIELDS = {1: "float32_data", 2: "int32_data", 8: "int16_data", 16: "int8_data", 32: "uint8_data"}
MAX_MESSAGE_SECONDS = 60


@dataclass(frozen=True)
class RawFormat:
    """How to read messages that carry bytes and no format."""

    rate: int
    channels: int
    encoding: str


@dataclass(frozen=True)
class Sound:
    """Sound as it came in: `samples` [n] or [n, channels] of any PCM type at `rate` Hz.

    `stamp_ns` is 0 and `start` None where the message does not say; `text` is what a stream that begins here says.
    """

    samples: np.ndarray
    rate: int
    stamp_ns: int = 0
    start: int | None = None
    last: bool = False
    text: str = ""


def to_time(ns: int) -> Time:
    """Nanoseconds since the epoch as a ROS time."""
    return Time(sec=ns // NANOSECONDS, nanosec=ns % NANOSECONDS)


def from_time(time: Time) -> int:
    """A ROS time as nanoseconds since the epoch."""
    return time.sec * NANOSECONDS + time.nanosec


def audio_message(
    chunk: AudioChunk, stamp_ns: int, frame_id: str = "", last: bool = False, text: str = ""
) -> AudioFrame:
    """`chunk` as a message; `text` is what a stream that begins with it says."""
    message = AudioFrame(start=chunk.start, rate=chunk.rate, last=last, text=text)
    message.header.stamp = to_time(stamp_ns)
    message.header.frame_id = frame_id
    message.samples = array("f", np.ascontiguousarray(chunk.samples, "<f4").tobytes())
    return message


def audio_chunk(message: AudioFrame) -> AudioChunk:
    """The sound of a message."""
    return AudioChunk(np.frombuffer(message.samples, np.float32), message.rate, message.start)


def face_message(
    weights: np.ndarray, head: np.ndarray, frame: int, fps: int, stamp_ns: int, frame_id: str = ""
) -> BlendShapes:
    """One frame: `weights` float32 [52], `head` float32 [3] yaw, pitch (up), roll (left) in radians.

    REP 103 turns pitch and roll the other way round than a face's own habit.
    """
    message = BlendShapes(frame=frame, rate=float(fps))
    message.header.stamp = to_time(stamp_ns)
    message.header.frame_id = frame_id
    message.weights = np.ascontiguousarray(weights, np.float32)
    message.head_yaw, message.head_pitch, message.head_roll = float(head[0]), -float(head[1]), -float(head[2])
    return message


def face_arrays(message: BlendShapes) -> tuple[np.ndarray, np.ndarray]:
    """(weights float32 [52], head float32 [3] yaw, pitch up, roll left) of a message."""
    head = np.array([message.head_yaw, -message.head_pitch, -message.head_roll], np.float32)
    return np.asarray(message.weights, np.float32), head


def token_chunk(message: AudioTokens) -> TokenChunk:
    """The tokens of a message; ValueError where ids and codebooks do not agree."""
    if message.codebooks == 0 or len(message.ids) % message.codebooks:
        raise ValueError(f"{len(message.ids)} token ids are no multiple of {message.codebooks} codebooks")
    ids = np.asarray(message.ids, np.int32).reshape(-1, message.codebooks)
    return TokenChunk(message.space, ids, message.start)


def message_type(name: str) -> type:
    """The class of ``"package/msg/Type"``; ValueError with what to install where it cannot be imported."""
    parts = name.split("/")
    if len(parts) != 3 or parts[1] != "msg":
        raise ValueError(f"message type {name!r}: write package/msg/Type")
    try:
        return getattr(import_module(f"{parts[0]}.msg"), parts[2])
    except (ImportError, AttributeError) as error:
        package = parts[0].replace("_", "-")
        raise ValueError(f"no message type {name} here ({error}); install ros-$ROS_DISTRO-{package}") from error


def converter(name: str) -> Callable[[Any, RawFormat], Sound]:
    """What turns messages of type `name` into sound; ValueError lists the types that are known."""
    if name not in CONVERTERS:
        raise ValueError(f"sound in messages of type {name!r} cannot be read; known are {', '.join(CONVERTERS)}")
    return CONVERTERS[name]


def _from_frame(message: AudioFrame, _: RawFormat) -> Sound:
    samples = np.frombuffer(message.samples, np.float32)
    stamp_ns = from_time(message.header.stamp)
    return _checked(Sound(samples, message.rate, stamp_ns, message.start, message.last, message.text))


def _from_bytes(data: bytes | array, raw: RawFormat, stamp_ns: int = 0) -> Sound:
    """Interleaved PCM of the format `raw`."""
    width = np.dtype(ENCODINGS[raw.encoding]).itemsize * raw.channels
    if len(data) % width:
        raise ValueError(
            f"message of {len(data)} bytes is no multiple of {width}: is it really "
            f"{raw.channels} channel(s) of {raw.encoding}? Compressed sound cannot be read."
        )
    return _checked(Sound(_interleaved(np.frombuffer(data, ENCODINGS[raw.encoding]), raw.channels), raw.rate, stamp_ns))


def _from_audio_stamped(message: Any, _: RawFormat) -> Sound:
    """mgonzs13/audio_common: the field that holds the samples depends on PortAudio's format number."""
    info = message.audio.info
    if info.format not in _PORTAUDIO_FIELDS:
        raise ValueError(f"PortAudio format {info.format} cannot be read; known are {sorted(_PORTAUDIO_FIELDS)}")
    samples = np.asarray(getattr(message.audio.audio_data, _PORTAUDIO_FIELDS[info.format]))
    return _checked(Sound(_interleaved(samples, info.channels), info.rate, from_time(message.header.stamp)))


def _interleaved(samples: np.ndarray, channels: int) -> np.ndarray:
    if channels < 1 or len(samples) % channels:
        raise ValueError(f"{len(samples)} samples do not divide into {channels} channels")
    return samples if channels == 1 else samples.reshape(-1, channels)


def _checked(sound: Sound) -> Sound:
    if sound.rate and len(sound.samples) > MAX_MESSAGE_SECONDS * sound.rate:
        raise ValueError(
            f"message of {len(sound.samples) / sound.rate:.0f} s of sound; send at most {MAX_MESSAGE_SECONDS} s"
        )
    return sound


CONVERTERS: dict[str, Callable[[Any, RawFormat], Sound]] = {
    "toktalk_msgs/msg/AudioFrame": _from_frame,
    "audio_common_msgs/msg/AudioData": lambda message, raw: _from_bytes(message.data, raw),
    "audio_common_msgs/msg/AudioDataStamped": lambda message, raw: _from_bytes(
        message.audio.data, raw, from_time(message.header.stamp)
    ),
    "audio_common_msgs/msg/AudioStamped": _from_audio_stamped,
    "std_msgs/msg/UInt8MultiArray": lambda message, raw: _from_bytes(message.data, raw),
    "std_msgs/msg/ByteMultiArray": lambda message, raw: _from_bytes(b"".join(message.data), raw),
    "std_msgs/msg/Int16MultiArray": lambda message, raw: _checked(
        Sound(_interleaved(np.asarray(message.data, np.int16), raw.channels), raw.rate)
    ),
    "std_msgs/msg/Float32MultiArray": lambda message, raw: _checked(
        Sound(_interleaved(np.asarray(message.data, np.float32), raw.channels), raw.rate)
    ),
}
"""Message type -> converter. Types without a format of their own are read as the `RawFormat` says."""
