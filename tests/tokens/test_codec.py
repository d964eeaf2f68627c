"""The codec: it streams exactly both ways, waits for nothing, and learns to repeat what it hears."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from typer import Typer
from typer.testing import CliRunner

from toktalk_node.commands.train_adapter import codec as train_codec_verb
from toktalk_node.corpus.dataset import Utterance
from toktalk_node.speech.phones import Phone
from toktalk_node.tokens import codec
from toktalk_node.tokens.codec import SAMPLES, CodecConfig, CodecModel, CodecTokenizer
from toktalk_node.tokens.codec_sound import BANDS, OVERLAP, SAMPLE_RATE, Source, log_mel
from toktalk_node.tokens.files import TokenizerError
from toktalk_node.training.codec import Spoken, Taught, codec_loss, pitch, save_codec

TINY = CodecConfig(channels=(16, 16, 24, 32), layers=1, heads=2, context=4, codebooks=3, size=32, code_width=8)


@pytest.fixture(scope="module")
def tokenizer() -> CodecTokenizer:
    torch.manual_seed(0)
    model = CodecModel(TINY)
    for book in model.quantizer.codebooks:
        book.vectors.normal_()
    return CodecTokenizer(model)


def voice(seconds: float, seed: int = 0) -> np.ndarray:
    """A buzz that glides, swells and rests, with a little noise."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    hz = rng.uniform(110, 180) * 2 ** (0.3 * np.sin(2 * np.pi * rng.uniform(0.3, 0.8) * t))
    phase = np.cumsum(hz) / SAMPLE_RATE
    buzz = sum(np.sin(2 * np.pi * k * phase) / k for k in range(1, 20))
    loud = np.clip(np.sin(2 * np.pi * rng.uniform(1.5, 3) * t), 0, 1)
    return (0.2 * buzz * loud + 0.002 * rng.standard_normal(len(t))).astype(np.float32)


def tokens(tokenizer: CodecTokenizer, samples: np.ndarray, cuts: list[int]) -> np.ndarray:
    stream = tokenizer.stream()
    parts = np.split(samples, sorted(cut % (len(samples) + 1) for cut in cuts))
    return np.concatenate([*(stream.push(part) for part in parts), stream.finish()])


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(0, 20_000), max_size=30))
def test_packets_of_any_size_give_the_same_ids_and_the_same_sound(tokenizer, cuts):
    samples = voice(0.8)
    whole = tokens(tokenizer, samples, [])
    assert np.array_equal(tokens(tokenizer, samples, cuts), whole)
    stream = tokenizer.sound()
    parts = np.split(whole, sorted(cut % (len(whole) + 1) for cut in cuts))
    sound = np.concatenate([*(stream.push(part) for part in parts), stream.finish()])
    assert np.array_equal(sound, tokenizer.decode(whole))


def test_one_token_for_every_interval_that_began_and_80_ms_of_sound_for_every_token(tokenizer):
    for length in (0, 1, SAMPLES - 1, SAMPLES, SAMPLES + 1, 5000):
        ids = tokens(tokenizer, voice(1)[:length], [])
        assert ids.shape == (-(-length // SAMPLES), TINY.codebooks)
        sound = tokenizer.decode(ids)
        assert len(sound) == len(ids) * SAMPLES and np.isfinite(sound).all()


def test_a_token_waits_for_its_own_interval_and_nothing_more(tokenizer):
    samples = voice(1)
    changed = samples.copy()
    changed[4 * SAMPLES :] = voice(1, seed=1)[4 * SAMPLES :]
    assert tokenizer.look_ahead == 0
    stream = tokenizer.stream()
    given_at_once = stream.push(samples[: 4 * SAMPLES])
    assert np.array_equal(given_at_once, tokens(tokenizer, changed, [])[:4])


def test_a_stream_computes_what_training_computes(tokenizer):
    samples = np.resize(voice(1), 12 * SAMPLES)
    mel = log_mel(torch.from_numpy(np.pad(samples, (OVERLAP, 0)))[None])
    with torch.no_grad():
        quantized = tokenizer.model.quantize(tokenizer.model.encode(mel))
    ids = tokens(tokenizer, samples, [])
    assert (quantized.ids[0].numpy() == ids).mean() > 0.95
    latents = torch.from_numpy(tokenizer.embed(quantized.ids[0].numpy()))
    torch.testing.assert_close(latents, quantized.latents[0], atol=1e-5, rtol=1e-5)


def test_source_and_filter_give_back_the_spectrum_they_are_told():
    mel = torch.full((1, 48, BANDS), -9.0)
    mel[..., 20:40] = -4.0
    for noisiness in (0.0, 1.0):
        steady = torch.full((1, 48), np.log(180.0).item())
        sound = Source.start().next(mel, torch.full_like(mel, noisiness), steady)
        power = log_mel(sound[None, OVERLAP:])[0, 4:].exp().mean(0)
        for bands, told in ((slice(24, 36), -4), (slice(45, 60), -9)):
            assert abs(power[bands].mean().log() - told) < 0.7


def test_pitch_is_found_and_bridges_what_is_unvoiced():
    samples = voice(2)
    track, voiced = pitch(samples)
    assert len(track) == len(voiced) == (len(samples) - OVERLAP) // 160
    assert 0.2 < voiced.mean() < 0.9
    assert 80 < np.exp(track[voiced]).min() and np.exp(track[voiced]).max() < 240
    assert not pitch(np.zeros(8000, np.float32))[1].any()


def test_training_makes_the_copy_sound_like_the_original():
    torch.manual_seed(0)
    data = []
    for seed in range(6):
        samples = np.resize(voice(2, seed), 25 * SAMPLES)
        track, voiced = pitch(np.pad(samples, (OVERLAP, 0)))
        taught = np.zeros((25, 4, 43), np.float16)
        loud = np.abs(samples).reshape(25, 4, -1).mean(axis=2) > 0.03
        taught[..., 0], taught[..., 1] = ~loud, loud
        data.append(Spoken((samples * 32767).astype(np.int16), track, voiced, taught))
    model = Taught(CodecModel(TINY))
    loss = codec_loss(model, data, batch=6, tokens=8)
    optimizer = torch.optim.AdamW(model.parameters(), 4e-3)
    rng, losses = np.random.default_rng(0), []
    for _ in range(40):
        value = loss(rng)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        losses.append(value.item())
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:3])


