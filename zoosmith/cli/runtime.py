"""`zoosmith runtime`: environments with other runtimes."""

from pathlib import Path
from typing import Any

import click

from zoosmith.cli.command import Command
from zoosmith.cli.terminal import Terminal


@click.group()
def runtime() -> None:
    """Install other runtimes to verify files in.

    These are old ONNX Runtimes, OpenVINO, OpenCV and the real Caffe2. Each gets an environment of its own in the user's
    cache folder (the environment variable ZOOSMITH_CACHE names another), made from wheels whose SHA-256 zoosmith knows.

    \b
    Example:
      zoosmith runtime install onnxruntime==1.6.0
      zoosmith runtime list
    """


@runtime.command(cls=Command)
@click.argument("names", metavar="RUNTIME...", nargs=-1, required=True)
def install(terminal: Terminal, names: tuple[str, ...]) -> None:
    """Make an environment with each RUNTIME.

    RUNTIME is NAME==VERSION, or NAME for the newest that is listed. A fitting Python is looked for on PATH, in pyenv
    and by uv. Nothing is done where it is installed already.

    \b
    Example:
      zoosmith runtime install onnxruntime==1.6.0
      zoosmith runtime install caffe2
    """
    from zoosmith.validation import runtimes

    progress = terminal.progress()
    made = {}
    for wanted in [runtimes.runtime_for(name) for name in names]:
        with progress.task(f"installing {wanted}") as task:
            runtimes.install(wanted, task.advance)
        made[str(wanted)] = str(runtimes.location(wanted))
    terminal.result({"installed": made}, *(f"{name} is installed in {location}" for name, location in made.items()))


@runtime.command("list", cls=Command)
def list_command(terminal: Terminal) -> None:
    """Say which runtimes are installed, and which can be.

    \b
    Example:
      zoosmith runtime list
    """
    from zoosmith.validation import runtimes

    rows = []
    # many runtimes are for the same Pythons, and each of those is started to see its version
    bases: dict[tuple[str, ...], Path | None] = {}
    for known in runtimes.supported():
        python = runtimes.find_environment(known)
        if python is None and known.pythons not in bases:
            bases[known.pythons] = runtimes.base_python(known)
        base = None if python is not None else bases[known.pythons]
        rows.append(
            {
                "runtime": str(known),
                "installed": python is not None,
                "location": str(runtimes.location(known)),
                "python": None if python is None else str(python),
                "pythons": list(known.pythons),
                "installable": python is not None or base is not None,
            }
        )
    width = max(len(str(row["runtime"])) for row in rows)
    lines = [f"{row['runtime']!s:{width}}  {_state(row)}" for row in rows]
    terminal.result({"runtimes": rows}, *lines)


def _state(row: dict[str, Any]) -> str:
    if row["installed"]:
        return f"installed in {row['location']}"
    if row["installable"]:
        return "can be installed"
    return f"needs a Python {' or '.join(row['pythons'])}"


@runtime.command(cls=Command)
@click.argument("names", metavar="RUNTIME...", nargs=-1, required=True)
def remove(terminal: Terminal, names: tuple[str, ...]) -> None:
    """Delete the environment of each RUNTIME.

    \b
    Example:
      zoosmith runtime remove onnxruntime==1.6.0
    """
    from zoosmith.validation import runtimes

    removed = {str(wanted): runtimes.remove(wanted) for wanted in [runtimes.runtime_for(name) for name in names]}
    terminal.result(
        {"removed": removed},
        *(f"{name} is removed" if there else f"{name} was not installed" for name, there in removed.items()),
    )
