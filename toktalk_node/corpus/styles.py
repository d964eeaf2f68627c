"""How people differ when they say the same: speaking styles, and the actors of the corpus.

A style is a point in a space of dimensions that the literature measures between people: how much of the speech is in
the jaw and how much in the lips (JALI: Edwards, Landreth, Fiume and Singh, 2016), how much effort goes into
articulation (hypo- and hyper-articulation: Lindblom, 1990), the face they wear at rest and its asymmetry, how lively
brows, head and eyes are, and which emotion, how strongly.

    style = NAMED["mumbling"]                    # or actor_style("train-017"), or SpeakingStyle.drawn(rng)
    motion = perform(phones, duration, seed, style=style)
"""

from dataclasses import dataclass, fields, replace
from zlib import crc32

import numpy as np

from toktalk_node.corpus.emotion import EMOTIONS, MANNERS, PROTOTYPES, shapes

SPLITS: dict[str, int] = {"train": 300, "valid": 40, "test": 40}
"""How many actors each split has."""


@dataclass(frozen=True)
class SpeakingStyle:
    """How a speaker speaks, constant over a performance. The defaults are the average speaker, who feels nothing."""

    # how the mouth speaks: factors, 1 = average
    jaw: float = 1.0
    """How far the jaw opens (JALI's jaw dimension)."""
    lips: float = 1.0
    """How much the lips shape (JALI's lip dimension)."""
    effort: float = 1.0
    """Below 1 targets are undershot and run into each other, above 1 they are reached and held (Lindblom, 1990)."""
    upper_lip: float = 1.0
    """How far the upper lip rises."""
    lower_lip: float = 1.0
    """How far the lower lip falls."""
    protrusion: float = 0.0
    """From -1, lips drawn wide, to 1, lips pushed forward in all that is said."""

    # the face at rest: weights, 0 = none
    smile: float = 0.0
    """Corners of the mouth: up above 0, down below."""
    parted: float = 0.0
    """How far the jaw hangs open when nothing is said."""
    tension: float = 0.0
    """How tightly shut lips press on each other."""
    chin: float = 0.0
    """Lower lip pushed up by the chin."""
    jaw_forward: float = 0.0
    """Lower jaw pushed forward."""
    brows: float = 0.0
    """Brows raised above 0, lowered below."""
    inner_brows: float = 0.0
    """Inner ends of the brows raised, a worried look."""
    lids: float = 0.0
    """Eyes wide above 0; lids that hang below."""
    squint: float = 0.0
    """Eyes narrowed from below."""
    sneer: float = 0.0
    """Wings of the nose raised."""
    yaw: float = 0.0
    """Where the head rests, to the person's left (rad)."""
    pitch: float = 0.0
    """Where the head rests, up (rad)."""
    roll: float = 0.0
    """Where the head rests, tilted to the left (rad)."""

    # asymmetry: above 0 the left of the face has more
    lean: float = 0.0
    """Share by which all that moves on the left is larger, and on the right smaller."""
    smirk: float = 0.0
    """A smile on one side, as a weight."""
    sideways: float = 0.0
    """Mouth drawn to one side, as a weight."""

    # life beside the lips: factors, 1 = average
    brow_activity: float = 1.0
    """How far brows move with accents."""
    head_activity: float = 1.0
    """How far the head moves."""
    tempo: float = 1.0
    """How fast the head wanders."""
    pitch_response: float = 1.0
    """How far brows and head follow the pitch of the voice."""
    energy_response: float = 1.0
    """How far jaw and head follow the loudness of the voice."""
    blink_rate: float = 1.0
    """How often the eyes blink."""
    aversion: float = 1.0
    """How often the eyes leave the listener."""
    downcast: float = 0.0
    """How far down eyes look that leave the listener (rad)."""

    emotion: str = "neutral"
    """One of EMOTIONS."""
    intensity: float = 0.0
    """How strongly it is shown, 0 to 1."""

    def __post_init__(self) -> None:
        if self.emotion not in EMOTIONS:
            raise ValueError(f"no emotion named {self.emotion!r}; there are {', '.join(EMOTIONS)}")
        for field in fields(self):
            if field.name != "emotion" and not np.isfinite(getattr(self, field.name)):
                raise ValueError(f"{field.name} of a style is {getattr(self, field.name)}, expected a finite number")
        if not 0 <= self.intensity <= 1:
            raise ValueError(f"intensity of {self.emotion} is {self.intensity}, expected 0 to 1")

    @classmethod
    def plain(cls, rng: np.random.Generator) -> "SpeakingStyle":
        """A speaker by chance who differs little from the average, as among people who speak plainly."""
        jaw, lips, smile = rng.uniform(0.88, 1.12), rng.uniform(0.92, 1.10), rng.uniform(0.0, 0.08)
        activity = rng.uniform(0.6, 1.3)
        return cls(
            jaw=jaw,
            lips=lips,
            smile=smile,
            brow_activity=activity,
            head_activity=activity,
            lean=rng.normal(0, 0.03),
        )

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> "SpeakingStyle":
        """A speaker by chance, as different from the next as people are; half of them show an emotion."""

        def factor(spread: float, low: float = 0.4, high: float = 2.5) -> float:
            return float(np.clip(np.exp(rng.normal(0, spread)), low, high))

        def weight(spread: float, most: float) -> float:
            return float(np.clip(rng.normal(0, spread), -most, most))

        style = cls(
            jaw=factor(0.28, 0.5, 1.4),
            lips=factor(0.22, 0.55, 1.4),
            effort=factor(0.22, 0.6, 1.45),
            upper_lip=factor(0.35),
            lower_lip=factor(0.35),
            protrusion=weight(0.4, 1.0),
            smile=float(np.clip(rng.normal(0.06, 0.16), -0.35, 0.5)),
            parted=max(0.0, weight(0.035, 0.08)),
            tension=max(0.0, weight(0.14, 0.35)),
            chin=max(0.0, weight(0.08, 0.2)),
            jaw_forward=max(0.0, weight(0.15, 0.4)),
            brows=weight(0.18, 0.45),
            inner_brows=max(0.0, weight(0.15, 0.4)),
            lids=weight(0.15, 0.35),
            squint=max(0.0, weight(0.18, 0.45)),
            sneer=max(0.0, weight(0.08, 0.25)),
            yaw=weight(0.035, 0.09),
            pitch=weight(0.05, 0.11),
            roll=weight(0.04, 0.1),
            lean=weight(0.1, 0.25),
            smirk=weight(0.08, 0.25),
            sideways=weight(0.05, 0.15),
            brow_activity=factor(0.55, 0.2, 2.5),
            head_activity=factor(0.45, 0.25, 2.2),
            tempo=factor(0.3, 0.5, 2.0),
            pitch_response=factor(0.5, 0.2, 2.5),
            energy_response=factor(0.4, 0.3, 2.0),
            blink_rate=factor(0.4, 0.4, 2.2),
            aversion=factor(0.5, 0.2, 2.4),
            downcast=max(0.0, weight(0.05, 0.1)),
        )
        if rng.random() < 0.5:
            return style.feeling(str(rng.choice(EMOTIONS[1:])), float(rng.uniform(0.3, 1.0)))
        return style

    def feeling(self, emotion: str, intensity: float) -> "SpeakingStyle":
        """This speaker in an emotion: its expression, and its manner of speaking and moving. Raises ValueError."""
        manner = MANNERS.get(emotion, {})
        changed = {name: getattr(self, name) * value**intensity for name, value in manner.items()}
        return replace(self, emotion=emotion, intensity=intensity, **changed)

    def posture(self) -> np.ndarray:
        """The face that this speaker wears when nothing is said, without the emotion; float64 [52]."""
        smile, brows = self.smile, self.brows
        return shapes(
            {
                "mouthSmileLeft": max(smile, 0) + max(self.smirk, 0),
                "mouthSmileRight": max(smile, 0) + max(-self.smirk, 0),
                "mouthFrown": max(-smile, 0),
                "mouthLeft": max(self.sideways, 0),
                "mouthRight": max(-self.sideways, 0),
                "mouthPress": self.tension,
                "mouthRollLower": 0.3 * self.tension,
                "mouthRollUpper": 0.3 * self.tension,
                "mouthShrugLower": self.chin,
                "mouthPucker": 0.14 * max(self.protrusion, 0),
                "mouthStretch": 0.16 * max(-self.protrusion, 0),
                "jawOpen": self.parted,
                "jawForward": self.jaw_forward,
                "browInnerUp": 0.8 * max(brows, 0) + self.inner_brows,
                "browOuterUp": max(brows, 0),
                "browDown": max(-brows, 0),
                "eyeWide": max(self.lids, 0),
                "eyeBlink": max(-self.lids, 0),
                "eyeSquint": self.squint,
                "noseSneer": self.sneer,
            }
        )

    def expression(self) -> np.ndarray:
        """What the emotion adds to the face at its intensity, float64 [52]."""
        return self.intensity * PROTOTYPES[self.emotion]


