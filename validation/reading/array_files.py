"""Reading numpy's `.npy` and `.npz` files that may be damaged or hostile: headers first, data as far as asked for."""

import os
import zipfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np

from zoosmith.onnx_model.file_kinds import HEAD, other_kind
from zoosmith.onnx_model.reading import open_regular, reading
from zoosmith.onnx_model.tensor_data import check_shape
from zoosmith.validation.errors import ValidationError

# what is read of one compressed array: a file of a megabyte may hold a thousand times as much
_LARGEST_COMPRESSED = 1 << 30

_ZIP = b"PK"
_EXPECTED = "numpy's arrays without pickles"


@dataclass(frozen=True)
class _Header:
    shape: tuple[int, ...]
    fortran_order: bool
    dtype: np.dtype

    @property
    def bytes(self) -> int:
        return prod(self.shape) * self.dtype.itemsize


class ArrayArchive:
    """An open `.npz` file. Made by `open_arrays`."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}

    @property
    def names(self) -> list[str]:
        """Names of the arrays, in the order of the file."""
        return list(self._members)

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of an array; its data is not read."""
        with self._archive.open(self._members[name]) as stream:
            return _header(stream, name).shape

    def dtype(self, name: str) -> np.dtype:
        """The type of an array; its data is not read."""
        with self._archive.open(self._members[name]) as stream:
            return _header(stream, name).dtype

    def read(self, name: str, rows: int | None = None) -> np.ndarray:
        """Read an array.

        Args:
            name: one of `names`.
            rows: entries along axis 0 that are read at most; all by default.

        Returns:
            A read-only array.

        Raises:
            ValidationError: the member is no array, or has not the data that its header states; or so much would have
                to be unpacked that the file may be made for it.
        """
        info = self._members[name]
        with self._archive.open(info) as stream:
            found = _header(stream, name)
            _check_size(found, info.file_size - stream.tell(), name)
            first = found
            if rows is not None and found.shape and not found.fortran_order:
                first = _Header((min(rows, found.shape[0]), *found.shape[1:]), False, found.dtype)
            if info.compress_type != zipfile.ZIP_STORED and first.bytes > _LARGEST_COMPRESSED:
                raise ValidationError(
                    f"array {name!r} of shape {list(first.shape)} unpacks to {first.bytes:,} bytes; "
                    f"at most {_LARGEST_COMPRESSED:,} of a compressed array are read"
                )
            array = _content(stream, first, name)
            return array[:rows] if first is found and rows is not None and found.shape else array

    def rows(self, name: str, count: int, first: int = 0) -> Generator[np.ndarray, None, None]:
        """Read an array in pieces along axis 0, one after the other; memory holds one piece.

        Args:
            name: one of `names`.
            count: entries of a piece; the rest that makes no whole piece is left out.
            first: the entry that the first piece begins with.

        Yields:
            Read-only arrays of `count` entries.

        Raises:
            ValidationError: as `read` does.
        """
        info = self._members[name]
        with self._archive.open(info) as stream:
            found = _header(stream, name)
            _check_size(found, info.file_size - stream.tell(), name)
            if found.fortran_order:
                # its first axis is the last in the file
                whole = self.read(name)
                yield from (whole[at : at + count] for at in range(first, found.shape[0] - count + 1, count))
                return
            piece = _Header((count, *found.shape[1:]), False, found.dtype)
            stream.seek(stream.tell() + first * (piece.bytes // count))
            for _ in range(first, found.shape[0] - count + 1, count):
                yield _content(stream, piece, name)


@contextmanager
def open_arrays(path: str | os.PathLike[str], *, name: str | None = None) -> Iterator[ArrayArchive]:
    """Open an `.npz` file.

    Args:
        path: the file.
        name: what messages call it; its path by default.

    Yields:
        Its arrays.

    Raises:
        ValidationError: it cannot be read, or something raised in the block shows it to be damaged; the message names
            the file.
    """
    with (
        reading(path if name is None else name, _EXPECTED, ValidationError),
        open_regular(path, name=name, error=ValidationError) as file,
    ):
        begin = file.read(HEAD)
        kind = None if begin.startswith(_ZIP) else other_kind(begin)
        if kind is not None:
            raise ValidationError(f"expected an NPZ file of arrays by name, as numpy.savez writes it, found {kind}")
        file.seek(0)
        with zipfile.ZipFile(file) as archive:
            yield ArrayArchive(archive)


def is_single_array(path: str | os.PathLike[str]) -> bool:
    """Whether a file begins as an `.npy` file does."""
    with reading(path, _EXPECTED, ValidationError), open_regular(path, error=ValidationError) as file:
        return file.read(len(np.lib.format.MAGIC_PREFIX)) == np.lib.format.MAGIC_PREFIX


def read_array(path: str | os.PathLike[str]) -> np.ndarray:
    """Read an `.npy` file.

    Raises:
        ValidationError: it cannot be read, or has not the data that its header states; the message names the file.
    """
    with reading(path, _EXPECTED, ValidationError), open_regular(path, error=ValidationError) as file:
        found = _header(file, Path(path).name)
        _check_size(found, os.fstat(file.fileno()).st_size - file.tell(), Path(path).name)
        return _content(file, found, Path(path).name)


def _header(stream: IO[bytes], name: str) -> _Header:
    version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise ValidationError(f"array {name!r} is of version {version} of the format; expected 1.0 or 2.0")
    read: Any = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran_order, dtype = read(stream)
    if dtype.hasobject:
        raise ValidationError(f"array {name!r} holds objects, and pickles are not read")
    if dtype.fields or not dtype.itemsize:
        raise ValidationError(f"array {name!r} is of {dtype}; expected numbers, booleans or texts")
    check_shape(shape, f"array {name!r}")
    return _Header(shape, fortran_order, dtype)


def _check_size(found: _Header, size: int, name: str) -> None:
    if found.bytes > size:
        raise ValidationError(
            f"array {name!r} of shape {list(found.shape)} takes {found.bytes:,} bytes; the file has {size:,} for it"
        )


def _content(stream: IO[bytes], header: _Header, name: str) -> np.ndarray:
    content = stream.read(header.bytes)
    if len(content) < header.bytes:
        raise ValidationError(f"array {name!r} ends too early")
    return np.ndarray(header.shape, header.dtype, buffer=content, order="F" if header.fortran_order else "C")
