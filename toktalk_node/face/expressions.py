"""Expressions as hri_msgs/Expression names them -> our styles, as `Session.set_style` takes them.

A label is looked up; without one, valence and arousal are read on Russell's circle ("A circumplex model of affect",
Journal of Personality and Social Psychology 39(6), 1980): their angle lies between two feelings, which share by how
near they are, and the distance from the centre says how much of them there is. The rest is neutral.
"""

import math

LABELS: dict[str, dict[str, float]] = {
    "neutral": {"neutral": 1.0},
    "angry": {"anger": 0.8},
    "sad": {"sadness": 0.8},
    "happy": {"happiness": 0.8},
    "surprised": {"surprise": 0.8},
    "disgusted": {"disgust": 0.8},
    "scared": {"fear": 0.8},
    "pleading": {"sadness": 0.4, "fear": 0.3},
    "vulnerable": {"sadness": 0.3, "shy": 0.5},
    "despaired": {"sadness": 0.8, "fear": 0.2},
    "guilty": {"sadness": 0.5, "shy": 0.4},
    "disappointed": {"sadness": 0.5, "contempt": 0.1},
    "embarrassed": {"shy": 0.7, "happiness": 0.2},
    "horrified": {"fear": 0.8, "disgust": 0.2},
    "skeptical": {"contempt": 0.5, "surprise": 0.1},
    "annoyed": {"anger": 0.4, "contempt": 0.2},
    "furious": {"anger": 1.0},
    "suspicious": {"contempt": 0.3, "anger": 0.2},
    "rejected": {"sadness": 0.6, "anger": 0.1},
    "bored": {"tired": 0.5, "contempt": 0.2},
    "tired": {"tired": 0.9},
    "asleep": {"tired": 1.0},
    "confused": {"surprise": 0.3, "sadness": 0.2},
    "amazed": {"surprise": 0.7, "happiness": 0.3},
    "excited": {"happiness": 0.6, "lively": 0.4},
}
"""Every label of hri_msgs/Expression -> weights of styles that ship."""
CIRCLE: tuple[tuple[float, str], ...] = (
    (8.0, "happiness"),
    (70.0, "surprise"),
    (99.0, "anger"),
    (116.0, "fear"),
    (208.0, "sadness"),
    (268.0, "tired"),
    (323.0, "warm"),
)
"""Russell's angles in degrees of happy, astonished, angry, afraid, sad, tired and content, and our styles for them."""
_LEAST = 0.05


def style_of(label: str, valence: float = 0.0, arousal: float = 0.0) -> str:
    """A style like "sadness=0.8, fear=0.2" for a label, or for valence and arousal in [-1, 1] where there is no label.

    Raises ValueError for a label that is not known, or numbers that are not finite.
    """
    name = label.strip().lower()
    if name:
        if name not in LABELS:
            raise ValueError(f"no expression {label!r}; there are {', '.join(LABELS)}")
        return _text(LABELS[name])
    if not (math.isfinite(valence) and math.isfinite(arousal)):
        raise ValueError(f"valence {valence} and arousal {arousal} must be finite")
    amount = min(math.hypot(valence, arousal), 1.0)
    if amount < _LEAST:
        return "neutral"
    angle = math.degrees(math.atan2(arousal, valence)) % 360
    round_trip = [*CIRCLE, (CIRCLE[0][0] + 360, CIRCLE[0][1])]
    if angle < CIRCLE[0][0]:
        angle += 360
    for (before, first), (after, second) in zip(round_trip, round_trip[1:], strict=False):
        if before <= angle <= after:
            share = (angle - before) / (after - before)
            return _text({first: amount * (1 - share), second: amount * share})
    raise AssertionError(f"angle {angle} lies on no part of the circle")


def _text(weights: dict[str, float]) -> str:
    parts = [f"{name}={weight:.2g}" for name, weight in weights.items() if weight >= _LEAST]
    return ", ".join(parts) if parts else "neutral"
