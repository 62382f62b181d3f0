"""Expand and Tile."""

from math import prod

import numpy as np
from onnx import NodeProto

from zoosmith.opset_upgrade.node_editing import set_inputs
from zoosmith.opset_upgrade.registry import adapter, decomposition
from zoosmith.opset_upgrade.writer import Writer


@adapter("Tile", source=1, target=6)
def _one_axis_to_repeats(node: NodeProto, g: Writer) -> None:
    tiles, axis = g.constant_input(1, "tiles"), g.constant_input(2, "axis")
    repeats = [1] * g.rank(node.input[0])
    if tiles is None or axis is None:
        g.refuse("tiles and axis are missing")
    repeats[int(axis.reshape(-1)[0])] = int(tiles.reshape(-1)[0])
    set_inputs(node, node.input[0], g.constant(repeats))


@adapter("Tile", source=6, target=1, any_type=True)
def _repeats_axis_by_axis(node: NodeProto, g: Writer) -> None:
    repeats = g.constant_input(1, "repeats")
    data, kind = node.input[0], g.element_type(node.input[0])
    steps = [] if repeats is None else [(axis, int(times)) for axis, times in enumerate(repeats) if times != 1]
    for axis, times in steps:
        tiles, place = (g.typed_constant(np.asarray([number]), kind) for number in (times, axis))
        data = g.op("Tile", data, tiles, place)
    g.op("Identity", data, output=node.output[0])


@decomposition("Expand")
def _expand_by_tile(node: NodeProto, g: Writer) -> None:
    shape = g.static_shape(node.input[0])
    result = np.broadcast_shapes(shape, tuple(g.required_constant(1, "the shape").tolist()))
    if 0 in shape and prod(result) == 0 and shape != result:
        g.refuse("an empty tensor cannot be repeated there")
    aligned = (1,) * (len(result) - len(shape)) + shape
    reshaped = node.input[0] if aligned == shape else g.op("Reshape", node.input[0], g.constant(aligned))
    repeats = [n if m == 1 else 1 for m, n in zip(aligned, result, strict=True)]
    if result:
        g.op("Tile", reshaped, g.constant(repeats), output=node.output[0])
    else:
        g.op("Identity", reshaped, output=node.output[0])
