"""Each engine's phones in the one inventory, by the lips and jaw they share (see `speech/ipa.py`).

A table's cell reads "engine phone, then our phones"; several phones share the interval evenly.
"""

from collections.abc import Mapping, Sequence

from ..speech.phones import SILENCE, Phone


def _table(text: str) -> dict[str, tuple[str, ...]]:
    cells = [cell.split() for cell in text.replace("\n", "|").split("|") if cell.strip()]
    return {cell[0]: tuple(cell[1:]) for cell in cells}


# Festival's `radio` phone set and flite's, which is the same but for capitals.
RADIO = _table("""
    pau SIL | h# SIL | brth SIL | sil SIL | ssil SIL
    aa AA | ae AE | ah AH | ao AO | aw AW | ax AH | axr ER | ay AY | eh EH | er ER | ey EY | ih IH | iy IY
    ow OW | oy OY | uh UH | uw UW | el AH L | em AH M | en AH N
    b B | ch CH | d D | dh DH | dx D | f F | g G | hh HH | hv HH | jh JH | k K | l L | m M | n N | nx N | ng NG
    p P | r R | s S | sh SH | t T | th TH | v V | w W | y Y | z Z | zh ZH
""")

ITALIAN = _table("""
    # SIL | i IY | e EY | E EH | a AA | o OW | O AO | u UW | i1 IY | e1 EY | E1 EH | a1 AA | o1 OW | O1 AO | u1 UW
    j Y | w W | p P | t T | k K | b B | d D | g G | f F | s S | S SH | v V | z Z | Z ZH | ts T S | tS CH | dz D Z
    dZ JH | m M | n N | J N | ng NG | nf V | l L | L L | r L
""")

CATALAN = _table("""
    pau SIL | _ SIL | # SIL | ax AH | a AA | a1 AA | e EY | e1 EY | E EH | E1 EH | i IY | i1 IY | o OW | o1 OW
    O AO | O1 AO | u UW | u1 UW | b B | d D | f F | g G | j Y | J N | k K | l L | L L | m M | n N | p P | r D | rr L
    s S | S SH | t T | w W | z Z | Z ZH
""")

CZECH = _table("""
    # SIL | _ SIL | a AA | a: AA | e EH | e: EH | i IH | i: IY | o OW | o: OW | u UH | u: UW
    b B | c T S | c~ CH | ch HH | d D | d~ D | dz D Z | dz~ JH | f F | g G | h HH | j Y | k K | l L | m M | n N
    n* NG | n~ N | p P | r L | r~ ZH | r~* SH | s S | s~ SH | t T | t~ T | v V | z Z | z~ ZH
""")

# Suopuhe: @ is the letter a-umlaut, 7 is o-umlaut, & is a schwa; a colon marks length.
_FINNISH_SHORT = _table("""
    a AA | e EH | i IY | o OW | u UW | y UW | @ AE | 7 UH | & AH
    p P | t T | k K | b B | d D | g G | f F | T TH | D DH | s S | z Z | S SH | Z ZH | h HH | v V | m M | n N | N NG
    l L | L L | r L | j Y | w W
""")
FINNISH = {"#": (SILENCE,), "##": (SILENCE,)} | _FINNISH_SHORT | {p + ":": to for p, to in _FINNISH_SHORT.items()}

# The phone set that the Hindi and Marathi voices share; capitals are retroflex, a second h is aspiration.
INDIC = _table("""
    pau SIL | a AH | aa AA | ih IH | iy IY | uh UH | uw UW | eh EH | ee EY | ay AY | oh AO | oo OW | aw AO | @ AH
    f F | k K | g G | ch CH | T T | D D | N N | th T | dh D | n N | p P | b B | m M | y Y | r L | l L | v V | L L
    R D | s S | sh SH | j JH | h HH | ksh K SH | sri SH L IY | x HH | kh K | gh G | td T | tth T | ddh D | bh B
    zh ZH | w W
""")

# msu_ru: a doubled consonant is soft, a doubled vowel is stressed (msu_ru_nsh_phoneset.scm describes it).
RUSSIAN = _table("""
    pau SIL | ii IY | yy IH | uu UW | ee EH | oo OW | aa AA | a AH | e EH | i IH | y IH | u UW | ae AH | ay IH | ur UH
    p P | pp P | b B | bb B | t T | tt T | d D | dd D | k K | kk K | g G | gg G | c T S | ch CH | f F | ff F
    v V | vv V | s S | ss S | z Z | zz Z | sh SH | sch SH | zh ZH | h HH | hh HH | m M | mm M | n N | nn N
    l L | ll L | r L | rr L | j Y
""")


def to_phones(
    segments: Sequence[tuple[str, float]], table: Mapping[str, Sequence[str]], duration: float
) -> list[Phone]:
    """Phones from an engine's (name, end in seconds) list; they cover [0, duration), neighbouring silences as one.

    Raises ValueError for a name that the table lacks.
    """
    phones: list[Phone] = []
    start = 0.0
    for name, end in segments:
        if name not in table:
            raise ValueError(f"phone {name!r} is not in the engine's table: add it in corpus/phonesets.py")
        end = min(max(end, start), duration)
        labels = table[name]
        for i, label in enumerate(labels):
            a, b = (start + (end - start) * k / len(labels) for k in (i, i + 1))
            if b > a:
                phones.append(Phone(label, a, b))
        start = end
    return cover(phones, duration)


def cover(phones: Sequence[Phone], duration: float) -> list[Phone]:
    """The same phones with SIL at the ends so that they cover [0, duration), and neighbouring SIL joined."""
    padded = list(phones)
    if not padded or padded[0].start > 0:
        padded.insert(0, Phone(SILENCE, 0.0, padded[0].start if padded else duration))
    if padded[-1].end < duration:
        padded.append(Phone(SILENCE, padded[-1].end, duration))
    joined: list[Phone] = []
    for phone in padded:
        if joined and phone.label == SILENCE == joined[-1].label:
            joined[-1] = Phone(SILENCE, joined[-1].start, phone.end)
        else:
            joined.append(phone)
    return joined
