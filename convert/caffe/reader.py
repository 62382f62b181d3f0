"""Caffe's files: the net as text (`.prototxt`), its parameters as a serialized message (`.caffemodel`)."""

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError

from zoosmith.convert.errors import ConvertError
from zoosmith.convert.fill_operators import Tensor
from zoosmith.convert.nets import TEXT_TOKEN, parse_text
from zoosmith.convert.proto.caffe_net_pb2 import (
    BlobProto,
    LayerParameter,
    NetParameter,
    NetState,
    NetStateRule,
    Phase,
    V1LayerParameter,
)
from zoosmith.onnx_model.wire_format import BYTES, fields

# messages in which a field that is not read says nothing of a result
_OPEN = {"NetParameter", "LayerParameter", "V1LayerParameter", "NetState", "FillerParameter"}
# types of old layers, which are numbers, by their later names where those are not the same but for case
_TYPES = {
    "ABSVAL": "AbsVal",
    "ARGMAX": "ArgMax",
    "BNLL": "BNLL",
    "HDF5_DATA": "HDF5Data",
    "HDF5_OUTPUT": "HDF5Output",
    "LRN": "LRN",
    "MVN": "MVN",
    "RELU": "ReLU",
    "SOFTMAX_LOSS": "SoftmaxWithLoss",
    "TANH": "TanH",
}
_BLOB = {field.name: field.number for field in BlobProto.DESCRIPTOR.fields}
_LAYER_FIELD, _OLD_LAYER_FIELD = 100, 2
# where layers, by the field of the net that holds them, have their name and their parameters
_PARTS = {_LAYER_FIELD: (1, 7), _OLD_LAYER_FIELD: (4, 6)}


def read_net_text(content: memoryview) -> NetParameter:
    """Read a Caffe net for inference.

    Args:
        content: of the `.prototxt`.

    Returns:
        The net with the layers of phase TEST only, all of them in the newer form.

    Raises:
        ConvertError: it is no such net, or states something of a layer that is not known here.
    """
    net = NetParameter()
    parse_text(bytes(content), net, allow_unknown_field=True)
    _check_fields(bytes(content).decode())
    layers = [*map(_upgraded, net.layers), *net.layer]
    state = NetState(phase=Phase.TEST, level=net.state.level, stage=net.state.stage)
    del net.layers[:], net.layer[:]
    net.layer.extend(layer for layer in layers if _is_included(layer, state))
    return net


def read_parameters_of_layers(content: memoryview) -> dict[str, list[Tensor]]:
    """Read a `.caffemodel`.

    Args:
        content: the file.

    Returns:
        The float32 parameters of each layer that has some, by the layer's name.

    Raises:
        ConvertError: two layers have one name, or the values of a parameter do not fit its shape.
        WireFormatError: it is no message.
    """
    found: dict[str, list[Tensor]] = {}
    for number, kind, _, start, end in fields(content, 0, len(content)):
        if number not in _PARTS or kind != BYTES:
            continue
        name_field, blobs_field = _PARTS[number]
        name = ""
        blobs: list[tuple[int, int]] = []
        for part, wire_type, _, first, last in fields(content, start, end):
            if part == name_field and wire_type == BYTES:
                name = bytes(content[first:last]).decode(errors="replace")
            elif part == blobs_field and wire_type == BYTES:
                blobs.append((first, last))
        if not blobs:
            continue
        if name in found:
            raise ConvertError(f"it has parameters of two layers {name!r}")
        found[name] = [_read_blob(content, first, last, name) for first, last in blobs]
    return found


def _read_blob(content: memoryview, start: int, end: int, layer: str) -> Tensor:
    small: list[memoryview] = []
    values: np.ndarray | None = None
    for number, kind, tag, first, last in fields(content, start, end):
        if number in {_BLOB["data"], _BLOB["double_data"]} and kind == BYTES and values is None:
            dtype = np.dtype("<f4" if number == _BLOB["data"] else "<f8")
            if (last - first) % dtype.itemsize:
                raise ConvertError(
                    f"layer {layer!r}: the numbers at byte {tag} are no multiple of {dtype.itemsize} bytes"
                )
            values = np.frombuffer(content[first:last], dtype)
        else:
            small.append(content[tag:last])
    try:
        blob = BlobProto.FromString(b"".join(small))
    except DecodeError as error:
        raise ConvertError(f"layer {layer!r}: a parameter of it is damaged") from error
    if values is None:
        values = np.array(blob.data[:] or blob.double_data[:], "<f4")
    elif blob.data or blob.double_data:
        raise ConvertError(f"layer {layer!r}: a parameter of it is there twice")
    shape = tuple(blob.shape.dim) if blob.HasField("shape") else (blob.num, blob.channels, blob.height, blob.width)
    if any(size < 0 for size in shape) or prod(shape) != len(values):
        raise ConvertError(f"layer {layer!r}: a parameter of shape {list(shape)} has {len(values)} values")
    return Tensor(np.dtype("<f4"), shape, values if values.dtype == "<f4" else values.astype("<f4"))


def _upgraded(old: V1LayerParameter) -> LayerParameter:
    """Give a layer in the newer form, which names its type and shares the names of all fields."""
    if not old.HasField("type"):
        raise ConvertError(f"layer {old.name!r} has no type; Caffe's first format is not read (upgrade_net_proto_text)")
    kind = V1LayerParameter.LayerType.Name(old.type)
    words = "".join(word.capitalize() for word in kind.split("_"))
    layer = LayerParameter(name=old.name, type=_TYPES.get(kind, words), bottom=old.bottom, top=old.top)
    for field, value in old.ListFields():
        if field.name in {"include", "exclude"}:
            getattr(layer, field.name).extend(value)
        elif field.name.endswith("_param"):
            getattr(layer, field.name).CopyFrom(value)
    return layer


def _is_included(layer: LayerParameter, state: NetState) -> bool:
    """Caffe's rules of which layers a net in this state has."""
    if any(_meets(state, rule) for rule in layer.exclude):
        return False
    return not layer.include or any(_meets(state, rule) for rule in layer.include)


def _meets(state: NetState, rule: NetStateRule) -> bool:
    stages = set(state.stage)
    return (
        (not rule.HasField("phase") or rule.phase == state.phase)
        and (not rule.HasField("min_level") or state.level >= rule.min_level)
        and (not rule.HasField("max_level") or state.level <= rule.max_level)
        and stages.issuperset(rule.stage)
        and stages.isdisjoint(rule.not_stage)
    )


def _check_fields(text: str) -> None:
    """Refuse fields that are not known where every field bears on the result: in the settings of a layer."""
    top: Any = NetParameter.DESCRIPTOR
    for message, name in _fields_of(text, top):
        if message.name not in _OPEN and name not in message.fields_by_name:
            raise ConvertError(f"{message.name} has a field {name!r} that is not known here")


def _fields_of(text: str, top: Descriptor) -> Iterator[tuple[Descriptor, str]]:
    """Every field that the text states in a message that is known: the message and the field's name."""
    path: list[Descriptor | None] = [top]
    name = ""
    for token in TEXT_TOKEN.finditer(text):
        word = token.group()
        if word in "{<":
            outer = path[-1]
            field = outer.fields_by_name.get(name) if outer is not None else None
            path.append(field.message_type if field is not None else None)
        elif word in "}>":
            # text that parses is balanced
            path.pop()
        elif word[0] not in "\"'#":
            name = word
            if path[-1] is not None:
                yield path[-1], name
