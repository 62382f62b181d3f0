"""Ctrl-C: one line and exit code 130, wherever it comes."""

import atexit
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

INTERRUPTED = 130
INTERRUPT_OF_PARENT = getattr(signal, "SIGUSR1", signal.SIGINT)
"""What a process that supervises this one sends where it was interrupted itself."""

# seconds after which it is looked again whether an import has ended
_POLL = 0.001
_LINE = "interrupted\n"
_IMPORT = "<frozen importlib._bootstrap>"


def guarded(run: Callable[[Callable[[], bool]], int], *, ends: bool) -> int:
    """Call a function; return what it returns, or 130, and say so, where it was interrupted.

    An interrupt inside an import waits for the import's end: C code turns it into errors of other types there, and the
    import machinery loses it. A second interrupt ends the process at once.

    Args:
        run: the function. It is given another one, which tells whether there was an interrupt: an error of any type may
            be one that C code turned into it, and is raised again then.
        ends: whether the process ends afterwards; an interrupt while the interpreter shuts down is one line, too.
    """
    if threading.current_thread() is not threading.main_thread():
        return run(lambda: False)
    interrupts = _Interrupts()
    with interrupts.installed(stay=ends):
        try:
            return run(lambda: interrupts.noted)
        except BaseException as error:
            if not isinstance(error, KeyboardInterrupt) and (not interrupts.noted or isinstance(error, SystemExit)):
                raise
            _stop_polling()  # or it would raise once more, behind the line
            sys.stderr.write(_LINE)
            return INTERRUPTED


class _Interrupts:
    def __init__(self) -> None:
        # a terminal interrupts this process and the one that supervises it, which passes that on: they are one
        self._counts = dict.fromkeys((signal.SIGINT, INTERRUPT_OF_PARENT), 0)

    @property
    def noted(self) -> bool:
        return any(self._counts.values())

    @contextmanager
    def installed(self, *, stay: bool) -> Iterator[None]:
        """Handle interrupts until the block ends; with `stay`, end the process at those that come afterwards."""
        before = {number: signal.signal(number, self._on_interrupt) for number in self._counts}
        hook = sys.unraisablehook
        sys.unraisablehook = self._on_lost(hook)
        try:
            yield
        finally:
            _stop_polling()
            sys.unraisablehook = hook
            for number in self._counts:
                signal.signal(number, self._on_late_interrupt if stay else before[number])
                if stay:
                    # when threads have ended, nothing is left to interrupt, and Python would take its handler away
                    atexit.register(signal.signal, number, signal.SIG_IGN)

    def _on_interrupt(self, number: int, frame: FrameType | None) -> None:
        before = max(self._counts.values())
        self._counts[signal.Signals(number)] += 1
        if max(self._counts.values()) == before:
            return
        if before:
            _end()
        if _can_poll() and _importing(frame):
            _poll()
        else:
            raise KeyboardInterrupt

    def _on_late_interrupt(self, number: int, frame: FrameType | None) -> None:
        before = max(self._counts.values())
        self._counts[signal.Signals(number)] += 1
        if max(self._counts.values()) > before:
            _end()

    def _on_lost(self, hook: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Raise again what came out of a destructor or callback, where Python would print it and go on."""

        def again(lost: Any) -> None:
            if isinstance(lost.exc_value, KeyboardInterrupt) and _can_poll():
                _poll()
            else:
                hook(lost)

        return again


def _end() -> None:
    os.write(sys.stderr.fileno(), _LINE.encode())
    os._exit(INTERRUPTED)


def _can_poll() -> bool:
    return hasattr(signal, "setitimer")


def _poll() -> None:
    signal.signal(signal.SIGALRM, _retry)
    signal.setitimer(signal.ITIMER_REAL, _POLL, _POLL)


def _stop_polling() -> None:
    if _can_poll() and signal.getsignal(signal.SIGALRM) is _retry:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)


def _retry(number: int, frame: FrameType | None) -> None:
    if not _importing(frame):
        _stop_polling()
        raise KeyboardInterrupt


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename == _IMPORT:
            return True
        frame = frame.f_back
    return False
