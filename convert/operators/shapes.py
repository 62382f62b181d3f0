"""Operators that move elements without changing them: shapes, transposes, copies of parts."""

import numpy as np
from onnx import TensorProto

from zoosmith.convert.onnx_operators import cast, reshape, reshape_like, shape_of, squeeze, unsqueeze
from zoosmith.convert.operator import Operator, element_count
from zoosmith.convert.registry import translator


@translator("Reshape", inputs=(1, 2))
def reshape_to(op: Operator) -> None:
    """Reshape to an argument or to the content of a blob; output 1 is the old shape."""
    x, *target = op.inputs
    elem_type = target[0].elem_type if target else TensorProto.INT64
    op.bind(1, lambda: cast(op, shape_of(op, x), elem_type))
    if target and target[0].constant is None:
        op.require(5, "below it ONNX's Reshape takes no computed shape")
        counts = op.sizes(target[0])
        if len(counts) != 1:
            op.refuse(f"the blob of its new shape has {len(counts)} dimensions, expected 1")
        op.emit("Reshape", x, cast(op, target[0], TensorProto.INT64), to=0, shape=[None] * counts[0])
        return
    wanted = target[0].constant.array().ravel().tolist() if target and target[0].constant else op.integers("shape")
    if not target and not op.has("shape"):
        op.refuse("it has neither a second input nor an argument shape")
    shape = op.shape(x)
    if 0 in shape:
        # Caffe2 takes every 0 of an empty tensor's new shape as it stands, and -1 as 0
        op.require(14, "ONNX's Reshape has had allowzero since then")
        op.emit("Reshape", x, op.int64s(*(max(size, 0) for size in wanted)), to=0, allowzero=1)
        return
    if any(size == 0 for size in wanted[len(shape) :]):
        op.refuse(f"its new shape {wanted} keeps a dimension that the input {list(shape)} does not have")
    reshape(op, x, wanted, to=0)


@translator("ResizeLike", inputs=2)
def resize_like(op: Operator) -> None:
    """ResizeLike: the shape of another blob."""
    x, other = op.inputs
    reshape_like(op, x, other, to=0)


@translator("Flatten")
def flatten(op: Operator) -> None:
    """Flatten to a matrix, cut before `axis`."""
    x = op.inputs[0]
    axis = op.integer("axis", 1)
    if not 0 <= axis <= op.rank(x):
        op.refuse(f"argument axis={axis}, and the input has {op.rank(x)} dimensions")
    if x.elem_type != TensorProto.FLOAT:
        op.require(9, "ONNX's Flatten has taken other elements than floats since then")
    op.emit("Flatten", x, to=0, axis=axis)


@translator("FlattenToVec")
def flatten_to_vec(op: Operator) -> None:
    """FlattenToVec."""
    reshape(op, op.inputs[0], [-1], to=0)


@translator("MergeDim")
def merge_dim(op: Operator) -> None:
    """MergeDim: the first two dimensions become one."""
    x = op.inputs[0]
    if op.rank(x) < 2:
        op.refuse("its input has less than two dimensions")
    reshape(op, x, [-1, *op.sizes_from(x, 2)], to=0)


@translator("PrependDim")
def prepend_dim(op: Operator) -> None:
    """PrependDim: the first dimension is cut in `dim_size` parts."""
    x = op.inputs[0]
    reshape(op, x, [op.integer("dim_size"), -1, *op.sizes_from(x, 1)], to=0)


@translator("Squeeze")
def squeeze_dims(op: Operator) -> None:
    """Squeeze these dimensions of size 1."""
    x = op.inputs[0]
    axes = sorted(set(op.integers("dims")))
    if not axes:
        op.refuse("it has no argument dims")
    for axis in axes:
        if not 0 <= axis < op.rank(x) or op.shape(x)[axis] not in {1, None}:
            op.refuse(f"argument dims={axes}, and the input has shape {list(op.shape(x))}")
    squeeze(op, x, axes, to=0)


@translator("ExpandDims")
def expand_dims(op: Operator) -> None:
    """ExpandDims: dimensions of size 1 at these places of the result."""
    axes = sorted(set(op.integers("dims")))
    if not axes:
        op.refuse("it has no argument dims")
    if not (axes[0] >= 0 and axes[-1] < op.rank(op.inputs[0]) + len(axes)):
        op.refuse(f"argument dims={axes}, and the input has {op.rank(op.inputs[0])} dimensions")
    unsqueeze(op, op.inputs[0], axes, to=0)


@translator("Transpose")
def transpose(op: Operator) -> None:
    """Transpose; without axes the dimensions are reversed."""
    x = op.inputs[0]
    if not op.rank(x):
        op.refuse("its input is a scalar")
    axes = op.integers("axes") or list(reversed(range(op.rank(x))))
    if sorted(axes) != list(range(op.rank(x))):
        op.refuse(f"argument axes={axes}, and the input has {op.rank(x)} dimensions")
    op.emit("Transpose", x, to=0, perm=axes)


