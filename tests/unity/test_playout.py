"""Sound and face as the C# client plays them in real time, and what the network takes."""

import pytest

from tests.unity import measure

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
