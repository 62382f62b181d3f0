"""Expand and Tile."""

from math import prod

import numpy as np
from onnx import NodeProto, TensorProto

from zoosmith.onnx_model.ports import element_type_name
from zoosmith.onnx_model.tensor_data import MOST_DIMENSIONS
from zoosmith.opset_upgrade.building_blocks.axes import AXES_AS_INPUTS
from zoosmith.opset_upgrade.building_blocks.constant_limits import broadcast_shape
from zoosmith.opset_upgrade.building_blocks.type_casts import hold_in_floats
from zoosmith.opset_upgrade.node_editing import set_inputs
from zoosmith.opset_upgrade.registry import adapter, decomposition
from zoosmith.opset_upgrade.schemas import allowed_types
from zoosmith.opset_upgrade.writer import Writer


@adapter("Tile", source=1, target=6)
def _one_axis_to_repeats(node: NodeProto, g: Writer) -> None:
    tiles, axis = g.constant_input(1, "tiles"), g.constant_input(2, "axis")
    repeats = [1] * g.rank(node.input[0])
    if tiles is None or axis is None:
        g.refuse("tiles and axis are missing")
    if axis.size != 1 or tiles.size != 1 or not -len(repeats) <= axis.item() < len(repeats):
        g.refuse(f"its axis {axis.tolist()} and tiles {tiles.tolist()} are no two numbers for {len(repeats)} axes")
    repeats[int(axis.item())] = int(tiles.item())
    set_inputs(node, node.input[0], g.constant(repeats))


@adapter("Tile", source=6, target=1, any_type=True)
def _repeats_axis_by_axis(node: NodeProto, g: Writer) -> None:
    repeats = g.constant_input(1, "repeats")
    data, kind = node.input[0], g.element_type(node.input[0])
    steps = [] if repeats is None else [(axis, int(times)) for axis, times in enumerate(repeats) if times != 1]
    wide = kind
    if steps and f"tensor({element_type_name(kind)})" not in allowed_types("Tile", g.opset)["T"]:
        wide = hold_in_floats(g, kind)
        data = g.op("Cast", data, to=wide, opset=6)
    for axis, times in steps:
        tiles, place = (g.typed_constant(np.asarray([number]), wide) for number in (times, axis))
        data = g.op("Tile", data, tiles, place)
    if wide != kind:
        data = g.op("Cast", data, to=kind, opset=6)
    g.op("Identity", data, output=node.output[0])


@decomposition("Expand")
def _expand_by_tile(node: NodeProto, g: Writer) -> None:
    data, wanted = node.input
    shape, value = g.shape(data), g.value(wanted)
    if shape is None or None in shape or value is None:
        _expand_at_run_time(node, g)
        return
    if value.ndim != 1 or value.min(initial=0) < 0:
        g.refuse(f"its shape {value.tolist()} is no list of sizes")
    result = broadcast_shape(g, [size or 0 for size in shape], value.tolist())
    if 0 in shape and prod(result) == 0 and shape != result:
        g.refuse("an empty tensor cannot be repeated there")
    aligned = (1,) * (len(result) - len(shape)) + shape
    reshaped = data if aligned == shape else g.op("Reshape", data, g.constant(aligned))
    repeats = [n if m == 1 else 1 for m, n in zip(aligned, result, strict=True)]
    if result:
        g.op("Tile", reshaped, g.constant(repeats), output=node.output[0])
    else:
        g.op("Identity", reshaped, output=node.output[0])


def _expand_at_run_time(node: NodeProto, g: Writer) -> None:
    """Repeat each axis of size 1 as often as the shape says, which is computed at run time; other axes once."""
    data, wanted = node.input
    shape, count = g.shape(data), (g.shape(wanted) or (None,))[0]
    if shape is None or count is None:
        _expand_of_unknown_rank(node, g, shape)
        return
    if count > MOST_DIMENSIONS:
        g.refuse(f"it makes {count} dimensions; at most {MOST_DIMENSIONS} are supported")
    missing = count - len(shape)
    aligned = (1,) * missing + shape
    if missing > 0:
        data = g.op("Unsqueeze", data, g.constant(list(range(missing))), opset=AXES_AS_INPUTS)
    elif missing < 0:
        wanted = g.op("Concat", g.constant([1] * -missing), wanted, axis=0)
    g.op("Tile", data, _repeats(g, data, aligned, wanted), output=node.output[0])


def _repeats(g: Writer, data: str, shape: tuple[int | None, ...], wanted: str) -> str:
    """How often each axis is repeated: as `wanted` says where its size is 1, else once."""
    if all(size == 1 for size in shape):
        return wanted
    if None in shape:
        return _times(g, g.op("Equal", g.op("Shape", data), g.constant([1])), wanted)
    return _times(g, g.constant([size == 1 for size in shape], dtype=bool), wanted)


def _expand_of_unknown_rank(node: NodeProto, g: Writer, shape: tuple[int | None, ...] | None) -> None:
    """Give the data as many axes as the result has, a number that only the run tells, and repeat them."""
    data, wanted = node.input
    if shape in ((), (1,)):
        aligned = _ones(g, g.op("Shape", wanted))
        g.op("Tile", g.op("Reshape", data, aligned), wanted, output=node.output[0])
        return
    if shape is None or None in shape or 0 in shape:
        g.admit("empty tensors", "a rank that is not known, with sizes that are computed at run time")
    own = g.op("Shape", data)
    missing = g.op("Sub", g.op("Shape", wanted), g.op("Shape", own))
    positive = g.op("Cast", g.op("Greater", missing, g.constant([0]), opset=9), to=TensorProto.INT64)
    ahead = g.op("Mul", missing, positive)
    aligned = g.op("Concat", _ones(g, ahead), own, axis=0)
    whole = g.op("Concat", _ones(g, g.op("Sub", ahead, missing)), wanted, axis=0)
    repeats = _times(g, g.op("Equal", aligned, g.constant([1])), whole)
    g.op("Tile", g.op("Reshape", data, aligned), repeats, output=node.output[0])


def _ones(g: Writer, count: str) -> str:
    return g.op("Tile", g.constant([1]), count)


def _times(g: Writer, single: str, wanted: str) -> str:
    """`wanted` where an axis has a single element, else 1."""
    once = g.constant([1])
    return g.op("Add", g.op("Mul", g.op("Cast", single, to=TensorProto.INT64), g.op("Sub", wanted, once)), once)
