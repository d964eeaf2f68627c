"""BEAT2, HDTF + TFHP and RAVDESS in the formats in which they are given out, whole and with holes."""

import io
import os
import pickle
from pathlib import Path

import lmdb
import numpy as np
import pytest
import soundfile

from toktalk_node.corpus.captures import CaptureError, open_captures
from toktalk_node.corpus.captures.beat2 import emotion_of
from toktalk_node.corpus.captures.textgrid import phones_of, read_phones
from toktalk_node.corpus.captures.unpickle import loads
from toktalk_node.face import flame
from toktalk_node.face.arkit import INDEX
from toktalk_node.speech.phones import Phone


def tone(seconds: float) -> np.ndarray:
    """Sound at 16 kHz."""
    return (0.3 * np.sin(2 * np.pi * 220 * np.arange(round(seconds * 16_000)) / 16_000)).astype(np.float32)


def flac(samples: np.ndarray, rate: int = 16_000) -> bytes:
    """The bytes of a FLAC file."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="FLAC", subtype="PCM_16")
    return file.getvalue()


# --- BEAT2 ---


def beat2_sequence(root: Path, name: str, seconds: float = 2.0, **change: np.ndarray) -> None:
    """A sequence as the data set holds it: the jaw opens steadily, the neck turns to the left, the head nods."""
    frames = round(seconds * 30)
    poses = np.zeros((frames, 165), np.float32)
    poses[:, 66] = np.linspace(0, 0.3, frames)
    poses[:, 36:39] = (0, 0.2, 0)
    poses[:, 45:48] = (0.1, 0, 0)
    data = {
        "betas": np.zeros(300, np.float32),
        "poses": poses,
        "expressions": np.full((frames, 100), 0.5, np.float32),
        "trans": np.zeros((frames, 3), np.float32),
        "model": np.array("smplx2020"),
        "gender": np.array("neutral"),
        "mocap_frame_rate": np.array(30),
    }
    for folder in ("smplxflame_30", "wave16k", "textgrid"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    np.savez(root / "smplxflame_30" / f"{name}.npz", **(data | change))
    soundfile.write(root / "wave16k" / f"{name}.wav", tone(seconds), 16_000)


def textgrid(path: Path, intervals: list[tuple[float, float, str]]) -> None:
    """A TextGrid as the Montreal Forced Aligner writes it."""
    tiers = []
    for number, (name, rows) in enumerate((("words", [(0, 2, 'the "mat"')]), ("phones", intervals)), 1):
        lines = [f"    item [{number}]:", '        class = "IntervalTier"', f'        name = "{name}"']
        lines += ["        xmin = 0", "        xmax = 2", f"        intervals: size = {len(rows)}"]
        for k, (start, end, label) in enumerate(rows, 1):
            quoted = label.replace('"', '""')
            lines += [f"        intervals [{k}]:", f"            xmin = {start}", f"            xmax = {end}"]
            lines += [f'            text = "{quoted}"']
        tiers += lines
    head = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", "xmax = 2", "tiers? <exists>"]
    path.write_text("\n".join([*head, "size = 2", "item []:", *tiers]) + "\n")


INTERVALS = [(0.0, 0.3, ""), (0.3, 0.4, "M"), (0.4, 0.6, "AE1"), (0.6, 0.7, "T"), (0.7, 2.0, "sp")]


@pytest.fixture
def beat2(tmp_path: Path) -> Path:
    """A folder with sequences of three splits, and one whose sound, one whose face is missing."""
    root = tmp_path / "BEAT2" / "beat_english_v2.0.0"
    for name in ("2_scott_0_103_103", "2_scott_0_1_1", "4_lawrence_1_3_3", "6_carla_0_65_65"):
        beat2_sequence(root, name)
    textgrid(root / "textgrid" / "2_scott_0_103_103.TextGrid", INTERVALS)
    (root / "textgrid" / "2_scott_0_1_1.TextGrid").write_text('File type = "ooTextFile"\n"TextGrid"\n0\n2')
    (root / "wave16k" / "6_carla_0_65_65.wav").unlink()
    rows = ["2_scott_0_103_103,train", "2_scott_0_1_1,val", "4_lawrence_1_3_3,additional", "8_hailing_0_9_9,test"]
    (root / "train_test_split.csv").write_text("\n".join(["id,type", *rows]) + "\n")
    return root


def test_beat2_in_flame(beat2: Path):
    reader = open_captures("beat2", beat2.parent)  # the folder above will do
    assert list(reader.ids) == ["2_scott_0_103_103", "2_scott_0_1_1", "4_lawrence_1_3_3"]
    assert dict(reader.left_out) == {"6_carla_0_65_65": "no sound", "8_hailing_0_9_9": "no face and no sound"}

    fear, neutral, talk = (reader.read(id) for id in reader.ids)
    assert (fear.actor, fear.split, fear.emotion, fear.intensity, fear.space) == (
        "2_scott",
        "train",
        "fear",
        1.0,
        "flame-100",
    )
    assert fear.motion.shape == (100, 106) and len(fear.samples) == 32_000
    expression, jaw, neck = flame.parts(fear.motion)
    assert np.allclose(expression, 0.5) and np.allclose(np.diff(jaw[2:-2, 0]), 0.3 / 59 * 0.6, atol=1e-4)
    head = flame.head_angles(flame.rotations(neck))[0]
    np.testing.assert_allclose(head, [0.2, -0.1, 0], atol=1e-5)  # left, and down
    assert [p.label for p in fear.phones] == ["SIL", "M", "AE", "T", "SIL"] and fear.phones[1] == Phone("M", 0.3, 0.4)
    assert neutral.split == "valid" and neutral.phones is None and "cut off" in neutral.notes[0]
    assert (talk.split, talk.emotion, talk.intensity) == ("train", "neutral", 0.0)


def test_beat2_as_arkit_by_the_map_in_its_folder(beat2: Path):
    matrix = np.zeros((51, 103))
    matrix[flame.ROWS.index("jawOpen"), 100] = 0.4
    matrix[flame.ROWS.index("mouthSmileLeft"), :100] = 1.0
    np.save(beat2.parent / "mat_final.npy", matrix)
    capture = open_captures("beat2", beat2).read("2_scott_0_1_1")
    assert capture.space == "arkit" and capture.motion[-1, INDEX["jawOpen"]] == pytest.approx(0.74, abs=0.05)
    assert np.allclose(capture.motion[:, INDEX["mouthSmileLeft"]], 0.5, atol=0.02)
    np.testing.assert_allclose(capture.motion[5, 52:], [0.2, -0.1, 0], atol=1e-5)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"poses": np.zeros((60, 156), np.float32)}, r"poses \[60, 156\]"),
        ({"expressions": np.zeros((59, 100), np.float32)}, r"expressions \[59, 100\]"),
        ({"expressions": np.full((60, 100), np.nan, np.float32)}, "not finite"),
        ({"poses": np.array([{"a": 1}], dtype=object)}, "not a BEAT2 face"),
    ],
)
def test_a_damaged_beat2_face_is_named(beat2: Path, change: dict, reason: str):
    beat2_sequence(beat2, "2_scott_0_1_1", **change)
    with pytest.raises(CaptureError, match=f"2_scott_0_1_1.npz.*{reason}"):
        open_captures("beat2", beat2).read("2_scott_0_1_1")


def test_the_emotion_is_in_the_name():
    found = [emotion_of(f"9_miranda_0_{n}_{n}")[0] for n in (1, 64, 65, 73, 81, 87, 95, 103, 111)]
    assert found == "neutral neutral happiness anger sadness contempt surprise fear disgust".split()
    assert emotion_of("9_miranda_4_73_80")[0] == "anger" and emotion_of("9_miranda_5_9_9")[0] == "neutral"


def test_short_textgrids_in_utf16(tmp_path: Path):
    path = tmp_path / "a.TextGrid"
    rows = "\n".join(f'{a}\n{b}\n"{label}"' for a, b, label in [(0, 0.2, "ʃ"), (0.2, 0.5, "aɪ"), (0.5, 0.6, "")])
    head = 'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n1\n<exists>\n2\n'
    points = '"TextTier"\n"clicks"\n0\n1\n1\n0.5\n"x"\n'
    path.write_text(f'{head}{points}"IntervalTier"\n"phones"\n0\n1\n3\n{rows}\n', encoding="utf-16")
    phones = read_phones(path, 1.0)
    assert [(p.label, p.end) for p in phones] == [("SH", 0.2), ("AY", 0.5), ("SIL", 1.0)]
    assert phones_of("UW2") == ("UW",) and phones_of("spn") == ("SIL",)


# --- HDTF + TFHP ---


def pack(folder: Path, people: dict[str, int], frames: int = 230, protocol: int = pickle.HIGHEST_PROTOCOL) -> None:
    """An environment as DiffPoseTalk's scripts write it: videos per person, segments of 100 frames."""
    folder.mkdir(parents=True, exist_ok=True)
    keys = []
    with lmdb.open(str(folder), map_size=1 << 28) as file, file.begin(write=True) as out:
        out.put(b"metadata", pickle.dumps({"seg_len": 100}, protocol))
        for person, videos in people.items():
            for video in range(videos):
                key = f"{person}/{video:03d}"
                keys.append(key)
                out.put(f"{key}/metadata".encode(), pickle.dumps({"n_frames": frames}, protocol))
                for number, first in enumerate(range(0, frames, 100)):
                    n = min(100, frames - first)
                    pose = np.zeros((n, 6), np.float32)
                    pose[:, 1], pose[:, 3] = 0.3, 0.2
                    exp = np.full((n, 50), number, np.float32)
                    coef = {"shape": np.zeros((n, 100), np.float32), "exp": exp, "pose": pose}
                    value = {"audio": flac(tone(n / 25)), "coef": coef}
                    out.put(f"{key}/{number:03d}".encode(), pickle.dumps(value, protocol))
    (folder / "keys.txt").write_text("\n".join(keys))


