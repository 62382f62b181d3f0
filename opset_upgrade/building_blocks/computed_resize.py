"""Resize whose sizes or scales only the run tells: each axis as a weighted sum of a few elements.

Positions are computed in single precision, as runtimes compute them.
"""

from math import ceil

import numpy as np
from onnx import NodeProto, TensorProto, numpy_helper

from zoosmith.opset_upgrade.building_blocks.computed_sizes import Size, as_vector, counted, sizes
from zoosmith.opset_upgrade.building_blocks.constant_limits import limit_steps
from zoosmith.opset_upgrade.building_blocks.equal_sizes import Size as SizeOf
from zoosmith.opset_upgrade.building_blocks.equal_sizes import element_of_shape, same_size
from zoosmith.opset_upgrade.node_editing import input_at
from zoosmith.opset_upgrade.writer import Writer

_UPSAMPLE = 9  # the last opset of the operator
_MOST_UPSAMPLED = 128  # elements of an axis for which it serves

Tap = tuple[str, str]
"""Indices along an axis (int64) and their weights (float; empty for 1), for each element of the result."""


def resize_at_run_time(node: NodeProto, g: Writer, *, antialias: bool = False) -> None:
    """Emit a Resize of opset 11 to 19 in Gathers; refuses modes that it does not know.

    A node may have both scales and sizes: of the result, which the scales do not give without a rest.
    """
    mode, kind = g.attribute("mode"), g.element_type(node.input[0])
    if not has_scales(node, g) and not input_at(node, 3):
        g.refuse("it has neither scales nor sizes")
    if mode != "nearest" and kind not in (TensorProto.FLOAT, TensorProto.DOUBLE):
        g.refuse(f"mode={mode!r} of {g.type_string(node.input[0])} with these coordinates does not exist there")
    if mode == "linear" and g.attribute("exclude_outside"):
        g.refuse("exclude_outside=1 does not exist there")
    if not antialias and _may_be_upsample(node, g):
        result = g.either(
            _is_upsample(node, g), lambda: _upsampled(node, g), lambda: _gathered(node, g, antialias), _UPSAMPLE
        )
    else:
        result = _gathered(node, g, antialias)
    g.op("Identity", result, output=node.output[0])


def _may_be_upsample(node: NodeProto, g: Writer) -> bool:
    """Whether it is a linear Resize of an image to computed sizes, its corners aligned, where there is Upsample."""
    return (
        9 <= g.target < 11
        and g.attribute("mode") == "linear"
        and g.attribute("coordinate_transformation_mode") == "align_corners"
        and g.element_type(node.input[0]) == TensorProto.FLOAT
        and g.rank(node.input[0]) == 4
        and not has_scales(node, g)
        and [_stays(node, g, axis) for axis in range(4)] == [True, True, False, False]
    )


def _is_upsample(node: NodeProto, g: Writer) -> str:
    """Emit whether height and width become no fewer, nor very many."""
    inner, outer = _image_sizes(node, g)
    limits = [g.op("Sub", outer, inner), g.op("Sub", _number(g, _MOST_UPSAMPLED), outer)]
    least = g.op("ReduceMin", g.op("Concat", *limits, axis=0), keepdims=0)
    return g.op("Greater", least, g.constant(-0.5, np.float32))


def _upsampled(node: NodeProto, g: Writer) -> str:
    """Emit an Upsample by the distance between corners, and drop the elements that it gives too many.

    Of many elements, rounding could make that one too few. From a single one any scale is right that gives enough.
    """
    single = _number(g, 0.5)
    inner, outer = (g.op("Max", g.op("Sub", size, _number(g, 1)), single) for size in _image_sizes(node, g))
    scales = g.op("Concat", g.constant([1, 1], np.float32), g.op("Div", outer, inner), axis=0)
    data = g.op("Upsample", node.input[0], scales, mode="linear")
    for axis in (2, 3):
        length = g.op("Gather", node.input[3], g.constant([axis]), axis=0)
        kept = g.op("ConstantOfShape", length, value=numpy_helper.from_array(np.ones(1, np.bool_)))
        data = g.op("Compress", data, kept, axis=axis)
    return data


def _image_sizes(node: NodeProto, g: Writer) -> list[str]:
    """Emit height and width before and after, as floats."""
    found = (g.op("Shape", node.input[0]), node.input[3])
    return [g.op("Gather", g.op("Cast", each, to=TensorProto.FLOAT), g.constant([2, 3]), axis=0) for each in found]


