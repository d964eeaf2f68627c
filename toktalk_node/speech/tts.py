"""Text as speech: espeak-ng, sentence by sentence, while the text still arrives."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from toktalk_node.signals import AudioChunk

from .phones import SILENCE, Phone

MAX_SENTENCE = 400
"""Characters after which a sentence without an end is cut, at a blank where there is one."""
RATE = 22_050
"""espeak-ng's sample rate in Hz."""

_END = re.compile(r"[.!?…。！？]+[\"'”’)\]]*\s+|\n\s*\n|[。！？]")


def sentences(text: str | Iterable[str]) -> Iterator[str]:
    """Sentences of a text, or of pieces of text as they arrive; each is given as soon as its end is certain."""
    waiting = ""
    for piece in [text] if isinstance(text, str) else text:
        waiting += piece
        while (cut := _cut(waiting)) is not None:
            sentence, waiting = waiting[:cut].strip(), waiting[cut:]
            if sentence:
                yield sentence
    if waiting.strip():
        yield waiting.strip()


def _cut(text: str) -> int | None:
    end = _END.search(text)
    if end is not None and end.end() <= MAX_SENTENCE:
        return end.end()
    if len(text) <= MAX_SENTENCE:
        return None
    blank = text.rfind(" ", 0, MAX_SENTENCE)
    return blank + 1 if blank > 0 else MAX_SENTENCE


@dataclass(frozen=True)
class Sentence:
    """A spoken sentence: its `text`, its `audio` and its `phones`, whose times are the stream's, in seconds."""

    text: str
    audio: AudioChunk
    phones: list[Phone]


def speak(text: str | Iterable[str], voice: str = "en-us", *, speed: int = 165, pitch: int = 50) -> Iterator[Sentence]:
    """Speak each sentence of `text` in turn; their audio follows without a gap.

    `voice`, `speed` (words a minute) and `pitch` (0 to 99) are espeak-ng's. A sentence without sound (only symbols) is
    left out. Raises ValueError for an unknown voice, RuntimeError without espeak-ng.
    """
    from .espeak import synthesize

    start = 0
    for sentence in sentences(text):
        samples, rate, phones = synthesize(sentence, voice, speed=speed, pitch=pitch)
        if rate != RATE:
            raise RuntimeError(f"espeak-ng speaks at {rate} Hz; {RATE} Hz was expected")
        if not any(phone.label != SILENCE for phone in phones):
            continue
        offset = start / rate
        yield Sentence(
            sentence,
            AudioChunk(np.clip(samples, -1, 1), rate, start),
            [Phone(label, begin + offset, end + offset) for label, begin, end in phones],
        )
        start += len(samples)


class TextSource:
    """Text as a source of speech; `phones` holds those of the sentences given so far, in the stream's time."""

    def __init__(
        self, text: str | Iterable[str], voice: str = "en-us", *, speed: int = 165, pitch: int = 50, block: float = 0.02
    ) -> None:
        self.rate = RATE
        self.phones: list[Phone] = []
        self._sentences = speak(text, voice, speed=speed, pitch=pitch)
        self._block = max(round(block * RATE), 1)
        self._closed = False

    def __iter__(self) -> Iterator[AudioChunk]:
        for sentence in self._sentences:
            self.phones.extend(sentence.phones)
            audio = sentence.audio
            for first in range(0, len(audio.samples), self._block):
                if self._closed:
                    return
                yield AudioChunk(audio.samples[first : first + self._block], self.rate, audio.start + first)

    def close(self) -> None:
        """End the iteration."""
        self._closed = True
