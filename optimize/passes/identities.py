"""An Identity is another name of a value."""

import onnx_ir as ir

from zoosmith.optimize.values import is_standard


class RemoveIdentities(ir.passes.InPlacePass):
    """Remove each Identity but those that graphs need: an output of a graph has to be made by a node of its own.

    onnx-ir's own pass removes it where the value comes from an outer graph, too, and gives that the output's name.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Change the model in place."""
        bodies: list[ir.Graph | ir.Function] = [model.graph, *model.functions.values()]
        nodes = [node for body in bodies for node in ir.traversal.RecursiveGraphIterator(body)]
        removed = [_remove(node) for node in nodes if is_standard(node, "Identity")]
        return ir.passes.PassResult(model, any(removed))


def _remove(node: ir.Node) -> bool:
    source, output, graph = node.inputs[0], node.outputs[0], node.graph
    if source is None or graph is None:
        return False
    source.shape, source.type = source.shape or output.shape, source.type or output.type
    if output.is_graph_output():
        maker = source.producer()
        if maker is None or maker.graph is not graph or source.is_graph_output():
            return False
        name = output.name
        output.replace_all_uses_with(source, replace_graph_outputs=True)
        output.name, source.name = None, name
    else:
        output.replace_all_uses_with(source)
    graph.remove(node, safe=True)
    return True