def _gathered(node: NodeProto, g: Writer, antialias: bool) -> str:
    """Emit the elements along each axis by their weights."""
    data, mode, kind = node.input[0], g.attribute("mode"), g.element_type(node.input[0])
    rank = g.rank(data)
    for axis in range(rank):
        if _stays(node, g, axis):
            continue
        total = ""
        place, last, scale = _positions(node, g, axis)
        trailing = rank - 1 - axis
        if mode == "linear" and not antialias:
            taps = _linear_taps(g, place, last, trailing)
        else:
            found = _stretched_taps(node, g, place, last, scale, axis) if antialias else _taps(g, place, last)
            taps = [(places, weight and _column(g, weight, trailing)) for places, weight in found]
        for places, weight in taps:
            part = g.op("Gather", data, places, axis=axis)
            if weight:
                part = g.op("Mul", part, weight if kind == TensorProto.FLOAT else g.op("Cast", weight, to=kind))
            total = g.op("Add", total, part) if total else part
        data = total
    return data


def has_scales(node: NodeProto, g: Writer) -> bool:
    """Whether a Resize is given scales; an empty tensor stands for none."""
    name = input_at(node, 2)
    return bool(name) and g.shape(name) != (0,)


def _stays(node: NodeProto, g: Writer, axis: int) -> bool:
    """Whether an axis is known to stay as it is."""
    if not has_scales(node, g):
        here, wanted = SizeOf(node.input[0], axis), element_of_shape(g, node.input[3], axis)
        if isinstance(wanted, SizeOf) and same_size(g, here, wanted):
            return True
        size = (g.shape(here.tensor) or ())[axis]
        return same_size(g, here, SizeOf(node.output[0], axis)) or (size is not None and wanted == size)
    return _known_scale(g, node.input[2], axis) == 1


def _known_scale(g: Writer, scales: str, axis: int) -> float | None:
    made = g.producer(scales)
    for part in made.input if made is not None and made.op_type == "Concat" else [scales]:
        value, shape = g.value(part), g.shape(part)
        if value is not None and axis < value.size:
            return float(value[axis])
        if shape is None or shape[0] is None or axis < shape[0]:
            return None
        axis -= shape[0]
    return None


def _positions(node: NodeProto, g: Writer, axis: int) -> tuple[str, str, str]:
    """Emit where in the axis the elements of the result lie, the last index of the axis, and the scale (all float)."""
    (size,) = sizes(g, node.input[0], [axis])
    whole = _float(g, size)
    if input_at(node, 3):
        length = g.op("Gather", node.input[3], g.constant([axis]), axis=0)
    if has_scales(node, g):
        scale = g.op("Gather", node.input[2], g.constant([axis]), axis=0)
    else:
        scale = g.op("Div", _float(g, length), whole)
    if not input_at(node, 3):
        length = g.op("Cast", g.op("Floor", g.op("Mul", whole, scale)), to=TensorProto.INT64)
    number, last = _float(g, counted(g, length)), g.op("Sub", whole, _number(g, 1))
    how = g.attribute("coordinate_transformation_mode")
    if how == "align_corners":
        if not input_at(node, 3):
            g.admit("approximate", "align_corners with scales of the run, which may leave a part of an element")
        steps = g.op("Max", g.op("Sub", _float(g, length), _number(g, 1)), _number(g, 1))
        return g.op("Div", g.op("Mul", number, last), steps), last, scale
    if how == "asymmetric":
        return g.op("Div", number, scale), last, scale
    if how not in ("half_pixel", "half_pixel_symmetric", "pytorch_half_pixel"):
        given = "sizes" if input_at(node, 3) else "scales"
        g.refuse(f"coordinate_transformation_mode={how!r} with {given} of the run does not exist there")
    centre = _number(g, 0.5)
    found = g.op("Sub", g.op("Div", g.op("Add", number, centre), scale), centre)
    if how == "pytorch_half_pixel":  # a single element is the first one
        found = g.op("Mul", found, _float(g, g.op("Greater", _float(g, length), _number(g, 1))))
    if how == "half_pixel_symmetric" and has_scales(node, g):
        # the part of an element that the scale gives too much is shared by both ends
        rest = g.op("Sub", whole, g.op("Div", _float(g, length), scale))
        found = g.op("Add", found, g.op("Mul", rest, centre))
    return found, last, scale


def _linear_taps(g: Writer, place: str, last: str, trailing: int) -> list[Tap]:
    """Both neighbours of a place within the axis; their weights have `trailing` axes behind the one."""
    if "half_pixel" in g.attribute("coordinate_transformation_mode"):  # others never lie below 0
        place = g.op("Max", place, _number(g, 0))
    place = g.op("Min", place, last)
    first = g.op("Floor", place)
    part = _column(g, g.op("Sub", place, first), trailing)
    rest = g.op("Sub", _number(g, 1), part)
    indices = [g.op("Cast", each, to=TensorProto.INT64) for each in (first, g.op("Ceil", place))]
    return list(zip(indices, (rest, part), strict=True))


