"""Int8 operators that move integers and leave them as they are."""

import numpy as np

from zoosmith.convert.graph import Value
from zoosmith.convert.onnx_operators import TO_THE_END, slice_axes
from zoosmith.convert.operator import Operator
from zoosmith.convert.operators.quantized import mark, quantization_of, same_quantization
from zoosmith.convert.registry import at_least, translator


def _move(op: Operator, op_type: str, *inputs: Value, **attributes: int | list[int]) -> None:
    """Write the node that makes output 0, with the first input's scale."""
    quantization = same_quantization(op, op.inputs[0])
    mark(op.emit(op_type, *inputs, to=0, attributes=attributes), quantization)


@translator("Int8Flatten", since=10)
def int8_flatten(op: Operator) -> None:
    """Flatten."""
    (x,) = op.inputs
    axis = op.integer("axis", 1)
    if not 0 <= axis <= op.rank(x):
        op.refuse(f"axis {axis} of an input with {op.rank(x)} dimensions")
    _move(op, "Flatten", x, axis=axis)


@translator("Int8Reshape", since=10, inputs=(1, 2))
def int8_reshape(op: Operator) -> None:
    """Reshape; the second output is the old shape."""
    x, *shape = op.inputs
    if shape:
        target = [int(size) for size in op.constant_of(shape[0], "the shape")]
    elif op.has("shape"):
        target = op.integers("shape")
    else:
        op.refuse("it has no shape")
    _move(op, "Reshape", x, op.int64s(*target))
    if op.has_output(1):
        op.bind(1, lambda: op.emit("Shape", x, to=1))


@translator("Int8Transpose", since=10)
def int8_transpose(op: Operator) -> None:
    """Transpose, by default of all dimensions reversed."""
    (x,) = op.inputs
    _move(op, "Transpose", x, perm=op.integers("axes") or list(reversed(range(op.rank(x)))))


@translator("Int8Concat", since=10, inputs=at_least(1))
def int8_concat(op: Operator) -> None:
    """Concat of the integers as they are, whatever their scales; the result has the first one's."""
    axis = op.integer("axis", {"NHWC": 3, "NCHW": 1}.get(op.text("order"), 0))
    if not 0 <= axis < op.rank(op.inputs[0]):
        op.refuse(f"axis {axis} of an input with {op.rank(op.inputs[0])} dimensions")
    for x in op.inputs:
        quantization_of(op, x)
    _move(op, "Concat", *op.inputs, axis=axis)


@translator("Int8Slice", since=10, inputs=(1, 3))
def int8_slice(op: Operator) -> None:
    """Slice along the one dimension that is cut; a negative start or end means size + 1 + it."""
    x, *bounds = op.inputs
    quantization = same_quantization(op, x)
    rank = op.rank(x)
    if bounds:
        starts, ends = ([int(v) for v in op.constant_of(bound, "a bound")] for bound in bounds)
    elif all(op.has(name) for name in ("dim", "start_idx", "end_idx")):
        starts, ends = [0] * rank, [-1] * rank
        starts[op.integer("dim")], ends[op.integer("dim")] = op.integer("start_idx"), op.integer("end_idx")
    else:
        starts, ends = op.integers("starts"), op.integers("ends")
    if len(starts) != len(ends) or len(starts) > rank:
        op.refuse(f"starts {starts} and ends {ends} for an input of {rank} dimensions")
    cut = [axis for axis, bound in enumerate(zip(starts, ends, strict=True)) if not _is_whole(op, x, axis, *bound)]
    if len(cut) > 1:
        op.refuse(f"starts {starts} and ends {ends}: Caffe2 cuts one dimension only")
    axis = cut[0] if cut else 0
    start, end = (starts[axis], ends[axis]) if cut else (0, -1)
    if start < 0 or end < -1:
        size = op.shape(x)[axis]
        if not isinstance(size, int):
            op.refuse(f"starts {starts} and ends {ends} of a size that is not known")
        start, end = (v + size + 1 if v < 0 else v for v in (start, end))
    last = TO_THE_END if end == -1 else end
    mark(slice_axes(op, x, [axis], [start], [last], to=0), quantization)


def _is_whole(op: Operator, x: Value, axis: int, start: int, end: int) -> bool:
    size = op.shape(x)[axis]
    return start == 0 and (end == -1 or (isinstance(size, int) and end >= size))


@translator("Int8ResizeNearest", since=10)
def int8_resize_nearest(op: Operator) -> None:
    """A Gather of rows and one of columns, with the indices that Caffe2's float32 divisions give."""
    (x,) = op.inputs
    quantization = same_quantization(op, x)
    op.expect_rank(x, 4, "the image")
    height, width, _ = op.sizes_from(x, 1)
    scales = op.number("height_scale", 1.0), op.number("width_scale", 1.0)
    target = op.integers("output_size")
    if target:
        scales = float(target[0] // height), float(target[1] // width)
    reach = np.finfo(np.float32).max / max(height, width, 1)
    if not all(0 < scale < reach for scale in scales) or len(target) not in {0, 2}:
        op.refuse(f"scales {scales}, output size {target}: expected above 0, and 2 numbers")
    rows, columns = (_nearest(op, size, np.float32(scale)) for size, scale in zip((height, width), scales, strict=True))
    resized = op.emit("Gather", x, op.constant(rows), axis=1)
    mark(op.emit("Gather", resized, op.constant(columns), to=0, axis=2), quantization)


def _nearest(op: Operator, size: int, scale: np.float32) -> np.ndarray:
    steps = np.arange(*op.limited(int(np.float32(size) * scale))).astype(np.float32)
    return np.minimum((steps / scale).astype(np.int64), size - 1)


@translator("Int8ChannelShuffle", since=10)
def int8_channel_shuffle(op: Operator) -> None:
    """The channels as (group, C / group), transposed."""
    (x,) = op.inputs
    quantization = same_quantization(op, x)
    op.expect_rank(x, 4, "the image")
    (channels,) = op.sizes_from(x, 3)
    group = op.integer("group", 1)
    if not op.channels_last or group < 2 or channels % group:
        op.refuse(f"group={group} of {channels} channels: expected order NHWC and 2 groups or more of one size")
    grouped = op.emit("Reshape", x, op.int64s(0, 0, 0, group, channels // group))
    shuffled = op.emit("Transpose", grouped, perm=[0, 1, 2, 4, 3])
    mark(op.emit("Reshape", shuffled, op.int64s(0, 0, 0, channels), to=0), quantization)
