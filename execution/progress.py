"""Progress of long work: reported by the code that works, from any thread, and shown by a subclass."""

import threading
from types import TracebackType


class Progress:
    """How long work reports its progress. This class shows nothing; one that shows overrides the `on_` methods.

    Several tasks may run at the same time, nested or in parallel. The `on_` methods are
    called from the threads that work, one call at a time.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()

    def task(self, label: str, total: int | None = None) -> "Task":
        """Begin a task; use it as a context manager, which ends it.

        Args:
            label: what is done, such as `calibrating`.
            total: how many steps it has; None where that is not known.
        """
        return Task(self, label, total)

    def note(self, text: str) -> None:
        """Say one line that stays.

        Args:
            text: what there is to say: that something was skipped, for instance.
        """
        with self._lock:
            self.on_note(text)

    def on_begin(self, task: "Task") -> None:
        """A task began.

        Args:
            task: its `label` and `total` are set.
        """

    def on_advance(self, task: "Task", step: str) -> None:
        """Steps of a task are done.

        Args:
            task: its `done` counts them already.
            step: what was done last, or empty.
        """

    def on_end(self, task: "Task") -> None:
        """A task ended.

        Args:
            task: its `done` is less than its `total` where it ended with an error.
        """

    def on_note(self, text: str) -> None:
        """A line for the user.

        Args:
            text: the line, without its end.
        """


class Task:
    """One piece of long work.

    Attributes:
        label: what is done.
        total: how many steps it has; None where that is not known.
        done: how many steps are done.
    """

    def __init__(self, progress: Progress, label: str, total: int | None) -> None:
        self._progress = progress
        self.label = label
        self.total = total
        self.done = 0
        with progress._lock:
            progress.on_begin(self)

    def advance(self, step: str = "", *, steps: int = 1) -> None:
        """Report that more steps are done.

        Args:
            step: what was done, such as `densenet-9 written`; empty where steps have no names of their own.
            steps: how many.
        """
        with self._progress._lock:
            self.done += steps
            self._progress.on_advance(self, step)

    def close(self) -> None:
        """End the task."""
        with self._progress._lock:
            self._progress.on_end(self)

    def __enter__(self) -> "Task":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


SILENT = Progress()
"""Shows nothing: the default of every function that takes a progress."""
