"""Resize and Upsample; for coordinates that an older version lacks, each axis as a weighted sum of a few elements."""

from fractions import Fraction
from math import ceil, floor

import numpy as np
from onnx import NodeProto, TensorProto

from zoosmith.opset_upgrade.building_blocks.computed_resize import has_scales, resize_at_run_time
from zoosmith.opset_upgrade.building_blocks.constant_limits import limit_constant, limit_steps
from zoosmith.opset_upgrade.node_editing import drop_attribute, get_attribute, input_at, set_attribute, set_inputs
from zoosmith.opset_upgrade.registry import adapter, decomposition
from zoosmith.opset_upgrade.writer import Writer

_CLOSE = Fraction(1, 10_000)
"""Nearer than this to a tie, single precision may choose the other element; a tie that is exact is as the text says."""


_HALF = Fraction(1, 2)


@adapter("Upsample", source=1, target=7)
def _scales_of_all_axes(node: NodeProto, g: Writer) -> None:
    height, width = get_attribute(node, "height_scale"), get_attribute(node, "width_scale")
    mode = get_attribute(node, "mode", b"nearest")
    drop_attribute(node, "height_scale")
    drop_attribute(node, "width_scale")
    set_attribute(node, "mode", "linear" if mode == b"bilinear" else "nearest")
    set_attribute(node, "scales", [1.0, 1.0, height, width])


@adapter("Upsample", source=7, target=1)
def _scales_of_height_and_width(node: NodeProto, g: Writer) -> None:
    scales, mode = get_attribute(node, "scales"), get_attribute(node, "mode", b"nearest")
    if len(scales) != 4 or scales[0] != 1 or scales[1] != 1:
        g.refuse(f"scales={list(scales)} are not of height and width")
    drop_attribute(node, "scales")
    set_attribute(node, "mode", "bilinear" if mode == b"linear" else "nearest")
    set_attribute(node, "height_scale", scales[2])
    set_attribute(node, "width_scale", scales[3])


@adapter("Upsample", source=7, target=9)
def _scales_to_input(node: NodeProto, g: Writer) -> None:
    scales = get_attribute(node, "scales")
    drop_attribute(node, "scales")
    set_inputs(node, node.input[0], g.constant(scales, np.float32))


@adapter("Upsample", source=9, target=7)
def _scales_to_attribute(node: NodeProto, g: Writer) -> None:
    name = node.input[1]
    if g.value(name) is None and name not in g.facts.initializer_names:
        set_inputs(node, node.input[0], "", name)
        set_attribute(node, "coordinate_transformation_mode", "asymmetric")
        set_attribute(node, "nearest_mode", "floor")
        resize_at_run_time(node, g)
        return
    scales = g.constant_input(1, "scales")
    set_inputs(node, node.input[0])
    set_attribute(node, "scales", [] if scales is None else [float(scale) for scale in scales])


@adapter("Upsample", source=9, target=10)
def _upsample_to_resize(node: NodeProto, g: Writer) -> None:
    node.op_type = "Resize"


@decomposition("Resize")
def _resize_to_upsample(node: NodeProto, g: Writer) -> None:
    """Upsample is the same where no axis shrinks."""
    given = g.value(node.input[1])
    if given is None:
        g.refuse(f"its scales ({node.input[1]!r}) are computed at run time, and there none may be below 1")
    scales = [Fraction(float(scale)) for scale in given]
    if min(scales, default=1) >= 1:
        node.op_type = "Upsample"
        return
    if max(scales) > 1 and any(scale < 1 and (1 / scale).denominator != 1 for scale in scales):
        g.refuse(f"scales={given.tolist()} shrink one axis and enlarge another")
    set_attribute(node, "coordinate_transformation_mode", "asymmetric")
    set_attribute(node, "nearest_mode", "floor" if max(scales) > 1 else "ceil")
    _resize_by_gather(node, g, scales)


