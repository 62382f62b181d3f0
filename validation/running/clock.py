"""How long the runs of one verification may take together."""

import time

from zoosmith.onnx_model.argument_names import argument
from zoosmith.validation.errors import StoppedError


class Clock:
    """How much is left of the time for all runs of a verification.

    Args:
        seconds: all of it; None for no limit.
    """

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._end = None if seconds is None else time.monotonic() + seconds

    def left(self) -> float | None:
        """Seconds that are left, None without a limit. Raises StoppedError where none are."""
        if self._end is None:
            return None
        left = self._end - time.monotonic()
        if left <= 0:
            raise self.stopped()
        return left

    def stopped(self) -> StoppedError:
        """What to raise where the time is up."""
        return StoppedError(f"stopped: no result after {self._seconds:g} s; {argument('timeout')} gives it longer")
