"""Skew between sound and face as a browser applies them: ``python -m tests.bridge.measure_web_skew`` prints JSON.

Sound and jawOpen are one slow ramp, cut into utterances with pauses between them, so that both say at any moment which
instant of the stream they belong to. After every picture the page reads the sample that leaves the AudioContext's
output at that moment (an AnalyserNode's samples, the context's output time stamp) and the weight that was drawn; their
difference is the skew, in ms, positive when the face is ahead. `--kind head` draws the 3D head, in headless Chromium
on the CPU.
"""

import argparse
import asyncio
import json
import threading

import numpy as np

from tests.bridge.chromium import open_page
from tests.bridge.pages import FPS, RATE
from toktalk_node.bridge.replay import replay
from toktalk_node.bridge.server import Bridge
from toktalk_node.bridge.web import WebViewer
from toktalk_node.face.arkit import INDEX
from toktalk_node.signals import AudioChunk, FaceChunk

LOW, HIGH = 0.1, 0.9
LISTEN = """
  const analyser = face.audioNode.context.createAnalyser(), { context } = analyser;
  analyser.fftSize = 16384;
  face.audioNode.connect(analyser);
  const wave = new Float32Array(analyser.fftSize);
  window.skews = [];
  face.addEventListener("frame", ({ detail }) => {
    const jaw = detail.weights[detail.names.indexOf("jawOpen")];
    const stamp = context.getOutputTimestamp();
    const heard = stamp.contextTime + (performance.now() - stamp.performanceTime) / 1000;
    analyser.getFloatTimeDomainData(wave);
    const back = (context.currentTime - heard) * context.sampleRate;
    const sample = wave[Math.round(wave.length - 1 - back)];
    if (jaw >= LOW && jaw <= HIGH && sample >= LOW && sample <= HIGH) skews.push([jaw, sample]);
  });
"""


async def measure(kind: str, seconds: float, utterances: int) -> dict[str, float | int | str]:
    """Figures over `utterances` of `seconds` each; skews in milliseconds."""
    samples = np.linspace(0, 1, round(seconds * RATE), endpoint=False, dtype=np.float32)
    frames = np.zeros((round(seconds * FPS), 52), np.float32)
    frames[:, INDEX["jawOpen"]] = np.linspace(0, 1, len(frames), endpoint=False)
    face = FaceChunk(frames, np.zeros((len(frames), 3), np.float32), FPS)

    with Bridge(pub_port=0, control_port=0) as bridge, WebViewer(bridge.control_endpoint, port=0) as viewer:
        bridge.announce(fps=FPS, audio_rate=RATE)

        def speak() -> None:
            for _ in range(utterances):
                replay(bridge, face, AudioChunk(samples, RATE))
                threading.Event().wait(1.0)

        flags = ["--autoplay-policy=no-user-gesture-required"]
        async with open_page(f"{viewer.url}screen?kind={kind}", 400, 400, flags=flags) as page:
            await page.until("(window.face = document.querySelector('toktalk-face'))?.stats?.rendered && face.audible")
            await page.evaluate(LISTEN.replace("LOW", str(LOW)).replace("HIGH", str(HIGH)))
            await asyncio.to_thread(speak)
            pairs = np.array(await page.evaluate("skews")).reshape(-1, 2)
            stats = await page.evaluate("face.stats")
    skew = (pairs[:, 0] - pairs[:, 1]) * seconds * 1000
    p1, p50, p99 = np.percentile(skew, [1, 50, 99])
    return {
        "kind": kind,
        "pictures": len(skew),
        "skew_ms_p1": round(p1, 2),
        "skew_ms_p50": round(p50, 2),
        "skew_ms_p99": round(p99, 2),
        "skew_ms_abs_p99": round(float(np.percentile(np.abs(skew), 99)), 2),
        "pictures_per_second": round(len(skew) / (utterances * seconds * (HIGH - LOW)), 1),
        "underruns": stats["underruns"],
        "late_frames": stats["lateFrames"],
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kind", choices=["screen", "head"], default="screen")
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--utterances", type=int, default=3)
    arguments = parser.parse_args()
    print(json.dumps(asyncio.run(measure(arguments.kind, arguments.seconds, arguments.utterances))))
