"""Live Link Face recordings come back as they were, and broken ones say what is wrong."""

import re
from pathlib import Path

import numpy as np
import pytest

from toktalk_node.face import livelink
from toktalk_node.face.arkit import INDEX, MOTION_WIDTH


@pytest.fixture
def motion() -> np.ndarray:
    rng = np.random.default_rng(0)
    steps = rng.random((8, MOTION_WIDTH))
    smooth = np.stack([np.interp(np.linspace(0, 7, 180), np.arange(8), column) for column in steps.T], axis=1)
    smooth[:, 52:] = 0.3 * smooth[:, 52:] - 0.15
    return smooth.astype(np.float32)


def test_what_is_written_is_read(tmp_path: Path, motion: np.ndarray):
    path = tmp_path / "take.csv"
    assert livelink.write(path, motion, 60) == 180
    recording = livelink.read(path)
    assert recording.fps == 60 and recording.start == 0
    np.testing.assert_allclose(recording.motion, motion, atol=2e-6)
    assert [p.name for p in tmp_path.iterdir()] == ["take.csv"]


@pytest.mark.parametrize("rate", [24, 30, 50])
def test_the_rate_is_read_from_the_timecodes(tmp_path: Path, motion: np.ndarray, rate: int):
    livelink.write(tmp_path / "take.csv", motion, rate, rate=rate)
    assert livelink.read(tmp_path / "take.csv").fps == rate


def test_the_file_is_what_the_app_writes(tmp_path: Path, motion: np.ndarray):
    livelink.write(tmp_path / "take.csv", motion, 50)
    header, *rows = (tmp_path / "take.csv").read_text().splitlines()
    names = header.split(",")
    assert len(names) == 63 and names[:3] == ["Timecode", "BlendShapeCount", "EyeBlinkLeft"]
    assert names[53:] == ["TongueOut", "HeadYaw", "HeadPitch", "HeadRoll"] + [
        f"{side}Eye{axis}" for side in ("Left", "Right") for axis in ("Yaw", "Pitch", "Roll")
    ]
    assert len(rows) == 216  # 180 frames at 50 fps are 3.6 s
    assert rows[0].startswith("00:00:00:00.000,61,") and rows[61].startswith("00:00:01:01.000,61,")
    assert all(len(row.split(",")) == 63 for row in rows)


def test_the_day_goes_round():
    assert livelink.timecode(60 * 86399 + 59, 60) == "23:59:59:59.000"
    assert livelink.timecode(60 * 86400, 60) == "00:00:00:00.000"


def test_angles_have_the_signs_of_the_app():
    """Eyes to their right and down, a head to its left, up and leaning to its right are positive there."""
    face = np.zeros((1, MOTION_WIDTH), np.float32)
    face[0, [INDEX["eyeLookOutLeft"], INDEX["eyeLookInRight"], INDEX["eyeLookDownLeft"]]] = 0.5
    face[0, 52:] = 0.1, 0.2, 0.3
    row = dict(zip(livelink.COLUMNS, livelink.columns(face)[0], strict=True))
    assert row["LeftEyeYaw"] == pytest.approx(-0.305) and row["RightEyeYaw"] == pytest.approx(-0.305)
    assert row["LeftEyePitch"] == pytest.approx(0.305) and row["RightEyePitch"] == 0
    assert [row[name] for name in livelink.HEAD_COLUMNS] == pytest.approx([0.1, 0.2, -0.3])


def test_columns_are_matched_by_name(tmp_path: Path, motion: np.ndarray):
    """Recordings of the app have JawRight before JawLeft; some tools write camelCase; an old phone has no tongue."""
    path = tmp_path / "take.csv"
    livelink.write(path, motion, 60)
    table = [line.split(",") for line in path.read_text().splitlines()]
    left, right, tongue = (table[0].index(name) for name in ("JawLeft", "JawRight", "TongueOut"))
    for row in table:
        row[left], row[right] = row[right], row[left]
        del row[tongue]
    table[0] = [name[0].lower() + name[1:] for name in table[0]]
    path.write_text("\r\n".join(",".join(row) for row in table))
    read = livelink.read(path).motion
    np.testing.assert_allclose(read[:, INDEX["jawLeft"]], motion[:, INDEX["jawLeft"]], atol=2e-6)
    np.testing.assert_allclose(read[:, 52:], motion[:, 52:], atol=2e-6)
    assert not read[:, INDEX["tongueOut"]].any()


def test_dropped_frames_are_filled_across_midnight(tmp_path: Path, motion: np.ndarray):
    path = tmp_path / "take.csv"
    livelink.write(path, motion[:60], 60)
    header, *rows = path.read_text().splitlines()
    codes = [livelink.timecode(60 * 86400 - 30 + k, 60) for k in range(60)]
    kept = [f"{code},{row.split(',', 1)[1]}" for k, (code, row) in enumerate(zip(codes, rows, strict=True)) if k % 9]
    path.write_text("\n".join([header, *kept]) + "\n")
    recording = livelink.read(path)
    assert recording.start == pytest.approx(86399.5 + 1 / 60) and len(recording.motion) == 59
    assert np.abs(recording.motion - motion[1:60]).max() < 0.1


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda text: "", "empty"),
        (lambda text: text[: len(text) // 2], r"line \d+: \d+ columns, expected 63"),
        (lambda text: text.splitlines()[0], "no frames"),
        (lambda text: text.replace("JawOpen", "JawDrop"), "missing: JawOpen"),
        (lambda text: text.replace("JawLeft", "JawOpen"), "named twice: jawopen"),
        (lambda text: text.replace("Timecode", "Time"), "no Timecode"),
        (lambda text: text.replace("00:00:00:05.000", "noon"), "line 7: timecode 'noon'"),
        (lambda text: text.replace("00:00:01:05.000", "00:00:00:05.000"), "line 67: the timecode runs backwards"),
        (lambda text: re.sub(r",61,[^,]*", ",61,nan", text, count=1), "line 2: a value is not finite"),
        (lambda text: re.sub(r",61,[^,]*", ",61,x", text, count=1), "line 2: could not convert"),
        (lambda text: "RIFF\0\0\0" + text, "not text"),
    ],
)
def test_a_broken_file_is_named_with_its_fault(tmp_path: Path, motion: np.ndarray, spoil, reason: str):
    path = tmp_path / "broken.csv"
    livelink.write(path, motion, 60)
    path.write_text(spoil(path.read_text()))
    with pytest.raises(ValueError, match=reason) as error:
        livelink.read(path)
    assert "broken.csv" in str(error.value)


def test_numbers_that_are_not_finite_are_written_as_rest(tmp_path: Path, motion: np.ndarray):
    motion[3] = np.nan
    motion[4, INDEX["jawOpen"]] = 7
    livelink.write(tmp_path / "take.csv", motion, 60)
    assert livelink.read(tmp_path / "take.csv").motion[4, INDEX["jawOpen"]] == 1
