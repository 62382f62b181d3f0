"""Layers that act on each element, and Softmax."""

import numpy as np

from zoosmith.convert.caffe.layer import Layer, layer


@layer("ReLU")
def relu(op: Layer) -> None:
    """ReLU: Relu, or LeakyRelu with a slope, which Caffe2's own translator leaves out."""
    slope = op.proto.relu_param.negative_slope
    if slope:
        op.emit("LeakyRelu", [op.bottom], op.tops, alpha=slope)
    else:
        op.emit("Relu", [op.bottom], op.tops)
    op.set_single(op.is_single)


@layer("PReLU")
def prelu(op: Layer) -> None:
    """PReLU: a slope for each channel, or one for all."""
    slope = op.parameter(f"{op.top}_Slope", op.vector(0, "the slope"))
    op.emit("PRelu", [op.bottom, slope], op.tops)
    op.set_single(op.is_single)


@layer("ELU")
def elu(op: Layer) -> None:
    """ELU: Elu."""
    op.emit("Elu", [op.bottom], op.tops, alpha=op.proto.elu_param.alpha)
    op.set_single(op.is_single)


@layer("Sigmoid", "TanH", "AbsVal")
def elementwise(op: Layer) -> None:
    """Sigmoid, TanH and AbsVal."""
    kinds = {"TanH": "Tanh", "AbsVal": "Abs"}
    op.emit(kinds.get(op.proto.type, op.proto.type), [op.bottom], op.tops)
    op.set_single(op.is_single)


@layer("Power")
def power(op: Layer) -> None:
    """Power: (shift + scale · x) to the power."""
    param = op.proto.power_param
    steps: list[tuple[str, list[str], dict[str, float | int]]] = []
    if param.scale != 1:
        steps.append(("Scale", [], {"scale": param.scale}))
    if param.shift:
        shift = op.parameter(f"{op.top}_shift", np.array([param.shift], np.float32))
        steps.append(("Add", [shift], {"broadcast": 1}))
    if param.power != 1:
        steps.append(("Pow", [], {"exponent": param.power}))
    source = op.bottom
    for number, (kind, more, settings) in enumerate(steps or [("Copy", [], {})], 1):
        target = op.top if number >= len(steps) else f"{op.top}_step{number}"
        op.emit(kind, [source, *more], [target], **settings)
        source = target
    op.set_single(op.is_single)


@layer("Dropout")
def dropout(op: Layer) -> None:
    """Dropout, which does nothing outside of training; output 1 is the mask."""
    ratio = op.proto.dropout_param.dropout_ratio
    op.emit("Dropout", [op.bottom], [op.top, f"_{op.top}_mask"], ratio=ratio, is_test=1)
    op.set_single(op.is_single)


@layer("Softmax")
def softmax(op: Layer) -> None:
    """Softmax over one axis. Caffe2's goes over all dimensions from that axis on."""
    _softmax(op, op.top)


@layer("SoftmaxWithLoss")
def softmax_with_loss(op: Layer) -> None:
    """SoftmaxWithLoss: the softmax, under the name that Caffe2's translator gives it; the loss is left out."""
    _softmax(op, f"{op.bottom}_translator_autogen_softmax")


def _softmax(op: Layer, result: str) -> None:
    axis = op.proto.softmax_param.axis
    axis = axis + op.rank if axis < 0 else axis
    last = op.rank - 1
    if not 0 <= axis <= last:
        op.refuse(f"axis {axis} of {op.rank} dimensions")
    if axis == last or (axis == 1 and op.is_single):
        op.emit("Softmax", [op.bottom], [result], **({} if axis == 1 else {"axis": axis}))
    else:
        swapped = [*range(op.rank)]
        swapped[axis], swapped[last] = last, axis
        there, back = f"{result}_axis_last", f"{result}_of_axis_last"
        op.emit("Transpose", [op.bottom], [there], axes=swapped)
        op.emit("Softmax", [there], [back], axis=last)
        op.emit("Transpose", [back], [result], axes=swapped)
    op.set_rank(op.rank, result)
    if op.tops:
        op.set_single(op.is_single)
