"""Unsqueeze and Identity of constants are constants."""

import numpy as np
import onnx_ir as ir

from zoosmith.onnx_model.constants import Array
from zoosmith.optimize.values import add_initializer, attribute, input_constant, input_value, is_standard, name_of


class FoldShapeOperators(ir.passes.InPlacePass):
    """Evaluate Unsqueeze and Identity of constants: what stands between a channel vector and its Mul or Add."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Change the model in place."""
        changed = False
        for node in list(model.graph):
            value = _evaluated(node)
            output = node.outputs[0]
            if value is None or output.is_graph_output():
                continue
            folded = add_initializer(model.graph, name_of(output), value)
            output.replace_all_uses_with(folded)
            model.graph.remove(node, safe=True)
            changed = True
        return ir.passes.PassResult(model, changed)


def _evaluated(node: ir.Node) -> Array | None:
    value = input_constant(node, 0)
    if value is None or not is_standard(node, "Identity", "Unsqueeze"):
        return None
    if node.op_type == "Identity":
        return value
    axes = attribute(node, "axes") if input_value(node, 1) is None else input_constant(node, 1)
    return None if axes is None else np.expand_dims(value, tuple(int(axis) for axis in axes))
