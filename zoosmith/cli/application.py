"""The group of all commands, and the one place where errors become a line and an exit code."""

import importlib
import os
import sys
import warnings
from collections.abc import Callable

import click

from zoosmith.cli import terminal
from zoosmith.cli.command import Settings, verbose_option
from zoosmith.cli.option_names import OPTIONS
from zoosmith.onnx_model.argument_names import arguments_named
from zoosmith.onnx_model.errors import ZoosmithError

# Command name -> module and attribute of its click command. Modules keep heavy imports inside the functions.
COMMANDS: dict[str, str] = {
    "build": "zoosmith.cli.build:build",
    "convert": "zoosmith.cli.convert:convert",
    "opset": "zoosmith.cli.opset:opset",
    "inspect": "zoosmith.cli.inspect:inspect",
    "bundle": "zoosmith.cli.bundle:bundle",
    "validate": "zoosmith.cli.validate:validate",
    "simplify": "zoosmith.cli.simplify:simplify",
    "quantize": "zoosmith.cli.quantize:quantize",
    "preprocess": "zoosmith.cli.preprocess:preprocess",
    "evaluate": "zoosmith.cli.evaluate:evaluate",
    "bench": "zoosmith.cli.bench:bench",
    "report": "zoosmith.cli.report:report",
    "runtime": "zoosmith.cli.runtime:runtime",
    "fetch": "zoosmith.cli.fetch:fetch",
    "audit": "zoosmith.cli.audit:audit",
}


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute = COMMANDS[cmd_name].split(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="zoosmith")
@verbose_option
def cli() -> None:
    """Take Caffe2 nets to ONNX, move ONNX between opsets, quantize, verify and pack.

    Every command takes --json, which prints one JSON object instead of text, -q, which prints errors only, and
    --verbose, which shows the traceback of an error.
    """


def run(arguments: list[str] | None = None, interrupted: Callable[[], bool] = lambda: False) -> int:
    """Run the command line; return its exit code.

    Args:
        arguments: after the program's name; those of the process by default.
        interrupted: tells whether an error may be an interrupt; it is raised then.
    """
    settings = Settings()
    if not sys.warnoptions:
        # what libraries warn of, Pillow of damaged images, is nothing that a user of ours could change
        warnings.simplefilter("ignore")
    with arguments_named(OPTIONS):
        try:
            code = _call(list(sys.argv[1:] if arguments is None else arguments), settings)
            sys.stdout.flush()
            return code
        except Exception as error:
            if interrupted():
                raise
            return _explain(error, verbose=settings.verbose)


def _call(arguments: list[str], settings: Settings) -> int:
    if "_ZOOSMITH_COMPLETE" in os.environ:  # the shell asks for completions
        cli.main(arguments, prog_name="zoosmith", complete_var="_ZOOSMITH_COMPLETE")
    # click's own `main` prints an empty line at an interrupt
    with cli.make_context("zoosmith", arguments, obj=settings) as context:
        return int(cli.invoke(context) or 0)


def _explain(error: Exception, *, verbose: bool) -> int:
    """Say in one line what went wrong; return the exit code."""
    if isinstance(error, click.Abort):
        raise KeyboardInterrupt from error
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return 2
    if isinstance(error, click.ClickException):
        usage = getattr(error, "ctx", None)
        hint = f"; {usage.command_path} --help shows the usage" if usage is not None else ""
        terminal.error(f"{' '.join(error.format_message().split()).rstrip('.')}{hint}")
        return 2
    if isinstance(error, BrokenPipeError):
        # the reader of our output left; say nothing and let the interpreter's own flush find an open file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    if verbose:
        terminal.trace(error)
    if isinstance(error, (OSError, ZoosmithError)):
        terminal.error(_one_line(error))
        return 2
    if isinstance(error, MemoryError):
        terminal.error("not enough memory for this input")
        return 2
    terminal.internal_error(error)
    return 70


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)
