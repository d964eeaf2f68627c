"""How quickly an agent's face speaks, stops, and how little it disturbs the event loop.

    python tests/agents/measure_agents.py [ROUNDS]

Prints one JSON line, all times in milliseconds, by the model that ships on a real bridge:

    first_frame     first sound said -> first face frames published, sound coming as fast as a TTS makes it
    first_frame_live    the same, sound coming in real time, as from a speech-to-speech model
    silence         interruption asked for -> the event that silences receivers is published
    rest            interruption asked for -> the last frame on the way to rest is to be shown
    ticker_idle, ticker_speaking    by how much a 5 ms ticker in the event loop came late
"""

import asyncio
import json
import sys
import time

import numpy as np

from toktalk_node.agents.outputs import Cut, Output, Showing
from toktalk_node.agents.speaker import FaceSpeaker
from toktalk_node.bridge.server import Bridge
from toktalk_node.speech import espeak

TICK = 0.005
TEXT = "Maybe Bob may buy five puppies, and a very good friend of mine will feed them."


async def tick(late: list[float]) -> None:
    """By how many milliseconds each tick came late."""
    due = time.perf_counter() + TICK
    while True:
        await asyncio.sleep(max(due - time.perf_counter(), 0))
        late.append(1e3 * (time.perf_counter() - due))
        due = time.perf_counter() + TICK


def summary(values: list[float]) -> dict[str, float]:
    """Median, 99th percentile and greatest of milliseconds."""
    p50, p99 = np.percentile(values, [50, 99])
    return {"p50": round(float(p50), 1), "p99": round(float(p99), 1), "max": round(max(values), 1)}


async def measure(rounds: int) -> dict[str, object]:
    """The figures, over so many utterances and interruptions."""
    pcm, rate, _ = await asyncio.to_thread(espeak.synthesize, TEXT)
    seen: list[tuple[float, Output]] = []
    idle, speaking, first, live, silence, rest = [], [], [], [], [], []
    with Bridge(pub_port=0, control_port=0) as bridge:
        begun = time.perf_counter()
        speaker = FaceSpeaker(bridge=bridge, on_output=lambda output: seen.append((time.time(), output)))
        async with speaker as face:
            load = time.perf_counter() - begun
            ticker = asyncio.create_task(tick(idle))
            await asyncio.sleep(1.0)
            ticker.cancel()
            ticker = asyncio.create_task(tick(speaking))
            for round_number in range(rounds):
                in_real_time = round_number % 2
                seen.clear()
                begun = time.time()
                for i in range(0, len(pcm) if in_real_time else 1, rate // 50):
                    await face.say(pcm[i : i + rate // 50] if in_real_time else pcm, rate)
                    if in_real_time:
                        await asyncio.sleep(max(begun + (i / rate) + 0.02 - time.time(), 0))
                while not any(isinstance(output, Showing) for _, output in seen):
                    await asyncio.sleep(0.001)
                shown = next(at for at, output in seen if isinstance(output, Showing))
                (live if in_real_time else first).append(1e3 * (shown - begun))
                await asyncio.sleep(max(begun + 1.5 - time.time(), 0))
                asked = time.time()
                await face.interrupt()
                await asyncio.sleep(0.5)
                cut = next(i for i, (_, output) in enumerate(seen) if isinstance(output, Cut))
                silence.append(1e3 * (seen[cut][0] - asked))
                ways = [output for _, output in seen[cut:] if isinstance(output, Showing)]
                if ways:
                    end_ns = ways[-1].clock.pts_ns(ways[-1].chunk.end, ways[-1].chunk.fps)
                    rest.append(1e3 * (end_ns / 1e9 - asked))
            begun = time.perf_counter()
            await face.say(pcm, rate)
            await face.finish()
            ticker.cancel()
            stats, session = face.stats, speaker.session.stats
            return {
                "load_s": round(load, 2),
                "first_frame": summary(first),
                "first_frame_live": summary(live),
                "silence": summary(silence),
                "rest": summary(rest),
                "ticker_idle": summary(idle),
                "ticker_speaking": summary(speaking),
                "frames": stats.frames,
                "late_frames": stats.late_frames,
                "max_late_ms": round(stats.max_late_ns / 1e6, 1),
                "underruns": stats.underruns,
                "faults": stats.faults,
                "real_time_factor": round(session.real_time_factor, 3),
                "real_time_factor_thread": round(session.thread_factor, 3),
            }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure(int((sys.argv[1:] or [10])[0])))))
