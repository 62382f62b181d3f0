"""The command in a process of its own: where a library ends that process, one line and exit code 2 are left."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from mmap import mmap
from types import FrameType
from typing import NoReturn

from zoosmith.cli.interrupts import INTERRUPT_OF_PARENT

# signals of faults in native code, and of the system where memory runs out
_FAULTS = ("SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGKILL", "SIGSEGV", "SIGSYS", "SIGTRAP")
_PASSED_ON = ("SIGTERM", "SIGHUP")
# what this process may remove with all that is in it; of other paths, only empty folders
_OURS = (".partial", "zoosmith-")
_PAGE = 1 << 16
_COUNT = 4
_HALF = (_PAGE - 1) // 2
# of prctl
_SIGNAL_AT_PARENTS_END = 1


def supervise(arguments: Sequence[str], interrupted: Callable[[], bool]) -> None:
    """Go on in a child process; this process waits for its end, and ends as it did.

    Native code that meets a fault ends its process, and no Python code can hold that up. The child tells what such code
    is doing and which files are there for a while, in memory that both see. The parent says the former in one line and
    removes the latter. Forking before anything is imported costs a millisecond or two. Linux alone: elsewhere, and in a
    process with threads, it does nothing.

    Args:
        arguments: those of the process; with `--verbose` among them, what native code printed is shown.
        interrupted: tells whether an interrupt is about to be raised already; this process goes on then.
    """
    if sys.platform != "linux" or threading.active_count() > 1 or sys.stderr is None:
        return
    activities, paths, printed = _Page(), _Page(), os.memfd_create("zoosmith-stderr")
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    # each side takes them when it knows which one it is
    held = {signal.SIGINT, INTERRUPT_OF_PARENT, *map(_number, _PASSED_ON)}
    signal.pthread_sigmask(signal.SIG_BLOCK, held)
    child = None if interrupted() else os.fork()
    if child:
        _wait(child, held, activities, paths, printed, verbose="--verbose" in arguments)
    if child == 0:
        _end_with(parent)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, held)
    if child is None:
        return
    _keep_apart(printed)
    _tell(activities, paths)


class _Page:
    """Lines that the child writes and the parent reads, whatever becomes of the child."""

    def __init__(self) -> None:
        self._memory = mmap(-1, _PAGE)

    def write(self, lines: Sequence[str]) -> None:
        encoded = [os.fsencode(line) for line in lines]
        while sum(map(len, encoded)) + len(encoded) > _HALF - _COUNT:
            encoded.pop()
        content = b"\0".join(encoded)
        # one half is read while the other one is written; a byte says which, so that a reader finds whole lines
        half = 1 - self._memory[0]
        start = 1 + half * _HALF
        self._memory[start : start + _COUNT] = len(content).to_bytes(_COUNT, "little")
        self._memory[start + _COUNT : start + _COUNT + len(content)] = content
        self._memory[0] = half

    def read(self) -> list[str]:
        start = 1 + self._memory[0] * _HALF
        length = int.from_bytes(self._memory[start : start + _COUNT], "little")
        content = self._memory[start + _COUNT : start + _COUNT + length]
        return [os.fsdecode(line) for line in content.split(b"\0") if line]


def _end_with(parent: int) -> None:
    """Let the child be killed when its parent is gone, however that ended."""
    import ctypes

    ctypes.CDLL(None).prctl(_SIGNAL_AT_PARENTS_END, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(128 + signal.SIGKILL)


def _keep_apart(printed: int) -> None:
    """Let what native code prints on the standard error go into a file; Python goes on printing where it did."""
    import faulthandler

    shown = os.dup(2)
    os.dup2(printed, 2)
    sys.stderr = open(  # noqa: SIM115 - lives as long as the process
        shown, "w", encoding=sys.stderr.encoding, errors=sys.stderr.errors, buffering=1, closefd=False
    )
    faulthandler.enable(2)


def _tell(activities: _Page, paths: _Page) -> None:
    from zoosmith.execution.activity import tell_activities
    from zoosmith.onnx_model.temporary import tell_temporary_paths

    tell_activities(activities.write)
    tell_temporary_paths(paths.write)


def _wait(
    child: int, held: set[signal.Signals], activities: _Page, paths: _Page, printed: int, *, verbose: bool
) -> NoReturn:
    """Wait for the child, passing signals on, and end as it did."""

    def pass_on(number: int, frame: FrameType | None) -> None:
        # a terminal interrupts both processes: the child counts those from here apart from its own
        with suppress(ProcessLookupError):
            os.kill(child, INTERRUPT_OF_PARENT if number == signal.SIGINT else number)

    for each in held - {INTERRUPT_OF_PARENT}:
        if each == signal.SIGINT or signal.getsignal(each) != signal.SIG_IGN:
            signal.signal(each, pass_on)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, held)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status):
        _show(printed)
        os._exit(os.WEXITSTATUS(status))
    signals = signal.Signals(os.WTERMSIG(status))
    _remove(paths.read())
    if signals.name not in _FAULTS:
        signal.signal(signals, signal.SIG_DFL)
        os.kill(os.getpid(), signals)
    if verbose:
        _show(printed)
    _explain(signals, activities.read(), verbose=verbose)
    os._exit(2)


def _number(name: str) -> signal.Signals:
    return signal.Signals[name]


def _show(printed: int) -> None:
    """Print what native code printed."""
    content = os.pread(printed, os.fstat(printed).st_size, 0)
    while content:
        content = content[os.write(2, content) :]


def _remove(paths: Sequence[str]) -> None:
    """Remove what was there for a while; the innermost first."""
    import shutil

    for path in sorted(paths, key=len, reverse=True):
        name = os.path.basename(path)
        ours = name.endswith(_OURS[0]) or name.startswith(_OURS[1])
        with suppress(OSError):
            if not os.path.isdir(path) or os.path.islink(path):
                if ours:
                    os.unlink(path)
            elif ours:
                shutil.rmtree(path)
            else:
                os.rmdir(path)


def _explain(number: signal.Signals, activities: Sequence[str], *, verbose: bool) -> None:
    from zoosmith.cli import terminal

    calls = [line.split("\t", 1) for line in dict.fromkeys(activities)]
    during = f" while {' and '.join(act for _, act in calls)}" if calls else ""
    end = f"(signal {number.value}, {number.name}){during}"
    if number == signal.SIGKILL:
        terminal.error(f"the process was killed {end}; the system does so where memory runs out")
        return
    library = " or ".join(dict.fromkeys(library for library, _ in calls)) or "a native library"
    terminal.error(f"{library} ended the process {end}" + ("" if verbose else "; --verbose shows what it printed"))
