"""Training an adapter: it learns to say in the base space what it hears in another, with motion or from sound alone."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from typer import Typer
from typer.testing import CliRunner

from toktalk_node.commands import train_adapter
from toktalk_node.face.arkit import INDEX
from toktalk_node.motion.adapter import AdapterConfig
from toktalk_node.motion.checkpoint import CheckpointError
from toktalk_node.motion.config import MotionConfig
from toktalk_node.motion.model import MotionModel
from toktalk_node.stream import Session, adapted
from toktalk_node.stream.adapted import DirectConditions, condition_space, condition_stream
from toktalk_node.stream.session import WEIGHTS
from toktalk_node.tokens import codec, phonetic
from toktalk_node.tokens.base import TokenSpace
from toktalk_node.tokens.codec import CodecConfig, CodecModel
from toktalk_node.tokens.files import TokenizerError
from toktalk_node.training.adapter import AdapterTrainer, AdapterTraining
from toktalk_node.training.adapter_pairs import (
    Pair,
    Pairs,
    make_pairs,
    read_pairs,
    streamed,
    write_pairs,
)
from toktalk_node.training.codec import save_codec
from toktalk_node.training.posteriors import embeddings
from toktalk_node.training.shards import DataError
from toktalk_node.training.trainer import Progress, train

SHAPE = dict(width=32, heads=2, layers=2, window=6, delay=4)
FAST = AdapterTraining(steps=60, batch=8, learning_rate=4e-3, warm_up=5, average=0.9, report_steps=10)


def toy(utterances: int = 12, motion: bool = True) -> Pairs:
    """Base embeddings that the source's follow, 12.5 against 50 Hz, and a jaw that follows the first of them."""
    items = []
    for i in range(utterances):
        generator = torch.Generator().manual_seed(i)
        source = torch.randn(30, 4, generator=generator).cumsum(0) * 0.3
        base = torch.nn.functional.interpolate(source.T[None], scale_factor=4, mode="linear")[0].T[:, :3] * 2 + 1
        face = torch.zeros(120, 55 if motion else 0)
        if motion:
            face[:, INDEX["jawOpen"]] = base[:, 0].sigmoid()
        items.append(Pair(f"u{i}", "valid" if i % 6 == 0 else "train", source.half(), base.half(), face.half()))
    return Pairs(("codec", 12.5), ("phonetic", 50.0), items)


def base_model() -> MotionModel:
    torch.manual_seed(1)
    sizes = dict(channels=32, heads=2, head_width=16, feed_forward=2, down_stages=1, middle_stages=1, blocks=1)
    model = MotionModel(MotionConfig(condition_width=3, time_width=32, overlap=8, look_ahead=2, style_width=4, **sizes))
    torch.nn.init.normal_(model.net.head.weight, std=0.05)
    return model


class Numbers:
    """A tokenizer whose embedding of an id is the id."""

    sample_rate, look_ahead = 16_000, 0.01

    def __init__(self, space: TokenSpace) -> None:
        self.space = space

    def embed(self, ids: np.ndarray) -> np.ndarray:
        return np.repeat(self.space.check(ids)[:, :1], self.space.width, axis=1).astype(np.float32)


def test_it_learns_the_base_space_with_the_motion_model_frozen(tmp_path: Path):
    model = base_model()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    trainer = AdapterTrainer(toy(), FAST, model, **SHAPE)
    first = trainer.unexplained()
    lines: list[Progress] = []
    assert train(trainer, tmp_path, lines.append)
    assert trainer.unexplained() < 0.5 * first and lines[-1].loss < lines[0].loss
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    about = json.loads((tmp_path / adapted.CONFIG_FILE).read_text())
    assert about["training"]["loss"] == "flow matching + alignment" and about["config"]["delay"] == 4


def test_its_loss_is_that_of_the_paper_and_learns_through_the_frozen_motion_model():
    trainer = AdapterTrainer(toy(), FAST, base_model(), **SHAPE)
    batch = trainer.sampler(0)
    said = trainer.model(batch.source).detach().requires_grad_()
    flow, align = trainer._flow(said, batch), trainer.alignment(said, batch)
    assert trainer.loss(batch).item() == pytest.approx((flow + 0.5 * align).item(), rel=1e-4)
    (gradient,) = torch.autograd.grad(flow, said)
    assert gradient.abs().sum() > 0 and not any(p.requires_grad for p in trainer.base.parameters())
    assert AdapterConfig("codec", 12.5, 4, 3).layers == 4


def test_windows_begin_with_the_first_token_as_streams_do():
    trainer = AdapterTrainer(toy(), FAST, base_model(), **SHAPE)
    leads = set()
    for step in range(40):
        silent = (trainer.sampler(step).source == trainer.model.silence).all(-1)
        leads |= {int(row.float().cummin(0).values.sum()) for row in silent}
    assert {0, 1, 2, 3, 4, 5} <= leads, "0 to all but one of the 6 tokens lie before the sound"


