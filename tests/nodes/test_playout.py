import pytest

pytest.importorskip("rclpy")
import numpy as np  # noqa: E402

from toktalk_node.nodes.playout import UNDERRUN, FaceFrame, Happening, Playout, Sounding  # noqa: E402
from toktalk_node.signals import AudioChunk  # noqa: E402

MS = 1_000_000


def face(frame: int) -> FaceFrame:
    return FaceFrame(np.zeros(52), np.zeros(3), frame, 50)


def test_outputs_leave_ahead_of_their_time_in_order() -> None:
    playout = Playout(ahead_ns=100 * MS)
    for pts, output in ((240, face(2)), (200, face(0)), (220, face(1)), (200, Happening(1))):
        playout.push(pts * MS, output)
    assert playout.due(99 * MS) == []
    ready = playout.due(120 * MS)
    assert [pts // MS for pts, _ in ready] == [200, 200, 220] and isinstance(ready[1][1], Happening)
    assert playout.stats.late_frames == 0


def test_late_frames_are_counted_once_each_and_underruns_once_a_run() -> None:
    playout = Playout(ahead_ns=0)
    told: list[Happening] = []
    for frame, now in ((0, 0), (1, 25), (2, 70), (3, 60), (4, 80), (5, 130)):
        playout.push(frame * 20 * MS, face(frame))
        told += [output for _, output in playout.due(now * MS) if isinstance(output, Happening)]
    assert [(event.type, event.frame) for event in told] == [(UNDERRUN, 1), (UNDERRUN, 5)]
    assert (playout.stats.frames, playout.stats.late_frames, playout.stats.underruns) == (6, 3, 2)
    assert playout.stats.max_late_ns == 30 * MS


def test_dropping_forgets_only_what_is_not_yet_due() -> None:
    playout = Playout(ahead_ns=0)
    for frame in range(10):
        playout.push(frame * 20 * MS, face(frame))
        playout.push(frame * 20 * MS, Sounding(AudioChunk(np.zeros(320, np.float32), 16000, frame * 320)))
    playout.drop_from(140 * MS, (FaceFrame,))
    assert len(playout) == 17
    playout.drop_from(100 * MS)
    assert len(playout) == 10
    assert len([output for _, output in playout.due(1000 * MS) if not isinstance(output, Happening)]) == 10
