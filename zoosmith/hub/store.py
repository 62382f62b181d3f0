"""Files kept by the hash of their content, and the way there: a file appears under its hash only when it has it."""

import hashlib
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from zoosmith.execution import Progress, Task
from zoosmith.hub.errors import HubError, InterruptedTransferError
from zoosmith.hub.manifest import HubFile
from zoosmith.hub.sources import Source, Transfer
from zoosmith.onnx_model.lfs import LARGEST_POINTER, parse_pointer
from zoosmith.validation.cache_folder import cache_folder

if sys.platform != "win32":
    import fcntl

_PIECE = 1 << 20
# attempts in a row in which not a byte comes, and the pause before the first further one, in seconds
_MOST_FRUITLESS = 4
_FIRST_PAUSE = 0.5


def default_cache() -> Path:
    """Where files are kept: below ZOOSMITH_CACHE, else below the user's cache folder."""
    return cache_folder("hub")


class Store:
    """A cache of files.

    `files/<SHA-256>/<name>` is a whole file with this hash; `partial/<SHA-256>` is what has come of one.

    Args:
        folder: where it lies; made where it does not exist.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, file: HubFile) -> Path | None:
        """The kept file, its content hashed again; None where it is not there or was changed.

        Args:
            file: with its SHA-256.
        """
        path = self._path(file)
        try:
            return path if sha256_of(path) == file.sha256 else None
        except OSError:
            return None

    def remove(self, file: HubFile) -> None:
        """Forget a kept file.

        Args:
            file: with its SHA-256.
        """
        with suppress(OSError):
            self._path(file).unlink()

    def download(self, source: Source, place: str, file: HubFile, progress: Progress) -> Path:
        """Download a file, or the rest of it where an earlier download was cut, and keep it.

        Args:
            source: the tree.
            place: of the file in it.
            file: what it must be: name, size and SHA-256.
            progress: told of every piece.

        Returns:
            The kept file.

        Raises:
            HubError: the source has not this file, but another one under its name, or none, or does not give it
                whole; the cache cannot be written.
        """
        target = self._path(file)
        partial = self._folder / "partial" / str(file.sha256)
        try:
            partial.parent.mkdir(parents=True, exist_ok=True)
            with _opened_alone(partial) as stream:
                # another process may have fetched it while this one waited for its turn
                if self.find(file) is None:
                    with progress.task(f"fetching {file.name}", _pieces(file.size)) as task:
                        _Download(source, place, file, stream, task).run()
                    target.parent.mkdir(parents=True, exist_ok=True)
                    os.replace(partial, target)
                else:
                    partial.unlink(missing_ok=True)
        except OSError as error:
            raise HubError(f"{self._folder}: cannot keep {file.name}: {error.strerror or error}") from error
        return target

    def _path(self, file: HubFile) -> Path:
        return self._folder / "files" / str(file.sha256) / file.name


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal, read piece by piece."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while piece := stream.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


class _Download:
    """One file on its way into an open partial file."""

    def __init__(self, source: Source, place: str, file: HubFile, stream: IO[bytes], task: Task) -> None:
        self._source, self._place, self._file = source, place, file
        self._stream, self._task = stream, task
        self._size = int(file.size or 0)
        self._url = f"{source.name}/{place}"

    def run(self) -> None:
        """Fill the file until it is whole, and check it."""
        resumed = self._begin()
        fruitless, furthest = 0, self._done
        while self._done < self._size:
            try:
                self._read()
            except InterruptedTransferError as error:
                # a server may begin anew each time: what counts is how far it ever came
                fruitless = 0 if self._done > furthest else fruitless + 1
                furthest = max(furthest, self._done)
                if fruitless == _MOST_FRUITLESS:
                    raise HubError(f"{error}; what came is kept, try again to go on from there") from error
                time.sleep(_FIRST_PAUSE * 2**fruitless)
        found = self._digest.hexdigest()
        if found != self._file.sha256:
            self._restart()
            if resumed:
                # the part may have been of another file
                self.run()
                return
            raise HubError(f"{self._url}: SHA-256 is {found}, expected {self._file.sha256}; nothing is kept")
        self._stream.flush()

    def _begin(self) -> bool:
        """Take up what is there already; returns whether there was anything."""
        self._digest, self._done = hashlib.sha256(), 0
        if self._stream.seek(0, os.SEEK_END) > self._size:
            self._stream.truncate(0)
        self._stream.seek(0)
        while piece := self._stream.read(_PIECE):
            self._take_note(piece)
        return self._done > 0

    def _restart(self) -> None:
        self._stream.seek(0)
        self._stream.truncate(0)
        self._digest, self._done = hashlib.sha256(), 0

    def _read(self) -> None:
        """Read what the source gives in one go."""
        with self._source.open(self._place, self._done) as transfer:
            self._check_size(transfer)
            if transfer.start != self._done:
                if transfer.start:
                    raise HubError(f"{self._url}: the server answers from byte {transfer.start}, not {self._done}")
                self._restart()
            for piece in transfer.pieces:
                if self._done + len(piece) > self._size:
                    self._restart()
                    raise HubError(f"{self._url}: refused: it is longer than the {self._size:,} bytes expected")
                self._stream.write(piece)
                self._take_note(piece)
        if self._done < self._size:
            self._check_pointer()
            raise InterruptedTransferError(f"{self._url}: ends after {self._done:,} of {self._size:,} bytes")

    def _check_size(self, transfer: Transfer) -> None:
        """Refuse a file of another size before it is read; a short one may be a pointer, and is read to tell."""
        if transfer.size in (None, self._size):
            return
        if transfer.start == 0 and transfer.size is not None and transfer.size <= LARGEST_POINTER:
            content = b"".join(transfer.pieces)
            _refuse_pointer(content[:LARGEST_POINTER], self._url)
        raise HubError(f"{self._url}: has {transfer.size:,} bytes, expected {self._size:,}; nothing is kept")

    def _check_pointer(self) -> None:
        if self._done <= LARGEST_POINTER:
            self._stream.seek(0)
            content = self._stream.read(LARGEST_POINTER)
            if parse_pointer(content) is not None:
                self._restart()
            _refuse_pointer(content, self._url)

    def _take_note(self, piece: bytes) -> None:
        before = self._done // _PIECE
        self._digest.update(piece)
        self._done += len(piece)
        if self._done // _PIECE > before:
            self._task.advance(steps=self._done // _PIECE - before)


def _refuse_pointer(content: bytes, url: str) -> None:
    pointer = parse_pointer(content)
    if pointer is not None:
        raise HubError(
            f"{url}: is a Git LFS pointer to a file of {pointer.size:,} bytes; the source has not the file itself"
        )


def _pieces(size: int | None) -> int:
    return max(1, (size or 0) // _PIECE)


@contextmanager
def _opened_alone(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading and writing; a second process waits until the first is done with it."""
    while True:
        with open(path, "a+b") as stream:
            if sys.platform != "win32":
                with suppress(OSError):  # some network file systems have no locks
                    fcntl.flock(stream, fcntl.LOCK_EX)
                if not _is_same(stream, path):
                    continue  # the first one has moved it away
            yield stream
            return


def _is_same(stream: IO[bytes], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(stream.fileno()), path.stat())
    except OSError:
        return False
