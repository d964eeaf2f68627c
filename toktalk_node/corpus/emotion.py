"""What each emotion does to a face: prototypes of facial action coding, as ARKit shapes.

The action units of each prototype are those of EMFACS (Ekman and Friesen, "Unmasking the Face", 1975; Friesen and
Ekman, "EMFACS-7", 1983) and of Du, Tao and Martinez ("Compound facial expressions of emotion", PNAS 2014). Contempt is
the one expression that is unilateral: a lip corner tightened and raised on one side (Ekman and Friesen, "A new
pan-cultural facial expression of emotion", 1986). The weights are of a full, believable expression at intensity 1.
"""

import numpy as np

from toktalk_node.face.arkit import BLENDSHAPES, INDEX

EMOTIONS: tuple[str, ...] = (
    "neutral",
    "anger",
    "happiness",
    "fear",
    "disgust",
    "sadness",
    "contempt",
    "surprise",
)
"""The eight emotions of BEAT2 (Liu et al., EMAGE, 2024)."""

# a name without a side stands for both
_PROTOTYPES: dict[str, dict[str, float]] = {
    "neutral": {},
    # AU 4, 5, 7, 10 (traces), 23, 24
    "anger": {
        "browDown": 0.92,
        "eyeSquint": 0.45,
        "eyeWide": 0.15,
        "noseSneer": 0.30,
        "mouthPress": 0.35,
        "mouthFrown": 0.30,
        "mouthRollLower": 0.12,
        "jawForward": 0.15,
    },
    # AU 6, 12, 25
    "happiness": {
        "mouthSmile": 0.60,
        "mouthDimple": 0.12,
        "cheekSquint": 0.50,
        "eyeSquint": 0.28,
        "mouthUpperUp": 0.10,
        "browOuterUp": 0.12,
        "browInnerUp": 0.08,
    },
    # AU 1, 2, 4, 5, 20, 25
    "fear": {
        "browInnerUp": 0.75,
        "browOuterUp": 0.20,
        "browDown": 0.18,
        "eyeWide": 0.60,
        "mouthStretch": 0.42,
        "mouthFrown": 0.12,
        "jawOpen": 0.05,
        "mouthLowerDown": 0.10,
    },
    # AU 4, 9, 10, 17
    "disgust": {
        "noseSneer": 0.65,
        "browDown": 0.42,
        "eyeSquint": 0.38,
        "cheekSquint": 0.25,
        "mouthUpperUp": 0.24,
        "mouthFrown": 0.22,
        "mouthShrugLower": 0.20,
    },
    # AU 1, 4, 15, 17; the upper lids hang
    "sadness": {
        "browInnerUp": 0.70,
        "browDown": 0.15,
        "eyeBlink": 0.14,
        "eyeSquint": 0.12,
        "eyeLookDown": 0.10,
        "mouthFrown": 0.50,
        "mouthShrugLower": 0.25,
    },
    # AU 12 and 14 of one side, and the look from under lowered lids that comes with it
    "contempt": {
        "mouthSmileLeft": 0.36,
        "mouthDimpleLeft": 0.50,
        "mouthPressLeft": 0.28,
        "cheekSquintLeft": 0.18,
        "mouthLeft": 0.10,
        "eyeBlink": 0.10,
        "eyeSquintLeft": 0.18,
        "browOuterUpRight": 0.30,
        "browDownLeft": 0.15,
    },
    # AU 1, 2, 5, 26
    "surprise": {
        "browInnerUp": 0.70,
        "browOuterUp": 0.75,
        "eyeWide": 0.55,
        "jawOpen": 0.15,
        "mouthFunnel": 0.22,
        "mouthPucker": 0.10,
    },
}


def shapes(values: dict[str, float]) -> np.ndarray:
    """ARKit weights float64 [52] of named values; a name without a side stands for both sides."""
    weights = np.zeros(len(BLENDSHAPES))
    for name, value in values.items():
        for full in (name,) if name in INDEX else (name + "Left", name + "Right"):
            weights[INDEX[full]] = value
    return weights


PROTOTYPES: dict[str, np.ndarray] = {name: shapes(_PROTOTYPES[name]) for name in EMOTIONS}
"""The full expression of each emotion, float64 [52]."""

MANNERS: dict[str, dict[str, float]] = {
    "neutral": {},
    "anger": {"jaw": 1.15, "effort": 1.20, "head_activity": 1.25, "tempo": 1.25, "blink_rate": 0.8, "aversion": 0.5},
    "happiness": {"lips": 1.10, "effort": 1.05, "brow_activity": 1.4, "head_activity": 1.4, "tempo": 1.15},
    "fear": {"jaw": 0.85, "effort": 0.95, "head_activity": 0.8, "tempo": 1.5, "blink_rate": 1.5, "aversion": 1.5},
    "disgust": {"lips": 0.90, "effort": 0.95, "head_activity": 0.9, "aversion": 1.4},
    "sadness": {
        "jaw": 0.78,
        "effort": 0.80,
        "brow_activity": 0.6,
        "head_activity": 0.55,
        "tempo": 0.65,
        "aversion": 1.6,
    },
    "contempt": {"jaw": 0.90, "effort": 0.95, "head_activity": 0.8, "tempo": 0.8},
    "surprise": {"jaw": 1.20, "effort": 1.10, "brow_activity": 1.5, "head_activity": 1.2, "tempo": 1.2},
}
"""Factors of a style's fields at intensity 1.

Emotion changes the targets of the lips (Magno Caldognetto et al., "Modifications of phonetic labial targets in emotive
speech", 2004) and how far and fast heads move (Busso et al., "Rigid head motion in expressive speech animation", 2007).
"""
