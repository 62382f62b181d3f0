"""The command line `zoosmith`. A command is a module of this folder, imported when it is called."""

# Nothing is imported here, so that an interrupt finds `main` from the first moment on.


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 a check failed, 2 bad input or usage, 130 interrupted, 70 our bug."""
    import sys

    try:
        from zoosmith.cli.application import run

        code = run(arguments)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        code = 130
    if arguments is None:
        _leave(code)
    sys.exit(code)


def _leave(code: int) -> None:
    """End the process as it is: to free models and modules one by one takes longer than many a conversion."""
    import os
    import sys

    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:  # nobody reads any more: the interpreter's own end says so
        return
    os._exit(code)
