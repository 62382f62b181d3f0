"""Deadlines of calls that only another thread can stop; one thread keeps those of a whole process."""

import math
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType


class Deadline(AbstractContextManager["Deadline"]):
    """Stops what a block does where that takes too long.

    A block costs two short locks: thousands of calls a second can have one each.

    Args:
        seconds: that the block may take.
        stop: called once, from another thread, where it takes longer; never after the end of the block. It returns
            quickly.

    Attributes:
        passed: whether `stop` was called.
    """

    def __init__(self, seconds: float, stop: Callable[[], None]) -> None:
        self.passed = False
        self.at = math.inf
        self.stop = stop
        self._seconds = seconds

    def __enter__(self) -> "Deadline":
        self.at = time.monotonic() + self._seconds
        _keeper.add(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _keeper.remove(self)


class _Keeper:
    """The thread, and the deadlines of blocks that have not ended."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._open: set[Deadline] = set()
        self._looks_at = math.inf
        self._runs = False

    def add(self, deadline: Deadline) -> None:
        with self._changed:
            self._open.add(deadline)
            if not self._runs:
                self._runs = True
                threading.Thread(target=self._keep, name="zoosmith-deadlines", daemon=True).start()
            # blocks of one length follow each other: the thread wakes for the first of them, not for each
            if deadline.at < self._looks_at:
                self._looks_at = deadline.at
                self._changed.notify()

    def remove(self, deadline: Deadline) -> None:
        with self._changed:
            self._open.discard(deadline)

    def _keep(self) -> None:
        with self._changed:
            while True:
                now = time.monotonic()
                for deadline in [each for each in self._open if each.at <= now]:
                    self._open.remove(deadline)
                    deadline.passed = True
                    deadline.stop()
                self._looks_at = min((each.at for each in self._open), default=math.inf)
                left = self._looks_at - time.monotonic()
                self._changed.wait(None if math.isinf(left) else min(max(left, 0.0), threading.TIMEOUT_MAX))


_keeper = _Keeper()
