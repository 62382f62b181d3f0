"""Write Caffe2 init nets as the published ones are laid out: equal parameters give equal bytes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from zoosmith.convert.init_net_wire import FLOAT_RECORD, FLOAT_TAG, NET_OP, OP_ARG
from zoosmith.convert.proto.caffe2_pb2 import Argument, NetDef, OperatorDef
from zoosmith.onnx_model.wire_format import BYTES

_OPERATOR_TAG, _ARGUMENT_TAG = NET_OP << 3 | BYTES, OP_ARG << 3 | BYTES
# values that are laid out at a time
_PIECE = 1 << 20


@dataclass(frozen=True)
class InitLayout:
    """How an init net is laid out beside its parameters.

    Attributes:
        name: of the net; None where it has none.
        stand_in: a data blob that the net fills with one zero after the parameters, so that it exists.
        stand_in_shape: the shape of that zero.
    """

    name: str | None
    stand_in: str | None = None
    stand_in_shape: tuple[int, ...] = (1,)

    def end(self) -> bytes:
        """Return what stands after the parameters."""
        if self.stand_in is None:
            return b""
        shape = Argument(name="shape", ints=self.stand_in_shape)
        fill = OperatorDef(output=[self.stand_in], name="", type="ConstantFill", arg=[shape])
        return NetDef(op=[fill]).SerializeToString()


def init_net_parts(layout: InitLayout, parameters: Mapping[str, np.ndarray]) -> Iterator[bytes | memoryview]:
    """Serialise parameters as the published init nets are: unpacked floats, empty operator names.

    Args:
        layout: of what stands around the parameters.
        parameters: float32 arrays by blob name, in the order of the file.

    Yields:
        The content of an `init_net.pb`, in pieces of a few MB.
    """
    yield NetDef(name=layout.name).SerializeToString()
    for blob, array in parameters.items():
        size = array.size * FLOAT_RECORD.itemsize
        head, values, tail = _around_values(blob, array.shape)
        argument = _tagged(_ARGUMENT_TAG, len(values) + size)
        yield _tagged(_OPERATOR_TAG, len(head) + len(argument) + len(values) + size + len(tail))
        yield head + argument + values
        flat = array.reshape(-1)
        for first in range(0, array.size, _PIECE):
            part = flat[first : first + _PIECE]
            records = np.empty(part.size, FLOAT_RECORD)
            records["tag"] = FLOAT_TAG
            records["value"] = part
            yield records.data
        yield tail
    yield layout.end()


def init_net_size(layout: InitLayout, shapes: Mapping[str, tuple[int, ...]]) -> int:
    """Return how many bytes an init net of parameters of these shapes has."""
    total = len(NetDef(name=layout.name).SerializeToString()) + len(layout.end())
    for blob, shape in shapes.items():
        head, values, tail = _around_values(blob, shape)
        values_size = len(values) + int(np.prod(shape, dtype=np.int64)) * FLOAT_RECORD.itemsize
        size = len(head) + len(_tagged(_ARGUMENT_TAG, values_size)) + values_size + len(tail)
        total += len(_tagged(_OPERATOR_TAG, size)) + size
    return total


def _around_values(blob: str, shape: tuple[int, ...]) -> tuple[bytes, bytes, bytes]:
    """What stands before the argument of the values, before them, and after it."""
    head = OperatorDef(output=[blob], name="", type="GivenTensorFill").SerializeToString()
    tail = OperatorDef(arg=[Argument(name="shape", ints=shape)]).SerializeToString()
    return head, Argument(name="values").SerializeToString(), tail


def _tagged(tag: int, length: int) -> bytes:
    """Return a tag and a length as protobuf's varints; the tag fits one byte."""
    content = bytearray([tag])
    while length >= 0x80:
        content.append(length & 0x7F | 0x80)
        length >>= 7
    content.append(length)
    return bytes(content)
