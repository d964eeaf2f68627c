"""The offset between two clocks, from exchanges over a network that delays (RFC 5905, sections 8 and 10).

filter = ClockFilter()
filter.add(t1, t2, t3, t4)       # sent, received there, answered there, arrived: nanoseconds
server_now = time.time_ns() + filter.offset_ns
"""

from collections import deque

KEPT = 16
"""Exchanges that compete."""
DRIFT = 20_000
"""Two clocks drift apart by at most 1 ns in this many: 50 ppm, twice what crystals are sold with."""


class ClockFilter:
    """Keeps the exchange whose offset is surest: half its delay, plus what the clocks may have drifted since.

    The true offset of an exchange lies within half its delay, however unequal the two ways were. An exchange that
    contradicts the kept one therefore shows that a clock was set, and what was before it is forgotten.
    """

    def __init__(self) -> None:
        self.offset_ns = 0
        """Server clock minus client clock."""
        self.delay_ns = 0
        """Round trip of the exchange that gave the offset."""
        self._kept: deque[tuple[int, int, int]] = deque(maxlen=KEPT)

    def add(self, t1: int, t2: int, t3: int, t4: int) -> None:
        """Take one exchange in; one that seems to have ended before it began (a clock was set) is left out."""
        delay = (t4 - t1) - (t3 - t2)
        if delay < 0 or t4 < t1:
            return
        offset = ((t2 - t1) + (t3 - t4)) // 2
        if self._kept:
            at, kept_delay, kept_offset = self._best(t4)
            if abs(offset - kept_offset) > (delay + kept_delay) // 2 + abs(t4 - at) // DRIFT:
                self._kept.clear()
        self._kept.append((t4, delay, offset))
        _, self.delay_ns, self.offset_ns = self._best(t4)

    def clear(self) -> None:
        """Forget every exchange: it is another server's clock from now on."""
        self._kept.clear()

    def _best(self, now: int) -> tuple[int, int, int]:
        return min(self._kept, key=lambda kept: kept[1] // 2 + abs(now - kept[0]) // DRIFT)
