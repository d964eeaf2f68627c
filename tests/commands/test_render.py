"""`toktalk render` from file to file, with real models of random weights."""

import csv
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner

from toktalk_node.cli import build_app
from toktalk_node.commands.render import plan
from toktalk_node.face import animation, livelink, npz, plain_head
from toktalk_node.face.arkit import INDEX, MOTION_WIDTH
from toktalk_node.face.gltf import write_glb
from toktalk_node.face.head import PIVOT, build
from toktalk_node.motion import checkpoint
from toktalk_node.motion.config import MotionConfig
from toktalk_node.motion.model import MotionModel
from toktalk_node.motion.style import Style
from toktalk_node.stream import session
from toktalk_node.tokens import phonetic

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    """Small models of random weights in the layout that the package ships."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    config = phonetic.PhoneticConfig(levels=(5, 5, 5))
    tokens = phonetic.PhoneticModel(config)
    target = folder / phonetic.SPACE
    target.mkdir()
    save_file({k: v.contiguous() for k, v in tokens.state_dict().items()}, target / phonetic.WEIGHTS_FILE)
    (target / phonetic.CONFIG_FILE).write_text(phonetic.config_json(config, {}))
    space = phonetic.PhoneticTokenizer(tokens).space
    small = MotionConfig(
        condition_width=space.width, token_space=space.name, fps=round(space.rate), channels=16, heads=2, head_width=8,
        feed_forward=2, down_stages=1, middle_stages=1, blocks=1, time_width=16, overlap=8, chunk=6, steps=1,
        style_width=4,
    )  # fmt: skip
    model = MotionModel(small)
    torch.nn.init.normal_(model.net.head.weight, std=0.3)
    checkpoint.save(model, folder / "mini")
    smiling = torch.zeros(small.motion_width)
    smiling[INDEX["mouthSmileLeft"]] = 0.6
    checkpoint.save_styles(folder / "mini", {"warm": Style(torch.ones(4), smiling)})
    return folder


@pytest.fixture
def toktalk(weights, monkeypatch):
    """Runs the command line in this process."""
    monkeypatch.setattr(session, "WEIGHTS", weights)
    return lambda *words: CliRunner().invoke(build_app("render"), ["render", *map(str, words)])


def recording(path: Path, seconds: float, rate: int = 16_000, channels: int = 1) -> Path:
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, (round(seconds * rate), channels))
    soundfile.write(path, noise, rate)
    return path


def test_a_recording_becomes_a_live_link_face_csv(toktalk, tmp_path):
    done = toktalk(recording(tmp_path / "in.wav", 1.5, 44_100, 2), "-o", tmp_path / "out.csv")
    assert done.exit_code == 0, done.output
    with (tmp_path / "out.csv").open() as file:
        rows = list(csv.reader(file))
    assert len(rows[0]) == 63 and rows[0][0] == "Timecode"
    assert len(rows) - 1 == 90
    assert np.isfinite(livelink.read(tmp_path / "out.csv").motion).all()


def test_many_recordings_go_to_a_folder_and_a_bad_one_is_named(toktalk, tmp_path):
    good = [recording(tmp_path / f"{name}.wav", 0.4) for name in "ab"]
    (tmp_path / "bad.wav").write_bytes(b"nothing to hear")
    done = toktalk(good[0], tmp_path / "bad.wav", good[1], tmp_path / "gone.wav", "-o", tmp_path / "faces")
    assert done.exit_code == 1
    assert sorted(os.listdir(tmp_path / "faces")) == ["a.csv", "b.csv"]
    said = " ".join(done.output.split())
    assert "bad.wav" in said and "not a recording" in said and "gone.wav" in said and "2 of 4" in said


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
def test_a_video_has_the_face_and_the_sound(toktalk, tmp_path):
    done = toktalk(recording(tmp_path / "in.wav", 0.4), "-o", tmp_path / "out.mp4", "--size", 64)
    assert done.exit_code == 0, done.output
    probe = ["ffprobe", "-v", "error", "-of", "json", "-show_streams", str(tmp_path / "out.mp4")]
    streams = json.loads(subprocess.run(probe, capture_output=True, check=True).stdout)["streams"]
    kinds = {stream["codec_type"]: stream for stream in streams}
    assert kinds["video"]["width"] == 64 and int(kinds["video"]["nb_frames"]) == 10
    assert float(kinds["audio"]["duration"]) == pytest.approx(0.4, abs=0.05)
    assert sorted(os.listdir(tmp_path)) == ["in.wav", "out.mp4"]


def test_without_ffmpeg_a_video_says_so(toktalk, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    done = toktalk(recording(tmp_path / "in.wav", 0.2), "-o", tmp_path / "out.mp4")
    assert done.exit_code == 1 and "ffmpeg" in done.output and not (tmp_path / "out.mp4").exists()


def test_missing_weights_name_the_command_that_makes_them(tmp_path, monkeypatch):
    monkeypatch.setattr(session, "WEIGHTS", tmp_path / "nowhere")
    words = ["render", str(recording(tmp_path / "in.wav", 0.2)), "-o", str(tmp_path / "out.csv")]
    done = CliRunner().invoke(build_app("render"), words)
    assert done.exit_code == 1 and "toktalk train" in " ".join(done.output.split())


def test_where_to_write_must_be_clear(tmp_path):
    a, b = tmp_path / "x" / "a.wav", tmp_path / "y" / "a.wav"
    with pytest.raises(ValueError, match="rename one"):
        plan([a, b], tmp_path / "out", "csv")
    with pytest.raises(ValueError, match="folder"):
        plan([a, b], tmp_path / "out.csv", "csv")
    with pytest.raises(ValueError, match=r"neither a folder nor .*csv .*mp4 .*glb .*gltf .*npz .*mcap"):
        plan([a], tmp_path / "out.txt", "csv")
    with pytest.raises(ValueError, match=r"'gif' is none of csv .*mp4 .*glb .*gltf .*npz .*mcap"):
        plan([a], tmp_path / "out", "gif")
    assert plan([a], tmp_path / "out.CSV", "csv") == [(a, tmp_path / "out.csv")]


def test_one_face_in_every_format_at_the_same_time(toktalk, tmp_path):
    """A table, two models that speak, arrays and a log of one recording hold the same numbers."""
    reader = pytest.importorskip("mcap.reader", reason="pip install mcap")
    wav = recording(tmp_path / "in.wav", 0.5)
    for suffix in ("glb", "gltf", "npz", "mcap"):
        done = toktalk(wav, "-o", tmp_path / f"out.{suffix}")
        assert done.exit_code == 0 and f"out.{suffix}: 25 frames, 0.50 s" in " ".join(done.output.split()), done.output
    with np.load(tmp_path / "out.npz", allow_pickle=False) as face:
        weights, sound = face["weights"], face["audio"]
    np.testing.assert_array_equal(sound, soundfile.read(wav, dtype="int16")[0])
    plain_head.write(tmp_path / "head.glb")
    reference, binary = animation.animated(
        animation.load(tmp_path / "head.glb"), np.pad(weights, ((0, 0), (0, 3))), 50, "in"
    )
    for suffix in ("glb", "gltf"):
        avatar = animation.load(tmp_path / f"out.{suffix}")
        (moved,) = avatar.document["animations"]
        (wanted,) = reference["animations"]
        assert moved["name"] == "in" and len(moved["channels"]) == len(wanted["channels"]) == 7
        view = reference["bufferViews"][reference["accessors"][wanted["samplers"][0]["output"]]["bufferView"]]
        shown = slice(view["byteOffset"], view["byteOffset"] + view["byteLength"])
        assert avatar.binary[shown] == binary[shown], "the weights of the skin are those of the arrays"
        assert "extensionsRequired" not in avatar.document, "Godot reads no file that requires quantisation"
    with (tmp_path / "out.mcap").open("rb") as file:
        log = [json.loads(m.data) for _, _, m in reader.make_reader(file).iter_messages(topics=["/face/blendshapes"])]
    np.testing.assert_allclose([m["jawOpen"] for m in log], weights[:, INDEX["jawOpen"]], atol=1e-6)
    assert [m["timestamp"] for m in log[:1]] == [{"sec": int(wav.stat().st_mtime), "nsec": 0}]


def test_many_recordings_become_many_models(toktalk, tmp_path):
    wavs = [recording(tmp_path / f"{name}.wav", 0.2) for name in "ab"]
    done = toktalk(*wavs, "-o", tmp_path / "faces", "--format", "glb")
    assert done.exit_code == 0, done.output
    assert sorted(os.listdir(tmp_path / "faces")) == ["a.glb", "b.glb"]


def other_head(path: Path, keep: Callable[[str], bool]) -> Path:
    """TokTalk's head with those of its targets that are kept."""
    meshes = build()
    for mesh in meshes:
        mesh.part.targets = {name: shape for name, shape in mesh.part.targets.items() if keep(name)}
    write_glb(path, meshes, PIVOT)
    return path


