"""What native code is doing in this process, told to whoever explains it where that code ends the process."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_active: list[str] = []
_listener: Callable[[list[str]], None] | None = None


def tell_activities(listener: Callable[[list[str]], None]) -> None:
    """Let a function know what native code is doing, each time that it changes.

    Args:
        listener: of the process. It is given one line for each call that is under way, and returns quickly.
    """
    global _listener  # noqa: PLW0603 - one listener for the process
    _listener = listener


@contextmanager
def in_native_code(library: str, act: str) -> Iterator[None]:
    """Tell what is done while the block runs.

    Args:
        library: whose code it is, such as `ONNX Runtime`.
        act: what it does, such as `running model.onnx`.
    """
    if _listener is None:
        yield
        return
    line = f"{library}\t{act}"
    _change(_active.append, line)
    try:
        yield
    finally:
        _change(_active.remove, line)


def _change(change: Callable[[str], None], line: str) -> None:
    with _lock:
        change(line)
        if _listener is not None:
            _listener(_active)
