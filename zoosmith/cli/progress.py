"""Progress on the standard error: a live bar for each task on a terminal, else a line for each step."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from zoosmith import execution
from zoosmith.execution import Task

# where there is no terminal, steps without names, of which there may be thousands, are reported this many times
_LINES = 10


class TerminalProgress(execution.Progress):
    """Shows tasks while they are under way.

    Args:
        console: where; the standard error by default.
    """

    def __init__(self, console: Console | None = None) -> None:
        super().__init__()
        self._console = console or Console(stderr=True)
        self._bars: dict[Task, TaskID] = {}
        self._live: Progress | None = None

    def on_begin(self, task: Task) -> None:
        """Add the task's bar."""
        if not self._console.is_terminal:
            return
        if self._live is None:
            self._live = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                console=self._console,
                transient=True,
            )
            self._live.start()
        self._bars[task] = self._live.add_task(task.label, total=task.total)

    def on_advance(self, task: Task, step: str) -> None:
        """Move the task's bar, or print a line."""
        if self._live is not None:
            label = f"{task.label}: {step}" if step else task.label
            self._live.update(self._bars[task], completed=task.done, description=label)
        elif step or _is_told(task):
            count = f"{task.done} of {task.total}" if task.total is not None else f"{task.done}"
            self._print(f"{task.label}: {count}" + (f", {step}" if step else ""))

    def on_end(self, task: Task) -> None:
        """Remove the task's bar."""
        if self._live is None:
            return
        self._live.remove_task(self._bars.pop(task))
        if not self._bars:
            self._live.stop()
            self._live = None

    def on_note(self, text: str) -> None:
        """Print a line above the bars."""
        self._print(text)

    def _print(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


def _is_told(task: Task) -> bool:
    """Whether a step without a name has a line: every one, or one in so many where there are many."""
    every = max(1, (task.total or 0) // _LINES)
    return task.done % every == 0 or task.done == task.total
