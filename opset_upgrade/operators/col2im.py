"""Col2Im."""

from math import prod

import numpy as np
from onnx import NodeProto

from zoosmith.opset_upgrade.building_blocks.axes import AXES_AS_INPUTS
from zoosmith.opset_upgrade.building_blocks.constant_limits import limit_constant
from zoosmith.opset_upgrade.registry import decomposition
from zoosmith.opset_upgrade.writer import Writer


@decomposition("Col2Im")
def _col2im(node: NodeProto, g: Writer) -> None:
    """Gather for each pixel the elements of the blocks that cover it, and sum them."""
    image, block = (g.required_constant(k, what).tolist() for k, what in ((1, "image_shape"), (2, "block_shape")))
    rank = len(image)
    strides, dilations = (g.attribute(name) or [1] * rank for name in ("strides", "dilations"))
    pads = g.attribute("pads") or [0] * 2 * rank
    counts = [
        (size + pads[k] + pads[rank + k] - dilations[k] * (block[k] - 1) - 1) // strides[k] + 1
        for k, size in enumerate(image)
    ]
    elements = prod(block) * prod(counts)
    limit_constant(max(prod(image), elements), g)
    covering = _covering(image, block, counts, [pads[:rank], strides, dilations])
    limit_constant(covering.size, g)
    rows = g.op("Reshape", node.input[0], g.constant([0, -1, elements]))
    # one more element, of zero, for pixels that fewer blocks cover
    rows = g.op("Pad", rows, g.constant([0, 0, 0, 0, 0, 1]), g.scalar_like(node.input[0], 0))
    table = g.op("Gather", rows, g.constant(covering), axis=2)
    flat = g.op("ReduceSum", table, g.constant([-1]), keepdims=0, opset=AXES_AS_INPUTS)
    g.op("Reshape", flat, g.constant([0, 0, *image]), output=node.output[0])


def _covering(image: list[int], block: list[int], counts: list[int], steps: list[list[int]]) -> np.ndarray:
    """Of each pixel (flattened), the places in [*block, *counts] (flattened) of the elements that are added there."""
    rank = len(image)
    pads, strides, dilations = steps
    places = np.indices([*block, *counts]).reshape(2 * rank, -1)
    inside = np.ones(places.shape[1], bool)
    pixel = np.zeros(places.shape[1], np.int64)
    for k, size in enumerate(image):
        at = places[k] * dilations[k] + places[rank + k] * strides[k] - pads[k]
        inside &= (at >= 0) & (at < size)
        pixel = pixel * size + at
    elements = np.flatnonzero(inside)
    order = np.argsort(pixel[inside], kind="stable")
    pixels, elements = pixel[inside][order], elements[order]
    number = np.arange(len(pixels)) - np.searchsorted(pixels, pixels)
    table = np.full([int(np.prod(image)), int(number.max(initial=0)) + 1], places.shape[1])
    table[pixels, number] = elements
    return table
