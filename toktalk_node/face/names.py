"""ARKit's names as other people's meshes write them: prefixes, letter case, ``_L`` and ``_R``."""

import re
from collections.abc import Iterable

from toktalk_node.face.arkit import BLENDSHAPES


def plain(name: str) -> str:
    """`name` without separators and letter case, its side written out.

    >>> plain("head_blendShape2.eyeBlink_L")
    'headblendshape2eyeblinkleft'
    """
    name = re.sub(r"[_.\- ]L$", "Left", name, flags=re.IGNORECASE)
    name = re.sub(r"[_.\- ]R$", "Right", name, flags=re.IGNORECASE)
    return re.sub(r"[^a-z0-9]", "", name.lower())


_PLAIN = sorted(((plain(name), name) for name in BLENDSHAPES), key=lambda pair: -len(pair[0]))


def arkit_name(name: str) -> str | None:
    """The ARKit blendshape that a target called `name` means, None where it means none.

    >>> arkit_name("Wolf3D_Head.mouthSmile_L"), arkit_name("smile")
    ('mouthSmileLeft', None)
    """
    short = plain(name)
    return next((known for ending, known in _PLAIN if short.endswith(ending)), None)


def missing(names: Iterable[str | None]) -> tuple[str, ...]:
    """The ARKit blendshapes that are not among `names`, in Apple's order."""
    there = set(names)
    return tuple(name for name in BLENDSHAPES if name not in there)
