"""Executors run functions beside the caller: in order, cancelled on error, ended with their block."""

import math
import os
import pickle
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from zoosmith.execution import (
    CarriedFiles,
    Executor,
    ProcessExecutor,
    Shared,
    ThreadExecutor,
    default_workers,
    local_executor,
)

BOTH = [lambda: ThreadExecutor(2), lambda: ProcessExecutor(2)]


@pytest.mark.parametrize("make", BOTH, ids=["threads", "processes"])
def test_results_come_in_the_order_of_the_items(make) -> None:
    with make() as executor:
        assert list(executor.map(math.factorial, [900, 3, 500, 1])) == [math.factorial(n) for n in (900, 3, 500, 1)]


@pytest.mark.parametrize("make", BOTH, ids=["threads", "processes"])
def test_an_error_of_the_function_reaches_the_caller(make) -> None:
    with pytest.raises(ValueError, match="negative"), make() as executor:
        list(executor.map(math.factorial, [3, -1, 4]))


def test_a_submitted_function_takes_named_arguments() -> None:
    with ThreadExecutor(1) as executor:
        assert executor.submit(int, "ff", base=16).result() == 255


def test_processes_are_others_than_the_callers() -> None:
    with ProcessExecutor(1) as executor:
        assert executor.submit(os.getpid).result() != os.getpid()


def test_no_more_functions_run_at_a_time_than_there_are_workers() -> None:
    running, most, lock = 0, 0, threading.Lock()
    both = threading.Barrier(2)

    def work(index: int) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        both.wait(timeout=10)
        with lock:
            running -= 1
        both.wait(timeout=10)

    with ThreadExecutor(2) as executor:
        list(executor.map(work, range(6)))
    assert most == 2


def test_what_is_queued_is_not_begun_when_the_block_ends_with_an_error() -> None:
    begun: list[int] = []
    first, gate = threading.Event(), threading.Event()

    def work(index: int) -> None:
        begun.append(index)
        first.set()
        gate.wait(timeout=10)

    def fail(executor: Executor) -> None:
        for index in range(5):
            executor.submit(work, index)
        first.wait(timeout=10)
        threading.Timer(0.05, gate.set).start()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), ThreadExecutor(1) as executor:
        fail(executor)
    assert begun == [0]


def test_a_block_that_ends_normally_waits_for_everything() -> None:
    done: list[int] = []
    with ThreadExecutor(1) as executor:
        for index in range(20):
            executor.submit(done.append, index)
    assert done == list(range(20))


def test_the_workers_end_with_the_block() -> None:
    before = set(threading.enumerate())
    for end in (None, OSError):
        try:
            with ThreadExecutor(3) as executor:
                list(executor.map(math.sqrt, range(10)))
                if end:
                    raise end
        except OSError:
            pass
        assert set(threading.enumerate()) <= before


def test_items_are_read_no_further_ahead_than_asked() -> None:
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        for index in range(100):
            taken = index + 1
            yield index

    with ThreadExecutor(1) as executor:
        results = executor.map(abs, items(), ahead=3)
        assert next(results) == 0 and taken == 3
        assert next(results) == 1 and taken == 4
        results.close()  # type: ignore[attr-defined]
    assert taken == 4


def test_a_map_that_is_left_early_cancels_what_it_queued() -> None:
    begun: list[int] = []
    gate = threading.Event()

    def work(index: int) -> int:
        begun.append(index)
        if index:
            gate.wait(timeout=10)
        return index

    with ThreadExecutor(1) as executor:
        results = executor.map(work, range(8), ahead=8)
        assert next(results) == 0
        results.close()  # type: ignore[attr-defined]
        gate.set()
    assert set(begun) <= {0, 1}


def test_the_kind_and_number_of_workers_can_be_chosen() -> None:
    with local_executor(3) as threads, local_executor(1, processes=True) as processes, local_executor() as usual:
        assert (type(threads), threads.workers) == (ThreadExecutor, 3)
        assert (type(processes), processes.workers) == (ProcessExecutor, 1)
        assert usual.workers == default_workers()
    assert default_workers(1) == 1
    with pytest.raises(ValueError, match="0 workers"):
        local_executor(0)


def _wait_in(folder: str) -> None:
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        Path(scratch, "begun").touch()
        time.sleep(60)


def test_an_error_ends_what_processes_do_and_they_clean_up(tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(KeyError), ProcessExecutor(1) as executor:
        job = executor.submit(_wait_in, str(tmp_path))
        while not list(tmp_path.iterdir()):
            assert not job.done()
            time.sleep(0.02)
        raise KeyError
    assert list(tmp_path.iterdir()) == []
    assert time.monotonic() - began < 50


def _is_blocked(number: int) -> bool:
    return number in signal.pthread_sigmask(signal.SIG_BLOCK, [])


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="this system has no signal masks")
def test_an_interrupt_is_left_to_the_caller() -> None:
    with ProcessExecutor(1) as executor:
        assert executor.submit(_is_blocked, signal.SIGINT).result()
    assert not _is_blocked(signal.SIGINT)


_made: list[int] = []


class Counted:
    """A value that tells how many of it its process has made."""

    def __init__(self, name: str) -> None:
        _made.append(1)
        self.name = name


def _use(shared: Shared[Counted]) -> tuple[str, int]:
    return shared.value.name, len(_made)


def test_a_shared_value_is_made_once_in_a_process() -> None:
    _made.clear()
    for make in BOTH:
        with make() as executor:
            shared = executor.share(Counted, "model")
            found = [executor.submit(_use, shared) for _ in range(6)]
            assert {job.result() for job in found} == {("model", 1)}


def test_carried_files_are_the_files_themselves_here_and_copies_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "model.onnx").write_bytes(b"model")
    (tmp_path / "data" / "weights").write_bytes(b"weights")
    here = CarriedFiles(tmp_path / "model.onnx", ["data/weights"])
    assert here.path == tmp_path / "model.onnx"
    there = pickle.loads(pickle.dumps(here))
    folder = there.path.parent
    assert folder != tmp_path
    assert (there.path.read_bytes(), (folder / "data" / "weights").read_bytes()) == (b"model", b"weights")
    del there
    assert not folder.exists()


def test_carried_files_do_not_leave_their_folder(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "model.onnx").write_bytes(b"model")
    (tmp_path / "outside").write_bytes(b"outside")
    with pytest.raises(ValueError, match="not below"):
        pickle.loads(pickle.dumps(CarriedFiles(tmp_path / "folder" / "model.onnx", ["../outside"])))
