"""Files that are whole or not there: write beside the target, rename when complete."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from zoosmith.onnx_model.errors import ZoosmithError


@contextmanager
def atomic_writer(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Open a binary file that appears at `path`, replacing what is there, only when the block ends without an error.

    Raises ZoosmithError, naming `path`, where it cannot be written (no permission, disk full, folder is a file).
    """
    target = Path(path)
    temporary = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # the suffix keeps a killed run's leftover from being taken for an output
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent)
        temporary = Path(name)
        with os.fdopen(handle, "wb") as file:
            yield file
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(target)
        temporary = None
    except OSError as error:
        raise ZoosmithError(f"{target}: cannot be written: {error.strerror or error}") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_atomic(path: str | os.PathLike[str], content: bytes | memoryview) -> None:
    """Write `content` to `path` as `atomic_writer` does."""
    with atomic_writer(path) as file:
        file.write(content)
