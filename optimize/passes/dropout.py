"""Dropout does nothing outside training."""

import numpy as np
import onnx_ir as ir

from zoosmith.optimize.values import input_constant, input_value, is_standard


class RemoveDropout(ir.passes.InPlacePass):
    """Remove each Dropout whose mask nothing reads, and that has no training mode which may be set."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Change the model in place."""
        removed = [node for node in list(model.graph) if is_standard(node, "Dropout") and _remove(model.graph, node)]
        return ir.passes.PassResult(model, bool(removed))


def _remove(graph: ir.Graph, node: ir.Node) -> bool:
    source, (output, *masks) = node.inputs[0], node.outputs
    trains = False if input_value(node, 2) is None else input_constant(node, 2)
    if source is None or trains is None or np.any(trains) or output.is_graph_output():
        return False
    if any(mask.uses() or mask.is_graph_output() for mask in masks):
        return False
    output.replace_all_uses_with(source)
    graph.remove(node, safe=True)
    return True
