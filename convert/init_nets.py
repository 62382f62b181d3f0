"""Init nets that are made of tensors: the one form in which parameters go on, wherever they were read."""

from collections.abc import Iterator, Mapping
from typing import TypeAlias

import numpy as np

from zoosmith.convert.errors import ConvertError
from zoosmith.convert.fill_operators import Tensor
from zoosmith.convert.init_net_wire import ARG_FLOATS, NET_OP, OP_ARG
from zoosmith.convert.proto.caffe2_pb2 import Argument, NetDef, OperatorDef
from zoosmith.convert.proto.caffe2_pb2 import TensorProto as _C2
from zoosmith.onnx_model.wire_format import header

Part: TypeAlias = bytes | memoryview

_INTEGER_FILLS = {
    np.dtype("?"): "GivenTensorBoolFill",
    np.dtype("<i2"): "GivenTensorInt16Fill",
    np.dtype("<i4"): "GivenTensorIntFill",
    np.dtype("<i8"): "GivenTensorInt64Fill",
}
# types without a fill of their own: what is filled instead, and the type to cast to
_CASTS = {
    np.dtype("<f2"): (np.dtype("<f4"), _C2.FLOAT16),
    np.dtype("i1"): (np.dtype("<i4"), _C2.INT8),
    np.dtype("<u2"): (np.dtype("<i4"), _C2.UINT16),
}


def init_net_of(parameters: Mapping[str, Tensor]) -> bytes:
    """Make the init net that fills blobs with these tensors.

    Args:
        parameters: tensors by blob.

    Returns:
        The net, serialized; floats are packed.

    Raises:
        ConvertError: float64 values that float32 cannot hold; no Caffe2 fill does.
    """
    parts: list[Part] = [NetDef(name="init").SerializeToString()]
    for blob, tensor in parameters.items():
        for op in _fills(blob, tensor):
            parts += [header(NET_OP, sum(map(_size, op))), *op]
    # the one copy of the values
    return b"".join(parts)


def _size(part: Part) -> int:
    return part.nbytes if isinstance(part, memoryview) else len(part)


def _fills(blob: str, tensor: Tensor) -> Iterator[list[Part]]:
    """The operators that fill a blob, serialized, each in parts."""
    if tensor.dtype in _CASTS:
        wider, code = _CASTS[tensor.dtype]
        source = f"{blob}_as_{wider.name}"
        yield from _fills(source, Tensor.of(tensor.array().astype(wider)))
        if code == _C2.FLOAT16:
            yield [OperatorDef(type="FloatToHalf", input=[source], output=[blob]).SerializeToString()]
        else:
            cast = OperatorDef(type="Cast", input=[source], output=[blob], arg=[Argument(name="to", i=code)])
            yield [cast.SerializeToString()]
        return
    op = OperatorDef(output=[blob], arg=[Argument(name="shape", ints=tensor.shape)])
    if tensor.dtype in _INTEGER_FILLS:
        op.type = _INTEGER_FILLS[tensor.dtype]
        op.arg.add(name="values", ints=tensor.array().ravel().astype(np.int64).tolist())
        yield [op.SerializeToString()]
    elif tensor.dtype == np.uint8:
        op.type = "GivenTensorByteStringToUInt8Fill"
        op.arg.add(name="values", strings=[tensor.data])
        yield [op.SerializeToString()]
    else:
        op.type = "GivenTensorFill"
        content = tensor.content
        if tensor.dtype == np.float64:
            op.type = "GivenTensorDoubleFill"
            content = tensor.array().astype("<f4")
            if not np.array_equal(content.astype("<f8"), tensor.array(), equal_nan=True):
                raise ConvertError(f"blob {blob!r} holds float64 values that are no float32; no Caffe2 net fills them")
        values = memoryview(content) if isinstance(content, bytes) else np.ascontiguousarray(content).data
        head = Argument(name="values").SerializeToString() + header(ARG_FLOATS, values.nbytes)
        yield [op.SerializeToString(), header(OP_ARG, len(head) + values.nbytes), head, values]
