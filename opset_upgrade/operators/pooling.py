"""AveragePool, GlobalAveragePool, GlobalLpPool, GlobalMaxPool, LpPool, MaxPool, MaxUnpool."""

from math import prod
from typing import Any

import numpy as np
from onnx import NodeProto

from zoosmith.opset_upgrade.building_blocks.constant_limits import limit_list, limit_steps
from zoosmith.opset_upgrade.building_blocks.type_casts import cast_to_exact, cast_to_single
from zoosmith.opset_upgrade.node_editing import drop_attribute, get_attribute, output_at, set_attribute
from zoosmith.opset_upgrade.registry import adapter, type_fallback
from zoosmith.opset_upgrade.writer import Writer

type_fallback("AveragePool", "GlobalAveragePool", "GlobalLpPool", "LpPool")(cast_to_single)
type_fallback("GlobalMaxPool", "MaxPool", "MaxUnpool")(cast_to_exact)


@adapter("GlobalLpPool", "LpPool", source=1, target=2)
def _whole_power(node: NodeProto, g: Writer) -> None:
    power = get_attribute(node, "p", 2.0)
    if not float(power).is_integer():
        g.refuse(f"p={power} is not a whole number")
    drop_attribute(node, "p")
    set_attribute(node, "p", int(power))
    if node.op_type == "LpPool" and get_attribute(node, "kernel_shape") is None:
        g.refuse("kernel_shape is missing")


@adapter("GlobalLpPool", "LpPool", source=2, target=1)
def _power_as_float(node: NodeProto, g: Writer) -> None:
    power = float(g.attribute("p"))
    drop_attribute(node, "p")
    set_attribute(node, "p", power)


@adapter("AveragePool", source=7, target=1)
def _padding_not_counted(node: NodeProto, g: Writer) -> None:
    """Before 7 the average leaves the padding out."""
    counted = g.attribute("count_include_pad")
    drop_attribute(node, "count_include_pad")
    pads = list(get_attribute(node, "pads", ()))
    if not counted or not (any(pads) or _auto_padded(node)):
        return
    if _auto_padded(node):
        g.refuse("count_include_pad=1 with auto_pad does not exist there")
    half = len(pads) // 2
    node.input[0] = g.op("Pad", node.input[0], pads=[0, 0, *pads[:half], 0, 0, *pads[half:]])
    drop_attribute(node, "pads")
    g.keep()


@adapter("MaxPool", source=8, target=1)
def _no_indices(node: NodeProto, g: Writer) -> None:
    if g.is_read(output_at(node, 1)):
        g.refuse("output Indices does not exist there")
    drop_attribute(node, "storage_order")
    del node.output[1:]


@adapter("AveragePool", source=10, target=7)
@adapter("MaxPool", source=10, target=8)
def _rounding_down(node: NodeProto, g: Writer) -> None:
    """An older pool rounds its output size down and takes neighbouring elements."""
    if any(step != 1 for step in get_attribute(node, "dilations", ())):
        _largest_by_gathering(node, g)
        return
    drop_attribute(node, "dilations")
    if get_attribute(node, "ceil_mode", 0):
        _round_down(node, g)
    drop_attribute(node, "ceil_mode")


@adapter("LpPool", source=18, target=11)
@adapter("AveragePool", source=19, target=11)
def _no_dilations(node: NodeProto, g: Writer) -> None:
    dilated = any(step != 1 for step in get_attribute(node, "dilations", ()))
    if dilated or (node.op_type == "LpPool" and get_attribute(node, "ceil_mode", 0)):
        _sum_by_convolution(node, g)
        return
    drop_attribute(node, "dilations")
    if node.op_type == "LpPool":
        drop_attribute(node, "ceil_mode")