AVERAGE = SpeakingStyle()

NAMED: dict[str, SpeakingStyle] = {
    "neutral": AVERAGE,
    "warm": SpeakingStyle(
        smile=0.26, squint=0.12, inner_brows=0.10, brows=0.05, roll=0.05, aversion=0.6, head_activity=1.1
    ),
    "lively": SpeakingStyle(
        jaw=1.2,
        lips=1.2,
        effort=1.15,
        smile=0.12,
        brows=0.12,
        lids=0.10,
        brow_activity=2.2,
        head_activity=2.0,
        tempo=1.4,
        pitch_response=2.2,
        energy_response=1.6,
    ),
    "mumbling": SpeakingStyle(
        jaw=0.55, lips=0.6, effort=0.65, upper_lip=0.6, lower_lip=0.6, lids=-0.08, brow_activity=0.4, head_activity=0.5
    ),
    "over-articulated": SpeakingStyle(
        jaw=1.35, lips=1.35, effort=1.4, upper_lip=1.4, lower_lip=1.3, brow_activity=1.3, energy_response=1.5
    ),
    "tired": SpeakingStyle(
        jaw=0.75,
        lips=0.75,
        effort=0.72,
        smile=-0.10,
        parted=0.03,
        lids=-0.32,
        inner_brows=0.12,
        pitch=-0.07,
        roll=0.05,
        brow_activity=0.4,
        head_activity=0.6,
        tempo=0.55,
        blink_rate=1.5,
        downcast=0.08,
    ),
    "shy": SpeakingStyle(
        jaw=0.70,
        lips=0.85,
        effort=0.85,
        smile=0.10,
        tension=0.18,
        inner_brows=0.22,
        pitch=-0.09,
        yaw=0.05,
        head_activity=0.7,
        blink_rate=1.5,
        aversion=2.3,
        downcast=0.10,
    ),
    "stern": SpeakingStyle(
        jaw=0.95,
        lips=0.85,
        effort=1.2,
        smile=-0.12,
        tension=0.26,
        chin=0.10,
        brows=-0.50,
        squint=0.15,
        pitch=-0.03,
        brow_activity=0.4,
        head_activity=0.5,
        tempo=0.8,
        blink_rate=0.6,
        aversion=0.4,
    ),
    **{emotion: AVERAGE.feeling(emotion, 0.85) for emotion in EMOTIONS[1:]},
}
"""Styles that ship by name, the seven emotions among them."""


def actors(split: str) -> list[str]:
    """Ids of the actors of a split, such as "train-017". Raises ValueError for a split that does not exist."""
    if split not in SPLITS:
        raise ValueError(f"no split named {split!r}; there are {', '.join(SPLITS)}")
    return [f"{split}-{number:03d}" for number in range(SPLITS[split])]


def actor_style(actor: str) -> SpeakingStyle:
    """The style of an actor, a function of the id alone."""
    return SpeakingStyle.drawn(np.random.default_rng(crc32(actor.encode())))
