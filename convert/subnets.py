"""Operators that run nets of their own on the blobs around them: what these read and write, said in their own lists.

Caffe2's If names its condition only; its nets read and write any blob of the workspace. Once these stand among the
inputs and outputs of the operator, it is followed like any other.
"""

from collections.abc import Iterable, Iterator, Sequence

from zoosmith.convert.proto.caffe2_pb2 import NetDef, OperatorDef

BRANCHES = ("then_net", "else_net")
# other arguments whose nets run, on blobs that the operator itself names
_BODIES = ("step_net",)


def all_operators(ops: Iterable[OperatorDef]) -> Iterator[OperatorDef]:
    """Give operators, and after each those of the nets that it runs.

    Args:
        ops: operators of a net.
    """
    for op in ops:
        yield op
        for argument in op.arg:
            if argument.name in {*BRANCHES, *_BODIES}:
                yield from all_operators(argument.n.op)


def written_inside(op: OperatorDef) -> set[str]:
    """Find the blobs that the nets of an operator write, those that nothing reads later included.

    Args:
        op: the operator.
    """
    return {blob for inner in all_operators([op]) if inner is not op for blob in inner.output}


def with_stated_blobs(net: NetDef, known: Iterable[str]) -> NetDef:
    """State the blobs of every If of a net.

    Args:
        net: the net; it is left as it was.
        known: blobs that hold something before the net runs, besides its external inputs.

    Returns:
        A net where each If has its condition and what its branches find as inputs, and as outputs what they write and
        something later reads; the net itself where it has none.
    """
    if not any(op.type == "If" for op in net.op):
        return net
    stated = NetDef()
    stated.CopyFrom(net)
    _state(stated.op, {*known, *net.external_input}, set(net.external_output))
    return stated


def _state(ops: Sequence[OperatorDef], known: set[str], wanted: set[str]) -> None:
    """State the blobs of operators, given those known before them and wanted after them."""
    before = []
    for op in ops:
        before.append(set(known) if op.type == "If" else known)
        known.update(op.output if op.type != "If" else _written(op))
    later = set(wanted)
    for op, found in zip(reversed(ops), reversed(before), strict=True):
        if op.type == "If":
            _state_if(op, found, later)
        later.update(op.input)


def _state_if(op: OperatorDef, known: set[str], wanted: set[str]) -> None:
    nets = [argument.n for argument in op.arg if argument.name in BRANCHES]
    outputs = [blob for blob in _written(op) if blob in wanted]
    for net in nets:
        _state(net.op, known | set(net.external_input), set(outputs))
    read = dict.fromkeys(blob for net in nets for blob in _read(net.op))
    # a branch that leaves a blob alone passes on what it held
    read.update(dict.fromkeys(blob for blob in outputs if blob in known))
    condition = op.input[:1]
    del op.input[:], op.output[:]
    op.input.extend([*condition, *read])
    op.output.extend(outputs)


def _written(op: OperatorDef) -> list[str]:
    """Blobs that the branches of an If write, in order."""
    written: dict[str, None] = {}
    for argument in op.arg:
        if argument.name in BRANCHES:
            for inner in argument.n.op:
                written.update(dict.fromkeys(_written(inner) if inner.type == "If" else inner.output))
    return list(written)


def _read(ops: Sequence[OperatorDef]) -> list[str]:
    """Blobs that operators read before one of them has written them, in order."""
    read: dict[str, None] = {}
    written: set[str] = set()
    for op in ops:
        read.update(dict.fromkeys(blob for blob in op.input if blob not in written))
        written.update(op.output)
    return list(read)
