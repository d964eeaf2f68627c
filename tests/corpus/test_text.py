"""Texts: every language speaks, repeatably, without leftovers of the grammar; every engine phone has a place."""

import numpy as np
import pytest

from toktalk_node.corpus.events import laughs
from toktalk_node.corpus.grammar import expand
from toktalk_node.corpus.languages import LANGUAGES
from toktalk_node.corpus.phonesets import CATALAN, CZECH, FINNISH, INDIC, ITALIAN, RADIO, RUSSIAN, to_phones
from toktalk_node.corpus.text import text_for
from toktalk_node.corpus.voices import SOURCES
from toktalk_node.speech.phones import INDEX, Phone


@pytest.mark.parametrize("language", ["en", *LANGUAGES])
def test_texts_are_varied_repeatable_and_clean(language):
    texts = [text_for(language, np.random.default_rng(i)) for i in range(400)]
    assert texts == [text_for(language, np.random.default_rng(i)) for i in range(400)]
    assert len(set(texts)) > 150
    assert all(3 <= len(t) < 400 and not set(t) & set('{}/_"\\') and t[-1] in ".?!।" for t in texts)
    words = {w.strip(".,!?¿¡।").lower() for t in texts for w in t.split()}
    assert len(words) > 60


def test_every_source_has_sentences():
    for source in SOURCES:
        assert text_for(source.language, np.random.default_rng(0))
    with pytest.raises(ValueError, match="'xx'"):
        text_for("xx", np.random.default_rng(0))


def test_a_grammar_that_does_not_end_is_refused():
    with pytest.raises(ValueError, match="does not end"):
        expand("{a}", {"a": ["x {a}"]}, np.random.default_rng(0))


@pytest.mark.parametrize("table", [RADIO, ITALIAN, CATALAN, CZECH, FINNISH, INDIC, RUSSIAN])
def test_tables_lead_into_the_inventory_and_keep_lips(table):
    assert all(phones and set(phones) <= set(INDEX) for phones in table.values())
    assert [table[p] for p in "pbm"] == [("P",), ("B",), ("M",)]
    assert table["f"] == ("F",) and table.get("v", ("V",)) == ("V",)  # Catalan has no v


def test_segments_become_phones_that_cover_the_sound():
    segments = [("pau", 0.1), ("pau", 0.2), ("el", 0.4), ("em", 0.5)]
    assert to_phones(segments, RADIO, 0.6) == [
        Phone("SIL", 0.0, 0.2),
        Phone("AH", 0.2, pytest.approx(0.3)),
        Phone("L", pytest.approx(0.3), 0.4),
        Phone("AH", 0.4, pytest.approx(0.45)),
        Phone("M", pytest.approx(0.45), 0.5),
        Phone("SIL", 0.5, 0.6),
    ]
    with pytest.raises(ValueError, match="'zz'"):
        to_phones([("zz", 0.1)], RADIO, 0.2)


def test_one_english_text_in_two_dozen_laughs_and_its_phones_are_a_bout():
    texts = [text_for("en", np.random.default_rng(i)) for i in range(1200)]
    laughing = [t for t in texts if "ha ha" in t.lower() or "he he" in t.lower() or "ho ho" in t.lower()]
    assert 25 < len(laughing) < 80
    assert {t.lower().startswith(("ha ha", "he he", "ho ho")) for t in laughing} == {True, False}
    ha = [Phone("HH", 0.2, 0.25), Phone("AA", 0.25, 0.4), Phone("HH", 0.4, 0.45), Phone("AA", 0.45, 0.6)]
    assert len(laughs([Phone("SIL", 0, 0.2), *ha, Phone("SIL", 0.6, 0.8)])) == 1
