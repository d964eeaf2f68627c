"""The verbs that train the other methods: from shards to weights that load."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.motion.test_training import tiny, toy
from toktalk_node.commands.train import train
from toktalk_node.motion import checkpoint
from toktalk_node.motion.diffusion import DiffusionModel
from toktalk_node.motion.model import MotionModel
from toktalk_node.motion.regression import RegressionModel
from toktalk_node.training.shards import write_shard


@pytest.mark.parametrize("kind", [RegressionModel, DiffusionModel, MotionModel])
def test_a_verb_trains_resumes_and_leaves_weights(kind: type[MotionModel], tmp_path: Path) -> None:
    verb, data, out = kind.method if kind is not MotionModel else "shortcut", tmp_path / "data", tmp_path / "run"
    write_shard(data / "a.safetensors", toy(4).split("train").utterances, space="phonetic", fps=50)
    checkpoint.save(MotionModel(tiny()), tmp_path / "base")
    base = ["--base", str(tmp_path / "base")] if verb == "shortcut" else []
    (data / "b.safetensors").write_bytes(b"short")
    arguments = [verb, "--data", str(data), "--out", str(out), "--batch", "2", "--threads", "1", *base]
    for steps, more in (("1", []), ("2", ["--resume"])):
        result = CliRunner().invoke(train, [*arguments, "--steps", steps, *more])
        assert result.exit_code == 0 and f"done: step {steps}" in result.output, result.output
        assert "b.safetensors cannot be read" in result.output, "named, and the rest goes on"
    told = checkpoint.read_about(out, kind)["training"]
    assert (told["shards"], told["utterances"], told["config"]["data"]) == (1, 3, str(data))
    assert told["config"]["base"] == "".join(base[1:])
    model = checkpoint.load(out, kind=kind)
    assert model.config.token_space == "phonetic" and getattr(model.config, "shortcut", True)
    missing = CliRunner().invoke(train, [verb, "--data", str(tmp_path / "no"), *base])
    assert missing.exit_code == 1 and "no training data" in missing.output
