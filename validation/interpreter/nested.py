"""Nets inside of operators: the blobs of the workspace that an operator reads and writes through them."""

from collections.abc import Iterator

from zoosmith.convert.proto.caffe2_pb2 import NetDef, OperatorDef

# arguments whose nets run; others are for training
_RUN = {"then_net", "else_net", "step_net"}
# types that run one of their nets on the blobs around them
CHOOSING = {"If"}


def nets_of(op: OperatorDef) -> dict[str, NetDef]:
    """The nets that an operator runs, by argument."""
    return {argument.name: argument.n for argument in op.arg if argument.name in _RUN and argument.HasField("n")}


def every_operator(net: NetDef) -> Iterator[OperatorDef]:
    """The operators of a net and, in depth, those of their nets."""
    for op in net.op:
        yield op
        for inner in nets_of(op).values():
            yield from every_operator(inner)


def blobs_read(op: OperatorDef) -> set[str]:
    """The blobs whose earlier content an operator may need."""
    found = set(op.input)
    if op.type in CHOOSING:
        for net in nets_of(op).values():
            fresh: set[str] = set()
            for inner in net.op:
                found |= blobs_read(inner) - fresh
                fresh |= blobs_written(inner)
    return found


def blobs_written(op: OperatorDef) -> set[str]:
    """The blobs that an operator may write."""
    found = set(op.output)
    if op.type in CHOOSING:
        for net in nets_of(op).values():
            found.update(*(blobs_written(inner) for inner in net.op))
    return found
