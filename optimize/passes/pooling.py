"""Average pooling before 1 x 1 convolutions instead of after them."""

from math import prod

import onnx_ir as ir

from zoosmith.optimize.values import attribute, input_constant, is_standard, only_reader, pads


class PoolBeforeConvolution(ir.passes.InPlacePass):
    """Swap a 1 x 1 convolution and the average pooling after it: both are linear, pooling leaves fewer positions."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Change the model in place."""
        changed = False
        for pool in list(model.graph):
            if not is_standard(pool, "AveragePool", "GlobalAveragePool") or pool.inputs[0] is None:
                continue
            convolution = pool.inputs[0].producer()
            if convolution is None or only_reader(pool.inputs[0]) is not pool:
                continue
            if _is_pointwise(convolution) and _shrinks(pool):
                _swap(model.graph, convolution, pool)
                changed = True
        return ir.passes.PassResult(model, changed)


def _swap(graph: ir.Graph, first: ir.Node, second: ir.Node) -> None:
    """Let `second`, which reads `first`, come before it; the values between and after them keep their names."""
    source, between, behind = first.inputs[0], first.outputs[0], second.outputs[0]
    behind.replace_all_uses_with(between, replace_graph_outputs=True)
    second.replace_input_with(0, source)
    first.replace_input_with(0, behind)
    between.name, behind.name = behind.name, between.name
    between.shape, behind.shape = behind.shape, _pooled_shape(source, behind.shape)
    graph.remove(first)
    graph.insert_after(second, first)


def _pooled_shape(source: ir.Value | None, pooled: ir.Shape | None) -> ir.Shape | None:
    """The channels of `source` at the positions of `pooled`."""
    if source is None or source.shape is None or pooled is None:
        return None
    return ir.Shape([*source.shape[:2], *pooled[2:]])


def _is_pointwise(node: ir.Node) -> bool:
    weights = input_constant(node, 1)
    if not is_standard(node, "Conv") or weights is None:
        return False
    one = prod(weights.shape[2:]) == 1 and all(step == 1 for step in attribute(node, "strides", ()))
    return one and not pads(node)


def _shrinks(pool: ir.Node) -> bool:
    """Whether the pooling has a stride, and divides by the positions that it sums, so that a bias passes through."""
    if pool.op_type == "GlobalAveragePool":
        return True
    return prod(attribute(pool, "strides", (1,))) > 1 and not (pads(pool) and attribute(pool, "count_include_pad", 0))
