"""What is computed of constants alone is a constant, and so are the known sizes of a value."""

from math import prod
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from onnx.reference import ReferenceEvaluator

from zoosmith.onnx_model.constants import Array
from zoosmith.optimize.values import (
    add_initializer,
    attribute,
    constant,
    input_constant,
    input_value,
    is_standard,
    name_of,
    opset,
    sizes,
)

# Exact on every machine: what moves values and counts, and arithmetic of one rounding.
_FOLDED = (
    *("Add", "And", "Cast", "Ceil", "Concat", "ConstantOfShape", "Div", "Equal", "Expand", "Flatten", "Floor"),
    *("Gather", "Greater", "Identity", "Less", "Max", "Min", "Mul", "Neg", "Not", "Or", "Range", "Reshape"),
    *("ReduceProd", "Slice", "Sqrt", "Squeeze", "Sub", "Tile", "Transpose", "Unsqueeze", "Where"),
)
# of a result, unless it is no larger than what it is computed of
_MOST_ELEMENTS = 1 << 16


class FoldConstants(ir.passes.InPlacePass):
    """Evaluate operators of constants, Shape and Size of values of known shape, and Gather of known sizes."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Change the model in place."""
        changed = False
        for node in list(model.graph):
            if node.domain not in ("", "ai.onnx") or len(node.outputs) != 1:
                continue
            output = node.outputs[0]
            value = _shape(node) if node.op_type in ("Shape", "Size") else _evaluated(node, opset(model))
            value = _chosen_sizes(node) if value is None else value
            if value is None or output.is_graph_output():
                continue
            folded = add_initializer(model.graph, name_of(output), value)
            output.replace_all_uses_with(folded)
            model.graph.remove(node, safe=True)
            changed = True
        return ir.passes.PassResult(model, changed)


def _shape(node: ir.Node) -> Array | None:
    """What Shape or Size give; None where a size is not known."""
    shape = _sizes(input_value(node, 0))
    if shape is None or None in shape:
        return None
    known = [size for size in shape if size is not None]
    if node.op_type == "Size":
        count = prod(known)
        return np.array(count, np.int64) if count < 1 << 63 else None
    return np.array(known[slice(attribute(node, "start", 0), attribute(node, "end", None))], np.int64)


def _sizes(value: ir.Value | None) -> tuple[int | None, ...] | None:
    """The shape of a value; of one that is itself a shape, it follows from the rank of what that describes."""
    maker = value.producer() if value is not None else None
    described = sizes(input_value(maker, 0)) if maker is not None and is_standard(maker, "Shape") else None
    if maker is None or described is None or maker.attributes:
        return sizes(value)
    return (len(described),)


def _chosen_sizes(node: ir.Node) -> Array | None:
    """What a Gather of some sizes gives where these are known; None for other nodes."""
    source, indices = input_value(node, 0), input_constant(node, 1)
    maker = source.producer() if source is not None and is_standard(node, "Gather") else None
    shape = sizes(input_value(maker, 0)) if maker is not None and is_standard(maker, "Shape") else None
    if maker is None or shape is None or maker.attributes or indices is None:
        return None
    if not all(-len(shape) <= index < len(shape) for index in indices.flat):
        return None
    found = [shape[index] for index in indices.flat]
    return None if None in found else np.array(found, np.int64).reshape(indices.shape)


def _evaluated(node: ir.Node, version: int) -> Array | None:
    """What the node gives; None where it is not computed of constants, or would be too large."""
    if not is_standard(node, *_FOLDED) or not node.inputs:
        return None
    values = {name_of(value): constant(value) for value in node.inputs if value is not None}
    given = {name: value for name, value in values.items() if value is not None}
    if len(given) < len(values) or not _is_exact(node, given) or not _is_small(node, given):
        return None
    try:
        with np.errstate(all="ignore"):
            (result,) = ReferenceEvaluator(_alone(node, given, version)).run(None, given)
    except Exception:  # the evaluator raises what numpy does: the node stays, and whoever runs it says what is wrong
        return None
    wanted = node.outputs[0].dtype
    if not isinstance(result, np.ndarray | np.generic) or (wanted is not None and wanted.numpy() != result.dtype):
        return None
    return np.asarray(result)


def _is_exact(node: ir.Node, given: dict[str, Array]) -> bool:
    """Whether numpy has ONNX's own result: it rounds quotients of integers down, ONNX towards zero."""
    arrays = given.values()
    if any(array.dtype.kind not in "fiub" or array.dtype.name == "float16" for array in arrays):
        return False
    return node.op_type != "Div" or all(array.dtype.kind == "f" or bool((array > 0).all()) for array in arrays)


def _is_small(node: ir.Node, given: dict[str, Array]) -> bool:
    shape = sizes(node.outputs[0])
    most = max(_MOST_ELEMENTS, *(array.size for array in given.values()))
    if shape is None or None in shape:
        grows = is_standard(node, "ConstantOfShape", "Expand", "Range", "Tile")
        return not grows and sum(array.size for array in given.values()) <= _MOST_ELEMENTS
    return prod(size for size in shape if size is not None) <= most


def _alone(node: ir.Node, given: dict[str, Array], version: int) -> onnx.ModelProto:
    """A model of one node."""
    types = {name: onnx.helper.np_dtype_to_tensor_dtype(array.dtype) for name, array in given.items()}
    inputs: list[Any] = [
        onnx.helper.make_tensor_value_info(name, types[name], array.shape) for name, array in given.items()
    ]
    proto = ir.serde.serialize_node(node)
    outputs = [onnx.helper.make_empty_tensor_value_info(proto.output[0])]
    graph = onnx.helper.make_graph([proto], "node", inputs, outputs)
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", version)])
