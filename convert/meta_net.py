"""MetaNetDef, what Caffe2's predictor exporter saves: a net, what fills its blobs, and which blobs go in and out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from google.protobuf.message import DecodeError
from onnx.helper import np_dtype_to_tensor_dtype

from zoosmith.convert.errors import ConvertError
from zoosmith.convert.fill_operators import constant_value
from zoosmith.convert.nets import check_text
from zoosmith.convert.proto.caffe2_pb2 import MetaNetDef, NetDef, OperatorDef

# keys of nets and of lists of blobs; an exporter may append "_" and a name
PREDICT_NET = "PREDICT_NET_TYPE"
_PREDICT_INIT, _GLOBAL_INIT = "PREDICT_INIT_NET_TYPE", "GLOBAL_INIT_NET_TYPE"
_INPUTS, _OUTPUTS = "INPUTS_BLOB_TYPE", "OUTPUTS_BLOB_TYPE"


@dataclass(frozen=True)
class Prediction:
    """What a MetaNetDef says of a prediction.

    Attributes:
        net: the net.
        setup: operators that run before it, but for those that only make room for inputs and outputs.
        loaded: blobs that are loaded from the database the MetaNetDef was saved in.
        inputs: ONNX element type and shape of each input, where the exporter knew it.
    """

    net: NetDef
    setup: Sequence[OperatorDef]
    loaded: Sequence[str]
    inputs: dict[str, tuple[int, tuple[int, ...]]]


def read_meta_net(content: bytes) -> Prediction:
    """Read a MetaNetDef.

    Args:
        content: the message, serialized.

    Raises:
        ConvertError: it is damaged, or holds no net to predict with, or several.
    """
    meta = MetaNetDef()
    try:
        meta.ParseFromString(content)
    except DecodeError as error:
        raise ConvertError("the MetaNetDef in it is damaged") from error
    return prediction(meta)


def prediction(meta: MetaNetDef) -> Prediction:
    """Take from a MetaNetDef what a prediction needs.

    Args:
        meta: the message.

    Raises:
        ConvertError: it holds no net to predict with, or several.
    """
    check_text([meta])
    nets = {entry.key: entry.value for entry in meta.nets}
    keys = [key for key in nets if key == PREDICT_NET or key.startswith(f"{PREDICT_NET}_")]
    if len(keys) != 1:
        raise ConvertError(f"expected one {PREDICT_NET} in the MetaNetDef, found {', '.join(keys) or 'none'}")
    suffix = keys[0].removeprefix(PREDICT_NET)
    blobs = {entry.key: list(entry.value) for entry in meta.blobs}
    net = NetDef()
    net.CopyFrom(nets[keys[0]])
    outputs = blobs.get(_OUTPUTS + suffix, [])
    if not net.external_output:
        net.external_output.extend(outputs)
    ports = {*blobs.get(_INPUTS + suffix, []), *outputs}
    setup = [nets.get(key + suffix, NetDef()) for key in (_GLOBAL_INIT, _PREDICT_INIT)]
    first, second = (part.op[:] for part in setup)
    room = [op for op in second if _makes_room(op) and op.output[0] in ports]
    return Prediction(
        net,
        [op for op in (*first, *second) if op.type != "Load" and op not in room],
        [blob for op in first if op.type == "Load" for blob in op.output],
        _shapes(op for op in room if op.output[0] in blobs.get(_INPUTS + suffix, [])),
    )


def _makes_room(op: OperatorDef) -> bool:
    return op.type == "ConstantFill" and not op.input and len(op.output) == 1


def _shapes(fills: Iterable[OperatorDef]) -> dict[str, tuple[int, tuple[int, ...]]]:
    """Type and shape of the inputs: the exporter fills each with zeros of its shape."""
    found: dict[str, tuple[int, tuple[int, ...]]] = {}
    for op in fills:
        shape = next((tuple(argument.ints) for argument in op.arg if argument.name == "shape"), ())
        if shape and min(shape) > 0:
            found[op.output[0]] = (np_dtype_to_tensor_dtype(constant_value(op)[0]), shape)
    return found