def test_an_avatar_that_lacks_shapes_speaks_and_they_are_named_once(toktalk, tmp_path):
    wavs = [recording(tmp_path / f"{name}.wav", 0.2) for name in "ab"]
    avatar = other_head(tmp_path / "other.glb", lambda name: name not in ("tongueOut", "cheekPuff"))
    done = toktalk(*wavs, "-o", tmp_path / "faces", "--format", "gltf", "--avatar", avatar)
    said = " ".join(done.output.split())
    assert done.exit_code == 0 and said.count("lacks 2 of 52 blendshapes: cheekPuff, tongueOut") == 1, said
    assert animation.load(tmp_path / "faces" / "b.gltf").missing == ("cheekPuff", "tongueOut")


def test_what_cannot_work_is_said_before_any_work(toktalk, tmp_path):
    wav = recording(tmp_path / "in.wav", 0.2)
    mute = other_head(tmp_path / "mute.glb", lambda name: False)
    for words, reason in (
        (["-o", "out.glb", "--avatar", mute], "no morph target has a name of ARKit"),
        (["-o", "out.glb", "--avatar", wav], "not a glTF 2.0 model"),
        (["-o", "out.glb", "--avatar", "gone.glb"], "No such file"),
        (["-o", "out.csv", "--avatar", mute], "--avatar is for glb and gltf, not for csv"),
        (["-o", "out.xyz"], "glb (animated head"),
        (["-o", wav / "out.glb"], "in.wav"),
        (["-o", "/proc/nowhere/out.npz"], "/proc/nowhere"),
    ):
        done = toktalk(wav, *words)
        said = " ".join(done.output.split())
        assert done.exit_code == 1 and reason in said and "frames" not in said, said


