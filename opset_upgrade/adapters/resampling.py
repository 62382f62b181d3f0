"""Upsample, Resize, GridSample, DFT, and lossy ends of Erf and the logarithmic reductions."""

from fractions import Fraction

import numpy as np
from onnx import NodeProto, TensorProto

from zoosmith.opset_upgrade.adapters.interpolating import resize_by_gather
from zoosmith.opset_upgrade.nodes import drop_attribute, get_attribute, input_at, set_attribute, set_inputs
from zoosmith.opset_upgrade.registry import adapter
from zoosmith.opset_upgrade.writer import Writer


@adapter("Upsample", 1, 7)
def _scales_of_all_axes(node: NodeProto, g: Writer) -> None:
    height, width = get_attribute(node, "height_scale"), get_attribute(node, "width_scale")
    mode = get_attribute(node, "mode", b"nearest")
    drop_attribute(node, "height_scale")
    drop_attribute(node, "width_scale")
    set_attribute(node, "mode", "linear" if mode == b"bilinear" else "nearest")
    set_attribute(node, "scales", [1.0, 1.0, height, width])


@adapter("Upsample", 7, 1)
def _scales_of_height_and_width(node: NodeProto, g: Writer) -> None:
    scales, mode = get_attribute(node, "scales"), get_attribute(node, "mode", b"nearest")
    if len(scales) != 4 or scales[0] != 1 or scales[1] != 1:
        g.refuse(f"scales={list(scales)} are not of height and width")
    drop_attribute(node, "scales")
    set_attribute(node, "mode", "bilinear" if mode == b"linear" else "nearest")
    set_attribute(node, "height_scale", scales[2])
    set_attribute(node, "width_scale", scales[3])


@adapter("Upsample", 7, 9)
def _scales_to_input(node: NodeProto, g: Writer) -> None:
    scales = get_attribute(node, "scales")
    drop_attribute(node, "scales")
    set_inputs(node, node.input[0], g.constant(scales, np.float32))


@adapter("Upsample", 9, 7)
def _scales_to_attribute(node: NodeProto, g: Writer) -> None:
    scales = g.constant_input(1, "scales")
    set_inputs(node, node.input[0])
    set_attribute(node, "scales", [] if scales is None else [float(scale) for scale in scales])


@adapter("Scatter", 9, 11)
def _scatter_elements(node: NodeProto, g: Writer) -> None:
    node.op_type = "ScatterElements"


@adapter("Upsample", 9, 10)
def _resize(node: NodeProto, g: Writer) -> None:
    node.op_type = "Resize"


@adapter("Resize", 10, 11)
def _asymmetric(node: NodeProto, g: Writer) -> None:
    """Version 10 takes the element at floor(x / scale)."""
    set_inputs(node, node.input[0], g.constant([], np.float32), node.input[1])
    set_attribute(node, "coordinate_transformation_mode", "asymmetric")
    if get_attribute(node, "mode", b"nearest") == b"nearest":
        set_attribute(node, "nearest_mode", "floor")


@adapter("Resize", 13, 11)
def _region_and_scales_are_required(node: NodeProto, g: Writer) -> None:
    roi, scales = input_at(node, 1), input_at(node, 2)
    nothing = g.constant([], np.float32)
    set_inputs(node, node.input[0], roi or nothing, scales or nothing, input_at(node, 3))


@adapter("GridSample", 16, 20)
def _linear_not_bilinear(node: NodeProto, g: Writer) -> None:
    mode = get_attribute(node, "mode", b"bilinear")
    set_attribute(node, "mode", {b"bilinear": "linear", b"bicubic": "cubic"}.get(mode, mode))


@adapter("DFT", 17, 20)
def _axis_to_input(node: NodeProto, g: Writer) -> None:
    axis = get_attribute(node, "axis", 1)
    drop_attribute(node, "axis")
    set_inputs(node, node.input[0], input_at(node, 1), g.constant(axis))


@adapter("Erf", 9, 13)
@adapter("ReduceLogSum ReduceLogSumExp", 18, 28)
def _integers_by_float(node: NodeProto, g: Writer) -> None:
    """The newer version takes floating point only; integers were computed in it all the same."""
    kind = g.element_type(node.input[0])
    if kind in (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16):
        return
    node.input[0] = g.op("Cast", node.input[0], to=TensorProto.DOUBLE)
    result = node.output[0]
    node.output[0] = g.fresh("float")
    g.keep()
    g.op("Cast", node.output[0], to=kind, outputs=[result])


