"""What tests of the agents share: a bridge, and a receiver that listens to it."""

from collections.abc import Iterator

import pytest

from tests.agents.receiver import Receiver
from toktalk_node.bridge.server import Bridge


@pytest.fixture
def bridge() -> Iterator[Bridge]:
    with Bridge(pub_port=0, control_port=0) as bridge:
        yield bridge


@pytest.fixture
def receiver(bridge: Bridge) -> Iterator[Receiver]:
    with Receiver(bridge) as receiver:
        yield receiver
