"""Progress off a terminal, as in a log: few lines. On a terminal `progress_bars` shows it in place of this."""

import sys
import time
from typing import TextIO

from zoosmith import execution
from zoosmith.escaping import printable
from zoosmith.execution import Task

# seconds after which a task without named steps is told of
_LONG = 5.0


class LineProgress(execution.Progress):
    """Prints a line for each step that has a name, such as a file that was written.

    A task whose steps have none prints two where it takes long: one on the way, one at its end.

    Args:
        stream: where; the standard error by default.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__()
        self._stream = stream
        self._begun: dict[Task, float] = {}
        self._told: set[Task] = set()

    def on_begin(self, task: Task) -> None:
        """Remember when it was."""
        self._begun[task] = time.monotonic()

    def on_advance(self, task: Task, step: str) -> None:
        """Print a line for a step that has a name, or is the first one after a while."""
        if step:
            self.on_note(f"{_count(task)}, {step}")
        elif task not in self._told and time.monotonic() - self._begun[task] >= _LONG:
            self._told.add(task)
            self.on_note(_count(task))

    def on_end(self, task: Task) -> None:
        """Print how many steps were done, where a line was printed before."""
        seconds = time.monotonic() - self._begun.pop(task)
        if task in self._told:
            self._told.remove(task)
            self.on_note(f"{_count(task)}, {seconds:.0f} s")

    def on_note(self, text: str) -> None:
        """Print a line."""
        print(printable(text), file=self._stream or sys.stderr, flush=True)


def _count(task: Task) -> str:
    return f"{task.label}: {task.done}" + (f" of {task.total}" if task.total is not None else "")
