"""Resize by Gather: each axis as a weighted sum of a few elements, for coordinates that the older version lacks."""

from fractions import Fraction
from math import ceil, floor

import numpy as np
from onnx import NodeProto, TensorProto

from zoosmith.opset_upgrade.writer import Writer

_CLOSE = Fraction(1, 10_000)
"""Nearer than this to a tie, single precision may choose the other element; a tie that is exact is as the text says."""

_HALF = Fraction(1, 2)


def resize_by_gather(node: NodeProto, g: Writer, scales: list[Fraction]) -> None:
    """Express a Resize of known scales, one for each axis; refuses where shapes are not fixed."""
    data, sizes, stated = node.input[0], g.static_shape(node.input[0]), g.static_shape(node.output[0])
    mode, kind = g.attribute("mode"), g.element_type(data)
    if mode != "nearest" and kind not in (TensorProto.FLOAT, TensorProto.DOUBLE):
        g.refuse(f"mode={mode!r} of {g.type_string(data)} with these coordinates does not exist there")
    if mode == "linear" and g.attribute("exclude_outside"):
        g.refuse("exclude_outside=1 does not exist there")
    for axis, (size, length, scale) in enumerate(zip(sizes, stated, scales, strict=True)):
        if size == length and scale == 1:
            continue
        if not size or not length:
            g.refuse("there is nothing to resize")
        places = _places(g, size, length, scale)
        if mode == "nearest":
            data = g.op("Gather", data, g.constant([_nearest(g, place, size) for place in places]), axis=axis)
            continue
        taps = [_linear(place) if mode == "linear" else _cubic(g, place, size) for place in places]
        data = _weighted_sum(g, data, kind, axis, np.array(taps, np.float64), (size, len(sizes)))
    g.op("Identity", data, outputs=node.output)


def _places(g: Writer, size: int, length: int, scale: Fraction) -> list[Fraction]:
    """Where in the axis of that size the elements of the resized axis lie."""
    how = g.attribute("coordinate_transformation_mode")
    if how == "align_corners" and abs(scale * size - length) < _CLOSE:
        return [Fraction(k * (size - 1), max(length - 1, 1)) for k in range(length)]
    if how == "asymmetric":
        return [k / scale for k in range(length)]
    if how == "pytorch_half_pixel" and length == 1 and g.attribute("mode") == "linear":
        return [Fraction(0)]
    if how == "half_pixel" or (how == "pytorch_half_pixel" and length > 1):
        return [(k + _HALF) / scale - _HALF for k in range(length)]
    return g.refuse(f"coordinate_transformation_mode={how!r} does not exist there")


def _nearest(g: Writer, place: Fraction, size: int) -> int:
    mode = g.attribute("nearest_mode")
    shifted = {"round_prefer_floor": place - _HALF, "round_prefer_ceil": place + _HALF}.get(mode, place)
    whole = ceil if mode in ("round_prefer_floor", "ceil") else floor
    chosen, *near = (min(max(whole(x), 0), size - 1) for x in (shifted, shifted - _CLOSE, shifted + _CLOSE))
    if shifted.denominator != 1 and any(other != chosen for other in near):
        g.refuse("with these scales rounding would decide which element is the nearest")
    return chosen


def _linear(place: Fraction) -> list[tuple[int, float]]:
    first = floor(place)
    return [(first, float(1 - (place - first))), (first + 1, float(place - first))]


def _cubic(g: Writer, place: Fraction, size: int) -> list[tuple[int, float]]:
    """Keys's kernel over four elements, with the slope of the attribute."""
    first, a = floor(place), g.attribute("cubic_coeff_a")
    taps = []
    for index in range(first - 1, first + 3):
        x = abs(float(place - index))
        inner = ((a + 2) * x - (a + 3)) * x * x + 1
        outer = ((x - 5) * x + 8) * a * x - 4 * a
        inside = not g.attribute("exclude_outside") or 0 <= index < size
        taps.append((index, (inner if x <= 1 else outer) * inside))
    total = sum(weight for _, weight in taps)
    return [(index, weight / total) for index, weight in taps] if g.attribute("exclude_outside") else taps


def _weighted_sum(g: Writer, data: str, kind: int, axis: int, taps: np.ndarray, space: tuple[int, int]) -> str:
    """Sum the elements that the taps (an index and a weight, for each element of the result) name along an axis."""
    size, rank = space
    index = np.clip(taps[..., 0], 0, size - 1).astype(np.int64)
    weights = taps[..., 1]
    # what has no weight is not read: it may be infinite
    heaviest = np.take_along_axis(index, weights.argmax(axis=1)[:, None], axis=1)
    index = np.where(weights == 0, heaviest, index)
    parts = []
    for number in range(index.shape[1]):
        weight = g.scope.typed_constant(weights[:, number].reshape([-1] + [1] * (rank - 1 - axis)), kind)
        parts.append(g.op("Mul", g.op("Gather", data, g.constant(index[:, number]), axis=axis), weight))
    total = parts[0]
    for part in parts[1:]:
        total = g.op("Add", total, part)
    return total
