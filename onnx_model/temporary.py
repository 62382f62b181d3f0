"""Files and folders that are there for a while, told to whoever cleans up where this process is ended on the way."""

import os
import secrets
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_lock = threading.Lock()
_paths: list[str] = []
_listener: Callable[[list[str]], None] | None = None


def tell_temporary_paths(listener: Callable[[list[str]], None]) -> None:
    """Let a function know the absolute paths of what is there for a while, each time that they change.

    Args:
        listener: of the process; it returns quickly.
    """
    global _listener  # noqa: PLW0603 - one listener for the process
    _listener = listener


@contextmanager
def temporary_path(path: Path) -> Iterator[None]:
    """Tell a path while the block runs, which makes the file or folder and removes or renames it.

    Args:
        path: relative to the working folder, or absolute.
    """
    absolute = os.path.abspath(path)
    try:
        _change(lambda: _paths.append(absolute))
        yield
    finally:
        # an interrupt may have come before it was told
        _change(lambda: _paths.remove(absolute) if absolute in _paths else None)


@contextmanager
def temporary_folder(parent: Path | None = None) -> Iterator[Path]:
    """Make a folder that goes, with all that is in it, when the block ends.

    Args:
        parent: where it is made; the system's folder for temporary files by default.
    """
    folder = Path(parent or tempfile.gettempdir(), f"zoosmith-{secrets.token_hex(8)}").absolute()
    # told before it is made: another thread may meet the end of the process in between
    with temporary_path(folder):
        try:
            folder.mkdir(0o700)
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _change(change: Callable[[], None]) -> None:
    with _lock:
        change()
        if _listener is not None:
            _listener(_paths)
