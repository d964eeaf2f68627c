"""The phone inventory: the 39 ARPAbet phones of CMUdict, and silence.

Other languages map each sound to the phone here whose lips and jaw it shares, so that one
inventory serves every engine (IPA charts: International Phonetic Association, 1999).
A `Phone` is a labelled interval of time; every engine, aligner and recogniser speaks in lists of it.
"""

from typing import NamedTuple

SILENCE = "SIL"

PHONES: tuple[str, ...] = tuple(
    "SIL AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W Y Z ZH".split()
)
INDEX: dict[str, int] = {phone: i for i, phone in enumerate(PHONES)}

VOWELS = frozenset("AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW".split())
BILABIALS = frozenset("P B M".split())
LABIODENTALS = frozenset("F V".split())
TONGUE_CONSONANTS = frozenset("T D N L K G S Z".split())
OPEN_VOWELS = frozenset("AA AE AW AY".split())
ROUNDED_VOWELS = frozenset("UW UH OW".split())
SPREAD_VOWELS = frozenset("IY IH EY".split())


class Phone(NamedTuple):
    """One phone: its ARPAbet label and its interval [start, end) in seconds."""

    label: str
    start: float
    end: float

    @property
    def centre(self) -> float:
        """Middle of the interval in seconds."""
        return (self.start + self.end) / 2
