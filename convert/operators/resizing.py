"""Operators that change the size of images."""

from collections.abc import Sequence
from math import inf

import numpy as np
from onnx import TensorProto

from zoosmith.convert.graph import Attribute, Value
from zoosmith.convert.onnx_operators import cast, pad, scalar, shape_of
from zoosmith.convert.operator import Operator
from zoosmith.convert.operators.convolution import from_channels_first, to_channels_first
from zoosmith.convert.registry import translator
from zoosmith.onnx_model.ports import Dimension

# Upsample was experimental before
_UPSAMPLES = 7
_FROM_BELOW: dict[str, Attribute] = {
    "mode": "nearest",
    "coordinate_transformation_mode": "asymmetric",
    "nearest_mode": "floor",
}


@translator("ResizeNearest", since=_UPSAMPLES, inputs=(1, 2))
def resize_nearest(op: Operator) -> None:
    """ResizeNearest: every pixel from the one at floor(place / scale)."""
    x = to_channels_first(op, op.inputs[0])
    op.expect_rank(x, 4, "the image")
    scales = _scales(op)
    if scales is None or _may_keep_sizes(op.shape(x)[2:], scales):
        _sample(op, x, scales)
        return
    _repeat(op, x, scales)


@translator("UpsampleNearest", since=_UPSAMPLES)
def upsample_nearest(op: Operator) -> None:
    """UpsampleNearest: every pixel `scale` times in both directions."""
    x = op.inputs[0]
    op.expect_rank(x, 4, "the image")
    scale = op.integer("scale", 2)
    if scale < 1 or op.channels_last:
        op.refuse(f"argument scale={scale} and order={op.text('order', 'NCHW')}: expected 1 or more, and NCHW")
    _repeat(op, x, [scale, scale])


def _repeat(op: Operator, x: Value, scales: Sequence[float]) -> None:
    """Enlarge or shrink by factors, each pixel from the one at or before its place."""
    if min(scales) < 1:
        op.require(11, "below it runtimes round up when they shrink")
    factors = op.constant(np.array([1, 1, *scales], np.float32))
    if op.opset < 9:
        sizes = zip(op.shape(x), [1, 1, *scales], strict=True)
        shape: list[Dimension] = [
            int(np.float32(size) * np.float32(scale)) if isinstance(size, int) else None for size, scale in sizes
        ]
        shape[0] = op.shape(x)[0]
        how: dict[str, Attribute] = {"mode": "nearest", "scales": [1.0, 1.0, *scales]}
        from_channels_first(op, "Upsample", x, shape=shape, attributes=how)
    elif op.opset < 10:
        from_channels_first(op, "Upsample", x, factors, attributes={"mode": "nearest"})
    elif op.opset < 11:
        from_channels_first(op, "Resize", x, factors, attributes={"mode": "nearest"})
    else:
        from_channels_first(op, "Resize", x, _no_region(op), factors, attributes=_FROM_BELOW)


def _may_keep_sizes(sizes: Sequence[Dimension], scales: Sequence[float]) -> bool:
    """Tell whether the result may be as large as the image though a factor is not 1: runtimes copy the image then."""
    with np.errstate(over="ignore"):
        kept = [
            np.trunc(size * np.float32(scale)) == size if isinstance(size, int) else 1 <= scale < 1.5
            for size, scale in zip(sizes, scales, strict=True)
        ]
    return any(scale != 1 for scale in scales) and all(kept)


def _sample(op: Operator, x: Value, scales: Sequence[float] | None) -> None:
    """Pick the rows, then the columns."""
    factors = op.inputs[1] if scales is None else op.constant(np.array(scales, np.float32))
    shape = shape_of(op, x)
    places = [_places(op, *(_element(op, values, n) for values, n in ((shape, n + 2), (factors, n)))) for n in (0, 1)]
    rows = op.emit("Gather", x, places[0], axis=2)
    from_channels_first(op, "Gather", rows, places[1], attributes={"axis": 3})


def _element(op: Operator, values: Value, n: int) -> Value:
    return op.emit("Gather", values, op.constant(np.array(n, np.int64)))


