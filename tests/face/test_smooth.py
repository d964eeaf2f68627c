"""Smoothing: a still head from a trembling one, and a mouth that nobody touched."""

import numpy as np

from toktalk_node.face.arkit import INDEX, MOTION_WIDTH
from toktalk_node.face.smooth import Smoother

HEAD_YAW = 52


def tremble(frames: int = 400) -> np.ndarray:
    motion = np.random.default_rng(0).normal(0, 0.02, (frames, MOTION_WIDTH)).astype(np.float32)
    motion[:, HEAD_YAW] += 0.1 * np.sin(2 * np.pi * 0.5 * np.arange(frames) / 50)
    return motion


def test_head_keeps_its_way_and_loses_its_tremble():
    motion = tremble()
    smooth = Smoother(50).push(motion)
    accelerations = [np.abs(np.diff(m[:, HEAD_YAW], 2)).mean() for m in (motion, smooth)]
    assert accelerations[1] < 0.05 * accelerations[0]
    assert np.ptp(smooth[100:, HEAD_YAW]) > 0.17, "slow motion passes"


def test_mouth_and_lids_pass_untouched():
    motion = tremble()
    smooth = Smoother(50).push(motion)
    for name in ("jawOpen", "mouthClose", "mouthPucker", "eyeBlinkLeft"):
        assert np.array_equal(smooth[:, INDEX[name]], motion[:, INDEX[name]])


def test_how_much_is_asked_for():
    motion = tremble()
    assert np.array_equal(Smoother(50, amount=0).push(motion), motion)
    rough, calm, calmer = (
        np.abs(np.diff(Smoother(50, amount=k).push(motion)[:, HEAD_YAW], 2)).mean() for k in (0, 1, 2)
    )
    assert calmer < calm < rough


def test_packets_of_any_size_give_the_same_bits():
    motion, parts = tremble(), Smoother(50)
    cut = np.concatenate([parts.push(part) for part in np.split(motion, [1, 1, 7, 200])])
    assert np.array_equal(cut, Smoother(50).push(motion))
