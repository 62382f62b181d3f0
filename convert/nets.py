"""Caffe2 nets as files: read and write, binary and text."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

from google.protobuf import text_format
from google.protobuf.message import DecodeError

from zoosmith.convert.errors import ConvertError
from zoosmith.convert.proto.caffe2_pb2 import NetDef, OperatorDef

NetSource: TypeAlias = str | os.PathLike[str] | bytes | NetDef


TEXT_SUFFIXES = {".pbtxt", ".prototxt"}


def read_net(source: NetSource) -> NetDef:
    """Read a Caffe2 net.

    Args:
        source: a path (`.pbtxt` and `.prototxt` are protobuf text, all others binary), the bytes of a binary file, or a
            message.

    Returns:
        The net; a message is returned as it is.

    Raises:
        ConvertError: the content is no NetDef.
        OSError: the file cannot be read.
    """
    if isinstance(source, NetDef):
        return source
    if isinstance(source, bytes):
        return _parse_binary(source, "the given bytes")
    path = Path(source)
    if path.suffix in TEXT_SUFFIXES:
        try:
            return text_format.Parse(path.read_text(), NetDef())
        except (text_format.ParseError, UnicodeDecodeError) as error:
            raise ConvertError(f"{path}: expected a Caffe2 NetDef in protobuf text format: {error}") from error
    return _parse_binary(path.read_bytes(), str(path))


def write_net(net: NetDef, *, text: bool = False) -> bytes:
    """Serialize a net; the same net always gives the same bytes.

    Args:
        net: what to write.
        text: as protobuf text instead of binary.

    Returns:
        The content of the file.
    """
    return text_format.MessageToString(net).encode() if text else net.SerializeToString(deterministic=True)


def check_text(ops: Iterable[OperatorDef]) -> None:
    """Refuse operators whose names are no text; protobuf hands such ones on as bytes.

    Args:
        ops: the operators of a net.

    Raises:
        ConvertError: the type of an operator or the name of a blob is no UTF-8.
    """
    for op in ops:
        names = [op.type, *op.input[:], *op.output[:]]
        if bytes in map(type, names):
            raise ConvertError(f"{names!r}: the type of an operator or the name of a blob is no text")


def _parse_binary(content: bytes, origin: str) -> NetDef:
    net = NetDef()
    try:
        net.ParseFromString(content)
    except DecodeError as error:
        raise ConvertError(
            f"{origin}: expected a binary Caffe2 NetDef, found something else or a truncated file"
        ) from error
    try:
        check_text(net.op[:])
    except ConvertError as error:
        raise ConvertError(f"{origin}: expected a binary Caffe2 NetDef: {error}") from error
    if not net.op and not net.name:
        raise ConvertError(f"{origin}: expected a Caffe2 NetDef, found neither an operator nor a name in it")
    return net
