"""What a speaker gives out, in order: sound, frames, and what happens to them."""

from dataclasses import dataclass

from toktalk_node.signals import AudioChunk, Clock, FaceChunk


@dataclass(frozen=True)
class Started:
    """A stream begins: sample 0, of `rate` Hz, and frame 0 have the clock's epoch."""

    clock: Clock
    rate: int
    text: str = ""
    """What will be said, where it is known."""


@dataclass(frozen=True)
class Sounding:
    """Sound that leaves now, to be heard by the clock."""

    chunk: AudioChunk
    clock: Clock


@dataclass(frozen=True)
class Showing:
    """Frames that leave now, to be shown by the clock."""

    chunk: FaceChunk
    clock: Clock


@dataclass(frozen=True)
class Passed:
    """All sound that was said before `mark` has left; its last sample is heard at `pts_ns`."""

    mark: object
    pts_ns: int


@dataclass(frozen=True)
class Ended:
    """The stream is over at `pts_ns`, its face at rest."""

    pts_ns: int
    detail: str = ""


@dataclass(frozen=True)
class Styled:
    """The face speaks in the style called `name` from `pts_ns` on."""

    name: str
    pts_ns: int


@dataclass(frozen=True)
class Starved:
    """Sound ran out at `pts_ns`; face and sound wait for more."""

    pts_ns: int


@dataclass(frozen=True)
class Failed:
    """Something went wrong; the stream goes on as far as it can."""

    detail: str


@dataclass(frozen=True)
class Cut:
    """Answer to an interruption, and an output too."""

    pts_ns: int
    """What was given out for this time or later is void."""
    played_ns: int
    """Media time of the stream that was heard."""
    played_frames: int
    dropped_frames: int
    heard_ns: int
    """How far into all that was ever said, as `SpeakingThread.said_ns` counts it, listeners came."""
    marks: tuple[object, ...] = ()
    """Marks that were dropped, in their order."""
    spoke: bool = False
    """Whether a stream was cut; else nobody spoke, and nothing is void."""


Output = Started | Sounding | Showing | Passed | Ended | Styled | Starved | Failed | Cut
