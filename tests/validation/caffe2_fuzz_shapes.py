"""Random cases of the operators that move elements or look at shapes, one function each.

A function takes the dice, an array of any shape, one of its axes and a type for integer inputs.
"""

from collections.abc import Callable

import numpy as np

from tests.validation.dice import Dice

Case = tuple[str, dict[str, object], list[np.ndarray], int]
Generate = Callable[[Dice, np.ndarray, int, type], Case]
SHAPE_OPERATORS: dict[str, Generate] = {}


def shape_operator(kind: str) -> Callable[[Generate], Generate]:
    def register(generate: Generate) -> Generate:
        SHAPE_OPERATORS[kind] = generate
        return generate

    return register


@shape_operator("Concat")
def concat(dice, x, axis, integers):
    if dice.chance(0.3):
        same = [dice.array(x.shape, x.dtype.name) for _ in range(dice.upto(1, 3))]
        return "Concat", {"add_axis": 1, "axis": dice.upto(-x.ndim - 1, x.ndim)}, same, 2
    axis = axis if dice.chance(0.7) else None
    along = (1 if x.ndim > 1 else 0) if axis is None else axis
    arguments = {} if axis is None and x.ndim > 1 else {"axis": along}
    sizes = [[dice.upto(1, 3) if n == along % x.ndim else s for n, s in enumerate(x.shape)] for _ in range(2)]
    return "Concat", arguments, [dice.array(tuple(size), x.dtype.name) for size in sizes], 2


@shape_operator("Split")
def split(dice, x, axis, integers):
    parts = [dice.upto(1, 3) for _ in range(dice.upto(1, 3))]
    style = dice.pick("argument", "input", "even", "add_axis")
    if style in {"even", "add_axis"}:
        parts = [1 if style == "add_axis" else dice.upto(1, 3)] * len(parts)
    x = dice.array(tuple(sum(parts) if n == axis % x.ndim else s for n, s in enumerate(x.shape)), x.dtype.name)
    arguments = {"axis": axis} | {"argument": {"split": parts}, "add_axis": {"add_axis": 1}}.get(style, {})
    return "Split", arguments, [x, *([np.int32(parts)] if style == "input" else [])], len(parts)


@shape_operator("SplitByLengths")
def split_by_lengths(dice, x, axis, integers):
    lengths = np.int32([dice.upto(0, 2) for _ in range(4)])
    x = dice.array(tuple(lengths.sum() if n == axis % x.ndim else s for n, s in enumerate(x.shape)), x.dtype.name)
    return "SplitByLengths", {"axis": axis}, [x, lengths], dice.pick(1, 2, 4)


@shape_operator("Slice")
def slice_(dice, x, axis, integers):
    starts, ends = [0] * x.ndim, [-1] * x.ndim
    size = x.shape[axis]
    starts[axis], ends[axis] = dice.upto(-size - 1, size), dice.upto(-size - 1, size + 2)
    if dice.chance(0.3):
        return "Slice", {}, [x, integers(starts), integers(ends)], 1
    return "Slice", {"starts": starts, "ends": ends}, [x], 1


@shape_operator("Reshape")
def reshape(dice, x, axis, integers):
    wanted = dice.pick([x.size], [-1], [0, -1], [-1, x.shape[-1]], [0] * x.ndim, [-1, 1, 1])
    if dice.chance(0.4):
        return "Reshape", {}, [x, integers(wanted)], 2
    return "Reshape", {"shape": wanted}, [x], 2


@shape_operator("Flatten")
def flatten(dice, x, axis, integers):
    return "Flatten", dice.some(axis=dice.upto(0, x.ndim)), [x], 1


@shape_operator("ResizeLike")
def resize_like(dice, x, axis, integers):
    return "ResizeLike", {}, [x, dice.floats(*x.shape[::-1])], 1


