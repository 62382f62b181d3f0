"""Max, Mean, Min, Sum: the element-wise operators of any number of inputs."""

import numpy as np
from onnx import NodeProto, TensorProto

from zoosmith.opset_upgrade.building_blocks.broadcasting import is_single, repeat_to_one_shape
from zoosmith.opset_upgrade.building_blocks.numbers import is_number
from zoosmith.opset_upgrade.building_blocks.type_casts import EXACT, cast_through
from zoosmith.opset_upgrade.registry import adapter, type_fallback
from zoosmith.opset_upgrade.writer import Writer


@adapter("Mean", "Sum", source=8, target=6)
def _sum_of_broadcast(node: NodeProto, g: Writer) -> None:
    """Before 8 all inputs have one shape; Add broadcasts since 7."""
    shapes = [g.shape(name) for name in node.input]
    if len(shapes) == 1 or (shapes.count(shapes[0]) == len(shapes) and None not in (shapes[0] or (None,))):
        return
    total = node.input[0]
    last = len(node.input) - 1
    for index, name in enumerate(node.input[1:], 1):
        total = g.op("Add", total, name, output=node.output[0] if index == last and node.op_type == "Sum" else "")
    if node.op_type == "Mean":
        g.op("Div", total, g.scalar_like(total, len(shapes)), output=node.output[0])


@adapter("Max", "Min", source=8, target=6)
def _extreme_of_broadcast(node: NodeProto, g: Writer) -> None:
    """Before 8 all inputs have one shape, and ONNX Runtime computes single precision only."""
    if len(node.input) > 1 and g.element_type(node.input[0]) == TensorProto.DOUBLE:
        _extreme_by_comparison(node, g)
    elif not _clip(node, g):
        repeat_to_one_shape(node, g)


def _clip(node: NodeProto, g: Writer) -> bool:
    """Emit the larger or smaller of single precision data and a constant as a Clip; False if that is not the case."""
    if len(node.input) != 2 or g.element_type(node.input[0]) != TensorProto.FLOAT:
        return False
    limits = [index for index, name in enumerate(node.input) if is_single(g, name)]
    limit = g.value(node.input[limits[0]]) if len(limits) == 1 else None
    if limit is None or np.isnan(limit).any() or (limit.ndim and g.rank(node.input[1 - limits[0]]) < limit.ndim):
        return False
    # both bounds are stated: one that is left out is the largest finite number, which infinity exceeds
    number = float(limit.item())
    low, high = (number, np.inf) if node.op_type == "Max" else (-np.inf, number)
    g.op("Clip", node.input[1 - limits[0]], output=node.output[0], min=low, max=high)
    return True


def _extreme_by_comparison(node: NodeProto, g: Writer) -> None:
    """Emit the choice of the larger or smaller, of two at a time; of floats one that is NaN is chosen."""
    found = node.input[0]
    kind = g.element_type(found)
    floating = kind == TensorProto.DOUBLE
    for index, name in enumerate(node.input[1:], 2):
        better = g.op("Greater" if node.op_type == "Max" else "Less", found, name)
        if floating:
            better = g.op("Or", better, g.op("Not", is_number(g, found)))
        output = node.output[0] if index == len(node.input) else ""
        if kind == TensorProto.UINT64:  # of which ONNX Runtime has no Where; a difference that wraps around is exact
            more = g.op("Mul", g.op("Sub", found, name), g.op("Cast", better, to=kind))
            found = g.op("Add", name, more, output=output)
        else:
            found = g.op("Where", better, found, name, output=output, opset=9)
    if len(node.input) == 1:
        g.op("Identity", found, output=node.output[0])


@type_fallback("Max", "Min")
def _extreme(node: NodeProto, g: Writer) -> None:
    if g.element_type(node.input[0]) not in (TensorProto.INT64, TensorProto.UINT64):
        cast_through(node, g, EXACT)
        return
    _extreme_by_comparison(node, g)