@adapter("Resize", source=10, target=11)
def _asymmetric(node: NodeProto, g: Writer) -> None:
    """Version 10 divides by the scale; to the nearest, runtimes round that up where a scale is below 1, else down.

    So do the test data of onnx 1.5, which brought the version, and ONNX Runtime since 1.0. A node with scales of both
    kinds becomes two: the first shrinks, the second enlarges.
    """
    if get_attribute(node, "mode", b"nearest") != b"nearest":
        _resize_asymmetric(node, g, node.input[1])
        return
    scales = g.value(node.input[1])
    if scales is not None and not ((scales < 1).any() and (scales > 1).any()):
        _resize_asymmetric(node, g, node.input[1], nearest="ceil" if (scales < 1).any() else "floor")
        return
    if scales is not None:
        shrinking, enlarging = (
            g.constant(np.minimum(scales, 1), np.float32),
            g.constant(np.maximum(scales, 1), np.float32),
        )
    else:
        one = g.constant(1, np.float32)
        shrinking, enlarging = g.op("Min", node.input[1], one), g.op("Max", node.input[1], one)
    made = NodeProto(op_type="Resize", input=[node.input[0], shrinking], output=[g.fresh("shrunk")])
    _resize_asymmetric(made, g, shrinking, nearest="ceil")
    g.emit(made)
    node.input[0] = made.output[0]
    _resize_asymmetric(node, g, enlarging, nearest="floor")
    g.keep()


def _resize_asymmetric(node: NodeProto, g: Writer, scales: str, *, nearest: str = "") -> None:
    set_inputs(node, node.input[0], g.constant([], np.float32), scales)
    set_attribute(node, "coordinate_transformation_mode", "asymmetric")
    if nearest:
        set_attribute(node, "nearest_mode", nearest)


@adapter("Resize", source=11, target=10)
def _only_asymmetric(node: NodeProto, g: Writer) -> None:
    """Version 10 takes the element at x / scale, rounded as `_asymmetric` says, or interpolates from there."""
    scales = _scales(node, g)
    if (scales is None and input_at(node, 3)) or not _exists_at_10(node, g, scales):
        shapes = [g.shape(name) for name in (node.input[0], node.output[0])]
        if scales is None or any(shape is None or None in shape for shape in shapes):
            resize_at_run_time(node, g)
        else:
            _resize_by_gather(node, g, scales)
        return
    for name in (
        *("cubic_coeff_a", "exclude_outside", "extrapolation_value"),
        *("coordinate_transformation_mode", "nearest_mode"),
    ):
        drop_attribute(node, name)
    set_inputs(
        node,
        node.input[0],
        input_at(node, 2) if scales is None else g.constant([float(scale) for scale in scales], np.float32),
    )


def _exists_at_10(node: NodeProto, g: Writer, scales: list[Fraction] | None) -> bool:
    """Whether version 10 computes the same for these modes and scales."""
    how, nearest = g.attribute("coordinate_transformation_mode"), g.attribute("nearest_mode")
    if g.target < 10 and (scales is None or min(scales) < 1):
        return False  # the Upsample of older versions never takes fewer elements than there are
    if scales is not None and any(Fraction(float(np.float32(scale))) != scale for scale in scales):
        return False  # version 10 takes no sizes, and with the rounded scale a size might come out one less
    if g.attribute("mode") != "nearest":
        return bool(g.attribute("mode") == "linear" and how == "asymmetric")
    if how == "asymmetric" and nearest in ("floor", "ceil"):
        return _rounds_so_at_10(node, g, scales, nearest)
    # half_pixel with rounding also copies each element a whole number of times
    whole = scales is not None and all(scale.denominator == 1 and scale >= 1 for scale in scales)
    return whole and how in ("half_pixel", "half_pixel_symmetric", "pytorch_half_pixel") and "round" in nearest


def _rounds_so_at_10(node: NodeProto, g: Writer, scales: list[Fraction] | None, nearest: str) -> bool:
    """Whether runtimes of version 10 round that way along every axis, or find nothing to round."""
    if scales is not None:
        up = nearest == "ceil"
        return all((scale <= 1 if up else scale >= 1) or (1 / scale).denominator == 1 for scale in scales)
    data, result = g.shape(node.input[0]), g.shape(node.output[0])
    # a scale just above 1 may leave the size, and is rounded down all the same
    if nearest == "ceil" or data is None or result is None:
        return False
    return all(size is not None and out is not None and out >= size for size, out in zip(data, result, strict=True))