@shape_operator("Squeeze")
def squeeze(dice, x, axis, integers):
    ones = [n for n in range(x.ndim) if dice.chance(0.5)]
    x = dice.array(tuple(1 if n in ones else s for n, s in enumerate(x.shape)), x.dtype.name)
    return "Squeeze", {"dims": ones[::-1]}, [x], 1


@shape_operator("ExpandDims")
def expand_dims(dice, x, axis, integers):
    return "ExpandDims", {"dims": [int(n) for n in dice.random.permutation(x.ndim + 1)[: dice.upto(1, 2)]]}, [x], 1


@shape_operator("Transpose")
def transpose(dice, x, axis, integers):
    return "Transpose", dice.some(axes=[int(n) for n in dice.random.permutation(x.ndim)]), [x], 1


@shape_operator("MergeDim")
def merge_dim(dice, x, axis, integers):
    return "MergeDim", {}, [dice.array(dice.shape(2, 4), x.dtype.name)], 1


@shape_operator("PrependDim")
def prepend_dim(dice, x, axis, integers):
    size = dice.upto(1, 3)
    return "PrependDim", {"dim_size": size}, [dice.array((size * dice.upto(1, 3), *x.shape), x.dtype.name)], 1


@shape_operator("Shape")
def shape_of(dice, x, axis, integers):
    return "Shape", dice.some(axes=[dice.upto(0, x.ndim - 1) for _ in range(2)]), [x], 1


@shape_operator("Tile")
def tile(dice, x, axis, integers):
    count = dice.upto(1, 3)
    if dice.chance(0.5):
        return "Tile", {"tiles": count, "axis": axis}, [x], 1
    return "Tile", {"axis": axis}, [x, integers([count]), *([np.int32([axis])] if dice.chance(0.5) else [])], 1


@shape_operator("NumpyTile")
def numpy_tile(dice, x, axis, integers):
    x = dice.floats(*x.shape)
    return "NumpyTile", {}, [x, np.int64([dice.upto(1, 2) for _ in x.shape])], 1


@shape_operator("Expand")
def expand(dice, x, axis, integers):
    narrow = dice.floats(*(1 if dice.chance(0.4) else n for n in x.shape))
    wanted = [2] * dice.upto(0, 1) + [n if dice.chance(0.5) else 1 for n in x.shape]
    return "Expand", {}, [narrow, np.int64(wanted)], 1


@shape_operator("ChannelShuffle")
def channel_shuffle(dice, x, axis, integers):
    group, spatial, arguments = dice.upto(1, 3), dice.shape(1, 3), dice.some(0.3, order="NHWC")
    channels = group * dice.upto(1, 3)
    shape = (2, *spatial, channels) if arguments else (2, channels, *spatial)
    return "ChannelShuffle", arguments | {"group": group}, [dice.floats(*shape)], 1


@shape_operator("PadImage")
def pad_image(dice, x, axis, integers):
    pads = [dice.upto(dice.pick(0, -1), 2) for _ in range(4)]
    spelled = dice.pick(
        {"pad": pads[0]}, {"pads": pads}, dict(zip(("pad_t", "pad_l", "pad_b", "pad_r"), pads, strict=True))
    )
    arguments = dice.some(mode=dice.pick("constant", "reflect", "edge"), value=2.5) | dice.some(0.3, order="NHWC")
    return "PadImage", arguments | spelled, [dice.floats(2, *(dice.upto(3, 5) for _ in range(3)))], 1


@shape_operator("SpaceToBatch")
def space_to_batch(dice, x, axis, integers):
    block = dice.upto(1, 3)
    x = dice.floats(2, 3, block * dice.upto(1, 3), block * dice.upto(1, 3))
    return "SpaceToBatch", {"block_size": block} | dice.some(0.4, pad=block), [x], 1


@shape_operator("BatchToSpace")
def batch_to_space(dice, x, axis, integers):
    block = dice.upto(2, 3)
    return (
        "BatchToSpace",
        {"block_size": block} | dice.some(0.4, pad=1, pad_t=0),
        [dice.floats(2 * block**2, 3, 3, 4)],
        1,
    )
