"""Files of tokenizers and adapters: safetensors beside a JSON with the format, its version and a configuration."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

Built = TypeVar("Built")


class TokenizerError(Exception):
    """A tokenizer's files cannot be read; the message says why and which command makes them."""


@dataclass(frozen=True)
class Kind:
    """A kind of files."""

    what: str
    """What they hold, in messages."""
    format: str
    version: int
    weights_file: str
    config_file: str


def read(kind: Kind, folder: Path, remedy: str, build: Callable[[dict[str, Any], dict[str, Tensor]], Built]) -> Built:
    """What `build` makes of the configuration and the tensors, in 32 bits, that `folder` holds.

    remedy: a sentence with the command that makes the files. Raises TokenizerError where they are missing, damaged, of
    another version, or do not fit each other.
    """
    try:
        about = json.loads((folder / kind.config_file).read_text())
        tensors = load_file(folder / kind.weights_file)
    except FileNotFoundError as error:
        missing = Path(error.filename or kind.weights_file).name
        raise TokenizerError(f"no {kind.what} in {folder}: {missing} is missing. {remedy}") from error
    except (OSError, ValueError, SafetensorError) as error:
        raise TokenizerError(f"the {kind.what} in {folder} is damaged ({error}). {remedy}") from error
    if not isinstance(about, dict) or (about.get("format"), about.get("version")) != (kind.format, kind.version):
        found = f"not a {kind.what}"
        if isinstance(about, dict):
            found = f"{about.get('format')} version {about.get('version')}"
        raise TokenizerError(
            f"{folder / kind.config_file} is {found}, but this program reads {kind.format} version {kind.version}. "
            f"{remedy}"
        )
    try:
        return build(about["config"], {name: value.float() for name, value in tensors.items()})
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise TokenizerError(f"the weights in {folder} do not fit {kind.config_file} ({error}). {remedy}") from error
