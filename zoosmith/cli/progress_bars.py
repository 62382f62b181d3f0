"""Progress on a terminal: a live bar for each task."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from zoosmith import execution
from zoosmith.escaping import printable
from zoosmith.execution import Task


class BarProgress(execution.Progress):
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
        self._bars[task] = self._live.add_task(printable(task.label), total=task.total)

    def on_advance(self, task: Task, step: str) -> None:
        """Move the task's bar."""
        if self._live is not None:
            label = f"{task.label}: {step}" if step else task.label
            self._live.update(self._bars[task], completed=task.done, description=printable(label))

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
        self._console.print(printable(text), markup=False, highlight=False, soft_wrap=True)
