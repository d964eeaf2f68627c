"""A sentence grammar: slots in braces expand to one of their alternatives, at random but by seed."""

import re
from collections.abc import Mapping, Sequence

import numpy as np

_SLOT = re.compile(r"\{(\w+)\}")


def expand(template: str, slots: Mapping[str, Sequence[str]], rng: np.random.Generator) -> str:
    """`template` with every `{slot}` replaced by an alternative, which may hold slots itself."""
    for _ in range(40):
        match = _SLOT.search(template)
        if match is None:
            return template
        choices = slots[match.group(1)]
        template = template[: match.start()] + choices[rng.integers(len(choices))] + template[match.end() :]
    raise ValueError(f"the grammar does not end: {template[:80]!r}")


def sentence_case(text: str) -> str:
    """First letter of each sentence in upper case."""
    return re.sub(r"(^|[.!?]\s+)(\w)", lambda m: m.group(1) + m.group(2).upper(), text)
