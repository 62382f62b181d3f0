"""A call in a process of its own gives its result, its error, or is stopped."""

import math
import os
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from zoosmith.execution import ProcessDiedError, call_in_process


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
    with pytest.raises(ProcessDiedError, match="exit code 3"):
        call_in_process(os._exit, None, 3)
    with pytest.raises(ProcessDiedError, match="signal 6"):
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


_PARENT = """
import sys, time
from pathlib import Path
from tests.execution.sleeper import sleep_in
from zoosmith.execution import ProcessExecutor, call_in_process

if __name__ == "__main__":
    if sys.argv[1] == "call":
        call_in_process(sleep_in, None, sys.argv[2])
    with ProcessExecutor(1) as executor:
        executor.submit(sleep_in, sys.argv[2]).result()
"""


@pytest.mark.skipif(not hasattr(select, "poll"), reason="the system does not tell that a reader is gone")
@pytest.mark.parametrize("kind", ["call", "executor"])
def test_a_child_ends_and_cleans_up_where_its_parent_is_killed(kind: str, tmp_path: Path) -> None:
    script, folder = tmp_path / "parent.py", tmp_path / "work"
    script.write_text(_PARENT)
    folder.mkdir()
    parent = subprocess.Popen([sys.executable, script, kind, folder], env={**os.environ, "PYTHONPATH": os.getcwd()})
    while not any(folder.glob("*/ready")):
        assert parent.poll() is None
        time.sleep(0.02)
    parent.kill()
    parent.wait()
    end = time.monotonic() + 60
    while any(folder.iterdir()):
        assert time.monotonic() < end, "the child goes on"
        time.sleep(0.02)
