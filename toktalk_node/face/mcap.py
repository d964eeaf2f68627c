"""A face and its sound as MCAP (mcap.dev): Foxglove opens it, plots the weights, turns the head and plays the sound.

/face/blendshapes  toktalk.Face             every weight and angle as a number of its own, so that each can be plotted
/face/head         foxglove.FrameTransform  frame `head` in frame `neck`, in the axes of REP 103
/face/audio        foxglove.RawAudio        the sound in 16 bits, mono

Messages are JSON with their schemas inside. One clock: frame k is logged at start + k / fps, sample i at
start + i / rate.
"""

import base64
import heapq
import importlib.util
import json
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from toktalk_node import __version__
from toktalk_node.face.animation import head_rotations
from toktalk_node.face.arkit import BLENDSHAPES, HEAD
from toktalk_node.face.replacing import replacing
from toktalk_node.face.rest import clamp
from toktalk_node.signals import NANOSECONDS, media_time_ns

if TYPE_CHECKING:
    import soundfile

BLOCK = 10
"""Messages of sound in a second."""

_WHOLE, _NUMBER, _TEXT = {"type": "integer"}, {"type": "number"}, {"type": "string"}


def _object(**properties: dict) -> dict:
    return {"type": "object", "properties": properties, "required": list(properties)}


_TIME = {
    "title": "time",
    **_object(sec={**_WHOLE, "minimum": 0}, nsec={**_WHOLE, "minimum": 0, "maximum": NANOSECONDS - 1}),
}
SCHEMAS: dict[str, dict] = {
    "toktalk.Face": _object(
        timestamp=_TIME,
        frame={**_WHOLE, "description": "index of the frame"},
        **{name: {**_NUMBER, "minimum": 0, "maximum": 1} for name in BLENDSHAPES},
        **{name: {**_NUMBER, "description": "radians; left, up and left are positive"} for name in HEAD},
    ),
    "foxglove.FrameTransform": _object(
        timestamp=_TIME,
        parent_frame_id=_TEXT,
        child_frame_id=_TEXT,
        translation={"title": "foxglove.Vector3", **_object(x=_NUMBER, y=_NUMBER, z=_NUMBER)},
        rotation={"title": "foxglove.Quaternion", **_object(x=_NUMBER, y=_NUMBER, z=_NUMBER, w=_NUMBER)},
    ),
    "foxglove.RawAudio": _object(
        timestamp=_TIME,
        data={**_TEXT, "contentEncoding": "base64"},
        format=_TEXT,
        sample_rate=_WHOLE,
        number_of_channels=_WHOLE,
    ),
}
"""JSON schemas by name; Foxglove knows its own by theirs."""
CHANNELS = {
    "/face/blendshapes": "toktalk.Face",
    "/face/head": "foxglove.FrameTransform",
    "/face/audio": "foxglove.RawAudio",
}


class McapMissing(RuntimeError):
    """The package that writes MCAP is not installed; the message says how to get it."""


def require() -> None:
    """Raise McapMissing unless MCAP can be written here."""
    if importlib.util.find_spec("mcap") is None:
        raise McapMissing('an .mcap needs the package mcap: in the clone, pip install ".[mcap]"')


def write(
    path: str | os.PathLike,
    motion: np.ndarray,
    fps: int,
    sound: "soundfile.SoundFile",
    *,
    start_ns: int = 0,
    name: str = "",
) -> int:
    """Write `motion` [n, 55] at `fps` with `sound`, an open mono file, from its place on; returns the frames.

    `start_ns`: Unix time of the first frame and sample; `name`: the recording's, kept as metadata. The file appears
    whole or not at all. Raises McapMissing, ValueError for a motion of another shape, OSError where it cannot be
    written.
    """
    require()
    from mcap.writer import Writer

    motion = clamp(motion)
    with replacing(path) as partial, partial.open("wb") as file:
        writer = Writer(file)
        writer.start(library=f"toktalk {__version__}")
        about = {"recording": name, "fps": str(fps), "audio_rate": str(sound.samplerate), "toktalk": __version__}
        writer.add_metadata("toktalk", about)
        channels = {}
        for topic, schema in CHANNELS.items():
            text = json.dumps({"title": schema, **SCHEMAS[schema]}).encode()
            channels[topic] = writer.register_channel(topic, "json", writer.register_schema(schema, "jsonschema", text))
        messages = heapq.merge(_faces(motion, fps), _sounds(sound), key=lambda entry: entry[0])
        for sequence, (media_ns, topic, message) in enumerate(messages):
            time = start_ns + media_ns
            sec, nsec = divmod(time, NANOSECONDS)
            data = json.dumps({"timestamp": {"sec": sec, "nsec": nsec}, **message}, separators=(",", ":")).encode()
            writer.add_message(channels[topic], log_time=time, publish_time=time, data=data, sequence=sequence)
        writer.finish()
    return len(motion)


def _faces(motion: np.ndarray, fps: int) -> Iterator[tuple[int, str, dict]]:
    rotations = _rep103(motion[:, len(BLENDSHAPES) :])
    for k, (row, rotation) in enumerate(zip(motion.tolist(), rotations.tolist(), strict=True)):
        at = media_time_ns(k, fps)
        values = zip((*BLENDSHAPES, *HEAD), row, strict=True)
        yield at, "/face/blendshapes", {"frame": k, **{name: round(value, 6) for name, value in values}}
        yield (
            at,
            "/face/head",
            {
                "parent_frame_id": "neck",
                "child_frame_id": "head",
                "translation": {"x": 0.0, "y": 0.0, "z": 0.0},
                "rotation": dict(zip("xyzw", rotation, strict=True)),
            },
        )


def _sounds(sound: "soundfile.SoundFile") -> Iterator[tuple[int, str, dict]]:
    rate = sound.samplerate
    first = 0
    while len(samples := sound.read(-(-rate // BLOCK), dtype="int16")):
        data = base64.b64encode(samples.astype("<i2").tobytes()).decode()
        message = {"data": data, "format": "pcm-s16", "sample_rate": rate, "number_of_channels": 1}
        yield media_time_ns(first, rate), "/face/audio", message
        first += len(samples)


def _rep103(head: np.ndarray) -> np.ndarray:
    """Quaternions x, y, z, w [n, 4] with x forward, y to the left and z up, from yaw, pitch and roll [n, 3]."""
    left, up, forward, w = head_rotations(head).T
    return np.stack([forward, left, up, w], axis=1)
