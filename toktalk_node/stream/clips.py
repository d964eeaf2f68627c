"""A style as people write it: a name, a blend of names, or the file of a clip whose style is taken."""

import logging
import zipfile
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from toktalk_node.face import livelink
from toktalk_node.face.arkit import BLENDSHAPES, INDEX, MOTION_WIDTH

if TYPE_CHECKING:
    from toktalk_node.motion.style import Style
    from toktalk_node.stream.session import Session

LOGGER = logging.getLogger(__name__)
MAX_FPS = 1000
"""Most frames a second of a clip."""


def is_clip(text: str) -> bool:
    """Whether `text` names a file."""
    return text.lower().endswith((".csv", ".npz"))


def chosen_style(session: "Session", text: str, say: Callable[[str], None] = LOGGER.warning) -> "str | Style":
    """What `Session.set_style` takes for `text`: itself, or the style of the clip that it names.

    A clip is a Live Link Face recording (.csv), or arrays as `toktalk render` writes them (.npz). say: told what the
    clip lacks, and what of it is not read. Raises ValueError naming the file and what is wrong with it.
    """
    if not is_clip(text):
        return text
    try:
        clip = read_arrays(text) if text.lower().endswith(".npz") else livelink.read_performance(text)
        for note in clip.notes:
            say(f"{text}: {note}")
        return session.style_of(clip.motion, clip.fps)
    except OSError as error:
        raise ValueError(f"the style clip {text} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ValueError(str(error) if text in str(error) else f"{text}: {error}") from error


def read_arrays(path: str) -> livelink.Recording:
    """The motion in a .npz as `face/npz.py` has it: columns by name, the head about its median direction.

    `head` may be missing, and up to half of the shapes but jawOpen; the notes name these. Raises FileNotFoundError, or
    ValueError for anything else.
    """
    try:
        with np.load(path, allow_pickle=False) as face:
            weights, names, fps = face["weights"], [str(name) for name in face["names"]], int(face["fps"])
            head = face["head"] if "head" in face else np.zeros((len(weights), 3))
    except (ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"not arrays as `toktalk render` writes them into .npz ({error})") from error
    if weights.ndim != 2 or weights.shape[1] != len(names) or head.shape != (len(weights), 3):
        raise ValueError(f"weights {weights.shape}, {len(names)} names and head {head.shape} do not fit each other")
    if not 1 <= fps <= MAX_FPS:
        raise ValueError(f"{fps} frames a second; from 1 to {MAX_FPS} are read")
    missing = [name for name in BLENDSHAPES if name not in names]
    if len(missing) > len(BLENDSHAPES) // 2 or "jawOpen" in missing:
        raise ValueError(f"{len(missing)} of 52 blendshapes are missing: {', '.join(missing[:6])}")
    motion = np.zeros((len(weights), MOTION_WIDTH), np.float32)
    for column, name in enumerate(names):
        if name in INDEX:
            motion[:, INDEX[name]] = weights[:, column]
    motion[:, len(BLENDSHAPES) :] = livelink.centred(head) if len(head) else head
    notes = (f"shapes missing, which stay 0: {', '.join(missing)}",) if missing else ()
    return livelink.Recording(motion, fps, 0.0, notes)
