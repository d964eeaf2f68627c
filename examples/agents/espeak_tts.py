"""TokTalk's espeak voice as a pipecat TTS service, so that the examples speak without an account anywhere."""

import asyncio
from collections.abc import AsyncGenerator

import numpy as np
from pipecat.frames.frames import Frame, TTSAudioRawFrame
from pipecat.services.settings import TTSSettings
from pipecat.services.tts_service import TTSService

from toktalk_node.speech import espeak
from toktalk_node.speech.tts import RATE

BLOCK = 0.1
"""Seconds of sound in a frame."""


class EspeakTTS(TTSService):
    """Speaks with espeak-ng (`pip install espeakng-loader`), much faster than real time, as cloud services do."""

    def __init__(self, voice: str = "en-us", **options: object) -> None:
        settings = TTSSettings(model=None, voice=voice, language=None)
        super().__init__(sample_rate=RATE, push_start_frame=True, push_stop_frames=True, settings=settings, **options)

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame | None, None]:
        """The sound of `text` in frames of 0.1 s."""
        samples, rate, _ = await asyncio.to_thread(espeak.synthesize, text, self._settings.voice)
        pcm, block = np.rint(samples * 32767).astype("<i2"), round(BLOCK * rate)
        for i in range(0, len(pcm), block):
            yield TTSAudioRawFrame(pcm[i : i + block].tobytes(), rate, 1, context_id=context_id)
