"""Publishes a finished face and its sound in real time, as a live session would."""

import threading
import time

import numpy as np

from toktalk_node.bridge.server import Bridge
from toktalk_node.signals import NANOSECONDS, AudioChunk, Clock, FaceChunk

REST = 0.2
"""Seconds in which an interrupted face comes to rest."""


def replay(
    bridge: Bridge,
    face: FaceChunk,
    audio: AudioChunk,
    *,
    stream: str = "default",
    chunk: float = 0.12,
    lead: float = 0.2,
    text: str = "",
    stop: threading.Event | None = None,
) -> Clock:
    """Publish `face` and `audio` (both from index 0) in pieces of `chunk` seconds, each `lead` seconds ahead.

    Blocks until the last piece is out, or until `stop` is set: an interruption. Returns the clock that was used.
    """
    stop = stop or threading.Event()
    clock = Clock(time.time_ns() + round(lead * NANOSECONDS))
    bridge.publish_event("start", clock.epoch_ns, stream, text=text)
    frames, samples = max(1, round(chunk * face.fps)), max(1, round(chunk * audio.rate))
    pieces = max(-(-len(face) // frames), -(-len(audio.samples) // samples))
    for k in range(pieces):
        wait = (clock.pts_ns(k * frames, face.fps) - time.time_ns()) / NANOSECONDS - lead
        if stop.wait(max(wait, 0.0)):
            _interrupt(bridge, face, clock, stream)
            return clock
        part, sound = slice(k * frames, (k + 1) * frames), slice(k * samples, (k + 1) * samples)
        bridge.publish_audio(AudioChunk(audio.samples[sound], audio.rate, sound.start), clock, stream)
        bridge.publish_face(FaceChunk(face.weights[part], face.head[part], face.fps, part.start), clock, stream)
    bridge.publish_event("end", clock.pts_ns(len(face), face.fps), stream)
    return clock


def _interrupt(bridge: Bridge, face: FaceChunk, clock: Clock, stream: str) -> None:
    """What is not shown yet is void; from the frame that is, the face comes to rest."""
    shown = int(np.clip((time.time_ns() - clock.epoch_ns) * face.fps // NANOSECONDS, 0, len(face) - 1))
    bridge.publish_event("interrupted", clock.pts_ns(shown + 1, face.fps), stream)
    fade = np.linspace(1, 0, round(REST * face.fps) + 1, dtype=np.float32)[1:, None]
    rest = FaceChunk(face.weights[shown] * fade, face.head[shown] * fade, face.fps, shown + 1)
    bridge.publish_face(rest, clock, stream)
    bridge.publish_event("end", clock.pts_ns(rest.end, face.fps), stream)
