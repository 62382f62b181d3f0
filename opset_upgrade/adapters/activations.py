"""Clip, Dropout, PRelu: bounds, ratios and slopes that changed place."""

import numpy as np
from onnx import NodeProto, TensorProto, numpy_helper

from zoosmith.opset_upgrade.nodes import drop_attribute, get_attribute, input_at, output_at, set_attribute, set_inputs
from zoosmith.opset_upgrade.registry import adapter
from zoosmith.opset_upgrade.writer import Writer


@adapter("Clip", 6, 11)
def _bounds_to_inputs(node: NodeProto, g: Writer) -> None:
    bounds = [get_attribute(node, name) for name in ("min", "max")]
    drop_attribute(node, "min")
    drop_attribute(node, "max")
    names = ["" if bound is None else g.scalar_like(node.input[0], bound) for bound in bounds]
    set_inputs(node, node.input[0], *names)


@adapter("Clip", 11, 6)
def _bounds_to_attributes(node: NodeProto, g: Writer) -> None:
    data = node.input[0]
    names = [input_at(node, 1), input_at(node, 2)]
    values = [g.value(name) if name else None for name in names]
    if any(name and value is None for name, value in zip(names, values, strict=True)):
        # bounds that only the run tells: the operator by its definition
        for operator, name in zip(("Max", "Min"), names, strict=True):
            if name:
                data = g.op(operator, data, name)
        g.op("Identity", data, outputs=node.output)
        return
    set_inputs(node, data)
    for attribute, value in zip(("min", "max"), values, strict=True):
        if value is not None:
            set_attribute(node, attribute, float(np.ravel(value)[0]))


@adapter("Dropout", 6, 7)
def _only_inference(node: NodeProto, g: Writer) -> None:
    """From 7 to 11 Dropout passes its input on; is_test=0 is what exporters left unset, and its one output says so."""
    if not get_attribute(node, "is_test", 0) and output_at(node, 1):
        g.refuse("it is in training mode (is_test=0 with a mask), which opset 7 does not have")
    drop_attribute(node, "is_test")


@adapter("Dropout", 7, 6)
def _say_inference(node: NodeProto, g: Writer) -> None:
    set_attribute(node, "is_test", 1)


@adapter("Dropout", 7, 10)
def _mask_to_bool(node: NodeProto, g: Writer) -> None:
    mask = output_at(node, 1)
    if mask:
        node.output[1] = g.fresh("mask")
        g.keep()
        g.op("Cast", node.output[1], to=g.element_type(node.input[0]), outputs=[mask])


@adapter("Dropout", 10, 7, any_type=True)
def _mask_of_ones(node: NodeProto, g: Writer) -> None:
    mask = output_at(node, 1)
    if mask:
        node.output[1] = g.fresh("mask")
        g.keep()
        g.op("Cast", node.output[1], to=TensorProto.BOOL, outputs=[mask])


@adapter("Dropout", 10, 12)
def _ratio_to_input(node: NodeProto, g: Writer) -> None:
    ratio = get_attribute(node, "ratio", 0.5)
    drop_attribute(node, "ratio")
    set_inputs(node, node.input[0], g.constant(ratio, np.float32))


@adapter("Dropout", 12, 10)
def _ratio_to_attribute(node: NodeProto, g: Writer) -> None:
    training = g.constant_input(2, "training_mode")
    ratio = g.value(input_at(node, 1)) if input_at(node, 1) else np.asarray(0.5)
    if training is not None and bool(np.ravel(training)[0]) and (ratio is None or float(np.ravel(ratio)[0])):
        g.refuse("it is in training mode, which older versions do not have")
    drop_attribute(node, "seed")
    mask = output_at(node, 1)
    if mask:
        # in inference nothing is dropped: data passes on, and the mask is all true
        g.op("Identity", node.input[0], outputs=node.output[:1])
        true = numpy_helper.from_array(np.ones(1, dtype=bool))
        g.op("ConstantOfShape", g.op("Shape", node.input[0]), value=true, outputs=[mask])
        return
    set_inputs(node, node.input[0])
    if ratio is not None:
        set_attribute(node, "ratio", float(np.ravel(ratio)[0]))


@adapter("PRelu", 6, 7)
def _slope_by_channel(node: NodeProto, g: Writer) -> None:
    """Before 7 a slope of one dimension runs along the channels; since, along the last axis."""
    slope = g.shape(node.input[1])
    if slope is None:
        g.refuse(f"the rank of {node.input[1]!r} is not known")
    if len(slope) == 1 and slope[0] != 1:
        rank = g.rank(node.input[0])
        if rank > 2:
            node.input[1] = g.op("Unsqueeze", node.input[1], axes=list(range(1, rank - 1)))
            g.keep()


@adapter("PRelu", 7, 6)
def _slope_of_one_dimension(node: NodeProto, g: Writer) -> None:
    slope, rank = g.shape(node.input[1]), g.rank(node.input[0])
    if slope is None or None in slope:
        g.refuse(
            f"the shape of {node.input[1]!r} is not fixed, and before opset 7 a slope is one value or one a channel"
        )
    sizes = [size for size in slope if size != 1]
    place = rank - len(slope) + next((i for i, size in enumerate(slope) if size != 1), 0)
    if not sizes:
        wanted = [1]
    elif len(sizes) == 1 and place == min(1, rank - 1):
        wanted = [sizes[0] or 0]
    else:
        data = node.input[0]
        positive = g.op("Relu", data)
        negative = g.op("Neg", g.op("Relu", g.op("Neg", data)))
        scaled = g.op("Mul", negative, node.input[1], opset=7)  # which broadcasts, and goes down from there
        g.op("Add", positive, scaled, outputs=node.output)
        return
    if list(slope) != wanted:
        node.input[1] = g.op("Reshape", node.input[1], g.constant(wanted))
        g.keep()
