"""Reading files that may be damaged or hostile: only regular ones, and each error of a library as one line."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from zoosmith.onnx_model.errors import ModelError, ZoosmithError, first_line

Path = str | os.PathLike[str]


@contextmanager
def reading(path: Path, expected: str, error: type[ZoosmithError] = ModelError) -> Iterator[None]:
    """Turn what is raised while a file is read into one line, which names the file.

    Libraries raise nearly anything on damaged files. Whatever comes out of the block says `FILE: damaged or
    unsupported`, what was expected, and why. Our own errors keep their text; the file's name is put before it where it
    is missing.

    Args:
        path: what the message calls the file.
        expected: what the file should be, as in `an ONNX model`.
        error: the type that is raised.

    Raises:
        ZoosmithError: of type `error`, or of the type that was raised where it is ours.
    """
    name = os.fspath(path)
    try:
        yield
    except ZoosmithError as raised:
        if name in str(raised):
            raise
        raise type(raised)(f"{name}: {raised}") from raised
    except OSError as raised:
        if raised.errno is None:  # of a library, which has found something wrong in the content
            raise error(f"{name}: damaged or unsupported: expected {expected}: {first_line(raised)}") from raised
        raise error(f"{name}: cannot be read: {raised.strerror or raised}") from raised
    except MemoryError as raised:
        raise error(f"{name}: damaged or unsupported: {expected} of this size does not fit into memory") from raised
    except RecursionError as raised:
        raise error(f"{name}: damaged or unsupported: expected {expected}, found one nested too deeply") from raised
    except Exception as raised:
        raise error(f"{name}: damaged or unsupported: expected {expected}: {first_line(raised)}") from raised


def open_regular(
    path: Path, *, name: str | None = None, error: type[ZoosmithError] = ModelError, buffering: int = -1
) -> IO[bytes]:
    """Open a file to read it. A pipe or a device, which may never end, is refused and not waited for.

    Args:
        path: the file.
        name: what messages call it; its path by default.
        error: the type that is raised.
        buffering: as the built-in `open` takes it.

    Raises:
        ZoosmithError: of type `error`: it is not a regular file, or cannot be opened.
    """
    shown = os.fspath(path) if name is None else name

    def descriptor(opened: str, flags: int) -> int:
        # without the flag a pipe that nobody writes to would be waited for
        number = os.open(opened, flags | getattr(os, "O_NONBLOCK", 0))
        kind = os.fstat(number).st_mode
        if not stat.S_ISREG(kind):
            os.close(number)
            found = "it is a folder" if stat.S_ISDIR(kind) else "not a regular file"
            raise error(f"{shown}: cannot be read: {found}")
        return number

    with reading(shown, "a file", error):
        return open(path, "rb", buffering=buffering, opener=descriptor)


def read_regular(
    path: Path, *, most: int | None = None, name: str | None = None, error: type[ZoosmithError] = ModelError
) -> bytes:
    """Return the content of a regular file.

    Args:
        path: the file.
        most: bytes that it may have; None for no limit.
        name: what messages call it; its path by default.
        error: the type that is raised.

    Raises:
        ZoosmithError: of type `error`, as `open_regular` does, or where it is larger.
    """
    shown = os.fspath(path) if name is None else name
    with open_regular(path, name=name, error=error) as file, reading(shown, "a file", error):
        size = os.fstat(file.fileno()).st_size
        if most is not None and size > most:
            raise error(f"{shown}: has {size:,} bytes; at most {most:,} are read of such a file")
        return file.read()
