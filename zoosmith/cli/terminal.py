"""All that is printed: lines, tables, one JSON object, errors, progress. Nothing else of the project prints."""

import json
import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.table import Table

    from zoosmith.execution import Progress

# a file or a pipe has no width: lines stay whole
_WIDTH_OF_FILES = 200


class Terminal:
    """Where one command prints.

    Args:
        command: its name, for JSON.
        json: print one JSON object instead of text.
        quiet: print errors only.
    """

    def __init__(self, command: str, *, json: bool = False, quiet: bool = False) -> None:
        self._command = command
        self._json = json
        self._quiet = quiet

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
        """Print what a command found.

        Args:
            result: its values, as JSON holds them.
            *shown: the same as lines and tables.
        """
        if self._json:
            from zoosmith import __version__

            answer = {"command": self._command, "version": __version__, "result": result}
            click.echo(json.dumps(answer, indent=2, allow_nan=False))
        elif not self._quiet:
            for part in shown:
                if isinstance(part, str):
                    click.echo(part)
                else:
                    _print_table(part)

    def note(self, text: str) -> None:
        """Print a line beside the result, on the standard error."""
        if not self._quiet:
            click.echo(text, err=True)

    def failure(self, text: str) -> None:
        """Print why a check failed, on the standard error."""
        click.echo(text, err=True)


def error(text: str) -> None:
    """Print the one line of an error."""
    click.echo(f"error: {text}", err=True)


def internal_error(error: Exception) -> None:
    """Print the one line of a fault of our own."""
    click.echo(f"internal error, please report it (--verbose shows where): {error!r}", err=True)


def _print_table(table: "Table") -> None:
    from rich.console import Console

    Console(width=None if sys.stdout.isatty() else _WIDTH_OF_FILES).print(table)
