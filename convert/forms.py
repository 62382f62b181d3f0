"""Which form of a net or of parameters a file is, by its content."""

import os
from collections.abc import Iterator
from enum import Enum

from zoosmith.convert.errors import ConvertError
from zoosmith.convert.meta_net import PREDICT_NET
from zoosmith.convert.minidb import is_minidb
from zoosmith.convert.nets import TEXT_TOKEN, is_text, open_buffer
from zoosmith.convert.proto.caffe2_pb2 import TensorProto
from zoosmith.onnx_model.errors import WireFormatError
from zoosmith.onnx_model.reading import reading
from zoosmith.onnx_model.wire_format import BYTES, VARINT, fields


class Form(Enum):
    """What a file holds."""

    NET = "Caffe2 net"
    META_NET = "Caffe2 MetaNetDef"
    TENSORS = "Caffe2 TensorProtos"
    MINIDB = "Caffe2 minidb"
    CAFFE_NET = "Caffe net"
    CAFFE_MODEL = "Caffe model"


_SQLITE = b"SQLite format 3\0"
# names of fields that only one of the messages has at its top
_TOP_FIELDS = {
    **dict.fromkeys(("op", "external_input", "external_output", "num_workers", "device_option", "arg"), Form.NET),
    **dict.fromkeys(
        ("layer", "layers", "input", "input_dim", "input_shape", "state", "force_backward"), Form.CAFFE_NET
    ),
    "nets": Form.META_NET,
    "blobs": Form.META_NET,
    "protos": Form.TENSORS,
}
# fields of a NetDef, a NetParameter and a MetaNetDef
_OP_OR_LAYERS_OR_NETS, _LAYER = 2, 100
# fields that are looked at
_MOST_FIELDS = 64
_TENSOR_FIELDS = {field.number: field.cpp_type >= field.CPPTYPE_STRING for field in TensorProto.DESCRIPTOR.fields}


def form_of(buffer: memoryview) -> Form:
    """Tell what a file holds.

    Args:
        buffer: the file.

    Returns:
        Its form; that of a net where nothing speaks for another one.

    Raises:
        ConvertError: the file is a database of a kind that Caffe2 does not write.
    """
    if is_text(buffer):
        return _form_of_text(buffer)
    if buffer[: len(_SQLITE)] == _SQLITE:
        raise ConvertError("it is an SQLite database; a minidb, which Caffe2's predictor exporter writes, is none")
    if is_minidb(buffer):
        return Form.MINIDB
    return _form_of_message(buffer)


def form_of_file(path: str | os.PathLike[str]) -> Form:
    """Tell what a file holds.

    Args:
        path: of the file.

    Raises:
        ConvertError: as for `form_of`; or it is no regular file.
        OSError: it cannot be read.
    """
    with reading(path, "a net or parameters", ConvertError):
        return form_of(open_buffer(path))


def _form_of_text(buffer: memoryview) -> Form:
    depth = 0
    # decoded by pieces: an init net in text form can be large, and tells what it is at its beginning
    for token in TEXT_TOKEN.finditer(bytes(buffer[: 1 << 20]).decode(errors="replace")):
        word = token.group()
        if word in "{<":
            depth += 1
        elif word in "}>":
            depth -= 1
        elif depth == 0 and word in _TOP_FIELDS:
            return _TOP_FIELDS[word]
    return Form.NET


def _form_of_message(buffer: memoryview) -> Form:
    first: tuple[int, int] | None = None
    others = False
    try:
        for number, kind, _, start, end in fields(buffer, 0, len(buffer)):
            if number == _LAYER and kind == BYTES:
                return Form.CAFFE_MODEL
            if number == _OP_OR_LAYERS_OR_NETS and kind == BYTES:
                return _form_of_entry(buffer, start, end)
            if number == 1 and kind == BYTES:
                first = first or (start, end)
            else:
                others = True
    except WireFormatError:
        # a truncated file is what it began as
        pass
    return Form.TENSORS if first is not None and not others and _is_tensor(buffer, *first) else Form.NET


def _form_of_entry(buffer: memoryview, start: int, end: int) -> Form:
    """Tell operator, layer of an old Caffe net and net with its key apart, all of them field 2."""
    kinds: dict[int, int] = {}
    key = b""
    for number, kind, _, first, last in _few(buffer, start, end):
        kinds.setdefault(number, kind)
        if number == 1 and not key:
            key = bytes(buffer[first : min(last, first + len(PREDICT_NET))])
    # the type is a number in old layers; there field 1 is a layer of still older files
    if kinds.get(5) == VARINT or (kinds.get(6) == BYTES and 4 not in kinds):
        return Form.CAFFE_MODEL
    is_net_type = key.endswith(b"_TYPE") or key.startswith((b"PREDICT_", b"GLOBAL_INIT", b"TRAIN_"))
    return Form.META_NET if set(kinds) == {1, 2} and is_net_type else Form.NET


def _few(buffer: memoryview, start: int, end: int) -> Iterator[tuple[int, int, int, int, int]]:
    for count, field in enumerate(fields(buffer, start, end)):
        if count == _MOST_FIELDS:
            return
        yield field


def _is_tensor(buffer: memoryview, start: int, end: int) -> bool:
    try:
        found = {number: kind for number, kind, *_ in _few(buffer, start, end)}
    except WireFormatError:
        return False
    fits = all(
        number in _TENSOR_FIELDS and (kind == BYTES or not _TENSOR_FIELDS[number]) for number, kind in found.items()
    )
    return fits and len(found) > 1
