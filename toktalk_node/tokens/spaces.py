"""Token spaces by name: a space is a module of this package with a function `load(folder)`."""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from toktalk_node.tokens.base import Tokenizer


def load(space: str, folder: Path) -> Tokenizer:
    """The tokenizer of the space called `space`, read from `folder`.

    Raises ValueError where no space has that name, and TokenizerError where its files cannot be read.
    """
    name = f"{__package__}.{space}"
    module = import_module(name) if space.isidentifier() and find_spec(name) else None
    if module is None or not hasattr(module, "SPACE"):
        raise ValueError(f"no token space is called {space!r}: {__package__} has no module of that name to load")
    return module.load(folder)
