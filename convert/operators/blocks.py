"""Operators that trade pixels of an image for images of a batch."""

from zoosmith.convert.onnx_operators import pad, reshape
from zoosmith.convert.operator import Operator
from zoosmith.convert.registry import translator


@translator("SpaceToBatch")
def space_to_batch(op: Operator) -> None:
    """SpaceToBatch: the pixels of every block of a padded image, each in an image of its own."""
    x, block = op.inputs[0], _block(op)
    top, side = _pads(op)
    channels, height, width = op.sizes_from(x, 1)
    if top or side:
        x = pad(op, x, [0, 0, top, side, 0, 0, side, side], "constant", 0.0)
    height, width = height + top + side, width + 2 * side
    if height % block or width % block:
        op.refuse(f"argument block_size={block} does not divide the padded image {height} x {width}")
    parts = reshape(op, x, [-1, channels, height // block, block, width // block, block])
    blocks = op.emit("Transpose", parts, perm=[3, 5, 0, 1, 2, 4])
    reshape(op, blocks, [-1, channels, height // block, width // block], to=0)


@translator("BatchToSpace")
def batch_to_space(op: Operator) -> None:
    """BatchToSpace: the inverse, with the padding cut off."""
    x, block = op.inputs[0], _block(op)
    top, side = _pads(op)
    channels, height, width = op.sizes_from(x, 1)
    parts = reshape(op, x, [block, block, -1, channels, height, width])
    rows = op.emit("Transpose", parts, perm=[2, 3, 4, 0, 5, 1])
    whole = [-1, channels, height * block, width * block]
    if top or side:
        pad(op, reshape(op, rows, whole), [0, 0, -top, -side, 0, 0, -side, -side], "constant", 0.0, to=0)
    else:
        reshape(op, rows, whole, to=0)


def _block(op: Operator) -> int:
    if op.rank(op.inputs[0]) != 4:
        op.refuse(f"its input has {op.rank(op.inputs[0])} dimensions, expected an image")
    block = op.integer("block_size", 2)
    if block < 1:
        op.refuse(f"argument block_size={block}: expected at least 1")
    return block


def _pads(op: Operator) -> tuple[int, int]:
    """Pads of the top and of the other sides: of the four arguments for sides, Caffe2 reads `pad_t` only."""
    side = op.integer("pad")
    return op.integer("pad_t", side), side
