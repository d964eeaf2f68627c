"""Pictures of the head without a display."""

import numpy as np
import pytest

from toktalk_node.face.arkit import INDEX
from toktalk_node.face.renderer import HeadRenderer

REST = np.zeros(3)


@pytest.fixture(scope="module")
def renderer():
    return HeadRenderer(160, 200)


def weights(**values: float) -> np.ndarray:
    w = np.zeros(52, np.float32)
    for name, value in values.items():
        w[INDEX[name]] = value
    return w


def dark_in(picture: np.ndarray, rows: tuple[float, float], columns: tuple[float, float] = (0.35, 0.65)) -> float:
    """Share of dark samples within a part of the picture."""
    h, w = picture.shape[:2]
    part = picture[int(rows[0] * h) : int(rows[1] * h), int(columns[0] * w) : int(columns[1] * w)]
    return float((part.max(axis=2) < 100).mean())


def test_an_open_mouth_is_dark_inside_and_shut_lips_are_not(renderer):
    mouth = (0.56, 0.76)
    opened = dark_in(renderer.render(weights(jawOpen=0.8), REST), mouth)
    shut = dark_in(renderer.render(weights(jawOpen=0.4, mouthClose=0.4), REST), mouth)
    assert opened > 0.05 and shut < 0.005


def test_a_blink_hides_the_pupils(renderer):
    eyes = ((0.36, 0.50), (0.28, 0.72))
    opened = dark_in(renderer.render(weights(), REST), *eyes)
    blink = dark_in(renderer.render(weights(eyeBlinkLeft=1, eyeBlinkRight=1), REST), *eyes)
    assert opened > 0.03 and blink < opened / 2


def test_the_head_turns_nods_and_tilts_as_its_angles_say(renderer):
    """The pupils' place: to the person's left is to the right of the picture, up is up, a tilt lowers the left."""

    def pupils(head: tuple[float, float, float]) -> np.ndarray:
        picture = renderer.render(weights(), np.array(head))
        rows, columns = np.nonzero((picture.astype(int) - (16, 18, 26)).__abs__().max(axis=2) < 30)
        return np.array([columns.mean(), rows.mean(), np.polyfit(columns, rows, 1)[0]])

    rest = pupils((0, 0, 0))
    assert pupils((0.2, 0, 0))[0] > rest[0] + 5
    assert pupils((0, 0.2, 0))[1] < rest[1] - 5
    assert pupils((0, 0, 0.2))[2] > rest[2] + 0.1


def test_nonsense_gives_a_resting_face_or_a_clear_error(renderer):
    rest = renderer.render(weights(), REST)
    assert rest.shape == (200, 160, 3) and rest.dtype == np.uint8
    np.testing.assert_array_equal(renderer.render(np.full(52, np.nan), np.full(3, np.inf)), rest)
    with pytest.raises(ValueError, match=r"weights \(51,\)"):
        renderer.render(np.zeros(51), REST)
    with pytest.raises(ValueError, match="0 x 512"):
        HeadRenderer(0, 512)
