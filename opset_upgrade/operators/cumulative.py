"""CumProd and CumSum."""

from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, helper

from zoosmith.opset_upgrade.building_blocks.axes import AXES_AS_INPUTS
from zoosmith.opset_upgrade.building_blocks.computed_sizes import as_vector, sizes
from zoosmith.opset_upgrade.building_blocks.type_casts import cast_to_single
from zoosmith.opset_upgrade.registry import decomposition, type_fallback
from zoosmith.opset_upgrade.writer import Writer

_END = np.iinfo(np.int64).max


type_fallback("CumSum")(cast_to_single)


@decomposition("CumProd", "CumSum")
def _cumulate(node: NodeProto, g: Writer) -> None:
    data, place = node.input
    rank, known = g.rank(data), g.value(place)
    if not rank:
        g.refuse("its data is a scalar, which has no axis")
    if known is not None:
        axes = [int(known.item()) % rank]
    else:
        axes = list(range(rank))
        place = g.op("Reshape", g.op("Cast", place, to=TensorProto.INT64), g.constant([1]))
    found = _along(node, g, data, axes[-1])
    for axis in axes[:-1]:
        here = g.op("Or", g.op("Equal", place, g.constant([axis])), g.op("Equal", place, g.constant([axis - rank])))
        found = g.op("Where", here, _along(node, g, data, axis), found)
    g.op("Identity", found, output=node.output[0])


def _along(node: NodeProto, g: Writer, data: str, axis: int) -> str:
    # partial results of spans of 1, 2, 4 ... elements: as many steps as the length has bits
    shape = g.shape(data)
    length = None if shape is None else shape[axis]
    if length is None:
        return _step_by_step(node, g, data, axis)
    backwards = bool(g.attribute("reverse"))
    if g.attribute("exclusive"):
        data = _moved_by_one(g, data, axis, backwards, neutral=0 if node.op_type == "CumSum" else 1)
    operator = "Add" if node.op_type == "CumSum" else "Mul"
    span = 1
    while span < length:
        done = _slice(g, data, axis, -span, _END) if backwards else _slice(g, data, axis, 0, span)
        ahead, behind = _slice(g, data, axis, span, _END), _slice(g, data, axis, 0, -span)
        joined = g.op(operator, behind, ahead)
        data = g.op("Concat", *((joined, done) if backwards else (done, joined)), axis=axis)
        span *= 2
    return data


def _step_by_step(node: NodeProto, g: Writer, data: str, axis: int) -> str:
    """Go along an axis whose size is known at run time only."""
    if g.target < 9:
        g.refuse(
            f"the size of axis {axis} of {data!r} is not fixed, and below opset 9 a Scan takes the first axis only"
        )
    other, kind = sizes(g, data, [k for k in range(g.rank(data)) if k != axis]), g.element_type(data)
    operator, neutral = ("Add", 0) if node.op_type == "CumSum" else ("Mul", 1)
    first = g.op("Expand", g.scalar_like(data, neutral), as_vector(g, other))
    sofar, here, result, seen = (g.fresh(hint) for hint in ("sofar", "here", "sum", "seen"))
    body = helper.make_graph(
        [
            helper.make_node(operator, [sofar, here], [result]),
            helper.make_node("Identity", [sofar if g.attribute("exclusive") else result], [seen]),
        ],
        "cumulate",
        [helper.make_tensor_value_info(name, kind, None) for name in (sofar, here)],
        [helper.make_tensor_value_info(name, kind, None) for name in (result, seen)],
    )
    backwards = [int(bool(g.attribute("reverse")))]
    last, found = g.fresh("last"), g.fresh("sums")
    how: dict[str, Any] = {"num_scan_inputs": 1, "scan_input_axes": [axis], "scan_output_axes": [axis]}
    how |= {"scan_input_directions": backwards, "scan_output_directions": backwards}
    g.emit(helper.make_node("Scan", [first, data], [last, found], body=body, **how))
    return found


def _moved_by_one(g: Writer, data: str, axis: int, backwards: bool, neutral: int) -> str:
    edge = _slice(g, data, axis, 0, 1)
    shape = g.shape(edge)
    wanted = g.op("Shape", edge) if shape is None or None in shape else g.constant(shape)
    first = g.op("Expand", g.scalar_like(data, neutral), wanted)
    kept = _slice(g, data, axis, 1, _END) if backwards else _slice(g, data, axis, 0, -1)
    return g.op("Concat", *((kept, first) if backwards else (first, kept)), axis=axis)


def _slice(g: Writer, data: str, axis: int, start: int, end: int) -> str:
    bounds = (g.constant([start]), g.constant([end]), g.constant([axis]))
    return g.op("Slice", data, *bounds, opset=AXES_AS_INPUTS)