def test_without_the_package_an_mcap_says_how_to_get_it(toktalk, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    done = toktalk(recording(tmp_path / "in.wav", 0.2), "-o", tmp_path / "out.mcap")
    assert done.exit_code == 1 and ".[mcap]" in "".join(done.output.split())


@pytest.mark.slow
def test_ctrl_c_leaves_nothing_half_written(weights, tmp_path):
    recording(tmp_path / "in.wav", 6)
    code = (
        f"from pathlib import Path; from toktalk_node.stream import session; session.WEIGHTS = Path({str(weights)!r}); "
        "from toktalk_node.cli import build_app; "
        f"build_app('render')(['render', {str(tmp_path / 'in.wav')!r}, '-o', {str(tmp_path / 'out')!r}, '--to=mp4'])"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("out/.*")) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) != 0
    assert os.listdir(tmp_path / "out") == []


def smile(path: Path) -> float:
    return float(livelink.read(path).motion[:, INDEX["mouthSmileLeft"]].mean())


def test_a_style_is_a_name_a_blend_or_a_clip(toktalk, tmp_path):
    wav, faces = recording(tmp_path / "in.wav", 1.0), {}
    clip = np.zeros((120, MOTION_WIDTH), np.float32)
    clip[:, INDEX["mouthSmileLeft"]] = 0.9
    livelink.write(tmp_path / "clip.csv", clip, 60)
    npz.write(tmp_path / "clip.npz", clip[::6], 10, np.zeros(0, np.int16), 16_000)
    for i, style in enumerate(("", "warm", "warm=0.5", tmp_path / "clip.csv", tmp_path / "clip.npz")):
        done = toktalk(wav, "-o", tmp_path / f"{i}.csv", "--style", style)
        assert done.exit_code == 0, done.output
        faces[i] = smile(tmp_path / f"{i}.csv")
    assert faces[0] < 0.1 < faces[2] - 0.1 < faces[1] - 0.2 and faces[1] == pytest.approx(0.6, abs=0.1)
    assert abs(faces[3] - faces[0]) > 0.01, "a clip has a rest of its own"
    assert faces[4] == pytest.approx(faces[3], abs=1e-4), "whatever its format and rate"


@pytest.fixture(scope="module")
def flame(weights, tmp_path_factory) -> Path:
    """A FLAME model of random weights."""
    shipped, folder = checkpoint.load(weights / "mini"), tmp_path_factory.mktemp("flame")
    torch.manual_seed(0)
    model = MotionModel(replace(shipped.config, face="flame-50", steps=2))
    torch.nn.init.normal_(model.net.head.weight, std=0.3)
    checkpoint.save(model, folder)
    return folder


