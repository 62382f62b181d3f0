"""The command line `zoosmith`. A command is a module of this folder, imported when it is called."""

# Nothing is imported here, so that an interrupt finds `main` from the first moment on.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 a check failed, 2 bad input or usage, 130 interrupted, 70 our bug."""
    import sys

    # what `signal` wraps is there from the interpreter's start on, without an import; Windows has no masks
    signals = sys.modules["_signal"]
    mask = getattr(signals, "pthread_sigmask", lambda how, numbers: ())
    try:
        # Python may lose an interrupt inside an import: it waits until it is guarded
        before = mask(getattr(signals, "SIG_BLOCK", 0), {signals.SIGINT})
        from zoosmith.cli.interrupts import guarded

        def start(interrupted: "Callable[[], bool]") -> int:
            mask(getattr(signals, "SIG_SETMASK", 0), before)
            if arguments is None:
                from zoosmith.cli.supervision import supervise

                supervise(sys.argv[1:], interrupted)
            from zoosmith.cli.application import run

            return run(arguments, interrupted)

        code = guarded(start, ends=arguments is None)
    except KeyboardInterrupt:  # before it is guarded
        sys.stderr.write("interrupted\n")
        code = 130
    sys.exit(code)
