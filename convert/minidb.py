"""Caffe2's minidb files: records of a key and a value, each with two lengths before it."""

import struct
from collections.abc import Iterator

from zoosmith.convert.errors import ConvertError
from zoosmith.convert.proto.caffe2_pb2 import BlobProto
from zoosmith.convert.saved_tensors import Part, read_part
from zoosmith.onnx_model.errors import WireFormatError
from zoosmith.onnx_model.wire_format import BYTES, fields

META_NET_KEY = "!!META_NET_DEF"
"""Under it the predictor exporter saves what the blobs are for."""

# the lengths of key and value, signed and of little end
_LENGTHS = struct.Struct("<ii")
# a key is the name of a blob, with the number of the part after it
_LONGEST_KEY = 1 << 16
_BLOB = {field.name: field.number for field in BlobProto.DESCRIPTOR.fields}
_TENSOR_TYPE = "Tensor"
_TEXT_TYPE = "std::string"


def is_minidb(buffer: memoryview) -> bool:
    """Tell whether a file begins with a record of which key and value fit into it, and the value is a saved blob."""
    try:
        key, start, end = next(_records(buffer))
        names = [
            buffer[first:last] for number, _, _, first, last in fields(buffer, start, end) if number == _BLOB["name"]
        ]
    except (ConvertError, WireFormatError, StopIteration):
        return False
    return bool(names) and key.partition("#%")[0].encode() == bytes(names[0])


def read_minidb(buffer: memoryview) -> tuple[bytes | None, Iterator[Part]]:
    """Read a minidb of saved blobs.

    Args:
        buffer: the file.

    Returns:
        The MetaNetDef that a predictor export holds, serialized, None where there is none; and the tensors, in the
        parts in which they were saved.

    Raises:
        ConvertError: a record is cut off or no saved blob; a blob holds something else than a tensor.
        WireFormatError: a value is no message.
    """
    meta: bytes | None = None
    tensors: list[tuple[str, int, int]] = []
    for key, start, end in _records(buffer):
        found = {number: (first, last) for number, kind, _, first, last in fields(buffer, start, end) if kind == BYTES}
        name = _text(buffer, found, "name")
        kind = _text(buffer, found, "type")
        if not name:
            raise ConvertError(f"the record {key!r} is no saved blob")
        if name == META_NET_KEY and kind == _TEXT_TYPE:
            first, last = found.get(_BLOB["content"], (0, 0))
            meta = bytes(buffer[first:last])
        elif kind == _TENSOR_TYPE and _BLOB["tensor"] in found:
            tensors.append((name, *found[_BLOB["tensor"]]))
        elif kind != _TEXT_TYPE:
            raise ConvertError(f"blob {name!r} holds {kind or 'nothing'!r}, expected a tensor")
    return meta, (read_part(buffer, first, last, name) for name, first, last in tensors)


def _records(buffer: memoryview) -> Iterator[tuple[str, int, int]]:
    """The key of each record, and where its value lies."""
    position = 0
    while position < len(buffer):
        if position + _LENGTHS.size > len(buffer):
            raise ConvertError(f"the record at byte {position} is cut off")
        key_length, value_length = _LENGTHS.unpack_from(buffer, position)
        start = position + _LENGTHS.size + key_length
        if not 0 < key_length <= _LONGEST_KEY or value_length < 0:
            raise ConvertError(f"the record at byte {position} states lengths of {key_length} and {value_length} bytes")
        if start + value_length > len(buffer):
            raise ConvertError(f"the record at byte {position} needs {start + value_length - len(buffer)} bytes more")
        key = bytes(buffer[position + _LENGTHS.size : start]).decode(errors="replace")
        yield key, start, start + value_length
        position = start + value_length


def _text(buffer: memoryview, found: dict[int, tuple[int, int]], field: str) -> str:
    first, last = found.get(_BLOB[field], (0, 0))
    return bytes(buffer[first:last]).decode(errors="replace")