def test_a_flame_model_writes_its_coefficients(toktalk, flame, tmp_path):
    wavs = [recording(tmp_path / "a.wav", 1.01, 44_100, 2), recording(tmp_path / "b.wav", 0.3)]
    done = toktalk(*wavs, tmp_path / "gone.wav", "-o", tmp_path / "faces", "--to", "npz", "--preset", flame)
    assert done.exit_code == 1 and "gone.wav" in done.output and "1 of 3" in done.output, done.output
    with np.load(tmp_path / "faces" / "a.npz", allow_pickle=False) as face:
        assert face["expression"].shape == (51, 50) and face["jaw"].shape == face["neck"].shape == (51, 3)
        assert face["fps"] == 50 and face["audio_rate"] == 44_100 and face["audio"].shape == (44_541,)
        assert face["expression"].std() > 0.1 and face["expression"].min() < 0 and face["jaw"].dtype == np.float32
    again = toktalk(wavs[0], "-o", tmp_path / "again.npz", "--preset", flame)
    assert again.exit_code == 0 and "51 frames" in " ".join(again.output.split()), again.output
    with np.load(tmp_path / "again.npz") as two, np.load(tmp_path / "faces" / "a.npz") as one:
        assert all(np.array_equal(one[name], two[name]) for name in one)


def test_what_cannot_show_a_flame_face_says_what_can(toktalk, flame, tmp_path):
    wav = recording(tmp_path / "in.wav", 0.2)
    for words, reason in (
        (["-o", tmp_path / "out.csv"], "makes flame-50 faces, which csv does not hold: take .npz"),
        (["-o", tmp_path / "out.npz", "--style", "warm"], "--style is for ARKit faces"),
    ):
        done = toktalk(wav, *words, "--preset", flame)
        assert done.exit_code == 1 and reason in " ".join(done.output.split()), done.output
    with pytest.raises(ValueError, match="live faces are ARKit's.*flame-50: `toktalk render SOUND -o FACE.npz"):
        session.Session.load(str(flame))


def test_a_bad_style_is_named_with_the_reason(toktalk, tmp_path):
    wav = recording(tmp_path / "in.wav", 0.2)
    livelink.write(tmp_path / "short.csv", np.zeros((30, MOTION_WIDTH)), 60)
    (tmp_path / "other.csv").write_text("time,jawOpen\n0,1\n")
    (tmp_path / "other.npz").write_text("not arrays")
    np.savez(tmp_path / "flame.npz", expression=np.zeros((100, 50)), fps=50)
    weights = np.zeros((100, 2), np.float32)
    np.savez(tmp_path / "eyes.npz", weights=weights, names=np.array(["eyeBlinkLeft", "eyeBlinkRight"]), fps=50)
    np.savez(tmp_path / "odd.npz", weights=weights, names=np.array(["jawOpen"]), fps=50)
    for style, reason in (
        ("short.csv", "0.50 s is too short"),
        ("other.csv", "no Timecode column"),
        ("missing.csv", "No such file"),
        ("other.npz", "not arrays as `toktalk render` writes them"),
        ("flame.npz", "weights is not a file in the archive"),
        ("eyes.npz", "50 of 52 blendshapes are missing"),
        ("odd.npz", "(100, 2), 1 names"),
        ("missing.npz", "No such file"),
        ("grumpy", "no style is called 'grumpy'; there are warm"),
        ("warm=2", "from 0 to 1"),
    ):
        done = toktalk(wav, "-o", tmp_path / "out.csv", "--style", tmp_path / style if "." in style else style)
        said = " ".join(done.output.split())
        assert done.exit_code == 1 and reason in said and ("." not in style or style in said), said


def test_the_solver_s_steps_can_be_spaced_otherwise(toktalk, tmp_path):
    wav, found = recording(tmp_path / "in.wav", 0.5), {}
    for schedule in ("cosine", "uniform"):
        done = toktalk(wav, "-o", tmp_path / f"{schedule}.npz", "--steps", 3, "--schedule", schedule)
        assert done.exit_code == 0, done.output
        with np.load(tmp_path / f"{schedule}.npz") as face:
            found[schedule] = face["weights"]
    toktalk(wav, "-o", tmp_path / "plain.npz", "--steps", 3)
    with np.load(tmp_path / "plain.npz") as face:
        assert np.array_equal(face["weights"], found["cosine"]) and not np.array_equal(*found.values())
    done = toktalk(wav, "-o", tmp_path / "out.npz", "--schedule", "random")
    assert done.exit_code == 1 and "no schedule is called 'random'; there are cosine and uniform" in done.output
