"""`zoosmith caffe2`: the environment of the real Caffe2."""

import click


@click.group()
def caffe2() -> None:
    """Install the real Caffe2, for reference runs and for the tests that compare with it.

    \b
    Example:
      zoosmith caffe2 install
    """


@caffe2.command()
def install() -> None:
    """Make an environment with Caffe2 (torch 1.10.2 on Python 3.9) in the user's cache folder.

    A Python 3.9 is looked for on PATH, in pyenv and by uv. Nothing is done where it is installed already. The
    environment variable ZOOSMITH_CACHE names another folder.

    \b
    Example:
      zoosmith caffe2 install
    """
    from rich.console import Console

    from zoosmith.validation import caffe2 as real

    console = Console(stderr=True)
    with console.status("installing Caffe2") as status:
        real.install(status.update)
    click.echo(f"Caffe2 is installed in {real.location()}")


@caffe2.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(as_json: bool) -> None:
    """Say whether Caffe2 is installed and where; exit code 1 if it is not.

    \b
    Example:
      zoosmith caffe2 status
    """
    import json
    import sys

    from zoosmith.validation import caffe2 as real

    python = real.find_environment()
    if as_json:
        found = {"installed": python is not None, "location": str(real.location())}
        click.echo(json.dumps(found | {"python": None if python is None else str(python)}))
    elif python is not None:
        click.echo(f"installed: {real.location()}")
    else:
        base = real.find_python()
        way = (
            f"`zoosmith caffe2 install` makes it with {base}" if base else "and there is no Python 3.9 to make it with"
        )
        click.echo(f"not installed: {real.location()}; {way}")
    sys.exit(0 if python is not None else 1)
