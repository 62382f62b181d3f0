"""What every command has in common: `--json`, `-q`, `--verbose`, and a terminal to print to."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from zoosmith.cli.terminal import Terminal


@dataclass
class Settings:
    """How a command prints; filled while the command line is parsed.

    Attributes:
        json: one JSON object instead of text.
        quiet: errors only.
        verbose: the traceback of an error.
        html: a page of the result to write as well.
    """

    json: bool = False
    quiet: bool = False
    verbose: bool = False
    html: Path | None = None


def _set(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value and parameter.name is not None:
        setattr(context.ensure_object(Settings), parameter.name, True)


def _flag(*names: str, help: str) -> click.Option:
    return click.Option(names, is_flag=True, expose_value=False, callback=_set, help=help)


def verbose_option(command: Any) -> Any:
    """Let `--verbose` stand before the command, too."""
    return click.option(
        "--verbose", is_flag=True, expose_value=False, callback=_set, help="Show the traceback of an error."
    )(command)


class Command(click.Command):
    """A command whose function takes a `Terminal` first, and returns its exit code or None."""

    def __init__(self, *args: Any, **attributes: Any) -> None:
        attributes["params"] = [
            *attributes.get("params", []),
            _flag("--json", help="Print one JSON object instead of text."),
            _flag("-q", "--quiet", help="Print errors only."),
            _flag("--verbose", help="Show the traceback of an error."),
        ]
        super().__init__(*args, **attributes)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the function with a terminal that knows the settings."""
        settings = ctx.ensure_object(Settings)
        name = " ".join(ctx.command_path.split()[1:]) or self.name or ""
        ctx.params["terminal"] = Terminal(
            name,
            json=settings.json,
            quiet=settings.quiet,
            beside=str(ctx.params.get("output")) == "/dev/stdout",
            html=settings.html,
        )
        return super().invoke(ctx)