def _scales(node: NodeProto, g: Writer) -> list[Fraction] | None:
    """Scales of all axes: those given, or the ratio of stated sizes where sizes are given; None if neither is known."""
    value = g.value(input_at(node, 2)) if input_at(node, 2) else None
    if value is not None and value.size:
        if not np.isfinite(value).all():
            g.refuse(f"its scales {value.tolist()} are no finite numbers")
        return [Fraction(float(scale)) for scale in value]
    data, result = g.shape(node.input[0]), g.shape(node.output[0])
    # sizes do not determine scales that are computed at run time: 2.4 makes four of two as well
    if not input_at(node, 3) or data is None or result is None or None in data or None in result or 0 in data:
        return None
    if not data or len(data) != len(result):
        g.refuse(f"it makes {len(result)} dimensions of {len(data)}")
    return [Fraction(out or 0, size or 1) for size, out in zip(data, result, strict=True)]


def _resize_by_gather(node: NodeProto, g: Writer, scales: list[Fraction], *, antialias: bool = False) -> None:
    """Express a Resize of known scales, one for each axis; refuses where shapes are not fixed.

    With `antialias` each element of a shrunk axis is the sum over as many more elements as the scale tells.
    """
    data, sizes, stated = node.input[0], g.static_shape(node.input[0]), g.static_shape(node.output[0])
    mode, kind = g.attribute("mode"), g.element_type(data)
    if not len(sizes) == len(stated) == len(scales):
        g.refuse(f"it makes {len(stated)} dimensions of {len(sizes)} with {len(scales)} scales")
    if mode != "nearest" and kind not in (TensorProto.FLOAT, TensorProto.DOUBLE):
        g.refuse(f"mode={mode!r} of {g.type_string(data)} with these coordinates does not exist there")
    if mode == "linear" and g.attribute("exclude_outside"):
        g.refuse("exclude_outside=1 does not exist there")
    for axis, (size, length, scale) in enumerate(zip(sizes, stated, scales, strict=True)):
        if size == length and scale == 1:
            continue
        if not size or not length:
            g.refuse("there is nothing to resize")
        shrunk = min(scale, Fraction(1)) if antialias else Fraction(1)
        limit_constant(length if mode == "nearest" else length * limit_steps(_taps_of_one(g, shrunk), g), g)
        places = _places(g, size, length, scale)
        if mode == "nearest":
            data = g.op("Gather", data, g.constant([_nearest(g, place, size) for place in places]), axis=axis)
            continue
        taps = _taps(g, places, size, shrunk)
        data = _weighted_sum(g, data, kind, axis, np.array(taps, np.float64), (size, len(sizes)))
    g.op("Identity", data, output=node.output[0])


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
    if how == "half_pixel_symmetric":
        # the middle of the elements that the scale gives, of which there may be a part too much, lies in the middle
        first = Fraction(size, 2) * (1 - length / (scale * size))
        return [first + (k + _HALF) / scale - _HALF for k in range(length)]
    return g.refuse(f"coordinate_transformation_mode={how!r} does not exist there")


def _nearest(g: Writer, place: Fraction, size: int) -> int:
    mode = g.attribute("nearest_mode")
    shifted = {"round_prefer_floor": place - _HALF, "round_prefer_ceil": place + _HALF}.get(mode, place)
    whole = ceil if mode in ("round_prefer_floor", "ceil") else floor
    chosen, *near = (min(max(whole(x), 0), size - 1) for x in (shifted, shifted - _CLOSE, shifted + _CLOSE))
    if shifted.denominator != 1 and any(other != chosen for other in near):
        g.refuse("with these scales rounding would decide which element is the nearest")
    return chosen


def _taps_of_one(g: Writer, shrunk: Fraction) -> int:
    """How many elements of an axis make one of the result."""
    return 2 * ceil((1 if g.attribute("mode") == "linear" else 2) / shrunk)