@pytest.mark.parametrize("protocol", [4, 5])
def test_diffposetalk_videos_are_joined(tmp_path: Path, protocol: int):
    pack(tmp_path / "HDTF_TFHP-lmdb", {"TH_00001": 2}, protocol=protocol)
    reader = open_captures("diffposetalk", tmp_path)
    assert list(reader.ids) == ["TH_00001/000", "TH_00001/001"]
    capture = reader.read("TH_00001/001")
    assert (capture.actor, capture.space, capture.motion.shape) == ("TH_00001", "flame-50", (460, 56))
    assert len(capture.samples) == 460 * 320 and not capture.notes
    expression, jaw, neck = flame.parts(capture.motion)
    assert (expression[5, 0], expression[455, 0]) == (0, 2) and np.allclose(jaw[:, 0], 0.2)
    assert np.allclose(neck, 0, atol=1e-6)  # a head that does not move looks to the front


def test_the_last_people_are_held_out(tmp_path: Path):
    pack(tmp_path / "many", {f"TH_{n:05d}": 1 for n in range(300)}, frames=1)
    reader = open_captures("diffposetalk", tmp_path / "many")
    splits = [reader._split[f"TH_{n:05d}/000"] for n in range(300)]
    assert splits == ["train"] * 172 + ["valid"] * 64 + ["test"] * 64
    (tmp_path / "many" / "val.txt").write_text("TH_00000/000\n")
    (tmp_path / "many" / "test.txt").write_text("TH_00001/000\n")
    reader = open_captures("diffposetalk", tmp_path / "many")
    assert (reader._split["TH_00000/000"], reader._split["TH_00001/000"]) == ("valid", "test")


