"""A LiveKit agent with a face: type what it shall say, an empty line interrupts it, Ctrl-D ends. No server is needed.

    pip install ".[agents,tts]"                     # in a clone of TokTalk
    python examples/agents/livekit_face.py          # then open http://127.0.0.1:8765/

In a room, `await session.start(agent=..., room=ctx.room)` comes first, then
`session.output.audio = face = FaceAudioOutput(next_in_chain=session.output.audio)` and
`session.output.transcription = FaceTextOutput(face, next_in_chain=session.output.transcription)`: the room plays and
shows the words, the face follows it.
"""

import asyncio

from espeak_livekit import EspeakTTS
from livekit.agents import Agent, AgentSession

from toktalk_node.agents.livekit import FaceAudioOutput, FaceTextOutput
from toktalk_node.bridge.server import Bridge
from toktalk_node.bridge.web import WebViewer


async def main() -> None:
    with Bridge() as bridge, WebViewer(bridge.control_endpoint) as viewer:
        print(f"the face is at {viewer.url}")
        face = FaceAudioOutput(bridge=bridge)
        await face.start()
        session = AgentSession(tts=EspeakTTS())
        session.output.audio = face
        session.output.transcription = FaceTextOutput(face)
        await session.start(agent=Agent(instructions="Say what is typed."))
        try:
            while True:
                line = await asyncio.to_thread(input, "say> ")
                if line.strip():
                    session.say(line)
                else:
                    await session.interrupt()
        except EOFError:
            await session.drain()
        finally:
            await session.aclose()
            await face.aclose()


if __name__ == "__main__":
    asyncio.run(main())