def test_the_command_makes_a_codec_from_a_corpus(tmp_path: Path):
    phones = (Phone("SIL", 0.0, 0.2), Phone("AA", 0.2, 2.1))
    for name, split in (("a", "train"), ("b", "valid")):
        soundfile.write(tmp_path / f"{name}.flac", voice(2.1, ord(name)), SAMPLE_RATE)
        line = Utterance(name, "x", "x", "en", split, "ah", f"{name}.flac", 2.1, phones, 3).to_json()
        with (tmp_path / "manifest.jsonl").open("a") as manifest:
            manifest.write(line + "\n")
    app, out = Typer(), tmp_path / "codec"
    app.command()(train_codec_verb)
    arguments = ["--data", str(tmp_path), "--out", str(out), "--threads", "1", "--minutes"]
    made = CliRunner().invoke(app, [*arguments, "0"])
    assert made.exit_code == 0 and "viseme_error_decoded" in made.output, made.output
    assert codec.load(out).space.codebooks == 8
    none = CliRunner().invoke(app, [*arguments, "0", "--data", str(out)])
    assert none.exit_code == 1 and "toktalk corpus build" in none.output, none.output


def test_a_saved_codec_comes_back_and_a_damaged_one_names_the_remedy(tokenizer, tmp_path: Path):
    with pytest.raises(TokenizerError, match="(?s)codec.json is missing.*toktalk train codec"):
        codec.load(tmp_path)
    save_codec(tokenizer.model, tmp_path, {"steps": 0})
    copy = codec.load(tmp_path)
    assert copy.space == tokenizer.space
    ids = tokens(tokenizer, voice(0.5), [])
    np.testing.assert_allclose(copy.embed(ids), tokenizer.embed(ids), atol=2e-3)
    about = json.loads((tmp_path / codec.CONFIG_FILE).read_text())
    for change, words in (
        ({"version": 99}, "version 99"),
        ({"config": about["config"] | {"size": 5}}, "do not fit"),
        ({"config": 3}, "do not fit"),
    ):
        (tmp_path / codec.CONFIG_FILE).write_text(json.dumps(about | change))
        with pytest.raises(TokenizerError, match=f"(?s){words}.*toktalk train codec"):
            codec.load(tmp_path)
    (tmp_path / codec.CONFIG_FILE).write_text("[]")
    with pytest.raises(TokenizerError, match="not a codec"):
        codec.load(tmp_path)
    (tmp_path / codec.WEIGHTS_FILE).write_bytes(b"\0" * 100)
    with pytest.raises(TokenizerError, match="(?s)damaged.*toktalk train codec"):
        codec.load(tmp_path)


def test_ids_of_another_shape_or_out_of_range_are_refused(tokenizer):
    with pytest.raises(ValueError, match="ids run from 0 to 31"):
        tokenizer.embed(np.array([[0, 1, 32]]))
    with pytest.raises(ValueError, match=r"\[n, 3\]"):
        tokenizer.sound().push(np.array([[0, 1]]))
