"""Caffe2 nets as files: read and write, binary and text."""

import mmap
import os
import re
from collections.abc import Iterable
from typing import TypeAlias, TypeVar

from google.protobuf import text_format
from google.protobuf.message import DecodeError, Message

from zoosmith.convert.errors import ConvertError
from zoosmith.convert.proto.caffe2_pb2 import NetDef
from zoosmith.onnx_model.errors import ModelError
from zoosmith.onnx_model.file_kinds import HEAD, other_kind
from zoosmith.onnx_model.message_text import check_message
from zoosmith.onnx_model.reading import open_regular, read_regular, reading

NetSource: TypeAlias = str | os.PathLike[str] | bytes | NetDef
Text = TypeVar("Text", bound=Message)


# an ONNX model begins with its IR version, a number in field 1, which is a net's name
_ONNX = b"\x08"
_LONGEST_REASON = 200
_CONTROL = bytes(set(range(32)) - set(b"\t\n\f\r"))

TEXT_TOKEN = re.compile(r""""(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|\#[^\n]*|[{}<>]|[A-Za-z_]\w*(?=\s*[:{<])""")
"""What tells fields in the text form of a message: a string, a comment, a bracket, the name of a field."""


def read_net(source: NetSource) -> NetDef:
    """Read a Caffe2 net.

    Args:
        source: a path, the bytes of a file, or a message. Files are protobuf text or binary, told by content.

    Returns:
        The net; a message is returned as it is.

    Raises:
        ConvertError: the content is no NetDef, or the file is no regular one or cannot be opened.
    """
    if isinstance(source, NetDef):
        return source
    origin = "the given bytes" if isinstance(source, bytes) else os.fspath(source)
    content = source if isinstance(source, bytes) else read_regular(source, error=ConvertError)
    with reading(origin, "a Caffe2 NetDef", ConvertError):
        if not is_text(content):
            return _parse_binary(content, origin)
        try:
            net = parse_text(content, NetDef())
        except ConvertError as error:
            found = other_kind(content[:HEAD])
            reason = f", found {found}" if found else f" in protobuf text format: {error}"
            raise ConvertError(f"{origin}: expected a Caffe2 NetDef{reason}") from error
        check_text([net])
        return net


def parse_text(content: bytes, message: Text, *, allow_unknown_field: bool = False) -> Text:
    """Parse protobuf text.

    Args:
        content: the file.
        message: which is filled.
        allow_unknown_field: whether fields that the schema does not have are skipped.

    Returns:
        The message.

    Raises:
        ConvertError: it is no such text; the message says where, without the text that stands there.
    """
    try:
        return text_format.Parse(content.decode(), message, allow_unknown_field=allow_unknown_field)
    except text_format.ParseError as error:
        # protobuf quotes the whole line, which may be all values of a parameter
        reason = str(error).rpartition("': ")[2].removeprefix(f"{error.GetLine()}:{error.GetColumn()} : ")
        place = "" if error.GetLine() is None else f"line {error.GetLine()}, column {error.GetColumn()}: "
        raise ConvertError(f"{place}{reason[:_LONGEST_REASON]}") from error
    except UnicodeDecodeError as error:
        raise ConvertError(f"byte {error.start} is no UTF-8") from error
    except RecursionError as error:
        raise ConvertError("its messages are nested too deep") from error


def open_buffer(path: str | os.PathLike[str]) -> memoryview:
    """Map a file into memory, without reading it.

    Args:
        path: of a regular file.

    Returns:
        Its bytes; the file stays mapped as long as the view or what was cut from it lives.

    Raises:
        ConvertError: it is no regular file, which might never end, or cannot be opened.
    """
    with open_regular(path, error=ConvertError) as file:
        if os.fstat(file.fileno()).st_size == 0:
            return memoryview(b"")
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def is_text(content: bytes | memoryview) -> bool:
    """Tell whether a file is protobuf text rather than a serialized message.

    Args:
        content: of the file, or its first 4 KiB at least.
    """
    head = bytes(content[:HEAD])  # every operator of a serialized net begins with a control character
    return bool(head.strip()) and len(head) == len(head.translate(None, _CONTROL))


def write_net(net: NetDef, *, text: bool = False) -> bytes:
    """Serialize a net; the same net always gives the same bytes.

    Args:
        net: what to write.
        text: as protobuf text instead of binary.

    Returns:
        The content of the file.
    """
    return text_format.MessageToString(net).encode() if text else net.SerializeToString(deterministic=True)


def check_text(messages: Iterable[Message], content: bytes | None = None) -> None:
    """Refuse nets or operators with names that are no text.

    Args:
        messages: searched with all that is in them.
        content: what they were parsed of, where that is at hand.

    Raises:
        ConvertError: a name is no UTF-8.
    """
    for message in messages:
        try:
            check_message(message, content)
        except ModelError as error:
            raise ConvertError(str(error)) from error


def _parse_binary(content: bytes, origin: str) -> NetDef:
    net = NetDef()
    if content.startswith(_ONNX):
        raise ConvertError(f"{origin}: expected a Caffe2 NetDef, found an ONNX model, which `zoosmith opset` converts")
    try:
        net.ParseFromString(content)
    except DecodeError as error:
        found = other_kind(content[:HEAD]) or "something else or a truncated file"
        raise ConvertError(f"{origin}: expected a binary Caffe2 NetDef, found {found}") from error
    try:
        check_text([net], content)
    except ConvertError as error:
        raise ConvertError(f"{origin}: expected a binary Caffe2 NetDef: {error}") from error
    if not net.op and not net.name:
        found = other_kind(content[:HEAD]) or "neither an operator nor a name in it"
        raise ConvertError(f"{origin}: expected a Caffe2 NetDef, found {found}")
    return net
