"""Nothing of a file reaches the terminal as it is: names are shown, not obeyed."""

import io
from pathlib import Path

import pytest

from zoosmith.cli import terminal
from zoosmith.cli.progress import LineProgress
from zoosmith.cli.progress_bars import BarProgress
from zoosmith.cli.tables import Table
from zoosmith.cli.terminal import Terminal
from zoosmith.escaping import printable

HOSTILE = "\x1b]0;T\x07\x9b2J\r\n\u202e\u2066\u2028\udcff\x7f\b[red][/no]"
SHOWN = r"\x1b]0;T\x07\x9b2J\r\n\u202e\u2066\u2028\udcff\x7f\x08[red][/no]"


def test_what_would_not_be_seen_as_it_is_is_escaped_and_the_rest_is_not() -> None:
    assert printable(HOSTILE) == SHOWN
    assert printable("Größe 例 ж/β.onnx, 3 · 4") == "Größe 例 ж/β.onnx, 3 · 4"


def test_lines_tables_notes_errors_and_traces_go_through_it(capsys: pytest.CaptureFixture[str]) -> None:
    shown = Terminal("inspect")
    table = Table("column")
    table.add_row(HOSTILE)
    shown.result({}, HOSTILE, table)
    shown.note(HOSTILE)
    shown.failure(HOSTILE)
    terminal.error(HOSTILE)
    try:
        raise ValueError(HOSTILE)
    except ValueError as error:
        terminal.internal_error(error)
        terminal.trace(error)
    printed = capsys.readouterr()
    for text in (printed.out, printed.err):
        assert SHOWN.replace(r"\r\n", r"\r\n") in text
        assert all(character.isprintable() or character == "\n" for character in text)
    assert printed.err.count("\n") >= 5


def test_json_is_ascii(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal("inspect", json=True).result({"name": HOSTILE})
    assert capsys.readouterr().out.isascii()


def test_progress_goes_through_it() -> None:
    from rich.console import Console

    stream = io.StringIO()
    for progress in (LineProgress(stream), BarProgress(Console(file=stream))):
        with progress.task(HOSTILE, 1) as task:
            task.advance(HOSTILE)
        progress.note(HOSTILE)
    assert "\x1b]0" not in stream.getvalue() and "\u202e" not in stream.getvalue()
    assert SHOWN in stream.getvalue()


def test_a_stream_that_takes_less_than_unicode_gets_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="strict")
    monkeypatch.setattr("sys.stdout", stream)
    Terminal("inspect").result({}, "Größe")
    stream.flush()
    assert stream.buffer.getvalue() == b"Gr\\xf6\\xdfe\n"  # type: ignore[attr-defined]


def test_the_line_of_an_error_has_an_end(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.error("a" * 1_000_000)
    assert len(capsys.readouterr().err) < 2100


def test_no_command_makes_a_table_that_takes_names_for_markup() -> None:
    for module in Path(terminal.__file__).parent.glob("*.py"):
        text = module.read_text()
        assert module.name == "tables.py" or "rich.table import Table" not in text
        assert module.name == "terminal.py" or "click.echo" not in text
