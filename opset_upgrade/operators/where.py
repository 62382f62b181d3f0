"""OneHot, Trilu, Where."""

from math import prod

import numpy as np
from onnx import NodeProto, TensorProto

from zoosmith.opset_upgrade.building_blocks.axes import AXES_AS_INPUTS
from zoosmith.opset_upgrade.building_blocks.flat_indices import limit_constant
from zoosmith.opset_upgrade.building_blocks.type_casts import cast_to_exact
from zoosmith.opset_upgrade.node_editing import input_at
from zoosmith.opset_upgrade.registry import adapter, decomposition, type_fallback
from zoosmith.opset_upgrade.writer import Writer

type_fallback("OneHot", "Where")(cast_to_exact)


@adapter("Where", source=16, target=9)
def _no_choice_of_bools(node: NodeProto, g: Writer) -> None:
    """ONNX Runtime chooses among numbers and strings only."""
    chosen, yes, no = node.input
    known = g.type(yes)
    if known is not None and known.tensor_type.elem_type == TensorProto.BOOL:
        g.op("Or", g.op("And", chosen, yes), g.op("And", g.op("Not", chosen), no), output=node.output[0])


@decomposition("Where")
def _where(node: NodeProto, g: Writer) -> None:
    # arithmetic would turn an infinity that is not chosen into NaN: the elements are picked from both by index
    shapes = [g.static_shape(name) for name in node.input]
    shape = np.broadcast_shapes(*shapes)
    known = g.value(node.input[0])
    if known is not None and known.size and (known.all() or not known.any()):
        taken = 1 if known.all() else 2
        g.op("Identity", _expand(g, node.input[taken], shapes[taken], shape), output=node.output[0])
        return
    count = limit_constant(prod(shape), g)
    if not count:
        g.refuse("an empty tensor cannot be reshaped there")
    chosen, yes, no = (
        g.op("Reshape", _expand(g, name, own, shape), g.constant([-1]))
        for name, own in zip(node.input, shapes, strict=True)
    )
    both = g.op("Concat", no, yes, axis=0)
    offset = g.op("Mul", g.op("Cast", chosen, to=TensorProto.INT64), g.constant([count]))
    picked = g.op("Gather", both, g.op("Add", offset, g.constant(np.arange(count))), axis=0)
    g.op("Reshape", picked, g.constant(shape), output=node.output[0])


def _expand(g: Writer, name: str, shape: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    return name if shape == wanted else g.op("Expand", name, g.constant(wanted))


@decomposition("Trilu")
def _trilu(node: NodeProto, g: Writer) -> None:
    data, diagonal = node.input[0], input_at(node, 1)
    rows, columns = (g.shape(data) or (None, None))[-2:]
    known = g.value(diagonal) if diagonal else np.zeros(1)
    keep: str
    if rows is not None and columns is not None and known is not None:
        limit_constant(rows * columns, g)
        lies_on, k = np.arange(columns)[None, :] - np.arange(rows)[:, None], int(known.item())
        keep = g.constant(lies_on >= k if g.attribute("upper") else lies_on <= k, dtype=bool)
    else:
        down, along = (_counted(g, data, axis, size) for axis, size in ((-2, rows), (-1, columns)))
        # the diagonal that an element lies on: 0 is the main one, above it they count up
        diagonals = g.op("Sub", along, g.op("Unsqueeze", down, g.constant([1]), opset=AXES_AS_INPUTS))
        first = g.op("Reshape", diagonal, g.constant([1])) if diagonal else g.constant([0])
        keep = g.op("Not", g.op("Less" if g.attribute("upper") else "Greater", diagonals, first))
    if g.element_type(data) == TensorProto.BOOL:
        g.op("And", keep, data, output=node.output[0])
        return
    g.op("Where", keep, data, g.scalar_like(data, 0), output=node.output[0])


def _counted(g: Writer, data: str, axis: int, size: int | None) -> str:
    """0, 1, 2 ... along an axis of `data`."""
    if size is not None:
        return g.constant(np.arange(size))
    length = g.op("Gather", g.op("Shape", data), g.constant(g.rank(data) + axis), axis=0)
    return g.op("Range", g.constant(0), length, g.constant(1), opset=11)


@decomposition("OneHot")
def _one_hot(node: NodeProto, g: Writer) -> None:
    indices, _, values = node.input
    rank = g.rank(indices) + 1
    axis = g.attribute("axis") % rank
    stated = g.shape(node.output[0])
    depth = stated[axis] if stated is not None else None
    if depth is None:
        depth = int(g.required_constant(1, "the depth").item())
    places = g.constant(np.arange(depth).reshape([-1] + [1] * (rank - 1 - axis)))
    wanted = g.op("Cast", indices, to=TensorProto.INT64)
    wanted = g.op("Unsqueeze", wanted, g.constant([axis]), opset=AXES_AS_INPUTS)
    from_end = g.op("Add", wanted, g.constant([depth]))
    hot = g.op("Or", g.op("Equal", wanted, places), g.op("Equal", from_end, places))
    off, on = (g.op("Gather", values, g.constant([index]), axis=0) for index in (0, 1))
    if g.element_type(values) == TensorProto.BOOL:  # ONNX Runtime has no Where of bool
        chosen, others = g.op("And", hot, on), g.op("And", g.op("Not", hot), off)
        g.op("Or", chosen, others, output=node.output[0])
    else:
        g.op("Where", hot, on, off, output=node.output[0], opset=9)