def test_without_motion_it_learns_from_sound_alone(tmp_path: Path):
    trainer = AdapterTrainer(toy(motion=False), FAST, base_model(), **SHAPE)
    assert trainer.base is None
    first = trainer.unexplained()
    train(trainer, tmp_path)
    assert trainer.unexplained() < 0.5 * first


def test_targets_lie_the_delay_behind_the_input():
    pairs = toy()
    trainer = AdapterTrainer(pairs, FAST, base_model(), **SHAPE)
    trainer.model.silence.fill_(99.0)
    batch = trainer.sampler(0)
    for row in range(len(batch.source)):
        real = (batch.source[row] != 99).any(-1).nonzero()[:, 0]
        window = (batch.source[row, real[0]] == torch.cat([p.source.float() for p in pairs.items])).all(-1)
        first = int(window.nonzero()[0, 0]) - int(real[0])  # of the window, in tokens of all utterances
        base = torch.cat([p.base.float() for p in pairs.items])
        motion = torch.cat([p.motion.float() for p in pairs.items])
        inside = batch.inside[row, :, 0].nonzero()[:, 0]
        torch.testing.assert_close(batch.base[row, inside], base[first * 4 - 4 + inside])
        counted = batch.weight[row, :, 0].nonzero()[:, 0]
        model = trainer.base
        expected = model.standardise_motion(motion[first * 4 - 4 - model.config.look_ahead + counted])
        torch.testing.assert_close(batch.motion[row, counted], expected)


def test_a_stopped_run_goes_on_to_the_same_weights(tmp_path: Path):
    config = AdapterTraining(steps=8, batch=4, warm_up=2, report_steps=2)
    assert train(AdapterTrainer(toy(), config, base_model(), **SHAPE), tmp_path / "whole")
    stopped = AdapterTrainer(toy(), config, base_model(), **SHAPE)

    def interrupt(progress: Progress) -> None:
        if progress.step == 4:
            raise KeyboardInterrupt

    assert not train(stopped, tmp_path / "cut", interrupt)
    resumed = AdapterTrainer(toy(), config, base_model(), **SHAPE)
    resumed.resume(tmp_path / "cut")
    assert resumed.step == 4 and train(resumed, tmp_path / "cut")
    a, b = ((tmp_path / name / adapted.WEIGHTS_FILE).read_bytes() for name in ("whole", "cut"))
    assert a == b
    with pytest.raises(CheckpointError, match="another model"):
        AdapterTrainer(toy(), config, base_model(), **(SHAPE | {"width": 16})).resume(tmp_path / "cut")


def test_pairs_come_back_as_written_and_a_base_that_does_not_fit_is_refused(tmp_path: Path):
    pairs = toy(3)
    write_pairs(pairs, tmp_path)
    read = read_pairs(tmp_path)
    assert (read.source, read.base, read.hours) == (pairs.source, pairs.base, pairs.hours)
    for a, b in zip(pairs.items, read.items, strict=True):
        assert (a.id, a.split) == (b.id, b.split)
        assert torch.equal(a.source, b.source) and torch.equal(a.base, b.base) and torch.equal(a.motion, b.motion)
    with pytest.raises(DataError, match="of the base are .*, of the pairs"):
        AdapterTrainer(Pairs(pairs.source, ("mimi", 50.0), pairs.items), FAST, base_model(), **SHAPE)
    (tmp_path / "pairs.json").write_text("{}")
    with pytest.raises(DataError, match="cannot be read"):
        read_pairs(tmp_path)


def test_an_adapted_tokenizer_gives_conditions_of_the_base(tmp_path: Path):
    trainer = AdapterTrainer(toy(), AdapterTraining(steps=1, batch=2), base_model(), **SHAPE)
    trainer.save(tmp_path)
    source = Numbers(TokenSpace("codec", 12.5, 4, 10))
    tokenizer = adapted.load(tmp_path, source)
    assert tokenizer.look_ahead == pytest.approx(0.01 + 0.14)
    assert vars(condition_space(tokenizer)) == {"name": "phonetic", "width": 3, "rate": 50}
    ids = np.arange(9)[:, None] % 10
    stream, again = condition_stream(tokenizer), condition_stream(tokenizer)
    whole = np.concatenate([stream.push(ids), stream.finish()])
    assert whole.shape == (36, 3) and whole.dtype == np.float32
    assert np.array_equal(np.concatenate([*(again.push(row[None]) for row in ids), again.finish()]), whole)

    plain = condition_stream(source)
    assert isinstance(plain, DirectConditions) and condition_space(source).rate == 12.5
    assert np.array_equal(plain.push(ids), source.embed(ids)) and len(plain.finish()) == 0


