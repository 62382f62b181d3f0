"""Axes of size 1 that nodes add, drop or sum up, one after the other."""

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from zoosmith.onnx_model.constants import Array
from zoosmith.onnx_model.names import Names
from zoosmith.optimize.passes.identities import RemoveIdentities
from zoosmith.optimize.values import (
    add_initializer,
    attribute,
    constant,
    input_constant,
    input_value,
    is_standard,
    name_of,
    new_names,
    new_node,
    opset,
    replace_value,
    sizes,
)

# from this opset on, axes of Squeeze and Unsqueeze are an input
_AXES_ARE_READ = 13
# of one value, each gives that value
_OF_ONE = ("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd")

Layout = list[int | None]
"""For each axis of a result the axis of the source that it is; None for one of size 1 that was added."""


class MergeUnitAxes(ir.passes.InPlacePass):
    """Make one node, or none, of two that add or drop axes of size 1, and drop reductions over such axes.

    An axis that is dropped and added again has to be known to be of size 1: Squeeze refuses others, and so does the
    model then.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Change the model in place."""
        names, changed = new_names(model), False
        for node in list(model.graph):
            if _gather_keeps_axis(model.graph, names, node) or _merge(model.graph, names, node, opset(model)):
                changed = True
        if changed:
            RemoveIdentities()(model)
        return ir.passes.PassResult(model, changed)


def _axes(node: ir.Node, rank: int) -> list[int] | None:
    """The axes that a node names, as numbers from 0 of a tensor of that rank; None where they are not known."""
    given: Array | Sequence[int] | None = input_constant(node, 1)
    if given is None and input_value(node, 1) is None:
        given = attribute(node, "axes")
    return None if given is None else sorted(int(axis) % rank for axis in np.reshape(given, -1))


def _layout(node: ir.Node) -> Layout | None:
    """How a node that only adds or drops axes of size 1 lays them out; None for other nodes."""
    shape = sizes(input_value(node, 0))
    if shape is None or not is_standard(node, "Squeeze", "Unsqueeze", *_OF_ONE):
        return None
    rank = len(shape)
    if is_standard(node, "Unsqueeze"):
        given = _axes_added(node, rank)
        if given is None:
            return None
        old = iter(range(rank))
        return [None if axis in given else next(old) for axis in range(rank + len(given))]
    axes = _axes(node, rank) if rank else None
    if is_standard(node, "Squeeze") and axes is not None:
        return [axis for axis in range(rank) if axis not in axes]
    if is_standard(node, *_OF_ONE) and axes and all(shape[axis] == 1 for axis in axes):
        return [None if axis in axes else axis for axis in range(rank) if axis not in axes or _keeps(node)]
    return None


def _axes_added(node: ir.Node, rank: int) -> list[int] | None:
    given = input_constant(node, 1)
    count = len(attribute(node, "axes", ())) if given is None else given.size
    return _axes(node, rank + count) if count else None


def _keeps(node: ir.Node) -> bool:
    return bool(attribute(node, "keepdims", 1))


def _merge(graph: ir.Graph, names: Names, node: ir.Node, version: int) -> bool:
    """Write what a node and the one before it do as one node, or what a reduction does as a Squeeze."""
    source, layout = input_value(node, 0), _layout(node)
    if source is None or layout is None:
        return False
    before = source.producer()
    first = _layout(before) if before is not None and before.graph is graph else None
    if first is not None and before is not None and before.inputs[0] is not None:
        source = before.inputs[0]
        layout = [None if axis is None else first[axis] for axis in layout]
    elif not is_standard(node, *_OF_ONE):
        return False
    made = _one_node(graph, names, source, layout, version)
    if made is None:
        return False
    _replace(graph, node, made)
    return True


def _replace(graph: ir.Graph, node: ir.Node, made: ir.Node) -> None:
    """Put a node in the place of another one, and of the one before that where nothing else reads it."""
    before = node.inputs[0].producer() if node.inputs[0] is not None else None
    graph.insert_before(node, made)
    replace_value(node.outputs[0], made.outputs[0])
    graph.remove(node, safe=True)
    if before is not None and not (before.outputs[0].uses() or before.outputs[0].is_graph_output()):
        graph.remove(before, safe=True)


def _one_node(graph: ir.Graph, names: Names, source: ir.Value, layout: Layout, version: int) -> ir.Node | None:
    """The node that lays the axes of a value out so; None where that takes more than one."""
    shape, output = sizes(source) or (), ir.Value()
    layout = _with_dropped_axes(layout, shape)
    dropped = [axis for axis in range(len(shape)) if axis not in layout]
    added = [index for index, axis in enumerate(layout) if axis is None]
    order = [axis for axis in layout if axis is not None]
    if order != sorted(order):
        return None if dropped or added else new_node("Transpose", [source], output, perm=order)
    if not dropped and not added:
        return new_node("Identity", [source], output)
    if not dropped or not added:
        op_type, axes = ("Unsqueeze", added) if added else ("Squeeze", dropped)
        if version < _AXES_ARE_READ:
            return new_node(op_type, [source], output, axes=axes)
        given = add_initializer(graph, names.fresh(f"{name_of(source)}_axes"), np.array(axes, np.int64))
        return new_node(op_type, [source, given], output)
    return None


def _with_dropped_axes(layout: Layout, shape: Sequence[int | None]) -> Layout:
    """The same layout, of which the axes that are added are ones that are dropped, as far as these are of size 1."""
    spare = [axis for axis, size in enumerate(shape) if size == 1 and axis not in layout]
    result: Layout = []
    for index, axis in enumerate(layout):
        if axis is not None or not spare:
            result.append(axis)
            continue
        before = max((each for each in result if each is not None), default=-1)
        after = min((each for each in layout[index:] if each is not None), default=len(shape))
        taken = next((each for each in spare if before < each < after), spare[0])
        spare.remove(taken)
        result.append(taken)
    return result


def _gather_keeps_axis(graph: ir.Graph, names: Names, node: ir.Node) -> bool:
    """Write a Gather by one number and the Unsqueeze that puts its axis back as a Gather by a list of one."""
    before = node.inputs[0].producer() if is_standard(node, "Unsqueeze") and node.inputs[0] is not None else None
    if before is None or not is_standard(before, "Gather") or before.graph is not graph:
        return False
    source, shape, index = before.inputs[0], sizes(before.inputs[0]), constant(before.inputs[1])
    if source is None or shape is None or index is None or index.ndim:
        return False
    axis = attribute(before, "axis", 0) % len(shape)
    if _axes_added(node, len(shape) - 1) != [axis]:
        return False
    given = add_initializer(graph, names.fresh(f"{name_of(source)}_index"), index.reshape(1))
    made = new_node("Gather", [source, given], ir.Value(), axis=axis)
    _replace(graph, node, made)
    return True
