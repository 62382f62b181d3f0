"""Layers that stay in float do so in ONNX Runtime, too.

From 1.21 on it quantizes the float weights of a Conv, ConvTranspose or Gemm that reads a DequantizeLinear and is read
by a QuantizeLinear, with one scale for all of them: a layer that was left in float because it loses too much in
integers loses more then. It looks through Relu and Clip, makes a Gemm of MatMul and Add, and moves the conversions
through what only moves values. A LeakyRelu of slope 1, which changes nothing, keeps it off; it costs nothing, as ONNX
Runtime makes it a part of the layer.
"""

import onnx_ir as ir

from zoosmith.optimize.values import input_constant, is_standard, name_of, new_names, new_node, only_reader

_LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
_MOVES = ("Identity", "Flatten", "MaxPool", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze")
_BOUNDS = ("Relu", "Clip")


def keep_in_float(model: ir.Model) -> None:
    """Put a LeakyRelu of slope 1 behind each layer of float weights between integers, in place."""
    names = new_names(model)
    for node in [node for node in model.graph if is_standard(node, *_LAYERS)]:
        if not _is_dequantized(node.inputs[0]) or _is_dequantized(node.inputs[1]):
            continue
        last = _with_bias(node)
        if not _is_quantized(last.outputs[0]):
            continue
        output = last.outputs[0]
        [use] = output.uses()
        same = ir.Value(name=names.fresh(f"{name_of(output)}_same"))
        use.node.replace_input_with(use.idx, same)
        model.graph.insert_after(last, new_node("LeakyRelu", [output], same, alpha=1.0))


def _with_bias(node: ir.Node) -> ir.Node:
    """The Add that makes a Gemm of a MatMul; else the node itself."""
    after = only_reader(node.outputs[0]) if node.op_type == "MatMul" else None
    if after is None or not is_standard(after, "Add"):
        return node
    return after if any(input_constant(after, index) is not None for index in (0, 1)) else node


def _is_dequantized(value: ir.Value | None) -> bool:
    """Whether a value comes from a DequantizeLinear."""
    maker = None if value is None else value.producer()
    while maker is not None and is_standard(maker, *_MOVES):
        maker = None if maker.inputs[0] is None else maker.inputs[0].producer()
    return maker is not None and is_standard(maker, "DequantizeLinear")


def _is_quantized(value: ir.Value) -> bool:
    """Whether a QuantizeLinear alone reads a value."""
    reader = only_reader(value)
    while reader is not None and is_standard(reader, *_MOVES, *_BOUNDS):
        reader = only_reader(reader.outputs[0])
    return reader is not None and is_standard(reader, "QuantizeLinear")
