"""A person's own recordings: takes are found, aligned, repaired where they can be and refused where they cannot."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from toktalk_node.commands.corpus import corpus as corpus_command
from toktalk_node.corpus.captures import CaptureError, open_captures
from toktalk_node.corpus.captures.base import between
from toktalk_node.corpus.captures.livelink import Takes
from toktalk_node.face import livelink
from toktalk_node.face.arkit import INDEX, MOTION_WIDTH

JAW = INDEX["jawOpen"]


def chirps(seconds: float, rate: int = 16_000) -> np.ndarray:
    """A tone that is on for the 0.25 s around the middle of every half second, as the jaw of `chewing` is open."""
    times = np.arange(round(seconds * rate)) / rate
    return (0.3 * np.sin(2 * np.pi * 220 * times) * (abs(times % 0.5 - 0.25) < 0.125)).astype(np.float32)


def chewing(seconds: float, fps: float, start: float = 0.0) -> np.ndarray:
    """A face whose jaw opens and shuts twice a second, beginning at `start` seconds."""
    times = start + (np.arange(round(seconds * fps)) + 0.5) / fps
    motion = np.zeros((len(times), MOTION_WIDTH), np.float32)
    motion[:, JAW] = 0.4 - 0.3 * np.cos(4 * np.pi * times)
    motion[:, INDEX["mouthLeft"]] = 0.2
    motion[:, 52:] = (0.1, -0.3, 0.05)
    return motion


def take(
    folder: Path, name: str = "MySlate_1_iPhone", *, seconds: float = 3.0, face: float | None = None, fps: int = 60
) -> Path:
    """A take as the app leaves it, with its sound in a wav file."""
    folder.mkdir(parents=True, exist_ok=True)
    livelink.write(folder / f"{name}.csv", chewing(face or seconds, fps), fps, rate=fps)
    soundfile.write(folder / f"{name}.wav", chirps(seconds, 48_000), 48_000)
    return folder / f"{name}.csv"


def edit(path: Path, change) -> None:
    """Rewrite a CSV as `change`(rows) has it."""
    rows = change([line.split(",") for line in path.read_text().splitlines()])
    path.write_text("\n".join(",".join(row) for row in rows) + "\n")


@pytest.mark.parametrize("fps", [24, 30, 60, 120])
def test_a_take_of_any_rate_stands_on_the_clock_of_its_sound(tmp_path: Path, fps: int):
    take(tmp_path / "anna", fps=fps)
    reader = Takes(tmp_path / "anna")
    assert list(reader.ids) == ["MySlate_1_iPhone"]
    capture = reader.read(reader.ids[0])
    assert (capture.actor, capture.split, capture.space) == ("anna", "train", "arkit")
    assert capture.motion.shape == (150, MOTION_WIDTH) and capture.samples.shape == (48_000,)
    np.testing.assert_allclose(capture.motion[2:-2, JAW], chewing(3, 50)[2:-2, JAW], atol=0.01)
    np.testing.assert_allclose(capture.samples[1000:-1000], chirps(3)[1000:-1000], atol=0.05)
    assert not capture.notes


def test_the_head_turns_about_where_the_phone_stood(tmp_path: Path):
    path = take(tmp_path)
    motion = chewing(3, 60)
    motion[:, 52] += 0.2 * np.sin(np.linspace(0, 20, len(motion)))
    livelink.write(path, motion, 60)
    head = Takes(tmp_path).read("MySlate_1_iPhone").motion[:, 52:]
    assert abs(np.median(head[:, 0])) < 0.02 and head[:, 0].max() > 0.17
    assert np.abs(head[:, 1:]).max() < 1e-5


def test_names_decide_where_left_and_right_are_swapped(tmp_path: Path):
    """The app itself writes JawRight before JawLeft and MouthRight before MouthLeft."""
    path = take(tmp_path)

    def swap(rows):
        left, right = rows[0].index("MouthLeft"), rows[0].index("MouthRight")
        for row in rows:
            row[left], row[right] = row[right], row[left]
        return rows

    edit(path, swap)
    motion = Takes(tmp_path).read("MySlate_1_iPhone").motion
    assert np.allclose(motion[:, INDEX["mouthLeft"]], 0.2, atol=1e-4) and not motion[:, INDEX["mouthRight"]].any()


def test_missing_and_extra_columns_are_named(tmp_path: Path):
    path = take(tmp_path)

    def change(rows):
        cheek = rows[0].index("CheekPuff")
        return [row[:cheek] + row[cheek + 1 :] + ["Mood" if i == 0 else "1"] for i, row in enumerate(rows)]

    edit(path, change)
    notes = " ".join(Takes(tmp_path).read("MySlate_1_iPhone").notes)
    assert "CheekPuff" in notes and "Mood" in notes and "JawOpen" not in notes


def test_a_file_with_hardly_a_face_is_refused(tmp_path: Path):
    path = take(tmp_path)
    edit(path, lambda rows: [row[:12] for row in rows])
    with pytest.raises(ValueError, match=r"MySlate_1_iPhone.csv: 41 of 52 blendshape columns are missing"):
        Takes(tmp_path).read("MySlate_1_iPhone")


def test_a_face_without_a_jaw_is_refused(tmp_path: Path):
    path = take(tmp_path)
    path.write_text(path.read_text().replace("JawOpen", "JawDrop"))
    with pytest.raises(ValueError, match="1 of 52 blendshape columns are missing: JawOpen"):
        Takes(tmp_path).read("MySlate_1_iPhone")


def test_dropped_frames_are_filled_by_their_timecodes(tmp_path: Path):
    path = take(tmp_path)
    edit(path, lambda rows: rows[:1] + [r for i, r in enumerate(rows[1:]) if i % 7 != 3 and not 90 <= i < 100])
    capture = Takes(tmp_path).read("MySlate_1_iPhone")
    away = np.abs(capture.motion[:, JAW] - chewing(3, 50)[: len(capture.motion), JAW])
    assert np.median(away) < 0.03 and any("longest gap of 0.1" in note for note in capture.notes)


def test_rows_in_which_the_phone_saw_no_face_are_filled(tmp_path: Path):
    path = take(tmp_path)
    edit(path, lambda rows: rows[:31] + [[row[0], "0"] for row in rows[31:34]] + rows[34:])
    capture = Takes(tmp_path).read("MySlate_1_iPhone")
    assert "3 rows without a face" in capture.notes
    np.testing.assert_allclose(capture.motion[2:-2, JAW], chewing(3, 50)[2:-2, JAW], atol=0.05)


def test_degrees_are_told_from_radians(tmp_path: Path):
    path = take(tmp_path)

    def turn(rows):
        yaw = rows[0].index("HeadYaw")
        for i, row in enumerate(rows[1:]):
            row[yaw] = str(20 * np.sin(i / 9))
        return rows

    edit(path, turn)
    capture = Takes(tmp_path).read("MySlate_1_iPhone")
    assert 0.3 < capture.motion[:, 52].max() < 0.4 and any("degrees" in note for note in capture.notes)


def test_sound_and_face_of_different_length_are_cut_with_a_note(tmp_path: Path):
    take(tmp_path, seconds=4.0, face=3.2)
    capture = Takes(tmp_path).read("MySlate_1_iPhone")
    assert len(capture.motion) == 160 and len(capture.samples) == 160 * 320
    (note,) = capture.notes
    assert "4.00 s" in note and "3.20 s" in note


def test_sound_and_face_that_do_not_belong_together_are_refused(tmp_path: Path):
    take(tmp_path, seconds=7.0, face=3.0)
    with pytest.raises(CaptureError, match="iPhone.csv: the sound lasts 7.00 s, the face 3.00 s: they differ by 4.00"):
        Takes(tmp_path).read("MySlate_1_iPhone")


def test_a_take_that_is_too_short_is_refused(tmp_path: Path):
    take(tmp_path, seconds=0.6)
    with pytest.raises(CaptureError, match="less than 1 s"):
        Takes(tmp_path).read("MySlate_1_iPhone")


def test_a_silent_microphone_is_named(tmp_path: Path):
    take(tmp_path)
    soundfile.write(tmp_path / "MySlate_1_iPhone.wav", np.zeros(48_000), 16_000)
    with pytest.raises(CaptureError, match="silent"):
        Takes(tmp_path).read("MySlate_1_iPhone")


def test_a_folder_as_the_app_leaves_it(tmp_path: Path):
    """Each take in its own folder, with logs; the calibrated CSV is preferred and counts once; holes are named."""
    first = take(tmp_path / "20260101_MySlate_1")
    livelink.write(first.with_name("MySlate_1_iPhone_cal.csv"), 0.5 * chewing(3, 60), 60)
    livelink.write(first.with_name("MySlate_1_iPhone_neutral.csv"), chewing(0.1, 60), 60)
    first.with_name("frame_log.csv").write_text("V,0,1\n")
    second = take(tmp_path / "20260101_MySlate_2", "MySlate_2_iPhone")
    second.with_suffix(".wav").rename(second.with_name("Zoom0001.wav"))  # the only sound there
    take(tmp_path / "20260101_MySlate_3", "MySlate_3_iPhone").with_suffix(".wav").unlink()
    (tmp_path / "shopping.csv").write_text("apples,pears\n1,2\n")
    soundfile.write(tmp_path / "humming.wav", chirps(2), 16_000)

    reader = Takes(tmp_path)
    assert [id.split("/")[1] for id in reader.ids] == [f"MySlate_{n}_iPhone" for n in (1, 2, 3)]
    assert {name for name, _ in reader.left_out} == {"shopping.csv", "humming.wav"}
    assert reader.read(reader.ids[0]).motion[:, JAW].max() < 0.4
    assert len(reader.read(reader.ids[1]).motion) == 150
    with pytest.raises(CaptureError, match="no sound beside it, such as MySlate_3_iPhone.wav"):
        reader.read(reader.ids[2])


def film(path: Path, sound: np.ndarray, timecode: str) -> None:
    """A film as the phone records it: H.264, AAC and a timecode track at 60 frames per second."""
    soundfile.write(path.with_suffix(".tmp.wav"), sound, 16_000)
    picture = ["-f", "lavfi", "-i", f"color=s=64x64:r=60:d={len(sound) / 16_000}"]
    coding = ["-timecode", timecode, "-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac"]
    inputs = [*picture, "-i", str(path.with_suffix(".tmp.wav"))]
    subprocess.run(["ffmpeg", "-v", "error", "-y", *inputs, *coding, str(path)], check=True)
    path.with_suffix(".tmp.wav").unlink()


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="no ffmpeg")
def test_face_and_film_are_aligned_by_timecode(tmp_path: Path):
    """The film began 0.3 s before the first row."""
    path = tmp_path / "MySlate_1_iPhone.csv"
    livelink.write(path, chewing(3, 60, start=0.3), 60)
    codes = [f"14:03:{52 + i // 60}:{i % 60:02d}.000" for i in range(180)]
    edit(path, lambda rows: [rows[0], *([code, *row[1:]] for code, row in zip(codes, rows[1:], strict=True))])
    film(path.with_suffix(".mov"), chirps(3.3), "14:03:51:42")
    capture = Takes(tmp_path).read("MySlate_1_iPhone")
    assert abs(len(capture.motion) - 150) <= 1
    expected = chewing(3.3, 50)[15:]
    np.testing.assert_allclose(capture.motion[2:-3, JAW], expected[2 : len(capture.motion) - 3, JAW], atol=0.01)
    loud = np.abs(capture.samples[: 50 * 320]).reshape(-1, 320).max(axis=1) > 0.1
    assert loud[17:28].all() and not loud[5:15].any()  # on from 0.625 to 0.875 s of the film


def test_what_libsndfile_cannot_read_needs_ffmpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    take(tmp_path).with_suffix(".wav").rename(tmp_path / "MySlate_1_iPhone.m4a")
    (tmp_path / "MySlate_1_iPhone.m4a").write_bytes(b"\0\0\0\x18ftypM4A " + bytes(64))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CaptureError, match="MySlate_1_iPhone.m4a.*sudo apt install ffmpeg"):
        Takes(tmp_path).read("MySlate_1_iPhone")


def test_a_folder_without_takes_says_what_it_found(tmp_path: Path):
    (tmp_path / "notes.csv").write_text("a,b\n")
    with pytest.raises(CaptureError, match="no captures in the format livelink: notes.csv: not a Live Link Face"):
        open_captures("livelink", tmp_path)


def test_motion_between_frames_is_smooth():
    """A parabola at 25 fps is a parabola at 50 fps."""
    frames = np.arange(10.0)[:, None] ** 2
    at = np.arange(1, 8, 0.5)
    np.testing.assert_allclose(between(frames, at).ravel(), at**2, rtol=1e-5)


def test_a_sound_that_comes_late_is_noted(tmp_path: Path):
    """Bursts of sound at random times; the jaw opens with each."""
    on = np.repeat(np.random.default_rng(0).random(60) < 0.5, 10)  # 12 s in steps of 0.2 s
    motion = np.zeros((600, MOTION_WIDTH), np.float32)
    motion[:, JAW] = 0.5 * np.convolve(on, np.ones(5) / 5, "same")
    samples = np.repeat(on, 320) * np.random.default_rng(1).normal(0, 0.1, 600 * 320)
    livelink.write(tmp_path / "one.csv", motion, 50)
    soundfile.write(tmp_path / "one.wav", samples, 16_000)
    assert not Takes(tmp_path).read("one").notes
    soundfile.write(tmp_path / "one.wav", np.roll(samples, 4800), 16_000)
    (note,) = Takes(tmp_path).read("one").notes
    assert "0.30 s after the mouth" in note


def test_the_import_command_names_what_it_leaves_out(tmp_path: Path):
    take(tmp_path / "anna", "one", seconds=3.0, face=2.5)
    take(tmp_path / "anna", "two").with_suffix(".wav").unlink()
    command = ["import", str(tmp_path / "anna"), "--out", str(tmp_path / "captures")]
    done = CliRunner().invoke(corpus_command, command)
    assert done.exit_code == 0, done.output
    assert "1 captures of 1 people" in done.stdout and "1 left out" in done.stdout
    assert "two.csv: no sound beside it" in done.output
    assert "note one: the sound lasts 3.00 s, the face 2.50 s; cut to the 2.50 s of both" in done.output
    assert json.loads((tmp_path / "captures" / "summary.json").read_text())["actors"] == ["anna"]

    failed = CliRunner().invoke(corpus_command, ["import", str(tmp_path / "nowhere")])
    assert failed.exit_code == 1 and "nowhere: no such folder" in failed.output
