"""Reading archives that may be damaged or hostile."""

import gzip
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from isal import igzip, isal_zlib

from zoosmith.onnx_model.errors import PathError, ZoosmithError
from zoosmith.onnx_model.paths import parts_below

# what is read at a time
_PIECE = 1 << 20

# An archive may unpack to 256 MiB, or to 100 times its size where that is more; and to so many members.
_ALWAYS_ALLOWED = 1 << 28
_LARGEST_RATIO = 100
_MOST_MEMBERS = 10_000

# isal's type hints leave these open
_ISAL_ERROR: Any = isal_zlib.error
_open_gzip: Any = igzip.open


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """Unpack an archive into a temporary folder, which is removed afterwards.

    Args:
        path: a `.tar.gz` or `.tar`.

    Yields:
        The folder.

    Raises:
        ZoosmithError: the file is missing, damaged or no archive, or hostile: members outside of the folder, links and
            devices, or content out of all proportion to the file's size.
    """
    with tempfile.TemporaryDirectory(prefix="zoosmith-") as name:
        folder = Path(name)
        try:
            with path.open("rb") as file:
                _extract(path, file, folder)
        except OSError as error:
            if isinstance(error, gzip.BadGzipFile):
                raise _damaged(path) from error
            raise ZoosmithError(f"{path}: cannot be unpacked: {error.strerror or error}") from error
        except (tarfile.TarError, EOFError, zlib.error, _ISAL_ERROR, ValueError) as error:
            raise _damaged(path) from error
        yield folder


class _LimitedReader:
    """The `read` that tarfile needs, which ends an archive that unpacks to more than it may."""

    def __init__(self, path: Path, stream: Any):
        self._path = path
        self._stream = stream
        self._left = self._limit = max(_ALWAYS_ALLOWED, _LARGEST_RATIO * path.stat().st_size)

    def read(self, size: int) -> bytes:
        data: bytes = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise ZoosmithError(f"{self._path}: refused: it unpacks to more than {self._limit} bytes")
        return data


def _extract(path: Path, file: IO[bytes], folder: Path) -> None:
    compressed = file.read(2) == b"\x1f\x8b"
    file.seek(0)
    limited: Any = _LimitedReader(path, _open_gzip(file, "rb") if compressed else file)
    with tarfile.open(fileobj=limited, mode="r|", bufsize=_PIECE) as tar:
        for count, member in enumerate(tar, start=1):
            if count > _MOST_MEMBERS:
                raise ZoosmithError(f"{path}: refused: it has more than {_MOST_MEMBERS} members")
            target = folder / _safe_path(path, member.name)
            if member.isdir():
                target.mkdir(parents=True, exist_ok=True)
                continue
            content = None if member.issparse() or not member.isreg() else tar.extractfile(member)
            if content is None:
                raise ZoosmithError(f"{path}: refused: member {member.name!r} is a link or no regular file")
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as copy:
                while piece := content.read(_PIECE):
                    copy.write(piece)


def _safe_path(path: Path, name: str) -> Path:
    try:
        return Path(*parts_below(name))
    except PathError as error:
        raise ZoosmithError(f"{path}: refused: member {name!r} climbs out of the folder") from error


def _damaged(path: Path) -> ZoosmithError:
    return ZoosmithError(f"{path}: expected a tar.gz archive, found something else or a damaged file")
