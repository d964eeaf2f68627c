"""From IPA to the phone inventory: each sound becomes the phone whose lips and jaw it shares.

Lips come first (spread, rounded, shut, lower lip on the teeth), then the jaw, then the tongue: a front rounded
vowel is therefore a rounded vowel here, and a uvular consonant, which has no lip target, is HH.
Symbols: Handbook of the International Phonetic Association (1999).
"""

import re

IPA_TO_PHONES: dict[str, tuple[str, ...]] = {
    symbol: tuple(phones.split())
    for line in """
    p P | b B | m M | ɱ M | β B | ɸ F | f F | v V | ʋ V | w W | ʍ W | ɥ W | ɰ G
    t T | ʈ T | d D | ɖ D | ɾ D | ɽ D | n N | ɳ N | ɲ N | ɴ NG | ŋ NG | θ TH | ð DH
    s S | z Z | ts T S | dz D Z | ʃ SH | ʂ SH | ɕ SH | ʒ ZH | ʐ ZH | ʑ ZH | tʃ CH | tʂ CH | tɕ CH
    dʒ JH | dʐ JH | dʑ JH
    l L | ɫ L | ɬ L | ɭ L | ʎ L | r L | r̝ ZH | ɹ R | ɻ R | j Y | ʝ Y | k K | q K | c K | g G | ɡ G | ɟ G | ɣ G
    h HH | ɦ HH | ħ HH | ʕ HH | x HH | χ HH | ç HH | ʁ HH | ʀ HH | pf P F
    i IY | y UW | ɨ IH | ʉ UW | ɯ IH | u UW | ɪ IH | ʏ UH | ʊ UH | e EY | ø UH | ɘ AH | ɵ UH | ɤ AH | o OW
    ə AH | ɛ EH | œ UH | ɜ ER | ɞ ER | ʌ AH | ɔ AO | æ AE | ɐ AH | a AA | ɶ AA | ɑ AA | ɒ AO | ɚ ER | ɝ ER | ᵻ IH
    eɪ EY | ei EY | ɛɪ EY | æɪ EY | aɪ AY | ai AY | ɑɪ AY | aj AY | aʊ AW | au AW | ɑʊ AW | æʊ AW
    ɔɪ OY | oi OY | oɪ OY | ɔʏ OY | ɔø OY | ɔy OY | ɒɪ OY | oʊ OW | əʊ OW | ou OW | ɔu OW | eə EH | ɛə EH
    ɑ̃ AA N | ɔ̃ AO N | ɛ̃ AE N
    """.replace("\n", "|").split("|")
    if line.strip()
    for symbol, _, phones in [line.strip().partition(" ")]
}
"""IPA symbol (or sequence) to phones of `toktalk_node.speech.phones.PHONES`."""

_LONGEST = max(map(len, IPA_TO_PHONES))
_IGNORED = re.compile("[ˈˌːˑʰʲʷˠˤʼ̩̯͡‿̪̃ʔ\u200d'\"^-]")


def ipa_to_phones(ipa: str) -> tuple[str, ...]:
    """Phones of an IPA string such as ``"ˈeɪ"`` or ``"aɪə"``; stress, length and unknown marks are dropped.

    An empty result means a pause or a glottal stop, which has no shape of its own.
    """
    whole = ipa.strip("ˈˌː")
    if whole in IPA_TO_PHONES:
        return IPA_TO_PHONES[whole]
    text = _IGNORED.sub("", ipa)
    phones: list[str] = []
    i = 0
    while i < len(text):
        for n in range(min(_LONGEST, len(text) - i), 0, -1):
            if text[i : i + n] in IPA_TO_PHONES:
                phones.extend(IPA_TO_PHONES[text[i : i + n]])
                i += n
                break
        else:
            i += 1
    return tuple(phones)
