"""Live Link Face over UDP: Unreal's plugin Apple ARKit Face Support takes it for Epic's iPhone app. See docs/unreal.md.

A packet of version 6, all numbers big-endian, strings UTF-8 behind their length as int32:

    uint8 6 | string device id | string subject | int32 frame | float32 subframe | int32 fps | int32 1 | uint8 61
    | 61 float32: the columns of face/livelink.py

`frame` and `subframe` in [0, 1) are the time of day at which the frame is shown, counted in frames since midnight by
this machine's local time: with clocks in step it is Unreal's own time code.
"""

import struct
import time
import uuid
from functools import lru_cache

import numpy as np

from toktalk_node.face.livelink import COLUMNS, columns
from toktalk_node.signals import NANOSECONDS

PORT = 11111
VERSION = 6
STREAM = "{stream}"
MAX_SUBJECT = 64
"""Most characters of a subject's name; the engine reads 256 bytes."""

_DAY_NS = 86_400 * NANOSECONDS
_BELOW_ONE = float(np.nextafter(np.float32(1), np.float32(0)))


class LiveLink:
    """Encodes faces for Live Link.

    Args:
        subject: name of the subject in Unreal; `{stream}` in it stands for the stream's name, so that many streams
            become many subjects.

    Raises:
        ValueError: the name is empty, too long, or not printable.
    """

    def __init__(self, subject: str = STREAM) -> None:
        if not subject.strip() or not subject.isprintable() or len(subject.replace(STREAM, "")) > MAX_SUBJECT:
            raise ValueError(f"subject {subject!r}: use 1 to {MAX_SUBJECT} printable characters")
        self._subject = subject

    def subject(self, stream: str) -> str:
        """The subject of `stream`."""
        return self._subject.replace(STREAM, stream)

    def packets(self, subject: str, motion: np.ndarray, fps: int, time_ns: int) -> tuple[bytes]:
        """The one packet of a frame (see `Encoder.packets`)."""
        return (packet(subject, columns(motion[None])[0], fps, time_ns),)


def packet(subject: str, values: np.ndarray, fps: int, time_ns: int) -> bytes:
    """The packet of `values` [61] that are shown at `time_ns` since the Unix epoch."""
    frame, subframe = time_of_day(time_ns, fps)
    head = struct.pack(">B", VERSION) + _string(device_id(subject)) + _string(subject)
    return head + struct.pack(">ifiiB", frame, subframe, fps, 1, len(COLUMNS)) + values.astype(">f4").tobytes()


def time_of_day(time_ns: int, fps: int) -> tuple[int, float]:
    """(frames since midnight, share of a frame in [0, 1)) of `time_ns`, in local time."""
    offset = time.localtime(time_ns // NANOSECONDS).tm_gmtoff
    frame, rest = divmod((time_ns + offset * NANOSECONDS) % _DAY_NS * fps, NANOSECONDS)
    return frame, min(rest / NANOSECONDS, _BELOW_ONE)


@lru_cache(maxsize=256)
def device_id(subject: str) -> str:
    """Id of the device that `subject` comes from, 36 characters: each name has its own and keeps it."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"toktalk/{subject}")).upper()


def _string(text: str) -> bytes:
    raw = text.encode()
    return struct.pack(">i", len(raw)) + raw
