"""How long loading and all runs of one piece of work may take together."""

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from zoosmith.onnx_model.argument_names import argument
from zoosmith.validation.errors import StoppedError

if TYPE_CHECKING:
    from zoosmith.execution import Job, Task
    from zoosmith.validation.running.runner import Runner


class Clock:
    """How much is left of the time for all of it.

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


def loaded(make: "Callable[[], Runner]", clock: Clock) -> "Runner":
    """Make a runner; where the time is up, StoppedError says what the whole time was."""
    try:
        return make()
    except StoppedError as error:
        raise clock.stopped() from error


def finished(job: "Job[Runner]", clock: Clock) -> "Runner":
    """Wait for a runner in what is left of the time."""
    try:
        return job.result(clock.left())
    except Exception as error:
        if job.done():
            return job.result()
        raise clock.stopped() from error


def timed_run(runner: "Runner", inputs: Mapping[str, Any], clock: Clock, task: "Task | None" = None) -> dict[str, Any]:
    """Run a model in what is left of the time, and tell a task of it. Raises as `Runner.run` does."""
    left = clock.left()
    try:
        outputs = runner.run(inputs, timeout=left)
    except StoppedError as error:
        raise clock.stopped() from error
    if task is not None:
        task.advance()
    return outputs
