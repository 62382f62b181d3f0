"""Operators of a training that inference goes without: readers of a database, labels of a loss."""

from zoosmith.convert.proto.caffe2_pb2 import NetDef


def without_training(net: NetDef) -> NetDef:
    """The net with the data of `TensorProtosDBInput` as inputs, and `SoftmaxWithLoss` as the softmax where only that
    is used."""
    used = {*net.external_output}.union(*(op.input for op in net.op))
    result = NetDef(name=net.name, external_output=net.external_output)
    result.external_input.extend(net.external_input)
    for op in net.op:
        if op.type == "TensorProtosDBInput":
            result.external_input.extend(op.output)
        else:
            step = result.op.add()
            step.CopyFrom(op)
            if op.type == "SoftmaxWithLoss" and used.isdisjoint(op.output[1:]):
                step.input[:], step.output[:] = op.input[:1], op.output[:1]
    return result
