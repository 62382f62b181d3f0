"""`zoosmith runtime`: environments with other runtimes."""

import click


@click.group()
def runtime() -> None:
    """Install runtimes to prove files in: old ONNX Runtimes, OpenVINO, OpenCV, the real Caffe2.

    Each gets an environment of its own in the user's cache folder (the environment variable ZOOSMITH_CACHE names
    another), made from wheels whose SHA-256 zoosmith knows.

    \b
    Example:
      zoosmith runtime install onnxruntime==1.6.0
      zoosmith runtime list
    """


@runtime.command()
@click.argument("names", metavar="RUNTIME...", nargs=-1, required=True)
def install(names: tuple[str, ...]) -> None:
    """Make an environment with each RUNTIME: NAME==VERSION, or NAME for the newest that is listed.

    A fitting Python is looked for on PATH, in pyenv and by uv. Nothing is done where it is installed already.

    \b
    Example:
      zoosmith runtime install onnxruntime==1.6.0
      zoosmith runtime install caffe2
    """
    from rich.console import Console

    from zoosmith.validation import runtimes

    console = Console(stderr=True)
    for wanted in [runtimes.runtime_for(name) for name in names]:
        with console.status(f"installing {wanted}") as status:
            runtimes.install(wanted, status.update)
        click.echo(f"{wanted} is installed in {runtimes.location(wanted)}")


@runtime.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_command(as_json: bool) -> None:
    """Say which runtimes are installed, and which can be.

    \b
    Example:
      zoosmith runtime list
    """
    import json

    from zoosmith.validation import runtimes

    rows = []
    for known in runtimes.supported():
        python = runtimes.find_environment(known)
        base = None if python is not None else runtimes.base_python(known)
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
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    width = max(len(str(row["runtime"])) for row in rows)
    for known, row in zip(runtimes.supported(), rows, strict=True):
        if row["installed"]:
            state = f"installed in {row['location']}"
        elif row["installable"]:
            state = "can be installed"
        else:
            state = f"needs a Python {' or '.join(known.pythons)}"
        click.echo(f"{row['runtime']!s:{width}}  {state}")


@runtime.command()
@click.argument("names", metavar="RUNTIME...", nargs=-1, required=True)
def remove(names: tuple[str, ...]) -> None:
    """Delete the environment of each RUNTIME.

    \b
    Example:
      zoosmith runtime remove onnxruntime==1.6.0
    """
    from zoosmith.validation import runtimes

    for wanted in [runtimes.runtime_for(name) for name in names]:
        there = runtimes.remove(wanted)
        click.echo(f"{wanted} is removed" if there else f"{wanted} was not installed")
