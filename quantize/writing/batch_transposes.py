"""Products that ONNX Runtime joins with a transposition of the batch, which it cannot do in float16."""

from collections.abc import Iterator

import onnx

# what a value keeps its axes through, where ONNX Runtime looks for the transposition behind it
_LOOKED_THROUGH = {"Cast", "Identity"}


def products_of_moved_batches(graph: onnx.GraphProto) -> set[str]:
    """First outputs of each MatMul that reads a Transpose of its first axis to one of the last two, and of these.

    ONNX Runtime makes a FusedMatMul of both. In float16 its releases 1.23, 1.28, 1.30 and 1.32 end there with signal
    11 when they load the model (measured; 1.16 and 1.20 do not).
    """
    makers = {name: node for node in graph.node for name in node.output}
    found: set[str] = set()
    for node in graph.node:
        if node.op_type != "MatMul":
            continue
        moved = [each for name in node.input for each in _moves(makers, name)]
        if moved:
            found.update([node.output[0], *moved])
    return found


def _moves(makers: dict[str, onnx.NodeProto], name: str) -> Iterator[str]:
    """The values on the way from a Transpose of the first axis to `name`."""
    way = []
    while (node := makers.get(name)) is not None:
        way.append(node.output[0])
        if node.op_type == "Transpose":
            axes = next((list(each.ints) for each in node.attribute if each.name == "perm"), [])
            if len(axes) > 2 and axes[:-2] == list(range(1, len(axes) - 1)):
                yield from way
            return
        if node.op_type not in _LOOKED_THROUGH:
            return
        name = node.input[0]
