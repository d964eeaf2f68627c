"""What tests of the bridge share: one that has announced a face and its sound, and the web page in front of it."""

from collections.abc import Iterator

import pytest

from tests.bridge.pages import RATE
from toktalk_node.bridge.server import Bridge
from toktalk_node.bridge.web import WebViewer


@pytest.fixture
def bridge() -> Iterator[Bridge]:
    with Bridge(pub_port=0, control_port=0) as bridge:
        bridge.announce(fps=50, audio_rate=RATE)
        yield bridge


@pytest.fixture
def viewer(bridge: Bridge) -> Iterator[WebViewer]:
    with WebViewer(bridge.control_endpoint, port=0) as viewer:
        yield viewer
