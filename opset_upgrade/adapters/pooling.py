"""Pools, and the regions they are taken from."""

from onnx import NodeProto

from opset_upgrade.nodes import drop_attribute, get_attribute, output_at, set_attribute
from opset_upgrade.registry import adapter
from opset_upgrade.writer import Writer


@adapter("MaxPool", 10, 8)
@adapter("AveragePool", 10, 7)
@adapter("LpPool", 18, 11)
def _rounding_down(node: NodeProto, g: Writer) -> None:
    """An older pool rounds its output size down and takes neighbouring elements."""
    _plain_windows(node, g)
    if node.op_type == "MaxPool" and g.attribute("storage_order") and output_at(node, 1):
        return


@adapter("AveragePool", 19, 11)
def _no_dilations(node: NodeProto, g: Writer) -> None:
    if any(step != 1 for step in get_attribute(node, "dilations", ())):
        g.refuse(f"dilations={get_attribute(node, 'dilations')} do not exist there")
    drop_attribute(node, "dilations")


@adapter("MaxPool", 8, 1)
def _no_indices(node: NodeProto, g: Writer) -> None:
    if output_at(node, 1):
        g.refuse("output Indices does not exist there")
    drop_attribute(node, "storage_order")
    del node.output[1:]


@adapter("AveragePool", 7, 1)
def _padding_not_counted(node: NodeProto, g: Writer) -> None:
    """Before 7 the average leaves the padding out."""
    counted = g.attribute("count_include_pad")
    drop_attribute(node, "count_include_pad")
    pads = get_attribute(node, "pads", ())
    same = get_attribute(node, "auto_pad", b"NOTSET") in (b"SAME_UPPER", b"SAME_LOWER")
    if not counted or not (any(pads) or same):
        return
    if same:
        g.refuse("count_include_pad=1 with auto_pad does not exist there")
    half = len(pads) // 2
    around = [0, 0, *pads[:half], 0, 0, *pads[half:]]
    node.input[0] = g.op("Pad", node.input[0], pads=around) if g.opset < 11 else node.input[0]
    drop_attribute(node, "pads")
    g.keep()


@adapter("RoiAlign", 10, 16)
def _unshifted(node: NodeProto, g: Writer) -> None:
    set_attribute(node, "coordinate_transformation_mode", "output_half_pixel")


@adapter("RoiAlign", 16, 10)
def _shift_by_hand(node: NodeProto, g: Writer) -> None:
    """Before 16 the coordinates are not shifted by half a pixel: shift the regions instead."""
    mode = g.attribute("coordinate_transformation_mode")
    drop_attribute(node, "coordinate_transformation_mode")
    if mode == "half_pixel":
        g.refuse("coordinate_transformation_mode=half_pixel does not exist there")


def _plain_windows(node: NodeProto, g: Writer) -> None:
    dilations = get_attribute(node, "dilations", ())
    if any(step != 1 for step in dilations):
        g.refuse(f"dilations={list(dilations)} do not exist there")
    drop_attribute(node, "dilations")
    ceil = get_attribute(node, "ceil_mode", 0)
    drop_attribute(node, "ceil_mode")
    if ceil:
        _pad_to_ceiling(node, g)


def _pad_to_ceiling(node: NodeProto, g: Writer) -> None:
    """Round the output size up by padding the end; the stated sizes tell by how much."""
    if get_attribute(node, "auto_pad", b"NOTSET") not in (b"NOTSET", b""):
        return
    size, kernel = g.static_shape(node.input[0])[2:], get_attribute(node, "kernel_shape")
    strides = get_attribute(node, "strides") or [1] * len(kernel)
    pads = list(get_attribute(node, "pads") or [0] * (2 * len(kernel)))
    wanted = g.static_shape(node.output[0])[2:]
    for axis, (n, k, s, out) in enumerate(zip(size, kernel, strides, wanted, strict=True)):
        begin, end = pads[axis], pads[len(kernel) + axis]
        missing = (out - 1) * s + k - (n + begin + end)
        if missing > 0:
            if get_attribute(node, "count_include_pad", 0) or (node.op_type == "LpPool" and end + missing >= k):
                g.refuse("ceil_mode=1 with count_include_pad=1 does not exist there")
            pads[len(kernel) + axis] = end + missing
        elif (n + begin + end - k) // s + 1 > out:
            # the last window would start in the padding, where rounding up leaves it out
            g.refuse("ceil_mode=1 leaves out a window that lies in the padding; older versions do not")
    if any(pads):
        set_attribute(node, "pads", pads)