@adapter("LpPool", 1, 2)
@adapter("GlobalLpPool", 1, 2)
def _whole_power(node: NodeProto, g: Writer) -> None:
    power = get_attribute(node, "p", 2.0)
    if power != int(power):
        g.refuse(f"p={power} is not a whole number")
    drop_attribute(node, "p")
    set_attribute(node, "p", int(power))
    if node.op_type == "LpPool" and get_attribute(node, "kernel_shape") is None:
        g.refuse("kernel_shape is missing")


@adapter("LpPool", 2, 1)
@adapter("GlobalLpPool", 2, 1)
def _power_as_float(node: NodeProto, g: Writer) -> None:
    power = float(g.attribute("p"))
    drop_attribute(node, "p")
    set_attribute(node, "p", power)


@adapter("Resize", 11, 10)
def _only_asymmetric(node: NodeProto, g: Writer) -> None:
    """Version 10 takes the element at floor(x / scale), or interpolates from x / scale."""
    mode = g.attribute("mode")
    scales = _scales(node, g)
    how, nearest = g.attribute("coordinate_transformation_mode"), g.attribute("nearest_mode")
    # a whole number of copies of each element is what half_pixel with rounding gives too
    whole = scales is not None and all(scale.denominator == 1 and scale >= 1 for scale in scales)
    copies = whole and how in ("half_pixel", "half_pixel_symmetric", "pytorch_half_pixel") and "round" in nearest
    if mode == "nearest":
        exists = copies or ((how, nearest) == ("asymmetric", "floor") and _none_is_skipped(node, g, scales))
    else:
        exists = mode == "linear" and how == "asymmetric"
    if scales is not None and any(Fraction(float(np.float32(scale))) != scale for scale in scales):
        exists = False  # there are no sizes there, and of this scale they might come out one less
    if not exists:
        if scales is None:
            g.refuse(f"mode={mode!r} with {how!r} coordinates does not exist there, and its scales are not known")
        resize_by_gather(node, g, scales)
        return
    for name in (
        *("cubic_coeff_a", "exclude_outside", "extrapolation_value"),
        *("coordinate_transformation_mode", "nearest_mode"),
    ):
        drop_attribute(node, name)
    if scales is None and not input_at(node, 2):
        g.refuse("its scales are not known")
    set_inputs(
        node,
        node.input[0],
        input_at(node, 2) if scales is None else g.constant([float(scale) for scale in scales], np.float32),
    )


def _none_is_skipped(node: NodeProto, g: Writer, scales: list[Fraction] | None) -> bool:
    """Whether nothing lies between elements: runtimes of version 10 round up where they take fewer than there are."""
    if scales is not None:
        return all(scale >= 1 or (1 / scale).denominator == 1 for scale in scales)
    data, result = g.shape(node.input[0]), g.shape(node.output[0])
    if data is None or result is None:
        return False
    return all(size is not None and out is not None and out >= size for size, out in zip(data, result, strict=True))


def _scales(node: NodeProto, g: Writer) -> list[Fraction] | None:
    """Scales of all axes: those given, or the ratio of stated sizes where sizes are given; None if neither is known."""
    value = g.value(input_at(node, 2)) if input_at(node, 2) else None
    if value is not None and value.size:
        return [Fraction(float(scale)) for scale in value]
    data, result = g.shape(node.input[0]), g.shape(node.output[0])
    # sizes do not tell scales that the run names: 2.4 makes four of two as well
    if not input_at(node, 3) or data is None or result is None or None in data or None in result or 0 in data:
        return None
    return [Fraction(out or 0, size or 1) for size, out in zip(data, result, strict=True)]


@adapter("Resize", 18, 13)
def _all_axes(node: NodeProto, g: Writer) -> None:
    """Before 18 there is a scale or a size for every axis, and nothing is smoothed."""
    if g.attribute("antialias"):
        g.refuse("antialias=1 does not exist there")
    if g.attribute("keep_aspect_ratio_policy") != "stretch" and input_at(node, 3):
        g.refuse(f"keep_aspect_ratio_policy={g.attribute('keep_aspect_ratio_policy')!r} does not exist there")
    axes = get_attribute(node, "axes")
    for name in ("antialias", "keep_aspect_ratio_policy", "axes"):
        drop_attribute(node, name)
    if axes is None:
        return
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
    g.keep()


@adapter("Resize", 19, 18)
def _no_symmetry(node: NodeProto, g: Writer) -> None:
    if g.attribute("coordinate_transformation_mode") == "half_pixel_symmetric":
        g.refuse("coordinate_transformation_mode='half_pixel_symmetric' does not exist there")
