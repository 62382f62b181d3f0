"""The Add before a LayerNormalization as a Sum of two, so that ONNX Runtime runs both on their own.

Of an Add and a LayerNormalization it makes a SkipLayerNormalization, whose kernel in 1.32 takes 7 times as long: 400
against 58 microseconds for 128 x 768 values (`benchmarks/int8_contrib.py`). It does not look for a Sum, which computes
the same.
"""

import onnx_ir as ir

from zoosmith.optimize.values import constant, is_standard, new_node, replace_value

# what reads the Add: the operator, or what begins it where an exporter spelled it out
_NORMALIZATION = ("LayerNormalization", "ReduceMean")


def sum_before_normalizations(model: ir.Model) -> None:
    """Replace each Add of two activations that LayerNormalizations alone read, in place."""
    for node in [node for node in model.graph if is_standard(node, "Add")]:
        output = node.outputs[0]
        readers = [use.node for use in output.uses()]
        if (
            any(is_standard(reader, *_NORMALIZATION) for reader in readers)
            and all(is_standard(reader, *_NORMALIZATION, "Sub") for reader in readers)
            and not output.is_graph_output()
            and output.dtype == ir.DataType.FLOAT
            and all(constant(value) is None for value in node.inputs)
        ):
            result = ir.Value()
            model.graph.insert_before(node, new_node("Sum", list(node.inputs), result, node.name))
            replace_value(output, result)
            model.graph.remove(node, safe=True)
