"""What each phone asks of the lips and jaw: targets and strengths for the co-articulation model.

Targets follow the visible features that phonetics gives each sound (openness, rounding, spreading;
IPA charts) in ARKit weights. Strengths are the dominance magnitudes of Cohen and Massaro ("Modeling
Coarticulation in Synthetic Visual Speech", 1993): a strong phone holds its target, a weak one takes
the shape of its neighbours.
"""

import numpy as np

from toktalk_node.speech.phones import PHONES

ARTICULATORS: tuple[str, ...] = ("jaw", "funnel", "pucker", "spread", "upper", "lower", "tongue")
"""Jaw opening, lip funnel, lip pucker, lip spreading, upper lip raised, lower lip lowered, tongue out."""

GROUPS: tuple[str, ...] = ("jaw", "rounding", "lips", "tongue")
"""Articulators that share one dominance function: jaw and lips move apart from each other, as in JALI."""

GROUP_OF = np.array([0, 1, 1, 2, 2, 2, 3])
"""The group of each articulator."""

RATES = np.array([[25.0, 21.0], [19.0, 26.0], [27.0, 27.0], [40.0, 40.0]])
"""Decay of dominance before and after the phone's core, 1/s, [groups, 2].

The jaw opens faster than it comes back; rounding looks ahead further than it lingers. Two meeting
phones blend along a logistic curve whose 10-90 % time is 4.4 / (sum of their rates): about 0.1 s,
so that a motion model needs no long look-ahead.
"""

# label: jaw funnel pucker spread upper lower tongue | strength of jaw, rounding, lips
_TABLE = """
SIL  .02 .00 .00 .00 .00 .00 .00 | 1.0 0.6 1.0
AA   .70 .05 .00 .02 .12 .26 .00 | 1.4 1.0 1.0
AE   .62 .00 .00 .22 .20 .30 .00 | 1.3 1.2 1.0
AH   .40 .03 .00 .04 .10 .18 .00 | 0.9 0.6 0.8
AO   .56 .45 .15 .00 .10 .16 .00 | 1.2 1.3 1.0
EH   .46 .00 .00 .20 .17 .25 .00 | 1.0 1.2 1.0
ER   .26 .26 .22 .00 .10 .14 .00 | 0.9 1.0 0.8
IH   .28 .00 .00 .28 .15 .22 .00 | 0.9 1.6 0.9
IY   .21 .00 .00 .52 .17 .24 .00 | 1.1 2.4 1.2
OW   .42 .42 .52 .00 .06 .10 .00 | 1.1 1.8 1.2
UH   .27 .32 .56 .00 .08 .12 .00 | 0.9 1.8 1.0
UW   .17 .22 .86 .00 .03 .05 .00 | 1.1 2.2 1.2
HH   .30 .00 .00 .05 .10 .15 .00 | 0.1 0.1 0.1
W    .12 .15 .74 .00 .02 .04 .00 | 2.0 1.8 1.2
Y    .18 .00 .00 .42 .14 .20 .00 | 0.9 1.4 0.9
R    .20 .28 .26 .00 .09 .13 .00 | 0.8 0.8 0.7
L    .25 .00 .00 .06 .12 .22 .06 | 0.8 0.3 0.8
T    .17 .00 .00 .10 .11 .20 .00 | 1.0 0.3 0.8
D    .18 .00 .00 .10 .11 .20 .00 | 1.0 0.3 0.8
N    .19 .00 .00 .08 .10 .19 .00 | 0.9 0.3 0.7
S    .11 .00 .00 .18 .14 .25 .00 | 2.0 0.5 1.3
Z    .12 .00 .00 .16 .13 .24 .00 | 1.9 0.5 1.3
SH   .13 .52 .15 .00 .16 .20 .00 | 1.7 1.2 1.2
ZH   .13 .48 .15 .00 .15 .19 .00 | 1.6 1.1 1.2
CH   .13 .46 .13 .00 .14 .19 .00 | 1.6 1.0 1.1
JH   .14 .44 .13 .00 .13 .18 .00 | 1.5 1.0 1.1
TH   .19 .00 .00 .05 .11 .18 .40 | 1.3 0.4 1.0
DH   .19 .00 .00 .05 .10 .17 .28 | 1.2 0.4 0.9
K    .24 .00 .00 .03 .09 .15 .00 | 0.6 0.2 0.3
G    .24 .00 .00 .03 .09 .15 .00 | 0.6 0.2 0.3
NG   .24 .00 .00 .03 .09 .15 .00 | 0.6 0.2 0.3
F    .10 .00 .00 .04 .00 .00 .00 | 2.6 0.5 1.5
V    .11 .00 .00 .04 .00 .00 .00 | 2.4 0.5 1.5
P    .12 .00 .00 .00 .00 .00 .00 | 2.2 0.3 0.4
B    .12 .00 .00 .00 .00 .00 .00 | 2.2 0.3 0.4
M    .11 .00 .00 .00 .00 .00 .00 | 2.2 0.3 0.4
"""

DIPHTHONGS: dict[str, tuple[str, str, float]] = {
    "AY": ("AA", "IH", 0.62),
    "AW": ("AA", "UH", 0.62),
    "OY": ("AO", "IH", 0.55),
    "EY": ("EH", "IY", 0.45),
    "OW": ("OW", "UW", 0.60),
}
"""Vowels that move: first target, second target, and the share of the first."""

BILABIAL_CONTACT: dict[str, tuple[float, float]] = {"P": (0.68, 1.0), "B": (0.78, 0.9), "M": (0.86, 0.8)}
"""Bilabials: the share of the phone after which the lips part, and the force with which they press.

The phone of a stop holds its burst and aspiration too, which sound through open lips; a nasal hums to its end.
"""

DENTAL_CONTACT: dict[str, tuple[float, float]] = {"F": (0.86, 1.0), "V": (0.86, 0.8)}
"""Labiodentals: the same for the lower lip at the upper teeth."""


def _parsed() -> tuple[dict[str, int], np.ndarray, np.ndarray]:
    """Row of each label, targets float64 [rows, articulators] and strengths float64 [rows, groups]."""
    rows, targets, strengths = {}, [], []
    for line in _TABLE.strip().splitlines():
        left, right = line.split("|")
        label, *values = left.split()
        rows[label] = len(targets)
        targets.append([float(value) for value in values])
        strengths.append([float(value) for value in right.split()] + [1.0])
    return rows, np.array(targets), np.array(strengths)


ROWS, TARGETS, STRENGTHS = _parsed()

UNMAPPED = [phone for phone in PHONES if phone not in ROWS and phone not in DIPHTHONGS]
if UNMAPPED:
    raise RuntimeError(f"phones without a mouth shape in visemes.py: {UNMAPPED}")
