"""Which operators of a net its outputs need: the interpreter's own rule, apart from the translator's."""

from collections import defaultdict
from collections.abc import Container, Iterable, Sequence

from zoosmith.convert.proto.caffe2_pb2 import OperatorDef
from zoosmith.validation.interpreter.nested import blobs_read, blobs_written


def needed_operators(operators: Sequence[OperatorDef], outputs: Iterable[str], *, optional: Container[int]) -> set[int]:
    """Return the positions of the operators that must run, found by walking back from what must be computed.

    Args:
        operators: in the order in which they run.
        outputs: blobs that are wanted at the end.
        optional: positions of operators that need not run for their own sake. One that has an effect beyond the names
            it writes is needed all the same: without outputs, with a net as an argument, or writing into a blob that
            stood before it, whose memory other blobs may share.
    """
    writers: dict[str, list[int]] = defaultdict(list)
    mentioned: set[str] = set()
    inputs = [blobs_read(op) for op in operators]
    pending: list[int] = []
    wanted = set(outputs)
    for position, op in enumerate(operators):
        outputs_here = blobs_written(op)
        overwrites = any(blob in mentioned or blob in inputs[position] for blob in outputs_here)
        has_effects = not op.output or overwrites or any(argument.name.endswith("net") for argument in op.arg)
        if position not in optional or has_effects or wanted.intersection(outputs_here):
            pending.append(position)
        for blob in outputs_here:
            writers[blob].append(position)
        mentioned.update(inputs[position], outputs_here)
    needed: set[int] = set()
    while pending:
        position = pending.pop()
        if position not in needed:
            needed.add(position)
            pending += [earlier for blob in inputs[position] for earlier in writers[blob] if earlier < position]
    return needed
