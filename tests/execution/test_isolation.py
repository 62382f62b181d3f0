"""A call in a process of its own gives its result, its error, or is stopped."""

import math
import os
import time

import pytest

from zoosmith.execution import ProcessDied, call_in_process


def test_the_result_comes_from_another_process() -> None:
    assert call_in_process(os.getpid, None) != os.getpid()
    assert call_in_process(int, 60, "ff", base=16) == 255


def test_an_error_is_raised_here() -> None:
    with pytest.raises(ValueError, match="negative"):
        call_in_process(math.factorial, None, -1)


def test_a_call_without_an_end_is_stopped() -> None:
    start = time.monotonic()
    with pytest.raises(TimeoutError, match=r"after 0\.5 s"):
        call_in_process(time.sleep, 0.5, 600)
    assert time.monotonic() - start < 60


def test_a_process_that_dies_is_told_in_one_line() -> None:
    with pytest.raises(ProcessDied, match="exit code 3"):
        call_in_process(os._exit, None, 3)
    with pytest.raises(ProcessDied, match="signal 6"):
        call_in_process(os.abort, None)


def test_what_is_printed_does_not_disturb_the_answer() -> None:
    assert call_in_process(os.system, 60, "echo between") == 0
    assert call_in_process(print, 60, "between") is None


def test_modules_of_the_working_folder_do_not_stand_in_for_the_standard_library(tmp_path, monkeypatch) -> None:
    (tmp_path / "random.py").write_text("raise SystemExit('taken')")
    (tmp_path / "tempfile.py").write_text("raise SystemExit('taken')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [entry for entry in __import__("sys").path if entry])
    import tempfile

    assert call_in_process(tempfile.gettempdir, 60) == tempfile.gettempdir()
