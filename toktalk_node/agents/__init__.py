"""Faces for conversational agents: a paced speaker on its own, a pipecat processor, LiveKit-agents outputs.

    from toktalk_node.agents.speaker import FaceSpeaker       # asyncio alone
    from toktalk_node.agents.pipecat import FaceProcessor     # pip install ".[agents]" in a clone
    from toktalk_node.agents.livekit import FaceAudioOutput   # the same

Stands above stream and bridge, as nodes do, and knows nothing of nodes.
"""
