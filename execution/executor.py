"""Where functions run: in threads or in processes of this machine, behind one interface."""

import multiprocessing
import os
import signal
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent import futures
from contextlib import contextmanager
from contextvars import copy_context
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, ParamSpec, Protocol, TypeVar

from zoosmith.execution.parent import end_on_request, end_with_parent
from zoosmith.execution.shared import Shared, SharedElsewhere, SharedHere, recipe_of

Given = ParamSpec("Given")
Item = TypeVar("Item")
Made = TypeVar("Made")
Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)


class Job(Protocol[Result_co]):
    """A function that was submitted."""

    def result(self, timeout: float | None = None) -> Result_co:
        """Wait for the function, and return what it returns.

        Args:
            timeout: seconds to wait; None for no limit.

        Raises:
            concurrent.futures.TimeoutError: it takes longer than `timeout`; the function goes on.
            Exception: what the function raises.
        """
        ...

    def cancel(self) -> bool:
        """Do not begin it; False where it has begun already."""
        ...

    def done(self) -> bool:
        """Whether it has ended or was cancelled."""
        ...


class Executor(ABC):
    """Runs functions beside the caller, at most `workers` at a time. A context manager.

    A block that ends normally waits for everything submitted. A block that ends with an error (an interrupt included)
    cancels what is queued and waits only for what has begun, which processes are told to end.

    Functions and arguments can be pickled, and a function that changes its arguments changes a copy or the original:
    code that keeps to this runs on every executor.

    Attributes:
        workers: how many functions run at the same time.
    """

    def __init__(self, workers: int) -> None:
        if workers < 1:
            raise ValueError(f"{workers} workers: expected at least 1")
        self.workers = workers

    @abstractmethod
    def submit(self, function: Callable[Given, Result], /, *args: Given.args, **kwargs: Given.kwargs) -> Job[Result]:
        """Queue `function(*args, **kwargs)`."""

    @abstractmethod
    def share(self, make: Callable[..., Made], *arguments: Any) -> Shared[Made]:
        """Let every process of the workers call `make(*arguments)` once, at the first use of the value.

        Args:
            make: a function of an importable module. What it returns is used by several threads at a time.
            arguments: sent to each process once.

        Returns:
            An argument for functions that are submitted, which has the `value`.
        """

    @abstractmethod
    def close(self, *, cancel: bool) -> None:
        """End the workers.

        Args:
            cancel: wait only for what has begun, not for what is queued.
        """

    def map(
        self, function: Callable[[Item], Result], items: Iterable[Item], *, ahead: int | None = None
    ) -> Iterator[Result]:
        """Call `function` with every item and yield the results in the order of the items.

        Args:
            function: what to call.
            items: read as they are needed, never more than `ahead` beyond the result that is yielded.
            ahead: how many calls may be queued or finished before their result is taken; twice the workers by default.

        Raises:
            Exception: the first error in the order of the items; calls that are still queued are cancelled then, and
                also when the caller stops before the end.
        """
        waiting: deque[Job[Result]] = deque()
        most = ahead or 2 * self.workers
        try:
            for item in items:
                waiting.append(self.submit(function, item))
                if len(waiting) >= most:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for job in waiting:
                job.cancel()

    def __enter__(self) -> "Executor":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(cancel=kind is not None)


class _Local(Executor):
    _pool: futures.Executor

    def submit(self, function: Callable[Given, Result], /, *args: Given.args, **kwargs: Given.kwargs) -> Job[Result]:
        return self._pool.submit(function, *args, **kwargs)

    def close(self, *, cancel: bool) -> None:
        self._pool.shutdown(wait=True, cancel_futures=cancel)


class ThreadExecutor(_Local):
    """Threads of this process: for work that numpy, ONNX Runtime or a compressor does outside of Python's lock.

    A function sees the context variables of the caller that submitted it.
    """

    def __init__(self, workers: int) -> None:
        super().__init__(workers)
        self._pool = futures.ThreadPoolExecutor(workers, thread_name_prefix="zoosmith")

    def submit(self, function: Callable[Given, Result], /, *args: Given.args, **kwargs: Given.kwargs) -> Job[Result]:
        """Queue `function(*args, **kwargs)`."""
        context = copy_context()
        return self._pool.submit(lambda: context.run(function, *args, **kwargs))

    def share(self, make: Callable[..., Made], *arguments: Any) -> Shared[Made]:
        """Let `make(*arguments)` be called once in this process."""
        return SharedHere(make, *arguments)


class ProcessExecutor(_Local):
    """Processes of this machine, started fresh (never forked): for work in Python itself.

    A script that uses it keeps what it runs below `if __name__ == "__main__":`, as `multiprocessing` asks for.
    """

    _pool: futures.ProcessPoolExecutor

    def __init__(self, workers: int) -> None:
        super().__init__(workers)
        # a forked process would inherit the locks of ONNX Runtime's threads, but not the threads
        context = multiprocessing.get_context("spawn")
        self._pool = futures.ProcessPoolExecutor(workers, mp_context=context, initializer=_prepare_process)
        self._recipes: TemporaryDirectory[str] | None = None

    def submit(self, function: Callable[Given, Result], /, *args: Given.args, **kwargs: Given.kwargs) -> Job[Result]:
        """Queue `function(*args, **kwargs)`."""
        with interrupts_held():
            return super().submit(function, *args, **kwargs)

    def share(self, make: Callable[..., Made], *arguments: Any) -> Shared[Made]:
        """Let `make(*arguments)` be called once in each process, which reads the arguments from a file."""
        if self._recipes is None:
            self._recipes = TemporaryDirectory(prefix="zoosmith-")
        key, recipe = recipe_of(make, *arguments)
        file = Path(self._recipes.name) / key
        file.write_bytes(recipe)
        return SharedElsewhere(key, file)

    def close(self, *, cancel: bool) -> None:
        """End the processes; where they are to be cancelled, what they do ends with an exception."""
        if cancel:
            for process in list((self._pool._processes or {}).values()):
                process.terminate()
        super().close(cancel=cancel)
        if self._recipes is not None:
            self._recipes.cleanup()


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Let processes that are started here take no notice of Ctrl-C, from their first moment on: their owner does."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _prepare_process() -> None:
    """Let what runs in this process end with an exception where it is told to end, or where its owner is gone."""
    end_on_request()
    parent = multiprocessing.parent_process()
    if parent is not None:
        end_with_parent(parent.join)


def local_executor(workers: int | None = None, *, processes: bool = False) -> Executor:
    """An executor on this machine.

    Args:
        workers: how many functions run at the same time; one a core by default.
        processes: whether they run in processes instead of threads.

    Returns:
        The executor; as a context manager it ends its workers.
    """
    count = default_workers() if workers is None else workers
    return ProcessExecutor(count) if processes else ThreadExecutor(count)


def default_workers(most: int | None = None) -> int:
    """One worker for each core that this process may use.

    Args:
        most: the largest number of workers; None for no limit.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, most or cores))
