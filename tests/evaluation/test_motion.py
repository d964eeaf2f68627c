"""`toktalk eval motion` on a small corpus and small models with random weights."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner

from toktalk_node.cli import build_app
from toktalk_node.corpus.dataset import Utterance
from toktalk_node.evaluation.motion import GRID_FIGURES, Results, measure
from toktalk_node.evaluation.motion_data import MotionCase, test_cases
from toktalk_node.evaluation.motion_metrics import Tally
from toktalk_node.evaluation.motion_report import _parts
from toktalk_node.evaluation.motion_systems import Flow, adapted_conditions, as_shown, decode_together, from_checkpoint
from toktalk_node.face.arkit import INDEX
from toktalk_node.motion import checkpoint
from toktalk_node.motion.adapter import Adapter, AdapterConfig
from toktalk_node.motion.config import MotionConfig
from toktalk_node.motion.decoder import MotionDecoder, decode
from toktalk_node.motion.model import MotionModel
from toktalk_node.stream import adapted
from toktalk_node.stream.session import WEIGHTS
from toktalk_node.tokens import phonetic
from toktalk_node.tokens.files import TokenizerError

TEXTS = ["My big map is on the table.", "Bob put five good fish on the moon.", "We keep a cow at the farm."]
test_cases.__test__ = False


def small(**changes: object) -> MotionModel:
    """A model with random weights."""
    torch.manual_seed(0)
    sizes = dict(channels=16, heads=2, head_width=8, feed_forward=1, down_stages=1, middle_stages=1, blocks=1)
    sizes |= dict(time_width=16, style_width=8, look_ahead=2, chunk=8, overlap=8, steps=1)
    model = MotionModel(MotionConfig(condition_width=64, **sizes | changes))
    torch.nn.init.normal_(model.net.head.weight, std=0.5)
    return model.eval()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    pytest.importorskip("espeakng_loader")
    import soxr

    from toktalk_node.speech.espeak import synthesize

    folder = tmp_path_factory.mktemp("corpus")
    with (folder / "manifest.jsonl").open("w") as manifest:
        for k, text in enumerate(TEXTS):
            samples, rate, phones = synthesize(text, "en-us+f2")
            samples = soxr.resample(samples, rate, 16_000)
            soundfile.write(folder / f"{k}.flac", samples, 16_000)
            duration = len(samples) / 16_000
            row = Utterance(f"e-{k}", "espeak", "f2", "en", "heldout", text, f"{k}.flac", duration, tuple(phones), k)
            manifest.write(row.to_json() + "\n")
    return folder


@pytest.fixture(scope="module")
def cases(corpus) -> list[MotionCase]:
    return test_cases(corpus, phonetic.load(WEIGHTS / phonetic.SPACE))


def run(*words: object):
    return CliRunner().invoke(build_app("eval"), ["eval", "motion", *map(str, words)])


def test_cases_pair_tokens_with_performances_of_unseen_actors(cases):
    assert [case.id for case in cases] == ["e-0", "e-1", "e-2"]
    assert len({case.actor for case in cases}) == 3 and all(case.actor.startswith("test") for case in cases)
    for case in cases:
        assert case.truth.shape == (len(case.condition), 55) and case.condition.shape[1] == 64
        assert len(case.reference) > 50 and not np.array_equal(case.reference, case.truth[: len(case.reference)])
        assert np.array_equal(case.performed(case.seed), case.truth)
        tokenizer = phonetic.load(WEIGHTS / phonetic.SPACE)
        stream = tokenizer.stream()
        ids = np.concatenate([stream.push(case.samples), stream.finish()])
        assert (np.abs(tokenizer.embed(ids) - case.condition.numpy()).max(axis=1) < 1e-4).mean() > 0.98


def test_decoding_together_is_decoding_one_by_one(cases):
    decoder = MotionDecoder(small())
    styles = [decoder.style_of(torch.from_numpy(cases[0].reference)), None, None]
    conditions = [case.condition for case in cases]
    together = decode_together(decoder, conditions, [1, 2, 3], styles)
    for condition, seed, style, motion in zip(conditions, (1, 2, 3), styles, together, strict=True):
        assert motion == pytest.approx(decode(decoder, condition, seed, style).numpy(), abs=1e-4)


def test_style_counts_where_the_model_has_styles(cases, tmp_path):
    flow = Flow(small())
    seeds = [case.seed for case in cases]
    with_style, without = (flow.system(style).run(cases, seeds, lambda: None) for style in (True, False))
    assert not np.allclose(with_style[0], without[0])
    shown = as_shown(flow.system()).run(cases, seeds, lambda: None)[0]
    assert np.abs(np.diff(shown[:, -3:], axis=0)).mean() < 0.5 * np.abs(np.diff(with_style[0][:, -3:], axis=0)).mean()
    assert np.array_equal(shown[:, INDEX["jawOpen"]], with_style[0][:, INDEX["jawOpen"]])
    even, cosine = (flow.system(steps=3, schedule=s).run(cases[:1], seeds[:1], lambda: None) for s in ("uniform", None))
    assert not np.allclose(even[0], cosine[0])
    checkpoint.save(small(style_width=0), tmp_path / "plain")
    assert list(from_checkpoint(tmp_path / "plain")) == ["plain"]
    assert from_checkpoint(tmp_path / "plain", chunk=0.4)["plain"].chunk == 20


def test_another_token_space_goes_through_its_adapter(cases, tmp_path):
    config = AdapterConfig(phonetic.SPACE, 50.0, 64, 64, width=16, heads=2, layers=1)
    (tmp_path / adapted.CONFIG_FILE).write_text(adapted.config_json(config, {}))
    save_file(Adapter(config).state_dict(), tmp_path / adapted.WEIGHTS_FILE)
    conditions = adapted_conditions(tmp_path, WEIGHTS)
    system = Flow(small()).system(conditions=conditions)
    motion = system.run(cases[:1], [1], lambda: None)[0]
    assert conditions(cases[0]).shape == cases[0].condition.shape and motion.shape == cases[0].truth.shape
    assert system.flow is None
    with pytest.raises(TokenizerError, match="toktalk train adapter"):
        adapted_conditions(tmp_path / "missing", WEIGHTS)


def test_systems_are_measured_and_reported(corpus, tmp_path):
    checkpoint.save(small(), tmp_path / "tiny")
    words = ["--corpus", corpus, "--json", "--checkpoint", tmp_path / "tiny", "--system", "performance"]
    done = run(*words)
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert list(found["systems"]) == ["truth", "performance", "tiny", "tiny-nostyle"] and len(found["cases"]) == 3
    truth, best, tiny = (found["systems"][name]["figures"] for name in ("truth", "performance", "tiny"))
    assert truth["mse"]["value"] == 0 < best["mse"]["low"] < best["mse"]["value"] < tiny["mse"]["value"]
    assert best["closure"]["value"] > 0.9 and tiny["boundary_jitter"]["value"] > 0
    varied = found["systems"]["performance"]["relative_variety"]
    assert varied["lips"]["value"] < varied["head"]["value"]
    assert run(*words).stdout == done.stdout

    pytest.importorskip("matplotlib")
    (tmp_path / "found.json").write_text(done.stdout)
    shown = run("--merge", tmp_path / "found.json", "--report", tmp_path / "docs" / "motion.md")
    assert shown.exit_code == 0 and "tiny-nostyle" in shown.stdout
    report = (tmp_path / "docs" / "motion.md").read_text()
    assert report.splitlines()[2].startswith("3 utterances of a voice that training never heard, ")
    assert "| tiny |" in report and "## Compared with performance" in report and "lip vertex error" in report
    for name in ("figures", "example"):
        assert f"pictures/motion-{name}.svg" in report
        assert "<svg" in (tmp_path / "docs" / "pictures" / f"motion-{name}.svg").read_text()
    assert json.loads((tmp_path / "docs" / "motion.json").read_text()) == found, "the next report starts from it"


def test_the_grid_has_every_chunk_and_step(cases, monkeypatch):
    from toktalk_node.evaluation import motion

    monkeypatch.setattr(motion, "GRID_STEPS", (1, 2))
    results = motion.measure({}, cases, 1)
    motion.measure_grid("small", Flow(small()), cases, results)
    assert {key[1:] for key in results.grid} == {(c, n) for c in (0.16, 0.4, 0.8, 1.2) for n in (1, 2)}
    assert motion.Results.from_dict(results.to_dict()).to_dict() == results.to_dict()
    assert motion.tables(results)[-1].row_count == 8


def test_the_report_says_what_was_measured_on_and_how_many_steps_do(cases):
    results = measure({}, cases, 1, split="valid")
    assert Results.from_dict(results.to_dict()).split == "valid"
    words = {
        "valid": "3 utterances that training never heard, of voices that it did, ",
        "mine": "3 utterances of the split `mine`, ",
        "": "3 utterances of the corpus, ",
    }
    for split, said in words.items():
        results.split = split
        assert said in "\n".join(_parts(results, {})), split

    ones = np.ones(3)
    for name, errors in (("a", (9.0, 5.0, 5.2)), ("b", (6.0, 4.0, 4.2))):
        for steps, error in zip((1, 5, 20), errors, strict=True):
            results.grid[name, 0.4, steps] = {key: Tally(error * ones, ones) for key in GRID_FIGURES}
    assert "within 2 % of the least takes n = 5, by model" in "\n".join(_parts(results, {}))
    results.grid["b", 0.4, 1]["mse"] = Tally(4.05 * ones, ones)
    assert "n = 1 to 5, by" in "\n".join(_parts(results, {}))
    results.grid["b", 0.4, 20]["mse"] = Tally(3.0 * ones, ones)
    assert "of the least takes" not in "\n".join(_parts(results, {})), (
        "where more steps help, nothing is to be explained"
    )


def test_what_is_missing_is_named(tmp_path):
    (tmp_path / "other.json").write_text('{"a": 1}')
    for words, said in [
        (["--corpus", tmp_path, "--system", "rest"], "toktalk corpus build"),
        (["--checkpoint", tmp_path], "toktalk train motion"),
        (["--system", "nobody"], "nobody"),
        (["--merge", tmp_path / "other.json"], "other.json"),
    ]:
        done = run(*words)
        assert done.exit_code == 1 and said in " ".join(done.output.split()), done.output
