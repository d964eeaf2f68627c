"""What robot_face counts while it moves, and how /diagnostics tells it."""

import time
from collections import deque
from dataclasses import dataclass, field

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from toktalk_node.face.robot_motion import MAX_AHEAD, RobotMotion

HELD_BACK = 0.05
"""Share of its travel by which a joint is off its target when it counts as held back by its limits."""


@dataclass
class Figures:
    """Counters since activation."""

    frames: int = 0
    late_frames: int = 0
    """Frames that came after their presentation."""
    bad_frames: int = 0
    """Frames with numbers that are not finite, or without a rate."""
    far_frames: int = 0
    """Frames too far ahead: the clocks of the machines differ."""
    steps: int = 0
    missed_periods: int = 0
    rests: int = 0
    """Times that the watchdog, or the end of a stream, sent the face to rest."""
    lateness: deque[float] = field(default_factory=lambda: deque(maxlen=1000))
    """Seconds by which the latest steps woke up late."""
    held_back: np.ndarray | int = 0
    """Steps in which each driven joint was off its target, since the last status."""
    _told: tuple[float, int, int] = field(default_factory=lambda: (time.monotonic(), 0, 0))

    def watch(self, motion: RobotMotion) -> None:
        """Count the joints that a step left off their targets."""
        limits = motion.robot.limits
        off = np.abs(motion.target - motion.limiter.position) > HELD_BACK * (limits.high - limits.low)
        self.held_back = self.held_back + off

    def status(self, motion: RobotMotion | None, waits: str) -> DiagnosticStatus:
        """All figures, without the node's name; `waits` says why there is no motion."""
        then, steps, missed = self._told
        self._told = (time.monotonic(), self.steps, self.missed_periods)
        done, live = self.steps - steps, motion is not None and motion.live
        held, self.held_back = self.held_back, 0
        status = DiagnosticStatus(level=DiagnosticStatus.OK, message="moving" if live else "at rest: no frames")
        warnings = (
            (self.missed_periods - missed, "periods were missed: lower rate, or give the node more time"),
            (self.late_frames, "frames came late: raise the decoder's playout_delay; do the machines' clocks agree?"),
            (self.far_frames, f"frames were more than {MAX_AHEAD:g} s ahead: do the machines' clocks agree?"),
            (self.bad_frames, "frames were not finite or had no rate"),
        )
        if told := [f"{count} {what}" for count, what in warnings if count]:
            status.level, status.message = DiagnosticStatus.WARN, "; ".join(told)
        if motion is None:
            status.level, status.message = DiagnosticStatus.ERROR, waits
        values = {
            "rate_hz": round(done / max(self._told[0] - then, 1e-3), 1),
            "jitter_p99_ms": round(1e3 * float(np.percentile(list(self.lateness) or [0.0], 99)), 3),
            "frames": self.frames,
            "late_frames": self.late_frames,
            "bad_frames": self.bad_frames,
            "far_frames": self.far_frames,
            "missed_periods": self.missed_periods,
            "watchdog": "moving" if live else "at rest",
            "rests": self.rests,
            "held_back": _shares(motion, held, done),
        }
        status.values = [KeyValue(key=key, value=str(value)) for key, value in values.items()]
        return status


def _shares(motion: RobotMotion | None, held: "np.ndarray | int", steps: int) -> str:
    """Joints that limits kept off their targets, with the share of the steps: "jaw 12 %, neck_yaw 40 %"."""
    if motion is None or np.ndim(held) == 0 or not steps:
        return ""
    shares = zip(motion.robot.driven, 100 * held / steps, strict=True)
    return ", ".join(f"{joint.name} {share:.0f} %" for joint, share in shares if share >= 1)
