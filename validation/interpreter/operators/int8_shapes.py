"""Int8 operators that move integers and leave them as they are."""

import numpy as np

from zoosmith.validation.interpreter.arguments import Operator
from zoosmith.validation.interpreter.operators.int8 import same_quantization
from zoosmith.validation.interpreter.registry import operator
from zoosmith.validation.interpreter.values import QuantizedTensor, limited


def _moved(op: Operator, x: QuantizedTensor, values: np.ndarray) -> QuantizedTensor:
    same_quantization(op, x)
    return QuantizedTensor(values, x.scale, x.zero_point)


@operator("Int8Flatten")
def int8_flatten(op: Operator, x: QuantizedTensor) -> QuantizedTensor:
    """Two dimensions: those before `axis` (default 1) and the rest."""
    axis, shape = op.integer("axis", 1), x.values.shape
    if not 0 <= axis <= len(shape):
        raise op.error(f"axis {axis} is outside of an input with {len(shape)} dimensions")
    return _moved(op, x, x.values.reshape(int(np.prod(shape[:axis])), int(np.prod(shape[axis:]))))


@operator("Int8Reshape")
def int8_reshape(
    op: Operator, x: QuantizedTensor, shape: np.ndarray | None = None
) -> tuple[QuantizedTensor, np.ndarray]:
    """Another shape, where 0 keeps a dimension and -1 takes what is left; second output: the old shape."""
    if shape is None and not op.has("shape"):
        raise op.error("argument 'shape' is missing")
    old = x.values.shape
    new = [int(size) for size in (op.integers("shape") if shape is None else shape)]
    new = [old[n] if size == 0 else size for n, size in enumerate(new)]
    return _moved(op, x, x.values.reshape(new)), np.array(old, np.int64)


@operator("Int8Transpose")
def int8_transpose(op: Operator, x: QuantizedTensor) -> QuantizedTensor:
    """Dimensions in the order `axes`, by default reversed."""
    return _moved(op, x, x.values.transpose(op.integers("axes") or None))


@operator("Int8Concat")
def int8_concat(op: Operator, *parts: QuantizedTensor) -> tuple[QuantizedTensor, np.ndarray]:
    """Inputs one after the other along `axis`: by default the channels of `order`, or 0 where no order is given.

    Caffe2 never writes the second output, so that it is empty. The scale is the first input's, whatever others have.
    """
    axis = op.integer("axis", {"NHWC": 3, "NCHW": 1}.get(op.text("order"), 0))
    if not 0 <= axis < parts[0].values.ndim:
        raise op.error(f"axis {axis} is outside of an input with {parts[0].values.ndim} dimensions")
    return _moved(op, parts[0], np.concatenate([part.values for part in parts], axis)), np.zeros(0, np.int32)


@operator("Int8Slice")
def int8_slice(
    op: Operator, x: QuantizedTensor, starts: np.ndarray | None = None, ends: np.ndarray | None = None
) -> QuantizedTensor:
    """From `starts` to `ends`, of which a negative one means size + 1 + end; at most one dimension is cut."""
    shape = x.values.shape
    if starts is not None and ends is not None:
        begin, stop = [int(v) for v in starts], [int(v) for v in ends]
    elif op.has("dim", "start_idx", "end_idx"):
        begin, stop = [0] * len(shape), [-1] * len(shape)
        begin[op.integer("dim")], stop[op.integer("dim")] = op.integer("start_idx"), op.integer("end_idx")
    elif op.has("starts", "ends"):
        begin, stop = list(op.integers("starts")), list(op.integers("ends"))
    else:
        raise op.error("needs the arguments starts and ends, or dim, start_idx and end_idx")
    cuts = []
    for n, size in enumerate(shape):
        first, last = (begin[n], stop[n]) if n < len(begin) else (0, size)
        cuts.append((first + size + 1 if first < 0 else first, min(last + size + 1 if last < 0 else last, size)))
    if sum(cut != (0, size) for cut, size in zip(cuts, shape, strict=True)) > 1:
        raise op.error(f"cuts more than one dimension (starts {begin}, ends {stop})")
    return _moved(op, x, x.values[tuple(slice(*cut) for cut in cuts)])


@operator("Int8ResizeNearest")
def int8_resize_nearest(op: Operator, x: QuantizedTensor) -> QuantizedTensor:
    """The nearest pixel above and to the left; `output_size` counts in whole multiples of the input's size."""
    height, width = x.values.shape[1:3]
    scales = op.number("height_scale", 1.0), op.number("width_scale", 1.0)
    target = op.integers("output_size")
    if target:
        scales = float(target[0] // height), float(target[1] // width)
    rows, columns = (_nearest(size, np.float32(scale)) for size, scale in zip((height, width), scales, strict=True))
    limited(len(x.values), len(rows), len(columns), x.values.shape[3])
    return _moved(op, x, x.values[:, rows][:, :, columns])


def _nearest(size: int, scale: np.float32) -> np.ndarray:
    steps = np.arange(*limited(int(np.float32(size) * scale))).astype(np.float32)
    return np.minimum((steps / scale).astype(np.int64), size - 1)


@operator("Int8ChannelShuffle")
def int8_channel_shuffle(op: Operator, x: QuantizedTensor) -> QuantizedTensor:
    """Channels (group, C / group) transposed, in NHWC."""
    group, channels = op.integer("group", 1), x.values.shape[3]
    if not op.channels_last or group < 2 or channels % group:
        raise op.error(f"cannot shuffle {channels} channels in {group} groups with order {op.order}, expected NHWC")
    grouped = x.values.reshape(*x.values.shape[:3], group, channels // group)
    return _moved(op, x, grouped.swapaxes(3, 4).reshape(x.values.shape))