def _column(g: Writer, weight: str, trailing: int) -> str:
    return g.op("Reshape", weight, g.constant([-1] + [1] * trailing)) if trailing else weight


def _taps(g: Writer, place: str, last: str) -> list[Tap]:
    mode = g.attribute("mode")
    if mode == "nearest":
        return [(_index(g, _nearest(g, place), last), "")]
    first = g.op("Floor", place)
    part = g.op("Sub", place, first)
    rest, one = g.op("Sub", _number(g, 1), part), _number(g, 1)
    weights = [_far(g, g.op("Add", part, one)), _near(g, part), _near(g, rest), _far(g, g.op("Add", rest, one))]
    indices = [g.op("Add", first, _number(g, number)) for number in (-1, 0, 1, 2)]
    if g.attribute("exclude_outside"):
        weights = _shares(g, [_inside(g, *each, last) for each in zip(indices, weights, strict=True)])
    return [(_index(g, index, last), weight) for index, weight in zip(indices, weights, strict=True)]


def _stretched_taps(node: NodeProto, g: Writer, place: str, last: str, scale: str, axis: int) -> list[Tap]:
    """Taps of a kernel that is stretched where the axis shrinks: as many as the stated sizes allow."""
    size, length = (g.fixed_size(name, axis, "antialias=1 needs it") for name in (node.input[0], node.output[0]))
    linear = g.attribute("mode") == "linear"
    least = max(length - 0.5, 0.5)  # what the scale gives at least: a policy rounds it
    count = limit_steps(2 * ceil((1 if linear else 2) * max(size / least, 1)), g)
    shrunk, one = g.op("Min", scale, _number(g, 1)), _number(g, 1)
    first = g.op("Sub", g.op("Floor", place), _number(g, count // 2 - 1))
    indices, weights = [], []
    for number in range(count):
        index = g.op("Add", first, _number(g, number))
        distance = g.op("Mul", g.op("Abs", g.op("Sub", index, place)), shrunk)
        if linear:
            weight = g.op("Max", g.op("Sub", one, distance), _number(g, 0))
        else:  # either part is 0 where the other one begins
            far = g.op("Min", g.op("Max", distance, one), _number(g, 2))
            weight = g.op("Add", _near(g, g.op("Min", distance, one)), _far(g, far))
        indices.append(index)
        weights.append(_inside(g, index, weight, last) if g.attribute("exclude_outside") else weight)
    return [(_index(g, index, last), share) for index, share in zip(indices, _shares(g, weights), strict=True)]


def _inside(g: Writer, index: str, weight: str, last: str) -> str:
    """The weight where the index is one of the axis, else 0."""
    outside = g.op("Or", g.op("Less", index, _number(g, 0)), g.op("Greater", index, last))
    return g.op("Mul", weight, _float(g, g.op("Not", outside)))


def _shares(g: Writer, weights: list[str]) -> list[str]:
    """Weights whose sum is 1."""
    total = g.op("Sum", *weights)
    return [g.op("Div", weight, total) for weight in weights]


def _nearest(g: Writer, place: str) -> str:
    how = g.attribute("nearest_mode")
    if how == "round_prefer_floor":
        return g.op("Ceil", g.op("Sub", place, _number(g, 0.5)))
    if how == "round_prefer_ceil":
        return g.op("Floor", g.op("Add", place, _number(g, 0.5)))
    return g.op("Ceil" if how == "ceil" else "Floor", place)


def _near(g: Writer, x: str) -> str:
    # ((a + 2) x - (a + 3)) x² + 1
    a = g.attribute("cubic_coeff_a")
    slope = g.op("Sub", g.op("Mul", x, _number(g, a + 2)), _number(g, a + 3))
    return g.op("Add", g.op("Mul", slope, g.op("Mul", x, x)), _number(g, 1))


def _far(g: Writer, x: str) -> str:
    # ((a x - 5 a) x + 8 a) x - 4 a
    a = g.attribute("cubic_coeff_a")
    found = g.op(
        "Add", g.op("Mul", g.op("Sub", g.op("Mul", x, _number(g, a)), _number(g, 5 * a)), x), _number(g, 8 * a)
    )
    return g.op("Sub", g.op("Mul", found, x), _number(g, 4 * a))


def _index(g: Writer, place: str, last: str) -> str:
    return g.op("Cast", _clipped(g, place, last), to=TensorProto.INT64)


def _clipped(g: Writer, place: str, last: str) -> str:
    return g.op("Min", g.op("Max", place, _number(g, 0)), last)


def _float(g: Writer, size: Size) -> str:
    return g.op("Cast", as_vector(g, [size]), to=TensorProto.FLOAT)


def _number(g: Writer, value: float) -> str:
    return g.constant([value], np.float32)
