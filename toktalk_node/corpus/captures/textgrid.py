"""Phones from Praat's TextGrid files, as forced aligners write them.

Both forms of the text format are read, the long one with names and the short one (Praat manual, "TextGrid file
formats"): an interval tier is a name and intervals of two times and a label.
"""

import re
from pathlib import Path

from toktalk_node.corpus.captures.base import CaptureError
from toktalk_node.corpus.phonesets import cover
from toktalk_node.speech.ipa import ipa_to_phones
from toktalk_node.speech.phones import INDEX, SILENCE, Phone

MAX_BYTES = 50_000_000
"""Larger files are no alignments."""
_PAUSES = frozenset(("", "sil", "sp", "spn", "silence", "<eps>", "noise", "<unk>"))
_TOKEN = re.compile(r'"((?:[^"]|"")*)"|<(exists)>|(?<![\w.\[])(-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)(?![\w.\]])')

Interval = tuple[float, float, str]


def read_tiers(path: Path) -> dict[str, list[Interval]]:
    """Interval tiers by name, each a list of (start, end, label) in seconds; raises CaptureError naming the fault."""
    if path.stat().st_size > MAX_BYTES:
        raise CaptureError(f"{path}: {path.stat().st_size} bytes, too large for a TextGrid")
    raw = path.read_bytes()
    text = raw.decode("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", errors="replace")
    tokens = [
        ('"' + match[1].replace('""', '"')) if match[1] is not None else (match[3] or match[2])
        for match in _TOKEN.finditer(text)
    ]
    if tokens[:2] != ['"ooTextFile', '"TextGrid']:
        raise CaptureError(f"{path}: not a TextGrid in Praat's text format")
    tiers: dict[str, list[Interval]] = {}
    try:
        at, count = 6, int(tokens[5])  # start, end, <exists> and the number of tiers follow the two words
        for _ in range(count):
            kind, name, size = tokens[at], tokens[at + 1][1:], int(tokens[at + 4])
            at += 5
            width = 3 if kind == '"IntervalTier' else 2
            rows = [tokens[at + width * k : at + width * (k + 1)] for k in range(size)]
            if width == 3:
                tiers[name] = [(float(a), float(b), label[1:].strip()) for a, b, label in rows]
            at += width * size
    except (IndexError, ValueError) as error:
        raise CaptureError(f"{path}: the TextGrid is cut off or damaged ({error})") from error
    return tiers


def read_phones(path: Path, duration: float) -> tuple[Phone, ...]:
    """Phones that cover [0, duration) from the tier "phones" (or "phone", "MAU"): ARPAbet, or IPA.

    Raises CaptureError without such a tier.
    """
    tiers = {name.casefold(): tier for name, tier in read_tiers(path).items()}
    tier = next((tiers[name] for name in ("phones", "phone", "mau") if name in tiers), None)
    if tier is None:
        raise CaptureError(f"{path}: no tier of phones among {', '.join(tiers) or 'none'}")
    phones: list[Phone] = []
    for start, end, label in tier:
        labels = phones_of(label)
        start, end = max(start, phones[-1].end if phones else 0.0), min(end, duration)
        if phones and start > phones[-1].end:
            phones.append(Phone(SILENCE, phones[-1].end, start))
        for k, name in enumerate(labels):
            a, b = (start + (end - start) * part / len(labels) for part in (k, k + 1))
            if b > a:
                phones.append(Phone(name, a, b))
    return tuple(cover(phones, duration))


def phones_of(label: str) -> tuple[str, ...]:
    """Our phones of an aligner's label: ARPAbet with or without stress, or IPA; a pause or nothing known is SIL.

    >>> phones_of("AH0"), phones_of("sp"), phones_of("ts")
    (('AH',), ('SIL',), ('T', 'S'))
    """
    if label.casefold() in _PAUSES:
        return (SILENCE,)
    plain = label.upper().rstrip("012")
    if label.isascii() and plain in INDEX:
        return (plain,)
    return ipa_to_phones(label) or (SILENCE,)
