"""Deadlines of calls that another thread stops."""

import threading
import time

from zoosmith.execution import Deadline


def test_what_takes_too_long_is_stopped() -> None:
    stopped = threading.Event()
    with Deadline(0.01, stopped.set) as deadline:
        assert stopped.wait(10)
    assert deadline.passed


def test_what_ends_in_time_is_not_stopped() -> None:
    calls: list[str] = []
    with Deadline(0.05, lambda: calls.append("stopped")) as deadline:
        pass
    time.sleep(0.1)
    assert not deadline.passed and not calls


def test_a_short_deadline_is_kept_while_a_long_one_is_open() -> None:
    stopped, calls = threading.Event(), list[str]()
    with Deadline(100, lambda: calls.append("stopped")) as long, Deadline(0.01, stopped.set) as short:
        assert stopped.wait(10)
    assert short.passed and not long.passed and not calls


def test_deadlines_of_many_threads_are_kept_at_once() -> None:
    stopped = [threading.Event() for _ in range(8)]

    def wait(event: threading.Event, seconds: float) -> None:
        with Deadline(seconds, event.set):
            event.wait(10)

    threads = [threading.Thread(target=wait, args=(event, 0.01 * (8 - i))) for i, event in enumerate(stopped)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(event.is_set() for event in stopped)