def _places(op: Operator, size: Value, factor: Value) -> Value:
    """Where each row of the result comes from, as Caffe2 computes it: in float32."""
    op.require(11, "ONNX has had Range since then")
    count = cast(op, op.emit("Mul", cast(op, size, TensorProto.FLOAT), factor), TensorProto.INT64)
    first, step = (op.constant(np.array(n, np.int64)) for n in (0, 1))
    exact = op.emit("Div", cast(op, op.emit("Range", first, count, step), TensorProto.FLOAT), factor)
    last = op.emit("Sub", cast(op, size, TensorProto.FLOAT), scalar(op, 1, factor))
    return cast(op, op.emit("Min", exact, last), TensorProto.INT64)


@translator("ResizeNearest3D", since=_UPSAMPLES)
def resize_nearest_3d(op: Operator) -> None:
    """ResizeNearest3D, of videos: height and width are doubled, which is all that Caffe2 can."""
    if op.channels_last or op.rank(op.inputs[0]) != 5:
        op.refuse(f"order={op.text('order', 'NCHW')} and {op.rank(op.inputs[0])} dimensions: expected NCHW and 5")
    scales = [op.number(f"{name}_scale", 1.0) for name in ("temporal", "height", "width")]
    if scales[0] <= 0 or scales[1:] != [2.0, 2.0]:
        op.refuse(f"scales {scales} of time, height and width: expected a positive one, 2 and 2")
    _repeat(op, op.inputs[0], scales)


@translator("UpsampleBilinear", since=11, inputs=(1, 2))
def upsample_bilinear(op: Operator) -> None:
    """UpsampleBilinear: linear between the pixels, the corners stay at the corners; Caffe2 ignores its order."""
    scales = _scales(op)
    if scales is None:
        factors = op.emit("Concat", op.constant(np.ones(2, np.float32)), op.inputs[1], axis=0)
    else:
        factors = op.constant(np.array([1, 1, *scales], np.float32))
    attributes = {"mode": "linear", "coordinate_transformation_mode": "align_corners"}
    made = op.emit("Resize", op.inputs[0], _no_region(op), factors, to=0, attributes=attributes)
    if scales is None:
        made.set_type(op.inputs[0].elem_type, (*op.shape(op.inputs[0])[:2], None, None))


def _no_region(op: Operator) -> Value:
    return op.constant(np.zeros(0, np.float32))


def _scales(op: Operator) -> list[float] | None:
    """Factors of height and width, from arguments or a parameter; None where the net computes them."""
    if len(op.inputs) > 1:
        op.expect_shape(op.inputs[1], [2], "the input of scales")
        if op.inputs[1].constant is None:
            return None
        height, width = op.constant_of(op.inputs[1], "the scales").tolist()
    else:
        height, width = op.number("height_scale", 1.0), op.number("width_scale", 1.0)
    if not (0 < height < inf and 0 < width < inf):
        op.refuse(f"height_scale={height} and width_scale={width}: expected positive factors")
    return [height, width]


@translator("PadImage")
def pad_image(op: Operator) -> None:
    """PadImage: constant, edge or reflected borders; a negative pad cuts."""
    x = op.inputs[0]
    mode, value = op.text("mode", "constant"), op.number("value")
    if mode not in {"constant", "edge", "reflect"}:
        op.refuse(f"argument mode={mode!r}: expected constant, edge or reflect")
    top, left, bottom, right = _image_pads(op)
    pads = [0, top, left, 0, 0, bottom, right, 0] if op.channels_last else [0, 0, top, left, 0, 0, bottom, right]
    pad(op, x, pads, mode, value, to=0)


def _image_pads(op: Operator) -> list[int]:
    if op.has("pad"):
        return [op.integer("pad")] * 4
    sides = [f"pad_{side}" for side in "tlbr"]
    if all(op.has(side) for side in sides):
        return [op.integer(side) for side in sides]
    pads = op.integers("pads") or [0] * 4
    if len(pads) != 4:
        op.refuse(f"argument pads={pads}: expected 4 values")
    return pads
