"""Progress on the standard error: a line for each step. On a terminal `progress_bars` shows it in place of this."""

import sys
from typing import TextIO

from zoosmith import execution
from zoosmith.escaping import printable
from zoosmith.execution import Task

# steps without names, of which there may be thousands, are reported this many times
_LINES = 10


class LineProgress(execution.Progress):
    """Prints lines.

    Args:
        stream: where; the standard error by default.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__()
        self._stream = stream

    def on_advance(self, task: Task, step: str) -> None:
        """Print a line for a step that has a name, or is one of few."""
        if step or _is_told(task):
            count = f"{task.done} of {task.total}" if task.total is not None else f"{task.done}"
            self.on_note(f"{task.label}: {count}" + (f", {step}" if step else ""))

    def on_note(self, text: str) -> None:
        """Print a line."""
        print(printable(text), file=self._stream or sys.stderr, flush=True)


def _is_told(task: Task) -> bool:
    """Whether a step without a name has a line: every one, or one in so many where there are many."""
    every = max(1, (task.total or 0) // _LINES)
    return task.done % every == 0 or task.done == task.total
