"""Operators of com.microsoft in place of standard ones, where benchmarks/int8_contrib.py measured them faster."""

from collections.abc import Callable, Collection

import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from zoosmith.onnx_model.constants import Array
from zoosmith.onnx_model.names import Names
from zoosmith.onnx_model.opsets import CONTRIB_DOMAIN
from zoosmith.optimize.values import (
    add_initializer,
    attribute,
    constant,
    input_constant,
    input_value,
    is_standard,
    name_of,
    new_names,
    only_reader,
    replace_value,
)
from zoosmith.quantize.target import CONTRIB_OPERATORS
from zoosmith.quantize.writing.gelus import read_gelu
from zoosmith.quantize.writing.weights import quantize_weights

CONTRIB_INTEGERS = ("MatMulIntegerToFloat", "DynamicQuantizeLSTM")
"""Those that multiply integers."""

# weights of one direction of an LSTM: of 8,192 (32 units) it ran 0.80 to 0.92 times as fast, of 32,768 1.2 times
FEWEST_RECURRENT = 32768

Replace = Callable[[ir.Graph, ir.Node, Names], bool]
"""Writes an operator of com.microsoft in place of what begins or ends at a node; False where that is something else."""


def use_contrib_operators(
    model: ir.Model, operators: Collection[str] = CONTRIB_OPERATORS, exact: Collection[str] = ()
) -> None:
    """Replace integer products, GELUs and LSTMs, in place; what they replace is removed.

    Args:
        model: of integer operators, as `write_integer` makes it.
        operators: those that may be used.
        exact: names of the first outputs of nodes that keep their float weights.
    """
    names = new_names(model)
    rules = {op_type: rule for op_type, (operator, rule) in _RULES.items() if operator in operators}
    replaced = [
        rules[node.op_type](model.graph, node, names)
        for node in list(model.graph)
        if is_standard(node, *rules) and node.outputs[0].name not in exact
    ]
    if any(replaced):
        model.opset_imports[CONTRIB_DOMAIN] = 1
        RemoveUnusedNodesPass()(model)


def _product(graph: ir.Graph, node: ir.Node, names: Names) -> bool:
    """MatMulInteger, Cast, Mul by a scale for each column, and the Add of a bias for each: MatMulIntegerToFloat."""
    cast = only_reader(node.outputs[0])
    scaled = None if cast is None or not is_standard(cast, "Cast") else only_reader(cast.outputs[0])
    scale = None if scaled is None or not is_standard(scaled, "Mul") else input_value(scaled, 1)
    if scaled is None or constant(scale) is None:
        return False
    last, bias = scaled, None
    added = only_reader(scaled.outputs[0])
    if added is not None and is_standard(added, "Add"):
        bias = next((value for value in added.inputs if _is_row(value, input_constant(node, 1))), None)
        last = scaled if bias is None else added
    # the scale of what is read is in the columns' scales already
    one = add_initializer(graph, names.fresh("one"), np.array(1, np.float32))
    read, weights, zero_point = node.inputs
    _put(graph, last, "MatMulIntegerToFloat", [read, weights, one, scale, zero_point, None, bias])
    return True


def _is_row(value: ir.Value | None, weights: Array | None) -> bool:
    """Whether a value is a constant of one number for each column of the weights."""
    found = constant(value)
    return found is not None and weights is not None and found.shape == weights.shape[1:]


def _gelu(graph: ir.Graph, erf: ir.Node, _: Names) -> bool:
    """GELU by an Erf: Gelu."""
    found = read_gelu(erf)
    if found is None or found.doubled:
        return False
    _put(graph, found.last, "Gelu", [_dequantized(found.source)])
    return True


def _dequantized(value: ir.Value) -> ir.Value:
    """What a Clip reads that stands behind a DequantizeLinear and changes nothing; else the value itself."""
    clip = value.producer()
    source = None if clip is None or not is_standard(clip, "Clip") else clip.inputs[0]
    dequantize = None if source is None else source.producer()
    if clip is None or source is None or dequantize is None or not is_standard(dequantize, "DequantizeLinear"):
        return value
    scale, zero_point = (input_constant(dequantize, index) for index in (1, 2))
    lowest = input_constant(clip, 1) if len(clip.inputs) > 1 else attribute(clip, "min")
    if scale is None or zero_point is None or lowest is None or input_value(clip, 2) is not None:
        return value
    return source if float(lowest) == float(scale * -zero_point.astype(np.float32)) else value


def _lstm(graph: ir.Graph, node: ir.Node, names: Names) -> bool:
    """LSTM with constant matrices: DynamicQuantizeLSTM, int8 matrices with a scale for each row of each gate."""
    matrices = [input_constant(node, index) for index in (1, 2)]
    others = [value for value in node.inputs[3:] if value is not None]
    known = {"activation_alpha", "activation_beta", "activations", "clip", "direction", "hidden_size", "input_forget"}
    given = {name: value for name, value in node.attributes.items() if name != "layout"}
    if (
        any(matrix is None or matrix.dtype != np.float32 or not np.isfinite(matrix).all() for matrix in matrices)
        or sum(matrix[0].size for matrix in matrices if matrix is not None) < FEWEST_RECURRENT
        or attribute(node, "layout", 0)
        or attribute(node, "input_forget", 0)
        or set(given) - known
        or any(value.dtype not in (None, ir.DataType.FLOAT, ir.DataType.INT32) for value in others)
    ):
        return False
    packed, encoded = [], []
    for matrix, word in zip(matrices, ("input", "recurrent"), strict=True):
        assert matrix is not None
        directions = [
            quantize_weights(each.astype(np.float64), np.zeros(len(each)), np.ones(each.shape)) for each in matrix
        ]
        scale = np.stack([each.scale for each in directions]).astype(np.float32)
        arrays = {
            f"{word}_weights": np.stack([each.weights.T for each in directions]),
            f"{word}_scale": scale,
            f"{word}_zero_point": np.zeros(scale.shape, np.int8),
        }
        weights, *parameters = (
            add_initializer(graph, names.fresh(f"{name_of(_named_output(node))}_{name}"), array)
            for name, array in arrays.items()
        )
        packed.append(weights)
        encoded.extend(parameters)
    rest = [*node.inputs[3:], *[None] * (8 - len(node.inputs))]
    made = ir.node(
        "DynamicQuantizeLSTM",
        [node.inputs[0], *packed, *rest, *encoded],
        given,
        domain=CONTRIB_DOMAIN,
        num_outputs=len(node.outputs),
        name=node.name,
    )
    graph.insert_before(node, made)
    for old, new in zip(node.outputs, made.outputs, strict=True):
        replace_value(old, new)
    graph.remove(node, safe=True)
    return True


def _named_output(node: ir.Node) -> ir.Value:
    """The first output of a node that is not left out."""
    return next(value for value in node.outputs if value.name)


def _put(graph: ir.Graph, last: ir.Node, op_type: str, inputs: list[ir.Value | None]) -> None:
    """Let an operator of com.microsoft make what `last` makes."""
    while inputs[-1] is None:
        inputs.pop()
    made = ir.node(op_type, inputs, domain=CONTRIB_DOMAIN, name=last.name)
    graph.insert_before(last, made)
    replace_value(last.outputs[0], made.outputs[0])


# standard operator -> the operator of com.microsoft, and what writes it
_RULES: dict[str, tuple[str, Replace]] = {
    "MatMulInteger": ("MatMulIntegerToFloat", _product),
    "Erf": ("Gelu", _gelu),
    "LSTM": ("DynamicQuantizeLSTM", _lstm),
}
