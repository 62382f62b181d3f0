"""Operators that move elements or look at shapes."""

import math
from collections.abc import Sequence

import numpy as np

from zoosmith.validation.interpreter.arguments import Operator
from zoosmith.validation.interpreter.registry import operator
from zoosmith.validation.interpreter.values import Integers, limited
from zoosmith.validation.interpreter.windows import channels_first, channels_last, explicit_pads, pad_spatial


def _join_axis(op: Operator, rank: int) -> tuple[int, bool]:
    """The axis of Concat and Split, by `axis` or by `order`; and whether it is not in the parts (`add_axis`)."""
    if not op.has("axis"):
        return op.canonical(3 if op.channels_last else 1, rank), False
    if op.has("order"):
        raise op.error("arguments 'axis' and 'order' exclude each other")
    return op.axis(rank + (op.flag("add_axis") and op.type.endswith("Concat"))), op.flag("add_axis")


@operator("Concat", "DepthConcat")
def concat(op: Operator, *inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The inputs one after the other along `axis`, along a new axis with `add_axis`; and their sizes there."""
    axis, stacks = _join_axis(op, inputs[0].ndim)
    if stacks:
        inputs = tuple(np.expand_dims(x, axis) for x in inputs)
    if len({x.dtype for x in inputs}) != 1:
        raise op.error("its inputs must have one type")
    return np.concatenate(inputs, axis), np.array([x.shape[axis] for x in inputs], np.int32)


@operator("Split", "DepthSplit")
def split(op: Operator, x: np.ndarray, sizes: np.ndarray | None = None) -> tuple[np.ndarray, ...]:
    """Parts along `axis`, of the sizes in the second input or `split`, else equal; `add_axis` drops the axis."""
    axis, unstacks = _join_axis(op, x.ndim)
    count = len(op.outputs)
    if sizes is not None:
        if op.has("split"):
            raise op.error("argument 'split' and a second input exclude each other")
        lengths = [int(size) for size in sizes.reshape(-1)]
    elif unstacks:
        lengths = [1] * count
    else:
        lengths = list(op.integers("split")) or [x.shape[axis] // count] * count
    if len(lengths) != count or sum(lengths) != x.shape[axis] or min(lengths) < 0:
        raise op.error(f"parts {lengths} do not make up dimension {axis} of {x.shape} for {count} outputs")
    parts = np.split(x, np.cumsum(lengths)[:-1], axis)
    return tuple(np.squeeze(part, axis) for part in parts) if unstacks else tuple(parts)


@operator("SplitByLengths")
def split_by_lengths(op: Operator, x: np.ndarray, lengths: Integers) -> tuple[np.ndarray, ...]:
    """Parts along `axis`, each as long as its share of the lengths together."""
    axis, _ = _join_axis(op, x.ndim)
    count = len(op.outputs)
    if lengths.size % count or lengths.sum() != x.shape[axis] or np.any(lengths < 0):
        raise op.error(
            f"lengths {lengths.tolist()[:10]} do not make up dimension {axis} of {x.shape} for {count} outputs"
        )
    return tuple(np.split(x, np.cumsum(lengths.reshape(count, -1).sum(1))[:-1], axis))


@operator("Slice")
def slice_(op: Operator, x: np.ndarray, starts: np.ndarray | None = None, ends: np.ndarray | None = None) -> np.ndarray:
    """From `starts` up to `ends`, arguments or inputs, in one dimension; negative ones count from dimension + 1."""
    if (starts is None) != (ends is None):
        raise op.error("has a second input without a third")
    first = op.integers("starts") if starts is None else [int(start) for start in starts.reshape(-1)]
    last = op.integers("ends") if ends is None else [int(end) for end in ends.reshape(-1)]
    if len(first) != len(last) or len(first) > x.ndim:
        raise op.error(f"starts {list(first)} and ends {list(last)} do not fit the input {x.shape}")
    ranges = []
    for start, end, size in zip(first, last, x.shape, strict=False):
        low, high = (min(v + size + 1 if v < 0 else v, size) for v in (start, end))
        if not 0 <= low <= high:
            raise op.error(f"slice from {start} to {end} is empty or outside of a dimension of {size}")
        ranges.append((low, high))
    if x.size and sum(pair != (0, size) for pair, size in zip(ranges, x.shape, strict=False)) > 1:
        raise op.error(f"slices more than one dimension of {x.shape}, Caffe2 allows one")
    return x[tuple(slice(*pair) for pair in ranges)]


@operator("Reshape")
def reshape(op: Operator, x: np.ndarray, shape: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """To the shape in the second input or argument: 0 keeps a dimension, -1 takes what is left; and the old shape."""
    if shape is not None and op.has("shape"):
        raise op.error("argument 'shape' and a second input exclude each other")
    wanted = list(op.integers("shape")) if shape is None else [int(size) for size in shape.reshape(-1)]
    if any(size == 0 and n >= x.ndim for n, size in enumerate(wanted)):
        raise op.error(f"shape {wanted} keeps a dimension that the input {x.shape} does not have")
    kept = [x.shape[n] if size == 0 else size for n, size in enumerate(wanted)]
    return x.reshape(kept), np.array(x.shape, np.int64 if shape is None else shape.dtype)


@operator("Flatten")
def flatten(op: Operator, x: np.ndarray) -> np.ndarray:
    """To a matrix, split at `axis` (default 1)."""
    axis = op.integer("axis", 1)
    if not 0 <= axis <= x.ndim:
        raise op.error(f"axis {axis} is outside of an input with {x.ndim} dimensions")
    return x.reshape(math.prod(x.shape[:axis]), math.prod(x.shape[axis:]))


@operator("FlattenToVec")
def flatten_to_vec(op: Operator, x: np.ndarray) -> np.ndarray:
    """To one dimension."""
    return x.reshape(-1)


@operator("ResizeLike")
def resize_like(op: Operator, x: np.ndarray, like: np.ndarray) -> np.ndarray:
    """In the shape of the second input."""
    return x.reshape(like.shape)


@operator("Squeeze")
def squeeze(op: Operator, x: np.ndarray) -> np.ndarray:
    """Without the dimensions `dims`, all of size 1."""
    return np.squeeze(x, tuple(sorted(set(op.integers("dims")))))


@operator("ExpandDims")
def expand_dims(op: Operator, x: np.ndarray) -> np.ndarray:
    """With new dimensions at the positions `dims` of the result."""
    for position in sorted(set(op.integers("dims"))):
        if not 0 <= position <= x.ndim:
            raise op.error(f"dims {op.integers('dims')} do not fit the input")
        x = np.expand_dims(x, position)
    return x


@operator("Transpose")
def transpose(op: Operator, x: np.ndarray) -> np.ndarray:
    """Dimensions in the order `axes`, by default reversed."""
    return np.transpose(x, op.integers("axes") or None)


@operator("NCHW2NHWC")
def nchw_to_nhwc(op: Operator, x: np.ndarray) -> np.ndarray:
    """Channels to the end."""
    return channels_last(x)


@operator("NHWC2NCHW")
def nhwc_to_nchw(op: Operator, x: np.ndarray) -> np.ndarray:
    """Channels to the second place."""
    return channels_first(x)


@operator("MergeDim")
def merge_dim(op: Operator, x: np.ndarray) -> np.ndarray:
    """The first two dimensions made one."""
    return x.reshape(x.shape[0] * x.shape[1], *x.shape[2:])


@operator("PrependDim")
def prepend_dim(op: Operator, x: np.ndarray) -> np.ndarray:
    """The first dimension split in two, the new one `dim_size` long."""
    size = op.integer("dim_size")
    if size < 1 or x.shape[0] % size:
        raise op.error(f"dim_size {size} does not divide the first dimension of {x.shape}")
    return x.reshape(size, x.shape[0] // size, *x.shape[1:])


@operator("Shape")
def shape_of(op: Operator, x: np.ndarray) -> np.ndarray:
    """The shape, or its entries `axes`, int64."""
    axes = op.integers("axes") or range(x.ndim)
    return np.array([x.shape[axis] for axis in axes], np.int64)


@operator("Size")
def size_of(op: Operator, x: np.ndarray) -> np.ndarray:
    """The number of elements, int64."""
    return np.array(x.size, np.int64)


@operator("Tile")
def tile(op: Operator, x: np.ndarray, tiles: np.ndarray | None = None, axis: np.ndarray | None = None) -> np.ndarray:
    """Repeated `tiles` times along `axis`; both may be inputs."""
    count = op.integer("tiles") if tiles is None else int(tiles.reshape(-1)[0])
    if axis is not None:
        along = int(axis.reshape(-1)[0])
    else:
        # An old mistake that Caffe2 keeps for the nets that rely on it.
        along = 0 if op.integer("axis") and tiles is not None and tiles.dtype == np.int64 else op.integer("axis")
    repeats = [1] * x.ndim
    repeats[op.canonical(along, x.ndim)] = count
    limited(x.size, *repeats)
    return np.tile(x, repeats)


@operator("NumpyTile")
def numpy_tile(op: Operator, x: np.ndarray, repeats: Integers) -> np.ndarray:
    """Repeated as often along each dimension as the second input says."""
    if repeats.size != x.ndim:
        raise op.error(f"has {repeats.size} repeats for {x.ndim} dimensions")
    limited(x.size, *map(int, repeats.reshape(-1)))
    return np.tile(x, repeats.reshape(-1))


@operator("Expand")
def expand(op: Operator, x: np.ndarray, shape: np.ndarray) -> np.ndarray:
    """Broadcast with the shape in the second input."""
    wanted: Sequence[int] = [int(size) for size in shape.reshape(-1)]
    return np.broadcast_to(x, limited(*np.broadcast_shapes(x.shape, tuple(wanted))))


@operator("ChannelShuffle")
def channel_shuffle(op: Operator, x: np.ndarray) -> np.ndarray:
    """Channels of `group` groups, interleaved."""
    image = channels_first(x) if op.channels_last else x
    group = op.integer("group", 1)
    if group < 1 or image.shape[1] % group:
        raise op.error(f"{image.shape[1]} channels do not divide into {group} groups")
    parts = image.reshape(image.shape[0], group, -1, *image.shape[2:])
    result = np.swapaxes(parts, 1, 2).reshape(image.shape)
    return channels_last(result) if op.channels_last else result


@operator("PadImage")
def pad_image(op: Operator, x: np.ndarray) -> np.ndarray:
    """Padding of an image by `mode`: constant (`value`), reflect or edge; negative pads crop."""
    image = channels_first(x) if op.channels_last else x
    if image.ndim != 4:
        raise op.error(f"takes images of 4 dimensions, has {x.shape}")
    begin, end = explicit_pads(op, 2)
    mode = op.text("mode", "constant")
    if mode not in {"constant", "reflect", "edge"}:
        raise op.error(f"mode {mode!r} is unknown, expected constant, reflect or edge")
    if mode == "constant":
        result = pad_spatial(image, begin, end, op.number("value", 0.0))
    else:
        limited(*image.shape[:2], *(n + b + e for b, e, n in zip(begin, end, image.shape[2:], strict=True)))
        rows, columns = (
            _mirrored(op, np.arange(-b, n + e), n, mode) for b, e, n in zip(begin, end, image.shape[2:], strict=True)
        )
        result = image[:, :, rows[:, None], columns]
    return channels_last(result) if op.channels_last else result


def _mirrored(op: Operator, positions: np.ndarray, size: int, mode: str) -> np.ndarray:
    """The pixel that stands at each position along one dimension, inside and beyond the image."""
    if mode == "edge":
        return np.clip(positions, 0, size - 1)
    positions = np.abs(positions)
    positions = np.minimum(positions, 2 * size - 2 - positions)
    if positions.min(initial=0) < 0:
        raise op.error(f"cannot reflect further than the {size} pixels of the image")
    return positions


@operator("SpaceToBatch")
def space_to_batch(op: Operator, x: np.ndarray) -> np.ndarray:
    """Blocks of `block_size` by `block_size` pixels, after padding, spread over the batch."""
    block = op.integer("block_size", 2)
    image = pad_spatial(x, *_block_pads(op))
    count, channels, height, width = image.shape
    if block < 1 or height % block or width % block:
        raise op.error(f"block_size {block} does not divide the padded image {image.shape}")
    parts = image.reshape(count, channels, height // block, block, width // block, block)
    return parts.transpose(3, 5, 0, 1, 2, 4).reshape(-1, channels, height // block, width // block)


@operator("BatchToSpace")
def batch_to_space(op: Operator, x: np.ndarray) -> np.ndarray:
    """The inverse of SpaceToBatch; padding is cropped."""
    block = op.integer("block_size", 2)
    count, channels, height, width = x.shape
    if block < 1 or count % block**2:
        raise op.error(f"block_size {block} does not divide a batch of {count}")
    parts = x.reshape(block, block, count // block**2, channels, height, width)
    image = parts.transpose(2, 3, 4, 0, 5, 1).reshape(-1, channels, height * block, width * block)
    begin, end = _block_pads(op)
    return pad_spatial(image, tuple(-b for b in begin), tuple(-e for e in end))


def _block_pads(op: Operator) -> tuple[tuple[int, ...], tuple[int, ...]]:
    # Of the four sides Caffe2 reads `pad_t` only.
    pad = op.integer("pad", 0)
    return (op.integer("pad_t", pad), pad), (pad, pad)
