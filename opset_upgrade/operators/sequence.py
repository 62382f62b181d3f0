"""Identity of what is no tensor."""

import numpy as np
from onnx import NodeProto, TensorProto

from zoosmith.opset_upgrade.registry import type_fallback
from zoosmith.opset_upgrade.writer import Writer


@type_fallback("Identity")
def _identity_of_sequence(node: NodeProto, g: Writer) -> None:
    """A sequence is the same after one more tensor was added at its end and removed."""
    name, kind = node.input[0], g.type_string(node.input[0])
    known = g.type(name)
    if known is None or not kind.startswith("seq(tensor"):
        g.refuse(f"{name!r} is {kind}, which it does not take there")
    element_type = known.sequence_type.elem_type.tensor_type.elem_type
    if element_type == TensorProto.STRING:
        more = g.constant([""], dtype=object)
    else:
        more = g.typed_constant(np.zeros(1), element_type)
    g.op("SequenceErase", g.op("SequenceInsert", name, more), output=node.output[0])
