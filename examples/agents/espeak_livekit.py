"""TokTalk's espeak voice as a LiveKit TTS, so that the examples speak without an account anywhere."""

import asyncio

import numpy as np
from livekit.agents import APIConnectOptions, tts
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS
from livekit.agents.utils import shortuuid

from toktalk_node.speech import espeak
from toktalk_node.speech.tts import RATE


class EspeakTTS(tts.TTS):
    """Speaks with espeak-ng (`pip install espeakng-loader`), much faster than real time, as cloud services do."""

    def __init__(self, voice: str = "en-us") -> None:
        super().__init__(capabilities=tts.TTSCapabilities(streaming=False), sample_rate=RATE, num_channels=1)
        self.voice = voice

    def synthesize(
        self, text: str, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> tts.ChunkedStream:
        """The sound of `text`."""
        return _Speech(tts=self, input_text=text, conn_options=conn_options)

    def spoken(self, text: str) -> np.ndarray:
        """Samples float32 [n] at RATE."""
        return espeak.synthesize(text, self.voice)[0]


class _Speech(tts.ChunkedStream):
    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        samples = await asyncio.to_thread(self._tts.spoken, self.input_text)
        output_emitter.initialize(
            request_id=shortuuid(), sample_rate=self._tts.sample_rate, num_channels=1, mime_type="audio/pcm"
        )
        output_emitter.push(np.rint(samples * 32767).astype("<i2").tobytes())
        output_emitter.flush()
