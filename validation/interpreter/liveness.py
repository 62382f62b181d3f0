"""Which operators of a net its outputs need: the interpreter's own rule, apart from the translator's."""

from collections import defaultdict
from collections.abc import Container, Iterable, Sequence

from zoosmith.convert.proto.caffe2_pb2 import OperatorDef


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
    pending: list[int] = []
    wanted = set(outputs)
    for position, op in enumerate(operators):
        overwrites = any(blob in mentioned or blob in op.input for blob in op.output)
        has_effects = not op.output or overwrites or any(argument.name.endswith("net") for argument in op.arg)
        if position not in optional or has_effects or wanted.intersection(op.output):
            pending.append(position)
        for blob in op.output:
            writers[blob].append(position)
        mentioned.update(op.input, op.output)
    needed: set[int] = set()
    while pending:
        position = pending.pop()
        if position not in needed:
            needed.add(position)
            pending += [
                earlier for blob in operators[position].input for earlier in writers[blob] if earlier < position
            ]
    return needed
