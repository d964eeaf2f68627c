"""Text to speech, sentence by sentence, with phone times in the stream's time."""

import numpy as np
import pytest

from toktalk_node.speech.phones import SILENCE
from toktalk_node.speech.tts import MAX_SENTENCE, TextSource, sentences, speak

pytest.importorskip("espeakng_loader")


def test_sentences_come_as_soon_as_they_end():
    taken: list[str] = []

    def pieces():
        for piece in ["Hello th", "ere. How", " are you? Pi is 3.14 now", ". And", " so on"]:
            taken.append(piece)
            yield piece

    out = sentences(pieces())
    assert next(out) == "Hello there." and len(taken) == 2
    assert list(out) == ["How are you?", "Pi is 3.14 now.", "And so on"]


def test_text_without_an_end_is_cut():
    parts = list(sentences("word " * 400))
    assert max(map(len, parts)) <= MAX_SENTENCE and " ".join(parts).split() == ["word"] * 400
    assert "".join(sentences("x" * 1000)) == "x" * 1000
    assert list(sentences(" \n\n ")) == []


def test_audio_has_no_gap_and_phones_follow_the_stream():
    spoken = list(speak("My big map. Open it!"))
    assert [s.text for s in spoken] == ["My big map.", "Open it!"]
    assert spoken[1].audio.start == spoken[0].audio.end
    source = TextSource("My big map. Open it!")
    chunks = list(source)
    assert all(b.start == a.end for a, b in zip(chunks, chunks[1:], strict=False))
    joined = np.concatenate([c.samples for c in chunks])
    assert len(joined) == chunks[-1].end == pytest.approx(spoken[-1].audio.end, abs=10)
    assert np.abs(joined).max() > 0.1
    labels = [p.label for p in source.phones if p.label != SILENCE]
    assert labels[0] == "M" and labels[-1] == "T" and labels.count("B") == 1
    assert source.phones[-1].end == pytest.approx(len(joined) / source.rate, abs=1e-6)


def test_symbols_alone_are_no_speech():
    assert list(speak("")) == [] and list(speak("   ")) == []


def test_close_ends_the_speech():
    source = TextSource("A long sentence that would go on for quite a while.")
    chunks = iter(source)
    next(chunks)
    source.close()
    assert list(chunks) == []


def test_an_unknown_voice_is_named():
    with pytest.raises(ValueError, match="nobody"):
        list(speak("Hello.", "nobody"))
