"""Where a tree lies: behind https, or in a folder. A source gives files as pieces of bytes, from any place on."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from zoosmith.hub.errors import HubError, NotFoundError
from zoosmith.onnx_model.errors import PathError
from zoosmith.onnx_model.paths import regular_file_below

_PIECE = 1 << 20


@dataclass(frozen=True)
class Transfer:
    """A file that is being read.

    Attributes:
        start: where in the file the pieces begin, which may be before what was asked for.
        size: of the whole file in bytes, as the source states it; None where it does not.
        pieces: the content from `start` on.
    """

    start: int
    size: int | None
    pieces: Iterator[bytes]


class Source(Protocol):
    """A tree of files."""

    @property
    def name(self) -> str:
        """What messages call it."""

    def open(self, path: str, start: int = 0) -> AbstractContextManager[Transfer]:
        """Open a file.

        Args:
            path: relative to the tree, with `/`.
            start: number of bytes to leave out, where the source can.

        Raises:
            NotFoundError: there is none.
            InterruptedTransferError: the source does not answer now; from the pieces as well.
            HubError: it answers something else.
        """


def open_source(text: str, timeout: float) -> Source:
    """Return the source that a text names.

    Args:
        text: an https URL, a file URL, or a folder; http only on this machine itself.
        timeout: seconds after which a server that sends nothing is given up.

    Raises:
        HubError: it is none of these.
    """
    scheme = text.partition("://")[0].lower() if "://" in text else ""
    if scheme in ("https", "http"):
        from zoosmith.hub.http import HttpSource

        return HttpSource(text, timeout)
    if scheme == "file":
        return FolderSource(_path_of(text))
    if scheme:
        raise HubError(f"{text}: expected a source by https, a file URL or a folder")
    return FolderSource(Path(text))


def read_file(source: Source, path: str, most: int) -> bytes:
    """Read a small file of a source.

    Args:
        source: the tree.
        path: in it.
        most: bytes that it may have.

    Raises:
        HubError: as `Source.open` does, or the file is larger.
    """
    with source.open(path) as transfer:
        content = b""
        for piece in transfer.pieces:
            content += piece
            if len(content) > most:
                raise HubError(f"{source.name}/{path}: refused: more than {most:,} bytes")
        return content


class FolderSource:
    """A tree in a folder of this machine."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise HubError(f"{folder}: no such folder; expected an https URL or a folder with a hub manifest")
        self._folder = folder

    @property
    def name(self) -> str:
        """The folder."""
        return os.fspath(self._folder)

    @contextmanager
    def open(self, path: str, start: int = 0) -> Iterator[Transfer]:
        """Open a file, as `Source.open` describes it; links are not followed."""
        with self._opened(path) as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(start)
            yield Transfer(start, size, iter(lambda: stream.read(_PIECE), b""))

    def _opened(self, path: str) -> IO[bytes]:
        try:
            return regular_file_below(path, self._folder).open("rb")
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotFoundError(f"{self.name}/{path}: there is no such file") from error
        except OSError as error:
            raise HubError(f"{self.name}/{path}: cannot be read: {error.strerror or error}") from error
        except PathError as error:
            raise HubError(f"{self.name}/{path}: refused: {error}") from error


def _path_of(url: str) -> Path:
    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost") or parts.query or parts.fragment:
        raise HubError(f"{url}: expected a file URL of this machine, as in file:///srv/zoo")
    return Path(url2pathname(parts.path) if os.name == "nt" else unquote(parts.path))