def change(folder: Path, key: str, value: bytes | None) -> None:
    with lmdb.open(str(folder), map_size=1 << 28) as file, file.begin(write=True) as out:
        out.delete(key.encode()) if value is None else out.put(key.encode(), value)


class Evil:
    """A pickle of it runs a command."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return os.system, (f"touch {self.mark}",)


def test_holes_and_malicious_pickles_are_named_and_nothing_runs(tmp_path: Path):
    folder, mark = tmp_path / "lmdb", tmp_path / "ran"
    pack(folder, {"A": 1, "B": 1, "C": 1, "D": 1})
    change(folder, "A/000/001", None)
    change(folder, "B/000/000", pickle.dumps({"audio": b"", "coef": Evil(mark)}))
    change(folder, "C/000/metadata", pickle.dumps({"n_frames": "many"}))
    change(folder, "D/000/000", pickle.dumps({"audio": flac(tone(4)), "coef": {"exp": np.zeros((100, 49))}}))
    (folder / "keys.txt").write_text("A/000\nE/000\n")
    reader = open_captures("diffposetalk", folder)
    assert dict(reader.left_out) == {"E/000": "listed in keys.txt, not there"}
    assert reader.read("A/000").motion.shape == (200, 56)
    assert "segment 001 is missing: 100 of 230" in reader.read("A/000").notes[0]
    with pytest.raises(CaptureError, match=r"B/000: segment 000 cannot be read: the pickle names posix.system"):
        reader.read("B/000")
    with pytest.raises(CaptureError, match="C/000: metadata without n_frames"):
        reader.read("C/000")
    with pytest.raises(CaptureError, match="D/000: segment 000 is not a segment"):
        reader.read("D/000")
    assert not mark.exists()


@pytest.mark.parametrize("protocol", [3, 4, 5])
@pytest.mark.parametrize("array", [np.eye(2, 3), np.asfortranarray(np.ones((3, 2), ">i2")), np.zeros(0)])
def test_numbers_come_back_from_a_pickle(protocol: int, array: np.ndarray):
    data = pickle.dumps({"a": array, "b": [1, 2.5, "x", None, b"y"], "c": np.float32(0.5)}, protocol)
    for written in (data, data.replace(b"numpy._core.", b"numpy.core.") if protocol < 4 else data):  # of numpy 1
        found = loads(written)
        np.testing.assert_array_equal(found["a"], array)
        assert found["a"].dtype == array.dtype and found["b"] == [1, 2.5, "x", None, b"y"] and found["c"] == 0.5


@pytest.mark.parametrize(
    "data",
    [
        pickle.dumps(np.array([{}], dtype=object)),
        pickle.dumps(os.system),
        pickle.dumps(np.ndarray),
        pickle.dumps(np.zeros(4))[:-20],
        pickle.dumps({1, 2}),
        b"cnumpy\nndarray\n(I1000000000\ntR.",
        b"cnumpy\ndtype\n(S'O'\ntR.",
        b"\x80\x04" + b"]" + b"\x94" + b"h\x00a.",
        b"no pickle at all",
        b"",
    ],
)
def test_a_pickle_of_anything_else_is_refused(data: bytes):
    with pytest.raises(pickle.UnpicklingError):
        loads(data)


def test_a_pickle_that_grows_without_bound_is_refused():
    nested: list = []
    for _ in range(7):
        nested = [nested] * 100
    with pytest.raises(pickle.UnpicklingError, match="too many values"):
        loads(pickle.dumps(nested))


# --- RAVDESS ---

UNITS = "AU01 AU02 AU04 AU05 AU06 AU07 AU09 AU10 AU12 AU14 AU15 AU17 AU20 AU23 AU25 AU26 AU45".split()


def openface(path: Path, frames: int = 90, lost: tuple[int, ...] = (), **values: float) -> None:
    """A CSV as OpenFace 2.1 writes it, at 29.97 frames per second."""
    fixed = ["frame", "timestamp", "confidence", "success", "gaze_angle_x", "gaze_angle_y"]
    poses = [f"pose_{kind}{axis}" for kind in "TR" for axis in "xyz"]
    names = [*fixed, *poses, "x_0", *(f"{unit}_r" for unit in UNITS), "AU25_c", "AU28_c"]
    lines = [", ".join(names)]
    for k in range(frames):
        row = dict.fromkeys(names, 0.0) | {"frame": k + 1, "timestamp": round(k / 29.97, 3), "confidence": 0.98}
        row |= {"success": 1, "AU26_r": 2.5, "AU25_r": 2.0, "AU12_r": 5.0, **values}
        if k in lost:
            row |= {"success": 0, "confidence": 0.0, "AU26_r": 0.0, "pose_Ry": 3.0}
        lines.append(", ".join(f"{row[name]:g}" for name in names))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture
def ravdess(tmp_path: Path) -> Path:
    """Trials of three actors, faces of two, a song, and a file that is none of them."""
    names = ["03-01-01-01-01-01-01", "03-01-05-02-01-01-22", "03-01-03-01-02-02-23", "03-02-03-01-02-02-23", "notes"]
    for name in names:
        folder = tmp_path / f"Actor_{name[-2:]}"
        folder.mkdir(exist_ok=True)
        soundfile.write(folder / f"{name}.wav", tone(3.0), 16_000)
    faces = tmp_path / "FacialTracking_Actors_01-24"
    openface(faces / "01-01-01-01-01-01-01.csv", lost=(10, 11))
    openface(faces / "01-01-05-02-01-01-22.csv", lost=tuple(range(40)))
    openface(faces / "01-01-08-01-01-01-07.csv")
    return tmp_path


def test_ravdess_sounds_faces_and_emotions(ravdess: Path):
    reader = open_captures("ravdess", ravdess)
    assert list(reader.ids) == ["01-01-01-01-01-01", "01-03-01-02-02-23", "01-05-02-01-01-22"]
    reasons = dict(reader.left_out)
    assert "seven numbers" in reasons["notes.wav"] and reasons["1 songs"] and reasons["01-08-01-01-01-07"] == "no sound"

    calm, happy, angry = (reader.read(id) for id in reader.ids)
    assert [(c.split, c.emotion, c.intensity, c.actor) for c in (calm, happy, angry)] == [
        ("train", "neutral", 0.0, "ravdess-01"),
        ("test", "happiness", 0.6, "ravdess-23"),
        ("valid", "anger", 1.0, "ravdess-22"),
    ]
    assert calm.motion.shape[0] == pytest.approx(150, abs=1) and "2 lost frames" in calm.notes[0]
    at = {name: calm.motion[20:120, INDEX[name]] for name in ("jawOpen", "mouthSmileLeft", "mouthLowerDownRight")}
    assert np.allclose(at["jawOpen"], 0.85 * 0.5 + 0.15 * 0.4, atol=1e-5)
    assert np.allclose(at["mouthSmileLeft"], 1) and np.allclose(at["mouthLowerDownRight"], 0.24, atol=1e-5)
    assert not calm.motion[:, 52:].any()
    assert happy.motion is None and len(happy.samples) == 48_000 and not happy.notes
    assert angry.motion is None and "lost in 44% of the frames" in angry.notes[0]


def test_heads_and_eyes_turn_the_way_they_look(ravdess: Path):
    """In OpenFace's axes a head that turns to its right and up has a positive Ry and a negative Rx."""
    path = ravdess / "FacialTracking_Actors_01-24" / "01-01-01-01-01-01-01.csv"
    openface(path)
    rows = [line.split(", ") for line in path.read_text().splitlines()]
    for row in rows[61:]:
        for name, value in (("pose_Ry", "0.3"), ("pose_Rx", "-0.2"), ("pose_Rz", "0.1"), ("gaze_angle_y", "0.26")):
            row[rows[0].index(name)] = value
    path.write_text("\n".join(", ".join(row) for row in rows))
    motion = open_captures("ravdess", ravdess).read("01-01-01-01-01-01").motion
    np.testing.assert_allclose(motion[-5, 52:], [-0.3, 0.2, 0.1], atol=1e-5)
    assert motion[-5, INDEX["eyeLookDownLeft"]] > 0.5 and motion[-5, INDEX["eyeLookOutLeft"]] > 0.5  # eyes stay behind


def test_a_csv_that_is_not_openface_leaves_the_sound(ravdess: Path):
    path = ravdess / "FacialTracking_Actors_01-24" / "01-01-01-01-01-01-01.csv"
    path.write_text("time, smile\n0, 1\n")
    capture = open_captures("ravdess", ravdess).read("01-01-01-01-01-01")
    assert capture.motion is None and "not an OpenFace CSV" in capture.notes[0]


@pytest.mark.parametrize("format", ["beat2", "diffposetalk", "ravdess"])
def test_an_empty_folder_is_named(tmp_path: Path, format: str):
    with pytest.raises(CaptureError, match=str(tmp_path)):
        open_captures(format, tmp_path)
    with pytest.raises(ValueError, match="there are livelink, beat2"):
        open_captures("vhs", tmp_path)