@translator("NCHW2NHWC", "NHWC2NCHW")
def switch_order(op: Operator) -> None:
    """Move the channels to the end or to the front."""
    x = op.inputs[0]
    rank = op.rank(x)
    last = [0, *range(2, rank), 1]
    first = [0, rank - 1, *range(1, rank - 1)]
    op.emit("Transpose", x, to=0, perm=last if op.type == "NCHW2NHWC" else first)


@translator("Shape")
def shape(op: Operator) -> None:
    """Shape, or the sizes along `axes` in their order."""
    x = op.inputs[0]
    axes = op.integers("axes")
    known = op.shape(x)
    if all(isinstance(size, int) for size in known):
        sizes = op.sizes(x)
        op.bind(0, op.int64s(*([sizes[op.axis(x, axis)] for axis in axes] if axes else sizes)))
    elif axes:
        op.emit("Gather", op.emit("Shape", x), op.int64s(*(op.axis(x, axis) for axis in axes)), to=0, axis=0)
    else:
        op.emit("Shape", x, to=0)


@translator("Size")
def size(op: Operator) -> None:
    """Size: how many elements."""
    x = op.inputs[0]
    known = op.shape(x)
    if all(isinstance(size, int) for size in known):
        op.bind(0, op.constant(np.array(element_count(op.sizes(x)), np.int64)))
    else:
        op.emit("Size", x, to=0)


@translator("Tile", inputs=(1, 2, 3))
def tile(op: Operator) -> None:
    """Tile along one axis, how often and which one by argument or by blob."""
    x, *given = op.inputs
    axis = op.integer("axis")
    if given and given[0].elem_type == TensorProto.INT64:
        axis = 0  # so does Caffe2, by a bug it keeps
    if len(given) > 1:
        axis = int(op.constant_of(given[1], "the axis").item())
    place = op.axis(x, axis)
    before, after = [1] * place, [1] * (op.rank(x) - place - 1)
    if not given:
        repeats = op.int64s(*before, op.integer("tiles", 1), *after)
    elif given[0].constant is not None:
        repeats = op.int64s(*before, int(given[0].constant.array().item()), *after)
    else:
        count = reshape(op, cast(op, given[0], TensorProto.INT64), [1])
        repeats = op.emit("Concat", op.int64s(*before), count, op.int64s(*after), axis=0)
    op.emit("Tile", x, repeats, to=0)


@translator("NumpyTile", inputs=2)
def numpy_tile(op: Operator) -> None:
    """NumpyTile: how often for each dimension."""
    x, repeats = op.inputs
    op.expect_shape(repeats, [op.rank(x)], "the repeats")
    known = repeats.constant
    counts = cast(op, repeats, TensorProto.INT64) if known is None else op.int64s(*known.array().tolist())
    op.emit("Tile", x, counts, to=0)


@translator("Expand", since=8, inputs=2)
def expand(op: Operator) -> None:
    """Expand to a shape in which sizes below 1 keep the dimension."""
    x, shape = op.inputs
    if shape.constant is not None:
        target = op.int64s(*np.maximum(shape.constant.array(), 1).tolist())
    else:
        op.require(9, "ONNX has had Where since then")
        positive = op.emit("Greater", shape, op.constant(np.array(0, np.int64)))
        target = op.emit("Where", positive, shape, op.constant(np.array(1, np.int64)))
    op.emit("Expand", x, target, to=0)


@translator("Copy", "StopGradient", "EnsureCPUOutput", "CopyCPUToGPU", "CopyGPUToCPU", "CopyFromCPUInput")
def copy(op: Operator) -> None:
    """Copies, between devices too."""
    op.emit("Identity", op.inputs[0], to=0)


@translator("EnsureDense")
def ensure_dense(op: Operator) -> None:
    """EnsureDense passes a dense tensor on."""
    op.emit("Identity", op.inputs[0], to=0)


@translator("Alias", "AliasWithName")
def alias(op: Operator) -> None:
    """Alias: a second name for the same memory."""
    op.emit("Identity", op.inputs[0], to=0)
    op.share(0, 0)


@translator("ChannelShuffle")
def channel_shuffle(op: Operator) -> None:
    """ChannelShuffle: the channels of all groups, in turn."""
    x = op.inputs[0]
    axis = op.axis(x, -1 if op.channels_last else 1)
    (channels,) = op.sizes_from(x, axis)[:1]
    group = op.expect_divisor("group", 1, channels)
    if op.channels_last:
        parts = reshape(op, x, [-1, group, channels // group])
        shuffled = op.emit("Transpose", parts, perm=[0, 2, 1])
    else:
        parts = reshape(op, x, [0, group, channels // group, -1])
        shuffled = op.emit("Transpose", parts, perm=[0, 2, 1, 3])
    reshape_like(op, shuffled, x, to=0)
