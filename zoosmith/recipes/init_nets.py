"""Write Caffe2 init nets as the published ones are laid out: equal parameters give equal bytes."""

from collections.abc import Mapping

import numpy as np

from zoosmith.convert.proto.caffe2_pb2 import Argument, NetDef, OperatorDef

# an unpacked float on the wire: field 5 of Argument, four bytes; then the value
_FLOAT_RECORD = np.dtype([("tag", "u1"), ("value", "<f4")])
_FLOAT_TAG = 5 << 3 | 5
_OPERATOR_TAG, _ARGUMENT_TAG = 2 << 3 | 2, 5 << 3 | 2


def write_init_net(name: str, parameters: Mapping[str, np.ndarray]) -> bytes:
    """Serialise parameters as the published init nets are: unpacked floats, empty operator names.

    Args:
        name: of the net.
        parameters: float32 arrays by blob name, in the order of the file.

    Returns:
        The content of an `init_net.pb`.
    """
    parts: list[bytes | memoryview] = [NetDef(name=name).SerializeToString()]
    for blob, array in parameters.items():
        records = np.empty(array.size, _FLOAT_RECORD)
        records["tag"] = _FLOAT_TAG
        records["value"] = array.ravel()
        head = OperatorDef(output=[blob], name="", type="GivenTensorFill").SerializeToString()
        tail = OperatorDef(arg=[Argument(name="shape", ints=array.shape)]).SerializeToString()
        values = Argument(name="values").SerializeToString()
        argument = _tagged(_ARGUMENT_TAG, len(values) + records.nbytes)
        size = len(head) + len(argument) + len(values) + records.nbytes + len(tail)
        parts += [_tagged(_OPERATOR_TAG, size), head, argument, values, records.data, tail]
    return b"".join(parts)


def _tagged(tag: int, length: int) -> bytes:
    """Return a tag and a length as protobuf's varints; the tag fits one byte."""
    content = bytearray([tag])
    while length >= 0x80:
        content.append(length & 0x7F | 0x80)
        length >>= 7
    content.append(length)
    return bytes(content)