def test_a_damaged_or_foreign_adapter_names_the_remedy(tmp_path: Path):
    source = Numbers(TokenSpace("codec", 12.5, 4, 10))
    with pytest.raises(TokenizerError, match="(?s)adapter.json is missing.*train adapter --space codec"):
        adapted.load(tmp_path, source)
    AdapterTrainer(toy(), AdapterTraining(steps=1, batch=2), **SHAPE).save(tmp_path)
    with pytest.raises(TokenizerError, match="(?s)tokenizer gives .*mimi.*train adapter --space mimi"):
        adapted.load(tmp_path, Numbers(TokenSpace("mimi", 12.5, 4, 10)))
    with pytest.raises(TokenizerError, match=f"(?s)no codec in {tmp_path.parent / 'codec'}.*train codec"):
        adapted.load(tmp_path, shipped=WEIGHTS)
    about = json.loads((tmp_path / adapted.CONFIG_FILE).read_text())
    (tmp_path / adapted.CONFIG_FILE).write_text(json.dumps(about | {"version": 9}))
    with pytest.raises(TokenizerError, match="version 9"):
        adapted.load(tmp_path, source)
    wide = vars(AdapterConfig("codec", 12.5, 4, 3, width=64))
    (tmp_path / adapted.CONFIG_FILE).write_text(json.dumps(about | {"config": wide}))
    with pytest.raises(TokenizerError, match="do not fit"):
        adapted.load(tmp_path, source)


def test_the_command_makes_an_adapter_from_a_folder_of_recordings(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    torch.manual_seed(0)
    sizes = CodecConfig(channels=(16, 16, 24, 32), layers=1, heads=2, context=4, codebooks=3, size=32, code_width=8)
    save_codec(CodecModel(sizes), tmp_path / "codec", {})
    sounds = tmp_path / "sounds"
    sounds.mkdir()
    rng = np.random.default_rng(0)
    soundfile.write(sounds / "a.wav", (rng.standard_normal(24_000) * 0.1).astype(np.float32), 16_000)
    (sounds / "broken.wav").write_bytes(b"RIFF")
    app, out = Typer(), tmp_path / "adapter"
    app.command()(train_adapter.adapter)
    app.command("codec")(train_adapter.codec)
    arguments = ["adapter", "--tokenizer", str(tmp_path / "codec"), "--out", str(out), "--threads", "1", "--batch", "2"]
    first = CliRunner().invoke(app, [*arguments, "--data", str(sounds), "--steps", "1"])
    assert first.exit_code == 0 and "done: step 1" in first.output, first.output
    assert any("broken.wav: not a recording" in message for message in caplog.messages), "named, and the rest goes on"
    second = CliRunner().invoke(app, [*arguments, "--resume", "--steps", "2"])
    assert second.exit_code == 0 and "done: step 2" in second.output, second.output
    told = json.loads((out / adapted.CONFIG_FILE).read_text())["training"]
    assert told["config"]["data"] == str(sounds) and told["utterances"] == 1, "the card tells what it was trained on"
    session = Session.load(adapter=out)  # finds the codec beside the adapter
    sound = np.zeros(20_000, np.float32)
    assert session.tokenizer.space.name == "codec"
    assert len(session.push_audio(sound, 16_000)) + len(session.finish()) > 62
    for change, words in ((["--space", "nothing"], "no token space"), (["--data", str(out / "state")], "neither a")):
        bad = CliRunner().invoke(app, [*arguments, *change])
        assert bad.exit_code == 1 and words in bad.output, bad.output


def test_pairs_of_a_corpus_have_motion_of_the_same_length(tmp_path: Path):
    from toktalk_node.corpus.dataset import Utterance
    from toktalk_node.speech.phones import Phone

    rng = np.random.default_rng(0)
    soundfile.write(tmp_path / "a.flac", (rng.standard_normal(17_000) * 0.1).astype(np.float32), 16_000)
    phones = (Phone("SIL", 0.0, 0.3), Phone("AA", 0.3, 0.8), Phone("SIL", 0.8, 17 / 16))
    line = Utterance("a", "x", "x", "en", "train", "ah", "a.flac", 17 / 16, phones, 3).to_json()
    (tmp_path / "manifest.jsonl").write_text(line + "\n")
    source = codec.CodecTokenizer(CodecModel(CodecConfig(channels=(8, 8, 8, 8), layers=1, size=8, code_width=4)))
    base = phonetic.load(Path(phonetic.__file__).parent.parent / "weights" / "phonetic")
    pairs = make_pairs(tmp_path, source, base, hours=1, seed=0, say=lambda *_: None)
    (item,) = pairs.items
    assert pairs.has_motion and len(item.base) == len(item.motion) == 4 * len(item.source)
    assert item.motion[:, INDEX["jawOpen"]].max() > 0.2
    samples = (0.1 * rng.standard_normal(9_000)).astype(np.float32)
    (together,) = embeddings(base.model, [samples])
    alone = streamed(base, samples)
    assert together.shape == alone.shape and np.isclose(together, alone, atol=1e-4).all(axis=1).mean() > 0.9
