"""A pipecat pipeline whose bot has a face: type what it shall say, an empty line interrupts it, Ctrl-D ends.

    pip install ".[agents,tts]"                     # in a clone of TokTalk
    python examples/agents/pipecat_face.py          # then open http://127.0.0.1:8765/

The page plays the sound (`plays="receivers"`). In a pipeline with a transport (Daily, WebRTC, telephone) leave that out
and put FaceProcessor between the TTS and transport.output(): the transport plays the sound, and the face follows it.
"""

import asyncio
import sys

from espeak_tts import EspeakTTS
from loguru import logger
from pipecat.frames.frames import EndFrame, InterruptionFrame, TTSSpeakFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.workers.runner import WorkerRunner

from toktalk_node.agents.pipecat import FaceProcessor
from toktalk_node.bridge.server import Bridge
from toktalk_node.bridge.web import WebViewer


async def read_lines(worker: PipelineWorker) -> None:
    """What is typed becomes what is said."""
    while True:
        try:
            line = await asyncio.to_thread(input, "say> ")
        except EOFError:
            await worker.queue_frame(EndFrame())
            return
        if line.strip():
            await worker.queue_frame(TTSSpeakFrame(line))
        else:
            await worker.queue_frame(InterruptionFrame())


async def main() -> None:
    logger.remove()
    logger.add(sys.stderr, level="WARNING")
    with Bridge() as bridge, WebViewer(bridge.control_endpoint) as viewer:
        print(f"the face is at {viewer.url}")
        face = FaceProcessor(plays="receivers", bridge=bridge)
        worker = PipelineWorker(Pipeline([EspeakTTS(), face]), idle_timeout_secs=None)
        runner = WorkerRunner()
        await runner.add_workers(worker)
        lines = asyncio.create_task(read_lines(worker))
        await runner.run()
        lines.cancel()


if __name__ == "__main__":
    asyncio.run(main())