@adapter("MaxPool", source=22, target=12)
@adapter("AveragePool", source=22, target=19)
@adapter("LpPool", source=22, target=18)
def _windows_that_start_in_the_padding(node: NodeProto, g: Writer) -> None:
    """Since 22 rounding up leaves out a last window that starts in the padding at the end."""
    if not get_attribute(node, "ceil_mode", 0) or _auto_padded(node):
        return
    kernel, strides, dilations, pads = _windows(node)
    # with so little padding the last window starts on an element, whatever the size
    if all(pads[len(kernel) + i] + strides[i] <= (k - 1) * dilations[i] + 1 for i, k in enumerate(kernel)):
        return
    size, result = _image_sizes(g, node.input[0]), _image_sizes(g, node.output[0])
    for axis, (n, k, s, d, out) in enumerate(zip(size, kernel, strides, dilations, result, strict=True)):
        begin, end = pads[axis], pads[len(kernel) + axis]
        if -(-(n + begin + end - (k - 1) * d - 1) // s) + 1 != out:
            _round_down(node, g)
            return


def _auto_padded(node: NodeProto) -> bool:
    return get_attribute(node, "auto_pad", b"NOTSET") in (b"SAME_UPPER", b"SAME_LOWER")


def _windows(node: NodeProto) -> tuple[list[int], list[int], list[int], list[int]]:
    """Kernel shape, strides, dilations and pads of a pool, with what the node leaves out filled in.

    VALID is another word for no padding. It goes, so that padding can be stated.
    """
    if get_attribute(node, "auto_pad", b"NOTSET") == b"VALID":
        drop_attribute(node, "auto_pad")
        drop_attribute(node, "pads")
    kernel = list(get_attribute(node, "kernel_shape"))
    ones = [1] * len(kernel)
    return (
        kernel,
        list(get_attribute(node, "strides") or ones),
        list(get_attribute(node, "dilations") or ones),
        list(get_attribute(node, "pads") or [0] * (2 * len(kernel))),
    )


def _round_down(node: NodeProto, g: Writer) -> None:
    """Give the end so much padding that rounding down yields the size that rounding up did."""
    drop_attribute(node, "ceil_mode")
    if _auto_padded(node):
        return
    _refuse_large_windows(node, g)
    kernel, strides, dilations, pads = _windows(node)
    counted = get_attribute(node, "count_include_pad", 0)
    if not counted and _has_free_sizes(node, g) and _pad_by_a_stride(node, g):
        return
    size, result = _image_sizes(g, node.input[0]), _image_sizes(g, node.output[0])
    for axis, (n, k, s, d, out) in enumerate(zip(size, kernel, strides, dilations, result, strict=True)):
        begin, place = pads[axis], len(kernel) + axis
        end = (out - 1) * s + (k - 1) * d + 1 - n - begin
        if end < 0 or (counted and end > pads[place]):
            if counted:
                g.refuse("ceil_mode=1 with count_include_pad=1 cannot be expressed by padding")
            end = pads[place]
        if end >= (k - 1) * d + 1:
            g.refuse("the last window that ceil_mode=1 makes lies in the padding, which runtimes refuse")
        pads[place] = end
    if any(pads):
        set_attribute(node, "pads", pads)


def _refuse_large_windows(node: NodeProto, g: Writer) -> None:
    """Refuse a window larger than the padded image: no text says what it makes, and kernels differ.

    Where a size is not fixed, such an image gives an empty result, or an error.
    """
    kernel, _, dilations, pads = _windows(node)
    size = (g.shape(node.input[0]) or ())[2:]
    for axis, (n, k, d) in enumerate(zip(size, kernel, dilations, strict=False)):
        whole, reach = (n or 0) + pads[axis] + pads[len(kernel) + axis], (k - 1) * d + 1
        if n is not None and whole < reach:
            g.refuse(f"its window reaches over {reach} elements, and its image has {whole} with the padding")


def _image_sizes(g: Writer, name: str) -> list[int]:
    """The sizes of the axes that windows move along; refuses where they are not fixed."""
    return [g.fixed_size(name, axis, "padding goes by it") for axis in range(2, g.rank(name))]


def _has_free_sizes(node: NodeProto, g: Writer) -> bool:
    shapes = [g.shape(name) for name in (node.input[0], node.output[0])]
    return any(shape is None or None in shape[2:] for shape in shapes)


def _pad_by_a_stride(node: NodeProto, g: Writer) -> bool:
    """Pad the end by a stride less one: then rounding down is rounding up, whatever the size.

    Returns False, and does nothing, where a window could lie in the padding.
    """
    kernel, strides, dilations, pads = _windows(node)
    count = len(kernel)
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    ends = [pads[count + axis] + stride - 1 for axis, stride in enumerate(strides)]
    if any(end >= whole for end, whole in zip(ends, reach, strict=True)):
        return False
    size = (g.shape(node.input[0]) or ())[2:]
    least = [(size[axis] if axis < len(size) else None) or 1 for axis in range(count)]
    if any(n + pads[axis] + pads[count + axis] < reach[axis] for axis, n in enumerate(least)):
        # of such an image rounding up makes nothing; runtimes fit one window into it where they round down
        g.admit("empty tensors", "ceil_mode=1 of an image that is smaller than the window, whose sizes are not fixed")
    set_attribute(node, "pads", [*pads[:count], *ends])
    return True


def _sum_by_convolution(node: NodeProto, g: Writer) -> None:
    """A pool with dilations or rounding up: sums of windows by a convolution with ones, each channel alone."""
    if _auto_padded(node):
        g.refuse("dilations with auto_pad do not exist there")
    _refuse_large_windows(node, g)
    counted = get_attribute(node, "count_include_pad", 0)
    stated = _windows(node)[3]
    if get_attribute(node, "ceil_mode", 0):
        drop_attribute(node, "count_include_pad")
        _round_down(node, g)
    kernel, strides, dilations, pads = _windows(node)
    shape = g.shape(node.input[0])
    channels = None if shape is None else shape[1]
    if channels is None:
        g.refuse("dilations do not exist there, and the number of channels is not fixed")
    kind, data, power = g.element_type(node.input[0]), node.input[0], get_attribute(node, "p", 2)
    if not power:
        g.refuse("p=0, of which there is no root")
    if node.op_type == "LpPool":
        data = g.op("Pow", g.op("Abs", data), g.scalar_like(data, power))
    limit_list(channels * prod(kernel), g)
    ones = g.typed_constant(np.ones([channels, 1, *kernel]), kind)
    how: dict[str, Any] = {"kernel_shape": kernel, "strides": strides, "dilations": dilations, "pads": pads}
    total = g.op("Conv", data, ones, group=channels, **how)
    if node.op_type == "LpPool":
        g.op("Pow", total, g.scalar_like(data, 1 / power), output=node.output[0])
        return
    if counted and pads == stated:
        count = g.scalar_like(data, float(np.prod(kernel)))
    else:
        size = _image_sizes(g, data)
        if counted:  # what rounding up adds at the end is not counted
            size = [n + begin + end for n, begin, end in zip(size, stated, stated[len(kernel) :], strict=False)]
            how["pads"] = [0] * len(kernel) + [p - s for p, s in zip(pads, stated, strict=True)][len(kernel) :]
        limit_list(prod(size), g)
        inside = g.typed_constant(np.ones([1, 1, *size]), kind)
        window = g.typed_constant(np.ones([1, 1, *kernel]), kind)
        count = g.op("Conv", inside, window, **how)
    g.op("Div", total, count, output=node.output[0])


def _largest_by_gathering(node: NodeProto, g: Writer) -> None:
    """A pool of distant elements: along each axis the largest of as many Gathers as the kernel is long."""
    if g.is_read(output_at(node, 1)):
        g.refuse("dilations do not exist there, and output Indices is asked for")
    if _auto_padded(node):
        g.refuse("dilations with auto_pad do not exist there")
    _refuse_large_windows(node, g)
    kernel, strides, dilations, pads = _windows(node)
    data = node.input[0]
    size, result = _image_sizes(g, data), _image_sizes(g, node.output[0])
    for axis, (n, k, s, d, out) in enumerate(zip(size, kernel, strides, dilations, result, strict=True)):
        limit_list(out * limit_steps(k, g), g)
        index = np.arange(out)[:, None] * s - pads[axis] + np.arange(k) * d
        inside = (index >= 0) & (index < n)
        if not inside.any(axis=1).all():
            g.refuse("a window lies in the padding")
        # an element that is in the window already stands for one in the padding: the largest stays the largest
        first = np.take_along_axis(index, inside.argmax(axis=1)[:, None], axis=1)
        index = np.where(inside, index, first)
        taken = [g.op("Gather", data, g.constant(column), axis=axis + 2) for column in index.T]
        data = taken[0] if len(taken) == 1 else g.op("Max", *taken)
    g.op("Identity", data, output=node.output[0])
