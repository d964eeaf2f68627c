"""What tests of the nodes share."""

from pathlib import Path

import pytest
import torch

from toktalk_node.face.arkit import INDEX
from toktalk_node.motion import checkpoint
from toktalk_node.motion.config import MotionConfig
from toktalk_node.motion.model import MotionModel
from toktalk_node.motion.style import Style


@pytest.fixture(scope="session")
def styled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A preset that knows the styles warm and happiness: random weights, but each style has a smile of its own."""
    folder = tmp_path_factory.mktemp("styled")
    torch.manual_seed(0)
    config = MotionConfig(
        condition_width=64, channels=16, heads=2, head_width=8, feed_forward=2, down_stages=1, middle_stages=1,
        blocks=1, time_width=16, overlap=8, chunk=4, steps=1, style_width=4,
    )  # fmt: skip
    checkpoint.save(MotionModel(config), folder)
    rests = {name: torch.zeros(config.motion_width) for name in ("warm", "happiness")}
    for name, smile in (("warm", 0.3), ("happiness", 0.8)):
        rests[name][INDEX["mouthSmileLeft"]] = smile
    checkpoint.save_styles(folder, {name: Style(torch.randn(4), rest) for name, rest in rests.items()})
    return folder
