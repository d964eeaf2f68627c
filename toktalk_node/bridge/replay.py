"""Publishes a finished face and its sound in real time, as a live session would."""

import time

from toktalk_node.bridge.server import Bridge
from toktalk_node.signals import NANOSECONDS, AudioChunk, Clock, FaceChunk


def replay(
    bridge: Bridge,
    face: FaceChunk,
    audio: AudioChunk,
    *,
    stream: str = "default",
    chunk: float = 0.12,
    lead: float = 0.2,
    text: str = "",
) -> Clock:
    """Publish `face` and `audio` (both from index 0) in pieces of `chunk` seconds, each `lead` seconds ahead.

    Blocks until the last piece is out; returns the clock that was used.
    """
    clock = Clock(time.time_ns() + round(lead * NANOSECONDS))
    bridge.publish_event("start", clock.epoch_ns, stream, text=text)
    frames, samples = max(1, round(chunk * face.fps)), max(1, round(chunk * audio.rate))
    pieces = max(-(-len(face) // frames), -(-len(audio.samples) // samples))
    for k in range(pieces):
        wait = (clock.pts_ns(k * frames, face.fps) - time.time_ns()) / NANOSECONDS - lead
        if wait > 0:
            time.sleep(wait)
        part, sound = slice(k * frames, (k + 1) * frames), slice(k * samples, (k + 1) * samples)
        bridge.publish_audio(AudioChunk(audio.samples[sound], audio.rate, sound.start), clock, stream)
        bridge.publish_face(FaceChunk(face.weights[part], face.head[part], face.fps, part.start), clock, stream)
    bridge.publish_event("end", clock.pts_ns(len(face), face.fps), stream)
    return clock
