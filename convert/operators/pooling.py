"""Pools."""

import math

import numpy as np

from zoosmith.convert.graph import Attribute, Value
from zoosmith.convert.onnx_operators import pad
from zoosmith.convert.operator import Operator
from zoosmith.convert.operators.convolution import from_channels_first, to_channels_first
from zoosmith.convert.operators.windows import Window, output_sizes, read_window, resolve_padding
from zoosmith.convert.registry import translator

_COUNTS_PADDING = 7


@translator("AveragePool", "AveragePool1D", "AveragePool2D", "AveragePool3D")
def average_pool(op: Operator) -> None:
    """AveragePool divides by the elements inside the input, or with count_include_pad by the whole kernel."""
    _pool(op, "AveragePool")


@translator("MaxPool", "MaxPool1D", "MaxPool2D", "MaxPool3D")
def max_pool(op: Operator) -> None:
    """MaxPool."""
    _pool(op, "MaxPool")


@translator("LpPool", since=2)
def lp_pool(op: Operator) -> None:
    """LpPool of images, with a whole `p`."""
    if op.rank(op.inputs[0]) != 4:
        op.refuse(f"its input has {op.rank(op.inputs[0])} dimensions, expected an image")
    if op.flag("global_pooling"):
        op.refuse("argument global_pooling=1")
    p = op.number("p", 2.0)
    if not p.is_integer() or not 1 <= p < 2**63:
        op.refuse(f"argument p={p}: ONNX knows whole numbers from 1 on, of 64 bits")
    _pool(op, "LpPool")


def _pool(op: Operator, kind: str) -> None:
    x = to_channels_first(op, op.inputs[0])
    window = read_window(op)
    if op.flag("global_pooling"):
        if any(window.pads) or any(stride != 1 for stride in window.strides):
            op.refuse("argument global_pooling=1 together with a stride or a padding")
        from_channels_first(op, f"Global{kind}", x, shape=[*op.shape(x)[:2], *[1] * (op.rank(x) - 2)])
        return
    window = _fitted(op, window, x)
    batch, channels, *spatial = op.shape(x)
    shape = [batch, channels, *output_sizes(window, spatial)]
    whole_kernel = kind == "AveragePool" and op.flag("count_include_pad")
    if whole_kernel:
        x = _padded_evenly(op, window, x)
    attributes: dict[str, Attribute] = {name: v for name, v in window.attributes(op).items() if name != "dilations"}
    if kind == "LpPool":
        attributes["p"] = int(op.number("p", 2.0))
    if whole_kernel and op.opset >= _COUNTS_PADDING:
        attributes["count_include_pad"] = 1
    if any(window.outside):
        _with_windows_outside(op, kind, x, window, attributes)
    else:
        from_channels_first(op, kind, x, shape=shape, attributes=attributes)


def _fitted(op: Operator, window: Window, x: Value) -> Window:
    """The window for this input, its legacy padding resolved; refuses one that Caffe2's pools refuse."""
    if not window.kernel:
        op.refuse("it has no kernel")
    if any(dilation != 1 for dilation in window.dilations):
        op.refuse(f"argument dilation={window.dilations}, which Caffe2's pools refuse")
    if op.rank(x) == 3 and len(window.kernel) == 2:
        window = window.first()
    if op.rank(x) != len(window.kernel) + 2:
        op.refuse(f"its kernel {window.kernel} does not fit an input of {op.rank(x)} dimensions")
    if window.legacy_pad:
        resolve_padding(op, window, op.sizes_from(x, 2))
    if any(pad >= size for pad, size in zip(window.pads, window.kernel * 2, strict=True)):
        op.refuse(f"pads {window.pads} reach over the kernel {window.kernel}")
    return window


def _padded_evenly(op: Operator, window: Window, x: Value) -> Value:
    """Pad the input for itself where its sides differ: runtimes disagree on how many elements such a padding counts.

    Below opset 7 no pool counts its padding.
    """
    rank = len(window.kernel)
    before, after = window.pads[:rank], window.pads[rank:]
    if before == after and (op.opset >= _COUNTS_PADDING or not any(before)):
        return x
    window.pads = [0] * (2 * rank)
    return pad(op, x, [0, 0, *before, 0, 0, *after], "constant", 0.0)


def _with_windows_outside(op: Operator, kind: str, x: Value, window: Window, attributes: dict[str, Attribute]) -> None:
    """Write the pool, and append what Caffe2 gives for windows that a legacy padding places after the input."""
    if kind == "LpPool" or (kind == "MaxPool" and not op.channels_last):
        op.refuse("argument legacy_pad=3 with a last window after the input, where Caffe2 reads what lies there")
    # a window that sees nothing is the mean of no elements, or the lowest number there is
    empty = 0.0 if kind == "AveragePool" and op.flag("count_include_pad") else math.nan
    filling = float(np.finfo(np.float32).min) if kind == "MaxPool" else empty
    inner = op.emit(kind, x, attributes=attributes)
    whole = pad(op, inner, [0] * (len(window.kernel) + 4) + window.outside, "constant", filling)
    from_channels_first(op, "Identity", whole)
