"""Phone times of known text by PocketSphinx's forced alignment (`pip install pocketsphinx`).

Words are aligned first, their phones in a second pass (PocketSphinx `Decoder.set_align_text`, `set_alignment`).
A word that its dictionary lacks is pronounced by espeak-ng.
"""

import re
from typing import TYPE_CHECKING

import numpy as np

from toktalk_node.speech.phones import INDEX, SILENCE, Phone

if TYPE_CHECKING:
    from pocketsphinx import Decoder

RATE = 16_000
FRAME = 0.01
FRAME_SHIFT = 0.0078
"""A PocketSphinx frame of 10 ms looks at 25.6 ms of sound; its middle lies 7.8 ms after that of its own 10 ms."""

_SEARCHES: tuple[dict, ...] = (
    {"bestpath": False},
    {"bestpath": False, "beam": 1e-120, "wbeam": 1e-100, "pbeam": 1e-120},
    {"bestpath": False, "fsgusefiller": False},
)
"""Tried in turn until every word is found: default beams, wider beams, no pauses between words. The lattice search
(`bestpath`) is off, for it moves word ends to where the phone pass cannot follow."""


def pcm16(samples: np.ndarray) -> bytes:
    """Samples float [n] in [-1, 1] as 16-bit PCM; beyond the range they clip, NaN becomes 0."""
    return (np.clip(np.nan_to_num(samples), -1, 1) * 32767).astype("<i2").tobytes()


def covering(segments: list[tuple[str, float, float]], duration: float) -> list[Phone]:
    """Phones that cover [0, duration] from (name, start, end) segments; names outside the inventory become SIL."""
    phones: list[Phone] = []

    def put(label: str, start: float, end: float) -> None:
        if phones and phones[-1].label == label == SILENCE:
            phones[-1] = Phone(SILENCE, phones[-1].start, end)
        elif end > start:
            phones.append(Phone(label, start, end))

    time = 0.0
    for name, start, end in segments:
        end = min(end, duration)
        if start - time > FRAME:
            put(SILENCE, time, start)
            time = start
        put(name if name in INDEX else SILENCE, time, end)
        time = max(time, end)
    put(SILENCE, time, duration)
    return phones


def words_of(text: str) -> list[str]:
    """Lower-case words of a text, apostrophes kept."""
    return re.findall(r"[^\W_]+(?:'[^\W_]+)*", text.lower().replace("’", "'"))


def align(samples: np.ndarray, text: str) -> list[Phone]:
    """Phones of English `text` spoken in `samples` float [n] at 16 kHz; they cover the sound, with SIL.

    Raises ValueError where the text has no words or cannot be found in the sound, RuntimeError without PocketSphinx.
    """
    try:
        from pocketsphinx import Decoder
    except ImportError as error:
        raise RuntimeError("forced alignment needs PocketSphinx: pip install pocketsphinx") from error
    words = words_of(text)
    if not words:
        raise ValueError(f"no words to align in the text {text[:60]!r}")
    if len(samples) < RATE // 20:
        raise ValueError(f"only {len(samples)} samples of sound for the text {text[:60]!r}")
    duration = len(samples) / RATE
    pcm = pcm16(samples)
    for search in _SEARCHES:
        try:
            return covering(_aligned(Decoder(lm=None, cmn="batch", loglevel="FATAL", **search), words, pcm), duration)
        except RuntimeError:  # PocketSphinx' word for "the search lost the text"
            continue
    raise ValueError(f"the text {text[:60]!r} does not fit the sound")


def _aligned(decoder: "Decoder", words: list[str], pcm: bytes) -> list[tuple[str, float, float]]:
    """(phone, start, end) of the words; raises RuntimeError where the search does not reach the last word."""
    for word in dict.fromkeys(words):
        if decoder.lookup_word(word) is None:
            decoder.add_word(word, _pronounce(word), True)
    decoder.set_align_text(" ".join(words))
    _decode(decoder, pcm)
    found = [s.word.split("(")[0] for s in decoder.seg() or () if not s.word.startswith("<")]
    if found != words:
        raise RuntimeError(f"found {len(found)} of {len(words)} words")
    decoder.set_alignment()
    _decode(decoder, pcm)
    return [
        (phone.name, FRAME * phone.start + FRAME_SHIFT, FRAME * (phone.start + phone.duration) + FRAME_SHIFT)
        for word in decoder.get_alignment()
        for phone in word
    ]


def _decode(decoder: "Decoder", pcm: bytes) -> None:
    decoder.start_utt()
    decoder.process_raw(pcm, full_utt=True)
    decoder.end_utt()


def _pronounce(word: str) -> str:
    from toktalk_node.speech.espeak import synthesize

    sounds = " ".join(phone.label for phone in synthesize(word, "en-us")[2] if phone.label != SILENCE)
    if not sounds:
        raise ValueError(f"no pronunciation for the word {word!r}")
    return sounds