def _taps(g: Writer, places: list[Fraction], size: int, shrunk: Fraction) -> list[list[tuple[int, float]]]:
    """The elements of an axis that make each element of the result, with their weights: as many for each.

    Args:
        g: the writer.
        places: where the elements of the result lie.
        size: of the axis.
        shrunk: the factor by which the kernel is stretched, at most 1.
    """
    count = _taps_of_one(g, shrunk)
    found = []
    for place in places:
        first = floor(place) - count // 2 + 1
        taps = [(index, _weight(g, float(shrunk * abs(place - index)))) for index in range(first, first + count)]
        if g.attribute("exclude_outside"):
            taps = [(index, weight if 0 <= index < size else 0.0) for index, weight in taps]
        total = sum(weight for _, weight in taps) if shrunk < 1 or g.attribute("exclude_outside") else 1.0
        found.append([(index, weight / total) for index, weight in taps])
    return found


def _weight(g: Writer, distance: float) -> float:
    """What an element at that distance weighs: the triangle, or Keys's cubic kernel with the slope of the attribute."""
    if g.attribute("mode") == "linear":
        return max(0.0, 1 - distance)
    if distance >= 2:
        return 0.0
    a = g.attribute("cubic_coeff_a")
    if distance <= 1:
        return ((a + 2) * distance - (a + 3)) * distance * distance + 1
    return ((distance - 5) * distance + 8) * a * distance - 4 * a


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
        weight = g.typed_constant(weights[:, number].reshape([-1] + [1] * (rank - 1 - axis)), kind)
        parts.append(g.op("Mul", g.op("Gather", data, g.constant(index[:, number]), axis=axis), weight))
    total = parts[0]
    for part in parts[1:]:
        total = g.op("Add", total, part)
    return total


@adapter("Resize", source=13, target=11)
def _region_and_scales_are_required(node: NodeProto, g: Writer) -> None:
    roi, scales = input_at(node, 1), input_at(node, 2)
    if not roi and g.attribute("coordinate_transformation_mode") == "tf_crop_and_resize":
        g.refuse("its region is missing, which tf_crop_and_resize reads")
    nothing = g.constant([], np.float32)
    set_inputs(node, node.input[0], roi or nothing, scales or nothing, input_at(node, 3))


@adapter("Resize", source=18, target=13)
def _all_axes(node: NodeProto, g: Writer) -> None:
    """Before 18 there is a scale or a size for every axis, and nothing is smoothed."""
    smooth = bool(g.attribute("antialias")) and g.attribute("mode") != "nearest"
    if g.attribute("keep_aspect_ratio_policy") != "stretch" and input_at(node, 3):
        _give_one_scale(node, g)
    axes = get_attribute(node, "axes")
    for name in ("antialias", "keep_aspect_ratio_policy", "axes"):
        drop_attribute(node, name)
    if axes is not None:
        _give_all_axes(node, g, axes)
    scales = _scales(node, g) if smooth else None
    if scales is not None:
        _resize_by_gather(node, g, scales, antialias=True)
    elif smooth or (has_scales(node, g) and input_at(node, 3)):
        resize_at_run_time(node, g, antialias=smooth)
    elif axes is not None:
        g.keep()


def _give_all_axes(node: NodeProto, g: Writer, axes: list[int]) -> None:
    """Give region, scales and sizes for all axes in the place of those for some."""
    rank = g.rank(node.input[0])
    index = list(range(rank))
    for number, axis in enumerate(axes):
        index[axis] = rank + number
    inputs = [input_at(node, place) for place in range(4)]
    order = g.constant(index)
    if inputs[1]:
        # the whole of the other axes: from 0 to 1
        bounds = g.op("Concat", g.constant([0, 1], np.float32), inputs[1], axis=0)
        places = [0] * rank + [1] * rank
        for number, axis in enumerate(axes):
            places[axis % rank], places[rank + axis % rank] = 2 + number, 2 + len(axes) + number
        inputs[1] = g.op("Gather", bounds, g.constant(places))
    if inputs[2]:
        ones = g.constant(np.ones(rank), np.float32)
        inputs[2] = g.op("Gather", g.op("Concat", ones, inputs[2], axis=0), order)
    if inputs[3]:
        inputs[3] = g.op("Gather", g.op("Concat", g.op("Shape", inputs[0]), inputs[3], axis=0), order)
    set_inputs(node, *inputs)


