"""Reading archives that may be damaged or hostile."""

import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from isal import igzip

from zoosmith.onnx_model.errors import PathError, ZoosmithError
from zoosmith.onnx_model.paths import parts_below
from zoosmith.onnx_model.reading import open_regular, reading
from zoosmith.onnx_model.temporary import temporary_folder

# what is read at a time
_PIECE = 1 << 20

# An archive may unpack to 256 MiB, or to 100 times its size where that is more; and to so many members.
_ALWAYS_ALLOWED = 1 << 28
_LARGEST_RATIO = 100
_MOST_MEMBERS = 10_000
# folders around a member
_DEEPEST = 32
# what a member's name and other headers may take, in bytes
_LARGEST_HEADER = 1 << 16
_HEADERS = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)

_EXPECTED = "a tar.gz archive"

# isal's type hints leave it open
_open_gzip: Any = igzip.open


@dataclass(frozen=True)
class ArchiveMember:
    """A file in an archive, as its header describes it.

    Attributes:
        name: its path there, which may lead anywhere.
        size: in bytes.
    """

    name: str
    size: int


def is_archive(path: Path) -> bool:
    """Whether a file begins as a `.tar.gz` or a `.tar` does.

    Raises:
        ModelError: it cannot be read.
    """
    with open_regular(path) as file:
        begin = file.read(tarfile.BLOCKSIZE)
    if begin.startswith(b"\x1f\x8b"):
        return True
    try:
        tarfile.TarInfo.frombuf(begin, tarfile.ENCODING, "surrogateescape")
    except tarfile.TarError:
        return False
    return True


def archive_members(path: Path) -> list[ArchiveMember]:
    """The files in an archive; nothing is unpacked, and no name is refused.

    Args:
        path: a `.tar.gz` or `.tar`.

    Raises:
        ZoosmithError: as `unpacked` does, names aside.
    """
    with _opened(path) as tar:
        return [ArchiveMember(member.name, member.size) for member in _members(path, tar) if member.isfile()]


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """Unpack an archive into a temporary folder, which is removed afterwards.

    All of it is read and judged before anything is written.

    Args:
        path: a `.tar.gz` or `.tar`.

    Yields:
        The folder.

    Raises:
        ZoosmithError: the file is missing, damaged or no archive, or hostile: members outside of the folder, links and
            devices, or content out of all proportion to the file's size.
    """
    with _opened(path) as tar:
        _refuse_hostile(path, tar)
    with temporary_folder() as folder:
        with _opened(path) as tar:
            for member in _members(path, tar):
                _extract(path, tar, member, folder)
        yield folder


def unpacked_size(path: Path) -> int:
    """Return how many bytes the tar in an archive has.

    Args:
        path: a `.tar.gz` or `.tar`.

    Raises:
        ZoosmithError: it cannot be read, or unpacks to more than it may.
    """
    size = 0
    with _stream(path) as stream:
        while piece := stream.read(_PIECE):
            size += len(piece)
    return size


@contextmanager
def _opened(path: Path) -> Iterator[tarfile.TarFile]:
    with _stream(path) as stream:
        limited: Any = stream
        with tarfile.open(fileobj=limited, mode="r|", bufsize=_PIECE, tarinfo=_Header) as tar:
            yield tar


@contextmanager
def _stream(path: Path) -> Iterator["_LimitedReader"]:
    with open_regular(path, error=ZoosmithError) as file, reading(path, _EXPECTED, ZoosmithError):
        compressed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        yield _LimitedReader(path, _open_gzip(file, "rb") if compressed else file)


class _Header(tarfile.TarInfo):
    """A header that announces no other header of a size that none has."""

    @classmethod
    def frombuf(cls, buf: Any, encoding: str, errors: str) -> "_Header":
        header = super().frombuf(buf, encoding, errors)
        if header.type in _HEADERS and header.size > _LARGEST_HEADER:
            raise ZoosmithError(
                f"refused: the header of a member has {header.size:,} bytes; at most {_LARGEST_HEADER:,} are read"
            )
        return header


class _LimitedReader:
    """The `read` that tarfile needs, which ends an archive that unpacks to more than it may."""

    def __init__(self, path: Path, stream: IO[bytes]):
        self._path = path
        self._stream = stream
        self._left = self._limit = max(_ALWAYS_ALLOWED, _LARGEST_RATIO * path.stat().st_size)

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise ZoosmithError(f"{self._path}: refused: it unpacks to more than {self._limit:,} bytes")
        return data


def _members(path: Path, tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    for count, member in enumerate(tar, start=1):
        if count > _MOST_MEMBERS:
            raise ZoosmithError(f"{path}: refused: it has more than {_MOST_MEMBERS:,} members")
        yield member


def _refuse_hostile(path: Path, tar: tarfile.TarFile) -> None:
    """Judge all members: how many, their names, their kinds, and that no two take the same place."""
    files: set[Path] = set()
    folders: set[Path] = set()
    for member in _members(path, tar):
        target = _safe_path(path, member.name)
        if member.isdir():
            folders.add(target)
            continue
        if member.issparse() or not member.isreg():
            raise ZoosmithError(f"{path}: refused: member {member.name!r} is a link or no regular file")
        if target in files:
            raise ZoosmithError(f"{path}: refused: it has two members {member.name!r}")
        files.add(target)
        folders.update(target.parents)
    for target in sorted(files & folders):
        raise ZoosmithError(f"{path}: refused: its member {str(target)!r} is a file and a folder")


def _extract(path: Path, tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    target = folder / _safe_path(path, member.name)
    if member.isdir():
        target.mkdir(parents=True, exist_ok=True)
        return
    content = tar.extractfile(member)
    if content is None:  # it was another one when it was judged
        raise ZoosmithError(f"{path}: refused: member {member.name!r} is no regular file")
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as copy:
        while piece := content.read(_PIECE):
            copy.write(piece)


def _safe_path(path: Path, name: str) -> Path:
    try:
        parts = parts_below(name)
    except PathError as error:
        raise ZoosmithError(f"{path}: refused: member {name!r} climbs out of the folder") from error
    if len(parts) > _DEEPEST:
        raise ZoosmithError(
            f"{path}: refused: member {name[:80]!r}... lies {len(parts):,} folders deep; "
            f"at most {_DEEPEST} are unpacked"
        )
    return Path(*parts)
