"""All that is printed: lines, tables, one JSON object, errors, progress. Nothing else of the project prints."""

import json
import sys
import traceback
from typing import TYPE_CHECKING, Any

import click

from zoosmith.escaping import printable

if TYPE_CHECKING:
    from pathlib import Path

    from zoosmith.cli.tables import Table
    from zoosmith.execution import Progress

# a file or a pipe has no width: lines stay whole
_WIDTH_OF_FILES = 200
# of the line of an error
_MOST_CHARACTERS = 2000


class Terminal:
    """Where one command prints.

    Args:
        command: its name, for JSON.
        json: print one JSON object instead of text.
        quiet: print errors only.
        beside: print results on the standard error, as the standard output is the file that the command writes.
        html: a page to write of the result.
    """

    def __init__(
        self,
        command: str,
        *,
        json: bool = False,
        quiet: bool = False,
        beside: bool = False,
        html: "Path | None" = None,
    ) -> None:
        self._command = command
        self._json = json
        self._quiet = quiet
        self._beside = beside
        self._html = html

    @property
    def writes_page(self) -> bool:
        """Whether the result is written as a page, too, which shows more than lines do."""
        return self._html is not None

    def progress(self) -> "Progress":
        """How far long work is: shown on the standard error, not at all if quiet."""
        from zoosmith.execution import SILENT

        if self._quiet:
            return SILENT
        if sys.stderr.isatty():
            from zoosmith.cli.progress_bars import BarProgress

            return BarProgress()
        from zoosmith.cli.progress import LineProgress

        return LineProgress()

    def result(self, result: dict[str, Any], *shown: "str | Table") -> None:
        """Print what a command found, and write its page where one is asked for.

        Args:
            result: its values, as JSON holds them.
            *shown: the same as lines and tables; each text is one line.
        """
        if self._html is not None:
            _write_page(self._html, self._command, result)
        if self._json:
            from zoosmith import __version__

            answer = {"command": self._command, "version": __version__, "result": result}
            click.echo(json.dumps(answer, indent=2, allow_nan=False), err=self._beside)
        elif not self._quiet:
            for part in shown:
                if isinstance(part, str):
                    _print_line(part, err=self._beside)
                else:
                    _print_table(part, err=self._beside)

    def note(self, text: str) -> None:
        """Print a line beside the result, on the standard error."""
        if not self._quiet:
            _print_line(text, err=True)

    def failure(self, text: str) -> None:
        """Print why a check failed, on the standard error."""
        _print_line(text, err=True)


def _write_page(path: "Path", command: str, result: dict[str, Any]) -> None:
    from zoosmith import __version__
    from zoosmith.html_report import draw_command
    from zoosmith.onnx_model.files import write_atomic

    write_atomic(path, draw_command(command, __version__, result).encode())


def error(text: str) -> None:
    """Print the one line of an error."""
    _print_line(f"error: {_shortened(text)}", err=True)


def internal_error(error: Exception) -> None:
    """Print the one line of a fault of our own."""
    _print_line(_shortened(f"internal error, please report it (--verbose shows where): {error!r}"), err=True)


def trace(error: Exception) -> None:
    """Print where an error was raised."""
    for part in traceback.format_exception(error):
        for line in part.rstrip("\n").split("\n"):
            _print_line(line, err=True)


def _print_line(text: str, *, err: bool = False) -> None:
    stream = sys.stderr if err else sys.stdout
    encoding = stream.encoding or "utf-8"
    click.echo(printable(text).encode(encoding, "backslashreplace").decode(encoding), err=err)


def _shortened(text: str) -> str:
    if len(text) <= _MOST_CHARACTERS:
        return text
    half = _MOST_CHARACTERS // 2
    return f"{text[:half]} ... {text[-half:]}"


def _print_table(table: "Table", *, err: bool = False) -> None:
    from rich.console import Console

    stream = sys.stderr if err else sys.stdout
    Console(file=stream, width=None if stream.isatty() else _WIDTH_OF_FILES).print(table)
