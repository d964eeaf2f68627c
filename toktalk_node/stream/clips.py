"""A style as people write it: a name, a blend of names, or the file of a clip whose style is taken."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from toktalk_node.face import livelink

if TYPE_CHECKING:
    from toktalk_node.motion.style import Style
    from toktalk_node.stream.session import Session


def is_clip(text: str) -> bool:
    """Whether `text` names a file."""
    return text.lower().endswith(".csv")


def chosen_style(session: "Session", text: str, say: Callable[[str], None] = lambda note: None) -> "str | Style":
    """What `Session.set_style` takes for `text`: itself, or the style of the Live Link Face recording that it names.

    say: told what the recording lacks, and what of it is not read. Raises ValueError naming the file and what is wrong
    with it.
    """
    if not is_clip(text):
        return text
    try:
        clip = livelink.read_performance(text)
        for note in clip.notes:
            say(f"{text}: {note}")
        return session.style_of(clip.motion, clip.fps)
    except OSError as error:
        raise ValueError(f"the style clip {text} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ValueError(str(error) if text in str(error) else f"{text}: {error}") from error
