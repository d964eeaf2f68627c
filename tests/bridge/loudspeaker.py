"""Plays clicks by a Speaker, hears them by a microphone that listens to the loudspeaker, and prints one line of JSON.

Run by test_speaker.py with the sound server of tests/speech/pulse.py: `lag_ms` is from the presentation time of each
click to the microphone, by the times that PortAudio tells, less the delay that was asked for.
"""

import json
import sys
import threading
import time

import numpy as np
import sounddevice

from toktalk_node.bridge.server import Bridge
from toktalk_node.bridge.speaker import Speaker
from toktalk_node.signals import AudioChunk, Clock

RATE, CLICKS = 24_000, 8


def main(delay: float) -> None:
    heard: list[tuple[float, np.ndarray]] = []

    def hear(pcm: np.ndarray, frames: int, times, status: object) -> None:
        heard.append((time.time() + times.inputBufferAdcTime - times.currentTime, pcm[:, 0].copy()))

    sound = np.zeros(RATE * 3, np.float32)
    places = [RATE // 2 + k * RATE // 4 for k in range(CLICKS)]
    for place in places:
        sound[place : place + 24] = 0.9
    with Bridge(pub_port=0, control_port=0) as bridge:
        bridge.announce(audio_rate=RATE)
        with (
            sounddevice.InputStream(samplerate=48_000, channels=1, latency=0.02, callback=hear),
            Speaker(bridge.control_endpoint, delay=delay) as speaker,
        ):
            time.sleep(1.5)
            clock = Clock(time.time_ns() + 400_000_000)

            def publish() -> None:
                for start in range(0, len(sound), RATE // 10):
                    time.sleep(max(clock.pts_ns(start, RATE) / 1e9 - 0.2 - time.time(), 0))
                    bridge.publish_audio(AudioChunk(sound[start : start + RATE // 10], RATE, start), clock)

            publisher = threading.Thread(target=publish)
            publisher.start()
            publisher.join()
            time.sleep(0.8 + delay)
            stats = vars(speaker.stats)
    onsets: list[float] = []
    for at, pcm in heard:
        for index in np.flatnonzero(np.abs(pcm) > 0.3):
            when = at + index / 48_000
            if not onsets or when - onsets[-1] > 0.1:
                onsets.append(when)
    lags = [1000 * (min(onsets, key=lambda at: abs(at - due)) - due) for due in
            (clock.pts_ns(place, RATE) / 1e9 + delay for place in places)] if onsets else []  # fmt: skip
    print(json.dumps({"clicks": len(onsets), "lag_ms": [round(lag, 1) for lag in lags], **stats}))


if __name__ == "__main__":
    main(float(sys.argv[1]))
