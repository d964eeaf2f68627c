"""Training: shards come back as written, the model learns a mapping, and a stopped run goes on where it was."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from toktalk_node.commands.train import train as command
from toktalk_node.face.arkit import INDEX
from toktalk_node.motion.checkpoint import CheckpointError, load, read_about
from toktalk_node.motion.config import MotionConfig, preset
from toktalk_node.motion.decoder import DecodeSettings, MotionDecoder, decode
from toktalk_node.training import motion as training
from toktalk_node.training.batches import Sampler, Windows
from toktalk_node.training.motion import MotionTrainer, TrainingConfig
from toktalk_node.training.shards import DataError, MotionData, Utterance, read_shards, write_shard
from toktalk_node.training.trainer import Progress, train

JAW, PUCKER = INDEX["jawOpen"], INDEX["mouthPucker"]
SMALL = Windows(batch=8, frames=24, chunks=(4, 6, 8))


def speaker(id: str, split: str, frames: int, seed: int) -> Utterance:
    """A toy voice: two slow curves in the condition, that jaw and lips follow."""
    generator = torch.Generator().manual_seed(seed)
    slow = torch.randn(2, frames // 5 + 2, generator=generator)
    curves = torch.nn.functional.interpolate(slow[None], size=frames, mode="linear")[0].T.sigmoid()
    condition = torch.cat([curves * 2, torch.ones(frames, 1)], dim=1)
    motion = torch.zeros(frames, 55)
    motion[:, JAW], motion[:, PUCKER] = 0.8 * curves[:, 0], 0.5 * curves[:, 1]
    return Utterance(id, split, condition, motion)


def toy(utterances: int = 40, frames: int = 90) -> MotionData:
    items = [speaker(f"u{i}", "valid" if i % 8 == 0 else "train", frames + i, i) for i in range(utterances)]
    return MotionData("phonetic", 50, items)


def tiny(**changes: int) -> MotionConfig:
    sizes = dict(channels=48, heads=2, head_width=16, feed_forward=2, down_stages=1, middle_stages=1, blocks=1)
    return MotionConfig(**({"condition_width": 3, "time_width": 32, "overlap": 8} | sizes | changes))


def test_shards_come_back_as_written(tmp_path: Path) -> None:
    items = toy(5).utterances
    assert write_shard(tmp_path / "a.safetensors", items[:2], space="phonetic", fps=50) == sum(map(len, items[:2]))
    write_shard(tmp_path / "b.safetensors", items[2:], space="phonetic", fps=50)
    data = read_shards(tmp_path)
    assert (data.space, data.fps, data.condition_width, data.frames) == ("phonetic", 50, 3, sum(map(len, items)))
    for written, read in zip(items, data.utterances, strict=True):
        assert (written.id, written.split) == (read.id, read.split)
        assert torch.equal(read.motion, written.motion.half()) and torch.equal(read.condition, written.condition.half())
    assert [item.id for item in data.split("valid").utterances] == ["u0"]


def test_bad_shards_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no .*toktalk corpus prepare"):
        read_shards(tmp_path)
    item = toy(1).utterances[0]
    short, endless = item.condition[1:], item.condition / 0
    for condition, words in ((short, "89 frames of condition, 90 of motion"), (endless, "finite")):
        with pytest.raises(ValueError, match=f"u0: .*{words}"):
            bad = Utterance("u0", "train", condition, item.motion)
            write_shard(tmp_path / "a.safetensors", [bad], space="phonetic", fps=50)
    write_shard(tmp_path / "a.safetensors", [item], space="phonetic", fps=50)
    write_shard(tmp_path / "b.safetensors", [item], space="mimi", fps=50)
    with pytest.raises(DataError, match="shards disagree"):
        read_shards(tmp_path)
    about = json.loads((tmp_path / "b.json").read_text())
    (tmp_path / "b.json").write_text(json.dumps(about | {"version": 9}))
    with pytest.raises(DataError, match="not toktalk-motion-data 2"):
        read_shards(tmp_path)
    (tmp_path / "b.safetensors").write_bytes(b"short")
    with pytest.raises(DataError, match="b.safetensors cannot be read"):
        read_shards(tmp_path)


def test_windows_are_cut_where_they_say_and_repeat() -> None:
    data = toy(4)
    trainer = MotionTrainer(data, tiny(look_ahead=2), TrainingConfig(windows=SMALL))
    batches = [trainer.sampler(step) for step in range(40)]
    again = Sampler(data.split("train"), trainer.model, SMALL)(7)
    assert torch.equal(again.noise, batches[7].noise) and torch.equal(again.motion, batches[7].motion)
    known, dropped = [], []
    for batch in batches:
        count = batch.known[..., 0].sum(1).int()
        known += count.tolist()
        empty = (batch.condition == 0).all(-1).all(-1)
        dropped += empty.tolist()
        assert torch.equal(batch.known.cummin(1).values, batch.known)
        assert not (batch.weight * batch.known).any()
        if batch.chunk:
            assert batch.offset % 2 == 0 and (((count + batch.offset) % batch.chunk == 0) | (count == 0)).all()
    assert 0.1 < sum(dropped) / len(dropped) < 0.3
    assert 0.4 < sum(n > 0 for n in known) / len(known) < 0.9
    assert any(count and empty for count, empty in zip(known, dropped, strict=True))  # guidance keeps what is known


def test_a_window_pairs_motion_with_the_condition_ahead() -> None:
    data = toy(4)
    trainer = MotionTrainer(data, tiny(look_ahead=2), TrainingConfig(windows=Windows(batch=16, frames=24, dropped=0)))
    batch, std, mean = trainer.sampler(0), trainer.model.motion_std, trainer.model.motion_mean
    jaw = (batch.motion * std + mean)[..., JAW]
    heard = batch.condition * trainer.model.condition_std + trainer.model.condition_mean
    inside = batch.motion.shape[1] // 2
    torch.testing.assert_close(jaw[:, inside + 2 :] / 0.8, heard[:, inside:-2, 0] / 2, atol=2e-3, rtol=0)


def test_the_model_learns_what_the_condition_says(tmp_path: Path) -> None:
    config = TrainingConfig(steps=400, windows=SMALL, learning_rate=4e-3, warm_up=20, average=0.98)
    trainer = MotionTrainer(toy(), tiny(), config)
    lines: list[training.Progress] = []
    assert train(trainer, tmp_path, lines.append)
    assert lines[-1].loss < 0.6 * lines[0].loss
    unseen = speaker("new", "heldout", 120, 999)
    decoder = MotionDecoder(load(tmp_path), DecodeSettings(overlap=8, chunk=6, steps=4))
    motion = decode(decoder, unseen.condition)
    for channel in (JAW, PUCKER):
        said, shown = unseen.motion[:, channel], motion[:, channel]
        assert torch.corrcoef(torch.stack([said, shown]))[0, 1] > 0.9
    assert motion[:, INDEX["browInnerUp"]].max() < 0.05
    with (tmp_path / "curves.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == list(range(50, 401, 50))


def test_the_paper_preset_learns_one_batch_by_heart() -> None:
    """In its full depth, but narrow."""
    narrow = dict(channels=32, head_width=8, feed_forward=2, time_width=32, style_width=8)
    windows = Windows(batch=8, frames=32)
    config = TrainingConfig(windows=windows, steps=40, learning_rate=2e-3, warm_up=5)
    trainer = MotionTrainer(toy(8), preset("paper", 3, **narrow), config)
    batch = trainer.sampler(0)
    trainer.sampler = lambda step: batch
    losses = [trainer.train_step() for _ in range(25)]
    assert losses[-1] < 0.5 * losses[0] and max(losses) < 1.05 * losses[0], losses


def test_a_stopped_run_goes_on_to_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, config = toy(8), TrainingConfig(steps=12, windows=SMALL, warm_up=3, report_steps=2)
    whole = MotionTrainer(data, tiny(), config)
    assert train(whole, tmp_path / "whole")

    stopped = MotionTrainer(data, tiny(), config)

    def interrupt(progress: Progress) -> None:
        if progress.step == 6:
            raise KeyboardInterrupt

    assert not train(stopped, tmp_path / "cut", interrupt)
    resumed = MotionTrainer(data, tiny(), config)
    resumed.resume(tmp_path / "cut")
    assert resumed.step == 6
    assert train(resumed, tmp_path / "cut")
    a, b = load(tmp_path / "whole").state_dict(), load(tmp_path / "cut").state_dict()
    assert all(torch.equal(a[name], b[name]) for name in a)
    with pytest.raises(CheckpointError, match="another model than asked for"):
        MotionTrainer(data, tiny(channels=32), config).resume(tmp_path / "cut")
    with pytest.raises(CheckpointError, match="nothing to resume in"):
        MotionTrainer(data, tiny(), config).resume(tmp_path / "none")
    state = tmp_path / "cut" / "state" / "state.safetensors"
    state.write_bytes(state.read_bytes()[:500])
    with pytest.raises(CheckpointError, match="state is damaged .*; leave out --resume"):
        MotionTrainer(data, tiny(), config).resume(tmp_path / "cut")


def test_a_run_goes_on_with_the_statistics_that_it_began_with(tmp_path: Path) -> None:
    data, config = toy(8), TrainingConfig(steps=2, windows=SMALL)
    first = MotionTrainer(data, tiny(), config)
    assert train(first, tmp_path)
    halved = MotionData("phonetic", 50, [replace(item, motion=item.motion / 2) for item in data.utterances])
    again = MotionTrainer(halved, tiny(), config)
    again.resume(tmp_path)
    assert torch.equal(again.model.motion_std, first.model.motion_std)


def test_gradients_are_clipped_and_averages_follow_the_weights() -> None:
    trainer = MotionTrainer(toy(8), tiny(), TrainingConfig(steps=4, windows=SMALL, clip=0.01, average=0.5))
    before = [p.detach().clone() for p in trainer.parameters]
    trainer.train_step()
    norm = torch.stack([p.grad.norm() for p in trainer.parameters if p.grad is not None]).norm()
    assert norm <= 0.01 * (1 + 1e-4)
    decay = 1 / 11  # of the first step, until it reaches that of the configuration
    for first, now, average in zip(before, trainer.parameters, trainer.averages, strict=True):
        torch.testing.assert_close(average, decay * first + (1 - decay) * now.detach())


def test_a_loss_that_is_no_number_stops_the_run_and_leaves_what_was_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = MotionTrainer(toy(8), tiny(), TrainingConfig(steps=4, windows=SMALL))
    trainer.train_step()
    trainer.save(tmp_path)
    before = load(tmp_path).state_dict()
    loss = trainer.loss
    monkeypatch.setattr(trainer, "loss", lambda batch: loss(batch) * float("nan"))
    with pytest.raises(ValueError, match="the loss of step 1 is nan: try a lower --learning-rate"):
        train(trainer, tmp_path)
    assert all(torch.equal(value, before[name]) for name, value in load(tmp_path).state_dict().items())


def test_what_a_base_never_moved_weighs_little_when_training_goes_on(tmp_path: Path) -> None:
    first = MotionTrainer(toy(8), tiny(), TrainingConfig(steps=1, windows=SMALL))
    first.save(tmp_path)
    again = MotionTrainer(toy(8), load(tmp_path), TrainingConfig(windows=SMALL))
    assert torch.equal(again.error.channel_weight, first.error.channel_weight)
    assert (again.error.channel_weight == again.config.unused_weight).sum() == 53


def test_a_shard_that_cannot_be_read_is_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    for name, item in zip("abcd", toy(4).utterances, strict=True):
        write_shard(tmp_path / f"{name}.safetensors", [item], space="phonetic", fps=50)
    (tmp_path / "b.safetensors").write_bytes(b"short")
    about = json.loads((tmp_path / "c.json").read_text())
    (tmp_path / "c.json").write_text(json.dumps({k: v for k, v in about.items() if k != "actors"}))
    about = json.loads((tmp_path / "d.json").read_text())
    about["utterances"][0]["frames"] += 1
    (tmp_path / "d.json").write_text(json.dumps(about))
    told: list[str] = []
    data = read_shards(tmp_path, told.append)
    assert [item.id for item in data.utterances] == ["u0"] and len(told) == 3
    assert "b.safetensors" in told[0] and "'actors' is missing" in told[1] and "said to end at" in told[2]
    (tmp_path / "a.json").unlink()
    with pytest.raises(DataError, match="no shard in .* can be read"):
        read_shards(tmp_path, told.append)


def test_the_command_trains_resumes_and_says_what_is_missing(tmp_path: Path) -> None:
    runner, out = CliRunner(), str(tmp_path / "run")
    missing = runner.invoke(command, ["motion", "--data", str(tmp_path / "no"), "--out", out])
    assert missing.exit_code == 1 and "no training data" in missing.output
    write_shard(tmp_path / "data" / "a.safetensors", toy(4).utterances, space="phonetic", fps=50)
    arguments = ["motion", "--data", str(tmp_path / "data"), "--out", out, "--batch", "2"]
    first = runner.invoke(command, [*arguments, "--steps", "2"])
    assert first.exit_code == 0 and "done: step 2" in first.output, first.output
    second = runner.invoke(command, [*arguments, "--steps", "3", "--resume"])
    assert second.exit_code == 0 and "done: step 3" in second.output, second.output
    assert load(out).config.token_space == "phonetic"
    told = read_about(out)["training"]
    assert (told["shards"], told["utterances"], told["actors"]) == (1, 4, 1) and told["hours_of_data"] >= 0
    assert told["config"]["data"] == str(tmp_path / "data") and told["config"]["base"] == ""


def test_flame_faces_are_trained_as_they_are(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    items = [
        Utterance(f"u{i}", "train", torch.randn(80, 3, generator=generator), torch.randn(80, 56, generator=generator))
        for i in range(4)
    ]
    write_shard(tmp_path / "a.safetensors", items, space="phonetic", fps=50, face="flame-50")
    data = read_shards(tmp_path)
    trainer = MotionTrainer(data, tiny(face=data.face), TrainingConfig(windows=SMALL, steps=2))
    while trainer.share() < 1:
        assert trainer.train_step() > 0
    trainer.save(tmp_path / "run")
    motion = decode(MotionDecoder(load(tmp_path / "run")), torch.randn(20, 3, generator=generator))
    assert motion.shape == (20, 56) and motion.min() < 0, "coefficients have a sign, and are not clamped as weights are"
