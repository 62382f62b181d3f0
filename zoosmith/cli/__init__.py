"""The command line `zoosmith`. A command is a module of this folder, imported when it is called."""

import importlib
import os
import sys
import traceback

import click

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
    "evaluate": "zoosmith.cli.evaluate:evaluate",
    "bench": "zoosmith.cli.bench:bench",
    "runtime": "zoosmith.cli.runtime:runtime",
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
def cli() -> None:
    """Take Caffe2 nets to ONNX, move ONNX between opsets, quantize, prove and pack.

    Every command takes --verbose, which shows the traceback of an error.
    """


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 a check failed, 2 bad input or usage."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    verbose = "--verbose" in words
    words = [word for word in words if word != "--verbose"]
    try:
        sys.exit(cli.main(words, prog_name="zoosmith", standalone_mode=False) or 0)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(2)
    except click.ClickException as error:
        usage = getattr(error, "ctx", None)
        hint = f"; {usage.command_path} --help shows the usage" if usage is not None else ""
        click.echo(f"error: {' '.join(error.format_message().split()).rstrip('.')}{hint}", err=True)
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        sys.exit(130)
    except BrokenPipeError:
        # the reader of our output left; say nothing and let the interpreter's own flush find an open file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if verbose:
            traceback.print_exc()
        if isinstance(error, (OSError, ZoosmithError)):
            click.echo(f"error: {_one_line(error)}", err=True)
            sys.exit(2)
        click.echo(f"internal error, please report it (--verbose shows where): {error!r}", err=True)
        sys.exit(70)


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)
