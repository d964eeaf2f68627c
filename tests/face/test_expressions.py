import math

import pytest
from safetensors import safe_open

from tests.nodes.hri import LABELS
from toktalk_node.face.expressions import CIRCLE, style_of
from toktalk_node.motion.checkpoint import STYLES_FILE, weights_folder
from toktalk_node.motion.style import parse_blend
from toktalk_node.stream.session import LIVE_PRESET, WEIGHTS


def test_every_label_of_ros4hri_is_a_style_that_ships() -> None:
    with safe_open(weights_folder(WEIGHTS / LIVE_PRESET) / STYLES_FILE, "np") as file:
        ships = {key.split(".")[0] for key in file.keys()}
    for label in LABELS:
        blend = parse_blend(style_of(label))
        assert blend and set(blend) <= ships and sum(blend.values()) <= 1 + 1e-9, label
    assert style_of(" Happy ") == "happiness=0.8"


def test_valence_and_arousal_lie_between_two_feelings_of_the_circle() -> None:
    for angle, feeling in CIRCLE:
        at = math.radians(angle)
        assert style_of("", math.cos(at), math.sin(at)) == f"{feeling}=1"
    between = parse_blend(style_of("", 0.5 * math.cos(math.radians(39)), 0.5 * math.sin(math.radians(39))))
    assert between == {"happiness": 0.25, "surprise": 0.25}
    assert style_of("", 0.0, 0.01) == style_of("", 0.0, 0.0) == "neutral"
    assert set(parse_blend(style_of("", 5.0, 0.0))) == {"warm", "happiness"}


def test_all_of_the_circle_is_a_style_of_bounded_weight() -> None:
    for degrees in range(0, 360):
        at = math.radians(degrees)
        blend = parse_blend(style_of("", math.cos(at), math.sin(at)))
        assert 0.9 <= sum(blend.values()) <= 1.02 and len(blend) <= 2


def test_what_is_no_expression_is_refused() -> None:
    with pytest.raises(ValueError, match="no expression 'grumpy'; there are neutral"):
        style_of("grumpy")
    with pytest.raises(ValueError, match="finite"):
        style_of("", math.nan, 0.0)
