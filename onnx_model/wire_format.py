"""The wire format of protobuf, as far as finding the fields of a message takes (protobuf.dev, "Encoding")."""

import os
from collections.abc import Container, Iterator
from typing import IO, NamedTuple, TypeAlias, overload

from google.protobuf.message import Message

from zoosmith.onnx_model.errors import WireFormatError

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
MOST_FIELDS = 1 << 29
"""More than any field number."""

_LONGEST_VARINT = 10
# bytes that are read at once where one is looked at
_WINDOW = 4096


class Field(NamedTuple):
    """One field of a message.

    Attributes:
        number: of the field.
        wire_type: how it is encoded.
        begin: where its tag stands.
        start: where its content begins, after the tag and, for BYTES, the length.
        end: where its content ends.
    """

    number: int
    wire_type: int
    begin: int
    start: int
    end: int


class FileBytes:
    """The bytes of an open file as a buffer of which little is read: each look costs no more than it asks for.

    Mapping the file instead would count every page around a look as memory of this process.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._size = file.seek(0, os.SEEK_END)
        self._window, self._start = b"", 0

    def __len__(self) -> int:
        return self._size

    @overload
    def __getitem__(self, place: int) -> int: ...
    @overload
    def __getitem__(self, place: slice) -> bytes: ...
    def __getitem__(self, place: int | slice) -> int | bytes:
        if isinstance(place, slice):
            start, stop, _ = place.indices(self._size)
            return self._read(start, stop - start)
        if not 0 <= place - self._start < len(self._window):
            self._window, self._start = self._read(place, _WINDOW), place
        return self._window[place - self._start]

    def _read(self, start: int, length: int) -> bytes:
        self._file.seek(start)
        return self._file.read(max(0, length))


Buffer: TypeAlias = memoryview | FileBytes


def fields(content: Buffer, start: int, end: int) -> Iterator[Field]:
    """The fields of the message between two positions of a buffer.

    Raises:
        WireFormatError: what stands there is no message, or a length points beyond its end.
    """
    position = start
    while position < end:
        begin = position
        tag = content[position]
        if tag < 0x80:  # nearly all tags are one byte, and a call costs more than reading it
            position += 1
        else:
            tag, position = _varint(content, position, end)
        number, wire_type = tag >> 3, tag & 7
        first = position
        if wire_type == BYTES:
            length, first = _varint(content, position, end)
            position = first + length
        elif wire_type == VARINT:
            _, position = _varint(content, position, end)
        elif wire_type == FIXED32:
            position += 4
        elif wire_type == FIXED64:
            position += 8
        else:
            raise WireFormatError(f"wire type {wire_type} at byte {begin}; the file is damaged or no protobuf message")
        if number == 0:
            raise WireFormatError(f"field number 0 at byte {begin}; the file is damaged or no protobuf message")
        if position > end:
            missing = position - end
            raise WireFormatError(f"the field at byte {begin} needs {missing} bytes more than there are; truncated?")
        yield Field(number, wire_type, begin, first, position)


def header(number: int, length: int) -> bytes:
    """What stands before the content of a field of wire type BYTES: its tag and the content's length in bytes."""
    return _encoded(number << 3 | BYTES) + _encoded(length)


def serialized_fields(message: Message, numbers: Container[int]) -> bytes:
    """Serialize only the fields of a message that have these numbers."""
    part = type(message)()
    for field, value in message.ListFields():
        if field.number not in numbers:
            continue
        if isinstance(value, (bool, int, float, str, bytes)):
            setattr(part, field.name, value)
        else:
            getattr(part, field.name).MergeFrom(value)
    return part.SerializeToString(deterministic=True)


def _varint(content: Buffer, position: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while position < end and shift < 7 * _LONGEST_VARINT:
        byte = content[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    raise WireFormatError(f"a number at byte {position} has no end; the file is truncated or no protobuf message")


def _encoded(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