def _give_one_scale(node: NodeProto, g: Writer) -> None:
    """Give the scale that the policy chooses for all axes in the place of the sizes that limit it.

    Sizes of the result that the scale does not give are given beside it: `resize_at_run_time` takes both.
    """
    sizes, policy, shape = g.value(node.input[3]), g.attribute("keep_aspect_ratio_policy"), g.shape(node.input[0])
    axes = [axis % g.rank(node.input[0]) for axis in get_attribute(node, "axes", range(g.rank(node.input[0])))]
    if sizes is None or shape is None or None in shape:
        _give_scale_of_the_run(node, g, axes)
        return
    shape = g.static_shape(node.input[0])
    if 0 in shape:
        g.refuse("there is nothing to resize")
    ratios = [Fraction(int(size), shape[axis]) for size, axis in zip(sizes, axes, strict=True)]
    scale = min(ratios) if policy == "not_larger" else max(ratios)
    rounded = Fraction(float(np.float32(scale)))
    # halves are rounded up; of a scale, runtimes round the size down
    result = [floor(scale * shape[axis] + _HALF) for axis in axes]
    given = [] if result == [floor(rounded * shape[axis]) for axis in axes] else [g.constant(result)]
    set_inputs(node, node.input[0], input_at(node, 1), g.constant([float(scale)] * len(axes), np.float32), *given)


def _give_scale_of_the_run(node: NodeProto, g: Writer, axes: list[int]) -> None:
    policy = g.attribute("keep_aspect_ratio_policy")
    whole = g.op("Cast", g.op("Gather", g.op("Shape", node.input[0]), g.constant(axes)), to=TensorProto.FLOAT)
    ratios = g.op("Div", g.op("Cast", node.input[3], to=TensorProto.FLOAT), whole)
    scale = g.op("ReduceMin" if policy == "not_larger" else "ReduceMax", ratios, keepdims=1)
    result = g.op("Floor", g.op("Add", g.op("Mul", whole, scale), g.constant([0.5], np.float32)))
    scales = g.op("Expand", scale, g.constant([len(axes)]))
    set_inputs(node, node.input[0], input_at(node, 1), scales, g.op("Cast", result, to=TensorProto.INT64))


@adapter("Resize", source=19, target=18)
def _no_symmetry(node: NodeProto, g: Writer) -> None:
    """Both kinds of half pixels are the same where the sizes are those that the scales give, without a rest."""
    if g.attribute("coordinate_transformation_mode") != "half_pixel_symmetric":
        return
    policy, smooth, axes = g.attribute("keep_aspect_ratio_policy"), g.attribute("antialias"), g.attribute("axes")
    if input_at(node, 3) and policy != "stretch":
        g.refuse(f"half_pixel_symmetric with keep_aspect_ratio_policy={policy!r} does not exist there")
    if input_at(node, 3) or _leave_no_rest(node, g):
        set_attribute(node, "coordinate_transformation_mode", "half_pixel")
        return
    if axes is not None:
        _give_all_axes(node, g, axes)
    scales = _scales(node, g)
    if scales is not None:
        _resize_by_gather(node, g, scales, antialias=bool(smooth))
    else:
        resize_at_run_time(node, g, antialias=bool(smooth) and g.attribute("mode") != "nearest")


def _leave_no_rest(node: NodeProto, g: Writer) -> bool:
    """Whether the scales are known to give whole sizes."""
    sizes, scales = g.shape(node.input[0]), _scales(node, g)
    if sizes is None or scales is None:
        return False
    axes = g.attribute("axes", range(len(sizes)))
    return all(((sizes[axis] or _HALF) * scale).denominator == 1 for axis, scale in zip(axes, scales, strict=True))
