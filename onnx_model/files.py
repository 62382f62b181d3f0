"""Files that are whole or not there: written beside the target, renamed when complete."""

import errno
import os
import secrets
import shutil
import stat
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from zoosmith.onnx_model.errors import ZoosmithError
from zoosmith.onnx_model.temporary import temporary_folder, temporary_path

if sys.platform != "win32":
    import fcntl

_SUFFIX = ".partial"
# between the name and the suffix of what is being written: bytes of a random number, in hexadecimal digits
_RANDOM_BYTES = 8
_ANY_NUMBER = "[0-9a-f]" * (2 * _RANDOM_BYTES)
# what a staging folder is locked by
_LOCK = ".lock"
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
# a leftover is younger than this while the process that makes it has not locked it yet
_SECONDS_TO_LOCK = 10
STANDARD_OUTPUT = Path("/dev/stdout")
"""Writes to the standard output, on every operating system."""

# where writing goes on in place: nothing there can be half-written
_STREAMS = {Path(os.devnull), STANDARD_OUTPUT}


@contextmanager
def atomic_writer(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Open a binary file that appears at `path`, replacing what is there, only when the block ends without an error.

    The file is written beside the target. A link stays: what it leads to is replaced. An existing file keeps its mode.
    Leftovers of killed processes in the folder are removed. The null device and `/dev/stdout` are written directly.

    Args:
        path: where the file is to be.

    Raises:
        ZoosmithError: it cannot be written (no permission, disk full, a folder is a file, not a regular file). The
            message names `path`.
    """
    target = Path(path)
    temporary = None
    try:
        if target in _STREAMS:
            with _opened_stream(target) as stream:
                yield stream
            return
        target = Path(os.path.realpath(target)) if target.is_symlink() else target
        mode = _mode_of_replaced(target)
        _make_folder(target.parent)
        remove_leftovers(target.parent)
        temporary = _temporary_beside(target)
        with temporary_path(temporary):
            with os.fdopen(os.open(temporary, _NEW_FILE, 0o600), "wb") as file:
                _lock(file)
                yield file
            temporary.chmod(mode)
            temporary.replace(target)
            temporary = None
    except OSError as error:
        raise ZoosmithError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_atomic(path: str | os.PathLike[str], content: bytes | memoryview) -> None:
    """Write a file as `atomic_writer` does.

    Args:
        path: where it appears.
        content: all of it.

    Raises:
        ZoosmithError: as `atomic_writer` does.
    """
    with atomic_writer(path) as file:
        file.write(content)


class Staging:
    """A file that is written and looked at before it appears. Made by `staged`.

    Attributes:
        path: where to write it: under its own name, in a folder of its own beside the target. What is written beside it
            appears with it.
    """

    def __init__(self, target: Path, folder: Path) -> None:
        self._target = target
        self._mode = None if target in _STREAMS else _mode_of_replaced(target)
        self._lent = {folder / _LOCK}
        self.path = folder / target.name

    def lend(self, names: Iterable[str]) -> None:
        """Let files beside the target be found beside the staged file, too. They are not changed.

        Args:
            names: relative to the target's folder.
        """
        for name in names:
            lent = self.path.parent / name
            lent.parent.mkdir(parents=True, exist_ok=True)
            self._lent.add(lent)
            try:
                os.link(os.path.realpath(self._target.parent / name), lent)
            except OSError:  # file systems without such links
                shutil.copyfile(self._target.parent / name, lent)

    def publish(self) -> None:
        """Move what was staged to where it belongs, the file itself last."""
        folder = self.path.parent
        staged = sorted(path for path in folder.rglob("*") if path.is_file() and path not in self._lent)
        if self._mode is None:
            if staged != [self.path]:
                raise ZoosmithError(
                    f"{self._target}: the model needs a file of data beside it, which cannot follow it there; "
                    "name a file to write"
                )
            with open(self.path, "rb") as file, _opened_stream(self._target) as stream:
                shutil.copyfileobj(file, stream)
            return
        self.path.chmod(self._mode)
        for path in [*(path for path in staged if path != self.path), self.path]:
            target = self._target.parent / path.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)


@contextmanager
def staged(path: str | os.PathLike[str]) -> Iterator[Staging]:
    """Give a place to write a file, which appears at `path` only when it is published; else nothing is left behind.

    Links, modes, leftovers and streams are treated as by `atomic_writer`.

    Args:
        path: where the file is to be.

    Raises:
        ZoosmithError: it cannot be written; the message names `path`.
    """
    target = Path(path)
    missing: list[Path] = []
    folder = None
    try:
        if target in _STREAMS:
            with temporary_folder() as elsewhere:
                yield Staging(target, elsewhere)
            return
        target = Path(os.path.realpath(target)) if target.is_symlink() else target
        missing = [parent for parent in target.parents if not parent.exists()]
        _make_folder(target.parent)
        remove_leftovers(target.parent)
        folder = _temporary_beside(target)
        with ExitStack() as known:
            for made in (*missing, folder):
                known.enter_context(temporary_path(made))
            folder.mkdir(0o700)
            with open(folder / _LOCK, "wb") as lock:
                _lock(lock)
                yield Staging(target, folder)
    except OSError as error:
        raise ZoosmithError(f"{path}: cannot be written: {error.strerror or error}") from error
    except ZoosmithError as error:
        if folder is None or not str(error).startswith(str(folder)):
            raise
        # the user knows the place where it was to appear
        where = "" if Path(path).parent == Path() else f"{Path(path).parent}{os.sep}"
        raise type(error)(where + str(error).removeprefix(f"{folder}{os.sep}")) from error
    finally:
        if folder is not None:
            _remove_tree(folder)
        for parent in [] if target.exists() else missing:
            with suppress(OSError):
                parent.rmdir()


@contextmanager
def scratch_folder(parent: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a folder below `parent` for files that are needed for a while; it goes with all that is in it.

    Args:
        parent: made where it does not exist, and removed again where nothing else came to be in it.

    Raises:
        ZoosmithError: it cannot be made; where a file is in the way, the message names that.
    """
    folder = Path(parent)
    found = next((path for path in (folder, *folder.parents) if os.path.lexists(path)), folder)
    if found.exists() and not found.is_dir():
        raise ZoosmithError(f"{found}: is no folder; expected one to write into")
    with staged(Path(parent) / "work") as staging:
        yield staging.path.parent


def refuse_unwritable(path: str | os.PathLike[str]) -> None:
    """Refuse a file that cannot be written, as far as that is known before: so no work is done in vain.

    Args:
        path: where the file is to be; nothing is made there.

    Raises:
        ZoosmithError: as `atomic_writer` does.
    """
    target = Path(path)
    if target in _STREAMS:
        return
    target = Path(os.path.realpath(target))
    above = next(folder for folder in target.parents if folder.exists())
    try:
        if not above.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, f"{above} is no folder")
        _mode_of_replaced(target)
        if not os.access(above, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise ZoosmithError(f"{path}: cannot be written: {error.strerror or error}") from error


def refuse_replacing(path: Path, sources: Iterable[Path]) -> None:
    """Refuse an output in the place of a file that it is made of and that cannot be made of it again.

    Raises ZoosmithError, which names the file.
    """
    for source in sources:
        if path not in _STREAMS and path.exists() and source.exists() and path.samefile(source):
            raise ZoosmithError(
                f"{path}: is what the output is made of, and would be lost; expected another file to write"
            )


def is_stream(path: Path) -> bool:
    """Whether writing to a path goes on in place, as to the standard output and the null device."""
    return path in _STREAMS


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise NotADirectoryError(errno.ENOTDIR, f"{folder} is no folder") from None


def _temporary_beside(target: Path) -> Path:
    """A name to write under. Who makes it knows it before, so that an interrupt between the two leaves nothing."""
    # the suffix keeps a killed run's leftover from being taken for an output
    return target.parent / f".{target.name}.{secrets.token_hex(_RANDOM_BYTES)}{_SUFFIX}"


def _remove_tree(folder: Path) -> None:
    try:
        shutil.rmtree(folder, ignore_errors=True)
    except KeyboardInterrupt:  # on the way: nothing of it stays
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _opened_stream(target: Path) -> IO[bytes]:
    if target != STANDARD_OUTPUT:
        return open(target, "wb")
    # opened by its path, a file behind it would be emptied first
    sys.stdout.flush()
    return os.fdopen(os.dup(1), "wb")


def _mode_of_replaced(target: Path) -> int:
    """The mode that the new file gets: that of the file it replaces, or what the process gives new files."""
    try:
        found = target.stat().st_mode
    except FileNotFoundError:
        umask = os.umask(0)
        os.umask(umask)
        return 0o666 & ~umask
    if not stat.S_ISREG(found):
        raise OSError(0, "Is a directory" if stat.S_ISDIR(found) else "not a regular file")
    return stat.S_IMODE(found)


def _lock(file: IO[bytes]) -> None:
    """Hold a lock on a file until it is closed, which the end of the process does as well."""
    if sys.platform != "win32":
        with suppress(OSError):  # some network file systems have no locks
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def remove_leftovers(folder: Path, prefix: str = "", *, age: float | None = None) -> None:
    """Remove files and staging folders that a killed process was writing: those that nobody holds a lock on.

    Args:
        folder: where they lie.
        prefix: that the names of the files that were written have.
        age: seconds since their last change, at least; None for those that their writer must have locked by now.
    """
    if sys.platform == "win32":
        return
    for leftover in folder.glob(f".{prefix}*.{_ANY_NUMBER}{_SUFFIX}"):
        with suppress(OSError):
            if (
                time.time() - leftover.lstat().st_mtime < (_SECONDS_TO_LOCK if age is None else age)
                or leftover.is_symlink()
            ):
                continue
            staging = leftover.is_dir()
            if staging and not (leftover / _LOCK).exists():
                # its process died before it made the lock
                shutil.rmtree(leftover)
                continue
            with open(leftover / _LOCK if staging else leftover, "rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(leftover) if staging else leftover.unlink()
