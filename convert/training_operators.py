"""What a net that was trained still holds, and a run on data of the user's does not need."""

from collections import Counter

from zoosmith.convert.proto.caffe2_pb2 import NetDef

_READERS = {"TensorProtosDBInput"}
_LOSSES = {"SoftmaxWithLoss"}


def for_inference(net: NetDef) -> NetDef:
    """Let the net read its data from inputs instead of a database, and no labels for losses that nothing reads.

    Args:
        net: the net with its external outputs; it is left as it was.

    Returns:
        The net itself where it holds none of these operators.
    """
    if not any(op.type in _READERS | _LOSSES for op in net.op):
        return net
    read = Counter(net.external_output)
    read.update(blob for op in net.op for blob in op.input)
    changed = NetDef()
    changed.CopyFrom(net)
    del changed.op[:]
    for op in net.op:
        if op.type in _READERS:
            changed.external_input.extend(op.output)
            continue
        kept = changed.op.add()
        kept.CopyFrom(op)
        if op.type in _LOSSES and not any(read[blob] for blob in op.output[1:]):
            del kept.input[1:], kept.output[1:]
    return changed
