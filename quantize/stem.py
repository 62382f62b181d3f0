"""A strided convolution of a few-channelled image as a dense one: integer kernels read channels four at a time."""

from math import ceil, floor

import numpy as np
import onnx
from onnx import helper

from zoosmith.quantize.graph import Array, Graph, attributes, is_standard

_FEW = 4


def gather_positions(graph: Graph) -> None:
    """Rewrite stride-2 convolutions of up to 4 channels as SpaceToDepth and a convolution of four times as many.

    The sums are the same ones: the kernel is spread over blocks of 2 x 2 positions, zeros fill what it does not reach.
    SpaceToDepth itself stays in float, before QuantizeLinear: not every ONNX Runtime has it for uint8.
    """
    for node in [node for node in graph.nodes if is_standard(node, "Conv")]:
        shape = graph.shapes().get(node.input[0], ())
        weights = graph.constants.get(node.input[1])
        if weights is None or len(shape) != 4 or None in shape[1:] or not _suits(node, weights):
            continue
        height, width = int(shape[2] or 0), int(shape[3] or 0)
        pads = list(attributes(node).get("pads", (0, 0, 0, 0)))
        rows = _spread(weights.shape[2], pads[0], pads[2], height)
        columns = _spread(weights.shape[3], pads[1], pads[3], width)
        if rows is None or columns is None:
            continue
        blocks = graph.fresh(f"{node.input[0]}_blocks")
        graph.nodes.append(helper.make_node("SpaceToDepth", [node.input[0]], [blocks], blocksize=2))
        node.input[0] = blocks
        node.input[1] = graph.constant(f"{node.input[1]}_blocks", _block_weights(weights, rows[0], columns[0]))
        for attribute in ("strides", "pads", "kernel_shape"):
            for found in [entry for entry in node.attribute if entry.name == attribute]:
                node.attribute.remove(found)
        node.attribute.append(helper.make_attribute("kernel_shape", [len(rows[0]), len(columns[0])]))
        node.attribute.append(helper.make_attribute("pads", [rows[1][0], columns[1][0], rows[1][1], columns[1][1]]))


def _suits(node: onnx.NodeProto, weights: Array) -> bool:
    values = attributes(node)
    return (
        weights.shape[1] <= _FEW
        and values.get("group", 1) == 1
        and list(values.get("strides", ())) == [2, 2]
        and list(values.get("dilations", (1, 1))) == [1, 1]
        and values.get("auto_pad", b"NOTSET") in (b"NOTSET", b"VALID")
    )


def _spread(kernel: int, before: int, after: int, size: int) -> tuple[list[tuple[int, int]], tuple[int, int]] | None:
    """For each position of the block kernel, the two old positions that it covers (outside: none); and the new padding.

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


def _block_weights(weights: Array, rows: list[tuple[int, int]], columns: list[tuple[int, int]]) -> Array:
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
