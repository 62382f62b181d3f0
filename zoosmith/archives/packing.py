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


@dataclass(frozen=True)
class Packed:
    """What was written.

    Attributes:
        sha256: SHA-256 of the file, in hexadecimal; it depends on isal's version and on the kind of processor.
        tar_sha256: SHA-256 of the tar inside, as `gzip -dc FILE | sha256sum` gives it: names and contents of the
            members alone decide it.
        tar_size: bytes of the tar inside.
    """

    sha256: str
    tar_sha256: str
    tar_size: int


def write_archive(path: Path, members: Iterable[Member]) -> Packed:
    """Write a tar.gz without any time, owner or setting of the moment.

    The same members give the same tar everywhere. How it is compressed depends on isal's version and kind of processor
    as well: a compressor that gives the same bytes everywhere takes 19 times as long (0.76 s a row of DenseNet-121,
    isal 0.04 s).

    Args:
        path: the file to write, completely or not at all.
        members: its files, in order.

    Returns:
        The hash of the file; hash and size of the tar in it.

    Raises:
        ZoosmithError: it cannot be written, or a member's file cannot be read.
    """
    # the compressor writes gzip's own header, without name and time
    compressor = isal_zlib.compressobj(_LEVEL, wbits=31)
    digest, content, size = hashlib.sha256(), hashlib.sha256(), 0
    with atomic_writer(path) as file:
        for piece in _tar_pieces(members):
            content.update(piece)
            size += len(piece)
            compressed = compressor.compress(piece)
            digest.update(compressed)
            file.write(compressed)
        rest = compressor.flush()
        digest.update(rest)
        file.write(rest)
    return Packed(digest.hexdigest(), content.hexdigest(), size)


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
