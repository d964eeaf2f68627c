"""What a speaking thread has still to do: speech in its order, and questions, which come before it.

Any thread fills it, one empties it.
"""

import contextlib
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from typing import TypeVar

import numpy as np

from toktalk_node.agents.streams import Item, Mark, Said
from toktalk_node.signals import media_time_ns

_PIECE = 0.04
"""Seconds of sound that are taken at once: an interruption waits no longer than for that."""
_Answer = TypeVar("_Answer")


class Inbox:
    """Raises RuntimeError for what comes after `close`.

    Args:
        backlog: seconds of sound that may wait before there is no room for more.
    """

    def __init__(self, backlog: float) -> None:
        self.lock = threading.Condition()
        """Held while anything changes; a thread may hold it for longer, to change several things at once."""
        self._backlog = backlog
        self._items: deque[Item] = deque()
        self._questions: deque[Callable[[], None]] = deque()
        self._rooms: deque[Future[None]] = deque()
        self._waiting = 0.0
        self._said = (0, 0, 0)
        """Sound said: (ns at earlier rates, samples, rate)."""
        self._news = self._closed = False

    @property
    def said_ns(self) -> int:
        """Nanoseconds of sound said since the beginning."""
        earlier, samples, rate = self._said
        return earlier + (media_time_ns(samples, rate) if rate else 0)

    def __len__(self) -> int:
        return len(self._items)

    def say(self, samples: np.ndarray, rate: int, text: str) -> "Future[None]":
        """Add sound mono float32 [n] in pieces of a moment each; the Future is done when there is room for more."""
        room: Future[None] = Future()
        step = round(_PIECE * rate)
        with self.lock:
            self._check_open()
            for i in range(0, len(samples), step):
                piece = samples[i : i + step]
                self._items.append(Said(piece, rate, self.said_ns, "" if i else text))
                earlier, count, before = self._said
                self._said = (earlier, count + len(piece), rate) if rate == before else (self.said_ns, len(piece), rate)
            self._waiting += len(samples) / rate
            if self._waiting <= self._backlog:
                room.set_result(None)
            else:
                self._rooms.append(room)
            self._awake()
        return room

    def put(self, item: Item) -> None:
        """Add what comes after the sound said before."""
        with self.lock:
            self._check_open()
            self._items.append(item)
            self._awake()

    def ask(self, question: Callable[[], _Answer]) -> "Future[_Answer]":
        """What `question` returns or raises in the thread that empties the inbox."""
        answer: Future[_Answer] = Future()

        def call() -> None:
            if not answer.set_running_or_notify_cancel():
                return
            try:
                answer.set_result(question())
            except Exception as error:
                answer.set_exception(error)

        with self.lock:
            self._check_open()
            self._questions.append(call)
            self._awake()
        return answer

    def drop(self) -> tuple[int, list[object]]:
        """Forget what waits, but for questions: how much had been said before that, and its marks."""
        with self.lock:
            waited_ns = next((item.position_ns for item in self._items if isinstance(item, Said)), self.said_ns)
            marks = [item.mark for item in self._items if isinstance(item, Mark)]
            self._items.clear()
            self._waiting = 0.0
            self._make_room()
        return waited_ns, marks

    def close(self) -> None:
        """Drop what waits and take nothing more. Closing twice is fine."""
        with self.lock:
            self._closed = True
            self.drop()
            self._awake()

    def wait(self, seconds: float | None) -> tuple[bool, Callable[[], None] | None]:
        """Until something came, or for `seconds`: (False once it is closed and empty, the next question if any)."""
        with self.lock:
            if not self._news:
                self.lock.wait(seconds)
            question = self._questions.popleft() if self._questions else None
            self._news = bool(self._questions)
            return question is not None or not self._closed, question

    def take(self, wanted: Callable[[Said], bool]) -> Item | None:
        """The next item; None where there is none, a question comes first, or its sound is not `wanted` yet."""
        with self.lock:
            item = self._items[0] if self._items and not self._questions else None
            if item is None or (isinstance(item, Said) and not wanted(item)):
                return None
            self._items.popleft()
            if isinstance(item, Said):
                self._waiting = max(self._waiting - item.seconds, 0.0)
                self._make_room()
            return item

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError("the speaker is closed")

    def _awake(self) -> None:
        self._news = True
        self.lock.notify()

    def _make_room(self) -> None:
        while self._rooms and self._waiting <= self._backlog:
            with contextlib.suppress(InvalidStateError):  # nobody waits for it any more
                self._rooms.popleft().set_result(None)
