"""FLAME faces become ARKit weights and come back; angles mean what they say."""

from pathlib import Path

import numpy as np
import pytest

from toktalk_node.face import flame
from toktalk_node.face.arkit import INDEX, MOTION_WIDTH
from toktalk_node.face.flame import FlameError, FlameMap
from toktalk_node.face.renderer import _rotation
from toktalk_node.face.space import SPACES


@pytest.fixture(scope="module")
def face_map() -> FlameMap:
    """A map as uneven as the real one: jawOpen turns the jaw, shapes overlap, looks of the eyes move nothing."""
    rng = np.random.default_rng(0)
    matrix = rng.standard_normal((51, 103)) * 1.2 ** -np.arange(103).clip(max=8)
    matrix[:, 100:] = 0
    matrix[flame.ROWS.index("jawOpen"), 100] = 0.4
    matrix[flame.ROWS.index("jawLeft"), 101] = 0.1
    matrix[[i for i, name in enumerate(flame.ROWS) if name.startswith("eyeLook")]] = 0
    return FlameMap(matrix)


def faces(n: int, shapes: int = 6) -> np.ndarray:
    """ARKit motion with a few shapes active in each frame, tongue and gaze at rest."""
    rng = np.random.default_rng(1)
    motion = np.zeros((n, MOTION_WIDTH), np.float32)
    moved = [INDEX[name] for name in flame.ROWS if not name.startswith("eyeLook")]
    for frame in motion:
        frame[rng.choice(moved, shapes, replace=False)] = rng.random(shapes)
    motion[:, 52:] = rng.uniform(-0.5, 0.5, (n, 3))
    return motion


def test_rows_are_alphabetical_without_the_tongue():
    assert len(flame.ROWS) == 51 and flame.ROWS[0] == "browDownLeft" and flame.ROWS[24] == "jawOpen"
    assert flame.ROWS[37] == "mouthPucker" and flame.ROWS[50] == "noseSneerRight"


@pytest.mark.parametrize("expressions", [50, 100])
def test_weights_survive_the_way_to_flame_and_back(face_map: FlameMap, expressions: int):
    motion = faces(200)
    there = face_map.to_flame(motion, expressions)
    assert there.shape == (200, SPACES[f"flame-{expressions}"].width) and there.dtype == np.float32
    back = face_map.to_arkit(there)
    away = np.abs(back - motion)
    assert np.median(away[:, :52].max(axis=1)) < 0.1 and away[:, INDEX["jawOpen"]].max() < 0.02
    np.testing.assert_allclose(back[:, 52:], motion[:, 52:], atol=1e-5)


def test_weights_are_the_best_within_their_bounds(face_map: FlameMap):
    """Against scipy's solver, on faces that no weights reach exactly."""
    from scipy.optimize import lsq_linear

    rng = np.random.default_rng(2)
    target = flame.joined(rng.normal(0, 0.5, (20, 100)), rng.normal(0, 0.2, (20, 3)), np.zeros((20, 3)))
    found = face_map.to_arkit(target)[:, face_map._index]
    assert found.min() >= 0 and found.max() <= 1
    scale = np.r_[np.ones(100), np.full(3, flame.JAW_WEIGHT)]
    basis = (face_map.matrix * scale).T
    ridge = np.sqrt(flame.RIDGE) * np.linalg.norm(basis, 2) * np.eye(51)
    for row, weights in zip(target, found, strict=True):
        best = lsq_linear(np.vstack([basis, ridge]), np.r_[row[:103] * scale, np.zeros(51)], bounds=(0, 1)).x
        np.testing.assert_allclose(weights, best, atol=0.01)


def test_head_angles_are_those_of_the_renderer():
    head = np.random.default_rng(3).uniform(-0.7, 0.7, (20, 3))
    turns = flame.rotations(flame.neck_of(head))
    np.testing.assert_allclose(turns, [_rotation(row) for row in head], atol=1e-6)
    np.testing.assert_allclose(flame.head_angles(turns), head, atol=1e-5)
    assert not flame.neck_of(np.zeros((1, 3))).any()


def test_a_jaw_that_drops_opens():
    front = np.array([0.0, 0.0, 1.0])
    dropped = flame.rotations(flame.jaw_rotation(np.array([0.6])))[0] @ front
    assert dropped[1] < -0.2  # what looks to the front goes down
    np.testing.assert_allclose(flame.jaw_open(flame.jaw_rotation(np.array([0.0, 0.6, 1.0]))), [0, 0.6, 1], atol=1e-6)
    assert flame.jaw_open(np.array([[-0.2, 0, 0], [9.0, 0, 0]])).tolist() == [0, 1]


def test_a_map_that_is_none_is_named(tmp_path: Path):
    path = tmp_path / "mat_final.npy"
    with pytest.raises(FlameError, match="mat_final.npy"):
        FlameMap.load(path)
    np.save(path, np.zeros((103, 51)))
    with pytest.raises(FlameError, match=r"mat_final.npy: a map of shape \[103, 51\], expected finite"):
        FlameMap.load(path)
    np.save(path, np.array([{"not": "numbers"}], dtype=object), allow_pickle=True)
    with pytest.raises(FlameError, match="mat_final.npy"):
        FlameMap.load(path)
