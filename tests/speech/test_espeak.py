"""espeak-ng: phones cover the sound, stops own their closures, bad input is refused."""

import numpy as np
import pytest

from toktalk_node.speech.espeak import MAX_CHARACTERS, synthesize
from toktalk_node.speech.ipa import IPA_TO_PHONES, ipa_to_phones
from toktalk_node.speech.phones import INDEX


def test_phones_cover_the_sound_and_belong_to_the_inventory():
    samples, rate, phones = synthesize("A happy baby bought it, maybe.", "en-us")
    assert samples.dtype == np.float32 and 0.1 < np.abs(samples).max() <= 1.0
    assert phones[0].start == 0.0 and phones[-1].end == pytest.approx(len(samples) / rate)
    assert all(a.end == b.start for a, b in zip(phones, phones[1:], strict=False))
    assert {p.label for p in phones} <= set(INDEX)
    assert [p.label for p in phones][:9] == "AH HH AE P IY B EY B IY".split()


def test_closure_belongs_to_the_stop():
    samples, rate, phones = synthesize("A happy baby.", "en-us")
    stop = next(p for p in phones if p.label == "P")
    first_half = samples[int(stop.start * rate) : int((stop.start + 0.025) * rate)]
    vowel = next(p for p in phones if p.label == "AE")
    loud = samples[int(vowel.start * rate) : int(vowel.end * rate)]
    assert np.sqrt(np.mean(first_half**2)) < 0.05 * np.sqrt(np.mean(loud**2))


def test_a_glide_between_vowels_is_no_pause():
    samples, rate, phones = synthesize("She is very old, the other one, too.", "en-us")
    pauses = [p for p in phones if p.label == "SIL" and p.end - p.start > 0.02]
    assert len(pauses) == 2
    for pause in pauses:
        part = samples[int((pause.start + 0.01) * rate) : int(pause.end * rate)]
        assert np.sqrt(np.mean(part**2)) < 0.02


@pytest.mark.parametrize("voice", ["de", "fr", "es", "ru", "it", "fi", "cs", "hi", "ca", "tr", "pl"])
def test_languages_have_vowels_and_consonants(voice):
    _, _, phones = synthesize("mama papa 12", voice)
    labels = {p.label for p in phones}
    assert labels & {"AA", "AH", "AE"} and "M" in labels


def test_same_text_gives_the_same_phone_times():
    _, _, first = synthesize("Again and again.", "en-us+f2")
    synthesize("Etwas anderes.", "de")
    _, _, second = synthesize("Again and again.", "en-us+f2")
    assert [p.label for p in first] == [p.label for p in second]
    assert np.allclose([p.start for p in first], [p.start for p in second], atol=0.012)


def test_bad_input_is_refused_and_empty_text_is_silence():
    with pytest.raises(ValueError, match="no voice 'klingon-x'"):
        synthesize("hello", "klingon-x")
    with pytest.raises(ValueError, match="cut it"):
        synthesize("a" * (MAX_CHARACTERS + 1))
    samples, _, phones = synthesize("", "en-us")
    assert len(samples) == 0 or {p.label for p in phones} <= {"SIL"}


def test_ipa_reads_diphthongs_before_single_vowels():
    assert ipa_to_phones("ˈeɪ") == ("EY",)
    assert ipa_to_phones("aɪə") == ("AY", "AH")
    assert ipa_to_phones("ʔ") == ()
    assert all(phone in INDEX for phones in IPA_TO_PHONES.values() for phone in phones)
