"""Det, Gemm and MatMul."""

import numpy as np
from onnx import NodeProto

from zoosmith.opset_upgrade.building_blocks.type_casts import cast_to_single, multiply_integers_in_double
from zoosmith.opset_upgrade.node_editing import drop_attribute, input_at, set_attribute, set_inputs
from zoosmith.opset_upgrade.registry import adapter, type_fallback
from zoosmith.opset_upgrade.writer import Writer

type_fallback("Det")(cast_to_single)
type_fallback("Gemm", "MatMul")(multiply_integers_in_double)


@adapter("Gemm", source=6, target=7)
def _broadcast_always(node: NodeProto, g: Writer) -> None:
    _check_ranks(node, g)
    drop_attribute(node, "broadcast")


@adapter("Gemm", source=7, target=6)
def _state_broadcast(node: NodeProto, g: Writer) -> None:
    _check_ranks(node, g)
    if g.shape(node.input[2]) is None or g.shape(node.input[2]) != g.shape(node.output[0]):
        set_attribute(node, "broadcast", 1)


def _check_ranks(node: NodeProto, g: Writer) -> None:
    for name in node.input[:2]:
        shape = g.shape(name)
        if shape is not None and len(shape) != 2:
            g.refuse(f"{name!r} is of rank {len(shape)}, where the operator takes matrices")


@adapter("Gemm", source=11, target=9)
def _addend_is_required(node: NodeProto, g: Writer) -> None:
    if not input_at(node, 2):
        zero = g.typed_constant(np.zeros(1), g.element_type(node.input[0]))
        set_inputs(node, node.input[0], node.input[1], zero)
