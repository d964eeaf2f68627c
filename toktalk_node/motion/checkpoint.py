"""Files of a motion model in one folder, each written whole or not at all; nothing is pickled.

`motion.safetensors` holds the weights; `motion.json` the format's name and version, the configuration and how the
weights were trained; `styles.safetensors`, where there is one, the vector and the resting face of each named style.
A `motion.json` with `weights_of`, the name of a folder beside its own, runs the weights and styles there with live
settings of its own.
"""

import json
import os
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from toktalk_node.motion.config import MotionConfig
from toktalk_node.motion.model import MotionModel
from toktalk_node.motion.style import Style

FORMAT = "toktalk-{}"
VERSION = 3
WEIGHTS_FILE = "motion.safetensors"
CONFIG_FILE = "motion.json"
STYLES_FILE = "styles.safetensors"
MAKE = "toktalk train {} --data FOLDER --out {}"

Model = TypeVar("Model", bound=MotionModel)


class CheckpointError(Exception):
    """A checkpoint cannot be read; the message says why and which command makes one."""


def write_atomically(path: Path, write: Any) -> None:
    """Call write(temporary path), then put the file at `path`, so that a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(temporary)
        temporary.chmod(0o644)  # safetensors makes files that only their owner reads
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def save(model: MotionModel, folder: str | Path, training: dict[str, Any] | None = None, half: bool = False) -> None:
    """Write the model to `folder`; `training` is what a model card should tell. half: weights in 16 bits."""
    folder = Path(folder)
    dtype = torch.float16 if half else torch.float32
    tensors = {name: value.detach().cpu().to(dtype).contiguous() for name, value in model.state_dict().items()}
    about = {"format": FORMAT.format(model.method), "version": VERSION, "config": asdict(model.config)}
    about["training"] = training or {}
    write_atomically(folder / WEIGHTS_FILE, lambda path: save_file(tensors, path))
    write_atomically(folder / CONFIG_FILE, lambda path: path.write_text(json.dumps(about, indent=2) + "\n"))


def load(folder: str | Path, device: str | torch.device = "cpu", kind: type[Model] = MotionModel) -> Model:
    """Read the model in `folder`, which must be of the given kind, ready to run, float32.

    Raises CheckpointError where files are missing, damaged, of another version, or disagree.
    """
    folder = Path(folder)
    config = _config(folder, read_about(folder, kind)["config"], kind)
    folder = weights_folder(folder)
    try:
        tensors = load_file(folder / WEIGHTS_FILE)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{folder / WEIGHTS_FILE} is damaged ({error}). {_remedy(folder, kind)}") from error
    model = kind(config)
    expected = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    found = {name: tuple(value.shape) for name, value in tensors.items()}
    if expected != found:
        name = sorted(k for k in expected.keys() | found.keys() if expected.get(k) != found.get(k))[0]
        raise CheckpointError(
            f"{folder / WEIGHTS_FILE} does not fit {CONFIG_FILE}: {name} is {found.get(name, 'missing')}, but the "
            f"configuration says {expected.get(name, 'there is none')}. {_remedy(folder, kind)}"
        )
    model.load_state_dict({name: value.float() for name, value in tensors.items()})
    return model.to(device).eval()


def save_styles(folder: str | Path, styles: dict[str, Style]) -> None:
    """Write named styles beside the weights in `folder`."""
    tensors = {}
    for name, style in styles.items():
        tensors[f"{name}.vector"] = style.vector.detach().cpu().float().clone()
        tensors[f"{name}.rest"] = style.rest.detach().cpu().float().clone()
    write_atomically(Path(folder) / STYLES_FILE, lambda path: save_file(tensors, path))


def load_styles(folder: str | Path, config: MotionConfig, device: str | torch.device = "cpu") -> dict[str, Style]:
    """The named styles in `folder`, in order of their names; none where the model has none.

    Raises CheckpointError where the file is damaged or belongs to another model.
    """
    path = weights_folder(folder) / STYLES_FILE
    if not path.is_file():
        return {}
    try:
        tensors = {name: value.to(device) for name, value in load_file(path).items()}
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path} is damaged ({error}). {_remedy(Path(folder))}") from error
    expected = {"vector": (config.style_width,), "rest": (config.motion_width,)}
    styles = {}
    for name in sorted({key.rpartition(".")[0] for key in tensors}):
        parts = {part: tensors.get(f"{name}.{part}") for part in expected}
        if any(value is None or tuple(value.shape) != expected[part] for part, value in parts.items()):
            raise CheckpointError(f"{path} does not fit {CONFIG_FILE}: style {name!r}. {_remedy(Path(folder))}")
        styles[name] = Style(**parts)
    return styles


def weights_folder(folder: str | Path) -> Path:
    """Where the weights of the model in `folder` lie: there, or in the folder beside it that its JSON names."""
    folder = Path(folder)
    try:
        name = json.loads((folder / CONFIG_FILE).read_text()).get("weights_of")
    except (OSError, ValueError, AttributeError):
        return folder  # what is wrong with the file, `read_about` says
    return folder.resolve().parent / Path(name).name if isinstance(name, str) and name else folder


def read_about(folder: str | Path, kind: type[MotionModel] = MotionModel) -> dict[str, Any]:
    """The JSON beside the weights: format, version, config, training. Raises CheckpointError."""
    folder = Path(folder)
    for name, where in ((CONFIG_FILE, folder), (WEIGHTS_FILE, weights_folder(folder))):
        if not (where / name).is_file():
            raise CheckpointError(f"no {kind.method} model in {folder}: {name} is missing. {_remedy(folder, kind)}")
    try:
        about = json.loads((folder / CONFIG_FILE).read_text())
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{folder / CONFIG_FILE} is not JSON ({error}). {_remedy(folder, kind)}") from error
    if not isinstance(about, dict) or about.get("format") != FORMAT.format(kind.method):
        raise CheckpointError(
            f"{folder / CONFIG_FILE} does not describe a {kind.method} model. {_remedy(folder, kind)}"
        )
    if about.get("version") != VERSION:
        raise CheckpointError(
            f"the {kind.method} model in {folder} has format version {about.get('version')}, this program reads "
            f"{VERSION}. {_remedy(folder, kind)}"
        )
    if not isinstance(about.get("config"), dict):
        raise CheckpointError(f"{folder / CONFIG_FILE} has no configuration. {_remedy(folder, kind)}")
    return about


def _config(folder: Path, given: dict[str, Any], kind: type[MotionModel]) -> MotionConfig:
    known = {field.name for field in fields(kind.config_type)}
    if unknown := sorted(given.keys() - known):
        raise CheckpointError(
            f"{folder / CONFIG_FILE} has unknown fields {', '.join(unknown)}. {_remedy(folder, kind)}"
        )
    try:
        return kind.config_type(**given)
    except (TypeError, ValueError) as error:
        raise CheckpointError(
            f"{folder / CONFIG_FILE} has a bad configuration: {error}. {_remedy(folder, kind)}"
        ) from error


def _remedy(folder: Path, kind: type[MotionModel] = MotionModel) -> str:
    return f"Train one with `{MAKE.format(kind.method, folder)}`."
