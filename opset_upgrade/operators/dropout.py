"""Dropout."""

import numpy as np
from onnx import NodeProto, TensorProto, numpy_helper

from zoosmith.opset_upgrade.node_editing import (
    drop_attribute,
    get_attribute,
    input_at,
    output_at,
    set_attribute,
    set_inputs,
)
from zoosmith.opset_upgrade.registry import adapter
from zoosmith.opset_upgrade.writer import Writer


@adapter("Dropout", source=6, target=7)
def _only_inference(node: NodeProto, g: Writer) -> None:
    """From 7 to 11 Dropout passes its input on; is_test=0 is what exporters left unset, and its one output says so."""
    if not get_attribute(node, "is_test", 0) and output_at(node, 1):
        g.refuse("it is in training mode (is_test=0 with a mask), which opset 7 does not have")
    drop_attribute(node, "is_test")


@adapter("Dropout", source=7, target=6)
def _state_inference(node: NodeProto, g: Writer) -> None:
    set_attribute(node, "is_test", 1)


@adapter("Dropout", source=7, target=10)
def _mask_to_bool(node: NodeProto, g: Writer) -> None:
    mask = output_at(node, 1)
    if not g.is_read(mask):
        del node.output[1:]
    elif mask:
        node.output[1] = g.fresh("mask")
        g.keep()
        g.op("Cast", node.output[1], to=g.element_type(node.input[0]), output=mask)


@adapter("Dropout", source=10, target=7, any_type=True)
def _mask_from_bool(node: NodeProto, g: Writer) -> None:
    mask = output_at(node, 1)
    if mask:
        node.output[1] = g.fresh("mask")
        g.keep()
        g.op("Cast", node.output[1], to=TensorProto.BOOL, output=mask)


@adapter("Dropout", source=10, target=12)
def _ratio_to_input(node: NodeProto, g: Writer) -> None:
    if g.is_read(output_at(node, 1)):
        g.refuse("its mask is all true since 12, and before no text says what it is: ONNX Runtime makes it all false")
    del node.output[1:]
    ratio = get_attribute(node, "ratio", 0.5)
    drop_attribute(node, "ratio")
    # nothing is dropped at inference, so that a ratio which the newer version does not take tells nothing
    set_inputs(node, node.input[0], *([g.constant(ratio, np.float32)] if 0 <= ratio < 1 else []))


@adapter("Dropout", source=12, target=10)
def _ratio_to_attribute(node: NodeProto, g: Writer) -> None:
    training = g.constant_input(2, "training_mode")
    ratio = g.value(input_at(node, 1)) if input_at(node, 1) else np.asarray(0.5)
    if training is not None and bool(np.ravel(training)[0]) and (ratio is None or float(np.ravel(ratio)[0])):
        g.refuse("it is in training mode, which older versions do not have")
    drop_attribute(node, "seed")
    mask = output_at(node, 1)
    if mask:
        # in inference nothing is dropped: data passes on, and the mask is all true
        g.op("Identity", node.input[0], output=node.output[0])
        true = numpy_helper.from_array(np.ones(1, dtype=bool))
        g.op("ConstantOfShape", g.op("Shape", node.input[0]), value=true, output=mask)
        return
    set_inputs(node, node.input[0])
    if ratio is not None:
        set_attribute(node, "ratio", float(np.ravel(ratio)[0]))
