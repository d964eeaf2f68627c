"""Checkpoints come back as they were; a broken one says what is wrong and which command makes a good one."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from toktalk_node.motion.checkpoint import CONFIG_FILE, WEIGHTS_FILE, CheckpointError, load, read_about, save
from toktalk_node.motion.decoder import MotionDecoder, decode
from toktalk_node.motion.model import MotionModel

from .test_decoder import condition, model

COMMAND = "toktalk train motion --data FOLDER --out"


def saved(folder: Path) -> MotionModel:
    made = model()
    save(made, folder, training={"minutes": 3})
    return made


def test_round_trip_gives_the_same_motion(tmp_path: Path) -> None:
    made = saved(tmp_path)
    back = load(tmp_path)
    assert back.config == made.config and not back.training
    assert torch.equal(decode(MotionDecoder(back), condition(12)), decode(MotionDecoder(made), condition(12)))
    assert read_about(tmp_path)["training"] == {"minutes": 3}
    assert sorted(path.name for path in tmp_path.iterdir()) == [CONFIG_FILE, WEIGHTS_FILE]


def test_half_precision_halves_the_file_and_hardly_moves_the_face(tmp_path: Path) -> None:
    made = saved(tmp_path / "full")
    save(made, tmp_path / "half", half=True)
    sizes = [(tmp_path / name / WEIGHTS_FILE).stat().st_size for name in ("half", "full")]
    assert sizes[0] < 0.6 * sizes[1]
    motion = decode(MotionDecoder(load(tmp_path / "half")), condition(12))
    torch.testing.assert_close(motion, decode(MotionDecoder(made), condition(12)), atol=0.02, rtol=0)


def refuses(folder: Path, words: str) -> None:
    with pytest.raises(CheckpointError, match=words) as caught:
        load(folder)
    assert COMMAND in str(caught.value) and str(folder) in str(caught.value)


def edit(folder: Path, **changes: object) -> None:
    about = json.loads((folder / CONFIG_FILE).read_text())
    (folder / CONFIG_FILE).write_text(json.dumps(about | changes))


def test_missing_files_are_named(tmp_path: Path) -> None:
    refuses(tmp_path / "nothing", "motion.json is missing")
    saved(tmp_path)
    (tmp_path / WEIGHTS_FILE).unlink()
    refuses(tmp_path, "motion.safetensors is missing")


def test_another_version_or_format_is_refused(tmp_path: Path) -> None:
    saved(tmp_path)
    edit(tmp_path, version=99)
    refuses(tmp_path, "format version 99, this program reads 3")
    edit(tmp_path, format="something else")
    refuses(tmp_path, "does not describe a motion model")


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    saved(tmp_path)
    data = (tmp_path / WEIGHTS_FILE).read_bytes()
    (tmp_path / WEIGHTS_FILE).write_bytes(data[: len(data) // 2])
    refuses(tmp_path, "motion.safetensors is damaged")
    (tmp_path / CONFIG_FILE).write_text("{")
    refuses(tmp_path, "motion.json is not JSON")


def test_weights_that_do_not_fit_the_configuration_are_named(tmp_path: Path) -> None:
    saved(tmp_path)
    config = json.loads((tmp_path / CONFIG_FILE).read_text())["config"]
    edit(tmp_path, config=config | {"channels": 32})
    refuses(tmp_path, r"net.* is \(.*\), but the configuration says")
    edit(tmp_path, config=config | {"channels": -3})
    refuses(tmp_path, "channels must be at least 1, not -3")
    edit(tmp_path, config=config | {"magic": 1})
    refuses(tmp_path, "unknown fields magic")
    edit(tmp_path, config=config)
    tensors = load_file(tmp_path / WEIGHTS_FILE)
    save_file({k: v for k, v in tensors.items() if k != "silence"}, tmp_path / WEIGHTS_FILE)
    refuses(tmp_path, "silence is missing")


def test_a_folder_runs_the_weights_beside_it_with_its_own_settings(tmp_path: Path) -> None:
    saved(tmp_path / "base")
    live = tmp_path / "live"
    live.mkdir()
    (live / CONFIG_FILE).write_text((tmp_path / "base" / CONFIG_FILE).read_text())
    edit(live, weights_of="base", config=read_about(tmp_path / "base")["config"] | {"steps": 7})
    mine, base = load(live), load(tmp_path / "base")
    assert mine.config.steps == 7 != base.config.steps
    assert all(torch.equal(value, base.state_dict()[name]) for name, value in mine.state_dict().items())
    edit(live, weights_of="gone")
    refuses(live, "motion.safetensors is missing")
