"""A strided convolution of a few-channelled image as a dense one: integer kernels read channels four at a time."""

from math import ceil, floor

import numpy as np
import onnx_ir as ir

from zoosmith.onnx_model.constants import Array
from zoosmith.onnx_model.names import Names
from zoosmith.optimize.values import (
    add_initializer,
    attribute,
    input_constant,
    is_standard,
    name_of,
    new_names,
    new_node,
    sizes,
)

_FEW = 4
# products for each position of the result, from which on the convolution saves more than SpaceToDepth costs: 7 ns for
# each position against 0.0067 ns for each product (ONNX Runtime 1.32, one thread, VNNI)
_FEWEST_PRODUCTS = 1000
# for each position of the new kernel, the two positions of the old one that it covers, or positions outside of it
_Pairs = list[tuple[int, int]]


class SpaceToDepthConvolutions(ir.passes.InPlacePass):
    """Rewrite stride-2 convolutions of up to 4 channels as SpaceToDepth and a convolution of four times as many.

    The sums are the same ones: the kernel is spread over blocks of 2 x 2 positions, zeros fill what it does not reach.
    SpaceToDepth itself stays in float, before QuantizeLinear: not every ONNX Runtime has it for uint8.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Change the model in place."""
        names, changed = new_names(model), False
        for node in list(model.graph):
            if is_standard(node, "Conv") and _rewrite(model.graph, names, node):
                changed = True
        return ir.passes.PassResult(model, changed)


def _rewrite(graph: ir.Graph, names: Names, node: ir.Node) -> bool:
    source, kernel, shape = node.inputs[0], node.inputs[1], sizes(node.inputs[0])
    weights = input_constant(node, 1)
    if source is None or kernel is None or weights is None or shape is None or not _suits(node, weights):
        return False
    if len(shape) != 4 or shape[1] is None or shape[2] is None or shape[3] is None:
        return False
    pads = attribute(node, "pads", (0, 0, 0, 0))
    rows = _spread(weights.shape[2], pads[0], pads[2], shape[2])
    columns = _spread(weights.shape[3], pads[1], pads[3], shape[3])
    if rows is None or columns is None:
        return False
    (row_pairs, row_pads), (column_pairs, column_pads) = rows, columns
    blocks = ir.Value(
        name=names.fresh(f"{name_of(source)}_blocks"),
        type=source.type,
        shape=ir.Shape([source.shape[0] if source.shape else None, 4 * shape[1], shape[2] // 2, shape[3] // 2]),
    )
    graph.insert_before(node, new_node("SpaceToDepth", [source], blocks, blocksize=2))
    node.replace_input_with(0, blocks)
    spread = _block_weights(weights, row_pairs, column_pairs)
    node.replace_input_with(1, add_initializer(graph, names.fresh(f"{name_of(kernel)}_blocks"), spread))
    node.attributes.pop("strides")
    node.attributes["kernel_shape"] = ir.AttrInt64s("kernel_shape", [len(row_pairs), len(column_pairs)])
    node.attributes["pads"] = ir.AttrInt64s("pads", [row_pads[0], column_pads[0], row_pads[1], column_pads[1]])
    return True


def _suits(node: ir.Node, weights: Array) -> bool:
    return (
        weights.ndim == 4
        and weights.shape[1] <= _FEW
        and weights.size >= _FEWEST_PRODUCTS
        and attribute(node, "group", 1) == 1
        and list(attribute(node, "strides", ())) == [2, 2]
        and list(attribute(node, "dilations", (1, 1))) == [1, 1]
        and attribute(node, "auto_pad", "NOTSET") in ("NOTSET", "VALID")
    )


def _spread(kernel: int, before: int, after: int, size: int) -> tuple[_Pairs, tuple[int, int]] | None:
    """Return the pairs of positions of the block kernel along one axis, and the padding before and after.

    None where the image has no whole blocks, or would have to be cut instead of padded.
    """
    first, last = floor(-before / 2), floor((kernel - 1 - before) / 2)
    blocks = [(2 * block + before, 2 * block + 1 + before) for block in range(first, last + 1)]
    results = (size + before + after - kernel) // 2 + 1
    new_before = ceil(before / 2)
    new_after = results - 1 + len(blocks) - size // 2 - new_before
    if size % 2 or new_after < 0:
        return None
    return blocks, (new_before, new_after)


def _block_weights(weights: Array, rows: _Pairs, columns: _Pairs) -> Array:
    """Weights (O, 4 * I, block rows, block columns) in SpaceToDepth's order of channels: row, column, old channel."""
    outputs, channels, height, width = weights.shape
    result = np.zeros((outputs, 2, 2, channels, len(rows), len(columns)), weights.dtype)
    for i, row_pair in enumerate(rows):
        for j, column_pair in enumerate(columns):
            for u, row in enumerate(row_pair):
                for v, column in enumerate(column_pair):
                    if 0 <= row < height and 0 <= column < width:
                        result[:, u, v, :, i, j] = weights[:, :, row, column]
    return result.reshape(outputs, 4 * channels, len(rows), len(columns))
