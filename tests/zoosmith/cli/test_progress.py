"""Progress on the standard error: a bar on a terminal, few lines off it, nothing if quiet."""

import io

import pytest
from rich.console import Console

from zoosmith.cli.progress import LineProgress
from zoosmith.cli.progress_bars import BarProgress
from zoosmith.cli.terminal import Terminal
from zoosmith.execution import SILENT, ThreadExecutor


def off_terminal() -> tuple[LineProgress, io.StringIO]:
    written = io.StringIO()
    return LineProgress(written), written


def test_off_a_terminal_every_named_step_is_a_line() -> None:
    progress, written = off_terminal()
    with progress.task("build", 2) as task:
        task.advance("weights")
        task.advance("densenet-9 [written]")
    assert written.getvalue() == "build: 1 of 2, weights\nbuild: 2 of 2, densenet-9 [written]\n"


def test_off_a_terminal_thousands_of_steps_are_two_lines_where_they_take_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seconds = iter(range(10**6))
    monkeypatch.setattr("zoosmith.cli.progress.time.monotonic", lambda: next(seconds) / 100)
    progress, written = off_terminal()
    with progress.task("images", 5000) as task:
        for _ in range(5000):
            task.advance()
    assert written.getvalue().splitlines() == ["images: 500 of 5000", "images: 5000 of 5000, 5 s"]


def test_off_a_terminal_steps_without_names_that_are_done_soon_are_silent() -> None:
    progress, written = off_terminal()
    with progress.task("images", 5000) as task:
        for _ in range(5000):
            task.advance()
    assert written.getvalue() == ""


def test_off_a_terminal_a_task_without_steps_is_silent() -> None:
    progress, written = off_terminal()
    with progress.task("converting to opset 12"):
        pass
    assert written.getvalue() == ""


def test_a_step_of_an_unknown_total_is_counted() -> None:
    progress, written = off_terminal()
    with progress.task("installing") as task:
        task.advance("looking for a Python 3.9")
    assert written.getvalue() == "installing: 1, looking for a Python 3.9\n"


def test_on_a_terminal_bars_are_shown_from_many_threads_and_leave_nothing_but_notes() -> None:
    written = io.StringIO()
    progress = BarProgress(Console(file=written, width=100, force_terminal=True))
    with progress.task("outer", 20) as outer, progress.task("inner", 1) as inner, ThreadExecutor(4) as executor:
        list(executor.map(lambda index: outer.advance(f"step {index}"), range(20)))
        progress.note("skipped: a.jpg")
        inner.advance()
    assert "outer" in written.getvalue() and "inner" in written.getvalue()
    assert "skipped: a.jpg" in written.getvalue()
    assert progress._live is None


def test_bars_are_for_terminals_and_lines_for_everything_else(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(Terminal("opset").progress(), LineProgress)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert isinstance(Terminal("opset").progress(), BarProgress)


def test_quiet_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    quiet = Terminal("opset", quiet=True)
    assert quiet.progress() is SILENT
    quiet.note("beside")
    quiet.result({"a": 1}, "a line")
    assert capsys.readouterr() == ("", "")
    quiet.failure("why")
    assert capsys.readouterr().err == "why\n"
