"""Sizes of the motion model, and its presets."""

from dataclasses import dataclass, replace
from typing import Any, Literal

from toktalk_node.face.space import SPACES, FaceSpace
from toktalk_node.motion.solver import Schedule, solver_times


@dataclass(frozen=True)
class ModelConfig:
    """What any network from conditions to motion must know, ours or one that ours is compared with."""

    condition_width: int
    """Width E of the condition, the embedding of one token."""
    token_space: str = "phonetic"
    """Name of the token space the condition comes from."""
    fps: int = 50
    """Frames per second of motion and of condition."""
    face: str = "arkit"
    """Name of the face space, which says what a motion vector is."""
    style_width: int = 0
    """Width S of the embedding of a speaking style; 0 leaves styles out."""
    look_ahead: int = 0
    """Frames of condition beyond the newest motion frame: motion frame i is paired with condition frame
    i + look_ahead. Each adds 1 / fps seconds of wait."""
    channels: int = 256
    """Width of the network, at every rate."""
    heads: int = 8
    """Attention heads."""
    head_width: int = 64
    """Width of one attention head."""
    feed_forward: int = 4
    """Width of the feed-forward layers as a multiple of `channels`."""

    def __post_init__(self) -> None:
        if self.face not in SPACES:
            raise ValueError(f"no face space is called {self.face!r}; there are {', '.join(SPACES)}")
        self._at_least(1, "condition_width fps channels heads head_width feed_forward")
        self._at_least(0, "style_width look_ahead")

    def _at_least(self, least: int, names: str) -> None:
        for name in names.split():
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, not {getattr(self, name)}")

    @property
    def space(self) -> FaceSpace:
        """What the channels of a motion vector are."""
        return SPACES[self.face]

    @property
    def motion_width(self) -> int:
        """Width M of a motion vector."""
        return self.space.width


@dataclass(frozen=True)
class MotionConfig(ModelConfig):
    """Everything that must be known to build the velocity network and to run it.

    Up to `continued` it shapes the weights; the rest are the live defaults, which may be changed at run time
    without training again.
    """

    down_stages: int = 2
    """Stages before the middle, and as many after it. The first runs at full rate, the others at half rate."""
    middle_stages: int = 12
    """Stages at half rate."""
    blocks: int = 4
    """Transformer blocks per stage."""
    time_width: int = 1024
    """Width of the embedding of the flow's time."""
    predicts: Literal["velocity", "motion"] = "velocity"
    """What the last layer gives: the velocity itself, as in the papers, or the motion x_1 at the end of the path, of
    which the velocity (x_1 - x_t) / (1 - t) is made. With the second, no noise has to pass through the network, which
    a small one does badly: the face trembles less. Flow, loss and solver are the same."""
    continued: int = 0
    """Frames for which the known ones are continued by linear prediction, of which a predicted motion is then the
    departure, so that a chunk begins where the last one ended (motion/continuation); 0: zeros, as in the paper."""
    shortcut: bool = False
    """Whether the network is told how far the solver goes with its velocity, so that few steps do (motion/shortcut)."""

    overlap: int = 24
    """Known frames, the end of what was shown, that each new chunk is decoded behind."""
    chunk: int = 6
    """New frames per decoded chunk; even, because the middle runs at half rate."""
    steps: int = 4
    """Euler steps n per chunk."""
    schedule: Schedule = "cosine"
    """Spacing of the solver's times."""
    guidance: float = 0.3
    """Weight w of classifier-free guidance; 0 turns it off and halves the work."""
    temperature: float = 1.0
    """Deviation of the noise that a face begins from, where speech does not move it: more of it, and brows, lids and
    head do more."""
    speech_temperature: float = 1.0
    """The same where speech moves the face: less of it, and lips are steadier and nearer to what is likeliest. Both as
    in Glow (Kingma and Dhariwal 2018, section 6)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._at_least(1, "down_stages middle_stages blocks steps")
        solver_times(self.steps, self.schedule)
        self._at_least(0, "continued guidance temperature speech_temperature")
        if self.predicts not in ("velocity", "motion"):
            raise ValueError(f"predicts must be velocity or motion, not {self.predicts!r}")
        if self.continued and self.predicts == "velocity":
            raise ValueError("a continuation is of motion: it needs predicts='motion'")
        for name in ("overlap", "chunk"):
            check_even(name, getattr(self, name))
        if self.look_ahead > self.overlap:
            raise ValueError(f"look_ahead {self.look_ahead} must not exceed overlap {self.overlap}")
        if self.time_width % 2:
            raise ValueError(f"time_width must be even, not {self.time_width}")


def check_even(name: str, frames: int) -> None:
    """Raise ValueError unless `frames` is a positive even number, which the half-rate level needs."""
    if frames < 2 or frames % 2:
        raise ValueError(f"{name} must be an even number of frames, 2 or more, not {frames}")


_PRESETS: dict[str, dict[str, Any]] = {
    "mini": dict(
        channels=256,
        heads=4,
        feed_forward=2,
        down_stages=1,
        middle_stages=3,
        blocks=1,
        time_width=256,
        predicts="motion",
        continued=64,
        style_width=64,
        look_ahead=2,
        overlap=16,
        chunk=10,
        steps=5,
        guidance=0.0,
        temperature=1.1,
        speech_temperature=0.4,
    ),
    "paper": dict(style_width=128, chunk=20, steps=20),
}
PRESETS: tuple[str, ...] = tuple(_PRESETS)
"""`mini`: real time on a CPU core. `paper`: TokTalk's decoder (2 down, 12 middle, 2 up, 4 blocks each, 8 heads)."""


def preset(name: str, condition_width: int, **changes: Any) -> MotionConfig:
    """The configuration called `name`, for a condition of the given width, with some fields changed."""
    if name not in _PRESETS:
        raise ValueError(f"no motion preset is called {name!r}; there are {', '.join(PRESETS)}")
    return replace(MotionConfig(condition_width=condition_width, **_PRESETS[name]), **changes)
