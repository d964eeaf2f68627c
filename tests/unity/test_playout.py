"""Sound and face as the C# client plays them in real time, and what the network takes."""

import time

import numpy as np
import pytest

from tests.unity import measure
from tests.unity.mono import Peer
from toktalk_node.bridge.server import Bridge
from toktalk_node.signals import Clock, FaceChunk

pytestmark = pytest.mark.peer


def test_the_face_shown_is_that_of_the_sound_heard(program):
    figures = measure.skew(program, 4.0)
    assert figures["pictures"] > 200
    assert figures["p99_ms"] < 10
    assert figures["errors"] == figures["lost"] == figures["refused"] == 0


def test_messages_of_many_streams_reach_the_client_soon_and_without_garbage(program):
    figures = measure.load(program, 10, 2.0)
    assert figures["messages_per_s"] > 600
    assert (figures["lost"], figures["errors"]) == (0, 0)
    assert figures["p50_ms"] < 20
    assert figures["collections"] <= 1


def test_who_joins_late_sees_the_newest_face_until_the_first_live_one(program):
    def face(weight: float) -> FaceChunk:
        return FaceChunk(np.full((25, 52), weight, np.float32), np.zeros((25, 3), np.float32), 50)

    with Bridge(pub_port=0, control_port=0) as bridge:
        bridge.publish_face(face(0.5), Clock(time.time_ns() - 10_000_000_000))
        with Peer(program, "play", bridge.control_endpoint, "default", "6") as peer:
            peer.expect("ready", 60.0)
            time.sleep(4.0)
            live = Clock(time.time_ns() + 200_000_000)
            bridge.publish_face(face(0.9), live)
            *pictures, _ = peer.lines(10.0)
    shown = np.array([picture["shown"] for picture in pictures])
    first, then = int(np.argmax(shown > 0)), int(np.argmax(shown > 0.6))
    assert then - first > 90, "a second at least"
    np.testing.assert_array_equal(shown[first:then], 0.5)
    assert 0 <= pictures[then]["pts_ns"] - live.epoch_ns < 50_000_000, "the old frame sets no time"
