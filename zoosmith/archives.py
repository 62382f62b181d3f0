"""Archives as the zoo publishes them: a model and its data sets in a tar.gz, the same bytes every time."""

import hashlib
import io
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from isal import isal_zlib

from zoosmith.onnx_model.files import atomic_writer

# what the compressor is fed at a time: the compressed bytes depend on it
_PIECE = 1 << 20
_LEVEL = 1


@dataclass(frozen=True)
class Member:
    """A file of an archive: its path there, and its content or the file that has it."""

    path: str
    content: bytes | Path


def write_archive(path: Path, members: Iterable[Member]) -> str:
    """Write a tar.gz without any time, owner or setting of the moment: the same members give the same bytes.

    The tar inside depends on the members alone; how it is compressed, on isal's version and kind of processor as well.

    Args:
        path: the file to write, completely or not at all.
        members: its files, in order.

    Returns:
        The SHA-256 of the file, in hexadecimal.

    Raises:
        ZoosmithError: it cannot be written, or a member's file cannot be read.
    """
    # the compressor writes gzip's own header, without name and time
    compressor = isal_zlib.compressobj(_LEVEL, wbits=31)
    digest = hashlib.sha256()
    with atomic_writer(path) as file:
        for piece in _tar_pieces(members):
            compressed = compressor.compress(piece)
            digest.update(compressed)
            file.write(compressed)
        rest = compressor.flush()
        digest.update(rest)
        file.write(rest)
    return digest.hexdigest()


def _tar_pieces(members: Iterable[Member]) -> Iterator[bytes]:
    for member in members:
        # TarInfo's own defaults are what stays the same: time 0, owner 0 without a name, mode 0644
        info = tarfile.TarInfo(member.path)
        with member.content.open("rb") if isinstance(member.content, Path) else io.BytesIO(member.content) as file:
            info.size = file.seek(0, io.SEEK_END)
            file.seek(0)
            yield info.tobuf(tarfile.PAX_FORMAT)
            while piece := file.read(_PIECE):
                yield piece
        yield bytes(-info.size % tarfile.BLOCKSIZE)
    yield bytes(2 * tarfile.BLOCKSIZE)
