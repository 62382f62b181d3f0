"""Protobuf's wire format, read in place: where each field of a message lies, every length checked before it is used."""

from collections.abc import Iterator
from typing import TypeAlias

from zoosmith.convert.errors import ConvertError

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5


# number, wire type, where the tag starts, where the content starts and ends
Field: TypeAlias = tuple[int, int, int, int, int]


def read_varint(buffer: memoryview, position: int, end: int) -> tuple[int, int]:
    """Read an unsigned varint; gives its value and the position behind it. Raises ConvertError past `end`."""
    value = shift = 0
    while position < end and shift < 70:
        byte = buffer[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    raise ConvertError(f"a number at byte {position} has no end; the file is truncated or no protobuf message")


def fields(buffer: memoryview, position: int, end: int) -> Iterator[Field]:
    """Walk the fields of the message at [position, end) without copying or descending.

    Raises ConvertError for a length that leaves the message, an unknown wire type or a field number of 0.
    """
    while position < end:
        tag = position
        key = buffer[position]
        if key < 0x80:  # nearly all keys are one byte, and a call costs more than reading it
            position += 1
        else:
            key, position = read_varint(buffer, position, end)
        number, kind = key >> 3, key & 7
        start = position
        if kind == LENGTH:
            size, start = read_varint(buffer, position, end)
            position = start + size
        elif kind == VARINT:
            _, position = read_varint(buffer, position, end)
        elif kind == FIXED32:
            position += 4
        elif kind == FIXED64:
            position += 8
        else:
            raise ConvertError(f"wire type {kind} at byte {tag}; the file is damaged or no protobuf message")
        if number == 0:
            raise ConvertError(f"field number 0 at byte {tag}; the file is damaged or no protobuf message")
        if position > end:
            raise ConvertError(f"the field at byte {tag} needs {position - end} bytes more than there are; truncated?")
        yield number, kind, tag, start, position
