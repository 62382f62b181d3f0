"""Values of a node's outputs from constant inputs, by onnx's reference evaluator."""

from collections.abc import Callable, Mapping
from math import inf, prod

import numpy as np
from onnx import (
    GraphProto,
    ModelProto,
    NodeProto,
    helper,
    numpy_helper,
)
from onnx.external_data_helper import uses_external_data

from zoosmith.onnx_model.shape_inference import INFERENCE_ERRORS, infer_node_outputs
from zoosmith.onnx_model.traversal import subgraphs
from zoosmith.opset_upgrade.errors import Refusal
from zoosmith.opset_upgrade.node_editing import find_attribute, get_attribute, tensor_array
from zoosmith.opset_upgrade.node_validity import check_attributes
from zoosmith.opset_upgrade.schemas import NEWEST_OPSET, schema_at

SMALL = 1 << 14
"""Constants of more elements than this are weights, not facts: they are never decoded."""

_RANDOM = {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli"}
# results of more elements are not computed, however small the constants that they come from
_LARGEST = 1 << 20
# operators that numbers in their inputs or attributes tell how large the result is
_GROWING = {
    *("Expand", "Tile", "ConstantOfShape", "Range", "OneHot", "Pad", "Resize", "CenterCropPad", "Col2Im"),
    *("Conv", "ConvInteger", "QLinearConv", "ConvTranspose", "DeformConv", "MaxPool", "AveragePool", "LpPool"),
    *("MaxUnpool", "MaxRoiPool", "RoiAlign", "GridSample", "AffineGrid", "DFT", "STFT", "MelWeightMatrix"),
    *("HannWindow", "HammingWindow", "BlackmanWindow", "TfIdfVectorizer", "ImageDecoder"),
}
# opsets below which onnx's evaluator does not compute what the operator's text says
_EVALUATED_SINCE = {
    operator: opset
    for opset, operators in {
        # LogSoftmax: of probabilities that underflow; LRN: of as many channels as there are rows; RoiAlign: of mode max
        NEWEST_OPSET + 1: "LogSoftmax LRN RoiAlign Upsample",
        14: "BatchNormalization",
        13: "Hardmax Resize Softmax",
        12: "Dropout",
        11: "Clip Conv LpPool Pad",
        10: "TopK",
        8: "Max MaxPool Mean Min Sum",
        7: "Add And AveragePool Div Equal Gemm Greater Less Mul Or PRelu Pow Sub Xor",
        6: "Cast Elu HardSigmoid InstanceNormalization LeakyRelu Selu Tile",
        5: "Concat Reshape Split",
    }.items()
    for operator in operators.split()
}


def is_evaluated(node: NodeProto, opset: int) -> bool:
    """Whether onnx's evaluator computes what the text of the operator at that opset says."""
    return opset >= _EVALUATED_SINCE.get(node.op_type, 1)


def reads_shape_only(node: NodeProto) -> bool:
    """Whether the node's value depends on its input's shape alone."""
    return not node.domain and node.op_type in ("Shape", "Size")


def fold(
    node: NodeProto,
    opset: int,
    shape_of: Callable[[str], tuple[int | None, ...] | None],
    value_of: Callable[[str], np.ndarray | None],
    limit: int,
) -> dict[str, np.ndarray | None]:
    """Values of the node's outputs; None for those that are computed at run time or have more than `limit` elements."""
    unknown: dict[str, np.ndarray | None] = {name: None for name in node.output if name}
    if not _is_foldable(node, opset) or not node.output or (reads_shape_only(node) and not node.input):
        return unknown
    if reads_shape_only(node):
        return {node.output[0]: _shape_value(node, shape_of(node.input[0]))}
    tensor = find_attribute(node, "value") if node.op_type == "Constant" else None
    if tensor is not None and tensor.HasField("t"):
        value = tensor_array(tensor.t) if prod(tensor.t.dims) <= limit else None
        return {node.output[0]: value}
    values: dict[str, np.ndarray] = {}
    for name in node.input:
        value = value_of(name) if name else None
        if name and value is None:
            return unknown
        if value is not None:
            values[name] = value
    if _result_size(node, opset, values) > _LARGEST:
        return unknown
    results = _run(node, opset, values)
    for name, result in zip(node.output, results, strict=False):
        if name and isinstance(result, np.ndarray | np.generic) and result.size <= limit:
            unknown[name] = np.asarray(result)
    return unknown


def _is_foldable(node: NodeProto, opset: int) -> bool:
    """Whether the node computes the same in every run, and the evaluator computes it."""
    if node.domain or node.op_type in _RANDOM or subgraphs(node) or _reads_files(node):
        return False
    if not is_evaluated(node, opset) or any(attribute.ref_attr_name for attribute in node.attribute):
        return False
    try:
        check_attributes(node, opset)
    except Refusal:  # of attributes without meaning the evaluator makes other things than runtimes do
        return False
    return True


def _reads_files(node: NodeProto) -> bool:
    """Whether a tensor in an attribute lies in a file beside the model; the evaluator would look for it anywhere."""
    return any(
        uses_external_data(tensor)
        for attribute in node.attribute
        if attribute.HasField("t") or attribute.HasField("sparse_tensor")
        for tensor in (attribute.t, attribute.sparse_tensor.values, attribute.sparse_tensor.indices)
    )


def _result_size(node: NodeProto, opset: int, values: Mapping[str, np.ndarray]) -> float:
    """At most how many elements the node computes; infinite where onnx's inference does not tell."""
    most = prod(max(1, value.size) for value in values.values())
    if node.op_type not in _GROWING and most <= _LARGEST:
        return most
    schema = schema_at(node.op_type, min(opset, NEWEST_OPSET))
    if schema is None:
        return inf
    data = {name: numpy_helper.from_array(value, name) for name, value in values.items()}
    types = {name: helper.make_tensor_type_proto(each.data_type, each.dims) for name, each in data.items()}
    try:
        inferred = infer_node_outputs(schema, node, types, data, opset)
    except INFERENCE_ERRORS:
        return inf
    sizes = [found.tensor_type.shape.dim for found in inferred.values()]
    if not all(dim.HasField("dim_value") for dims in sizes for dim in dims):
        return inf
    return sum(prod(dim.dim_value for dim in dims) for dims in sizes) if sizes else inf


def _shape_value(node: NodeProto, shape: tuple[int | None, ...] | None) -> np.ndarray | None:
    if shape is None:
        return None
    if node.op_type == "Shape":
        start, end = get_attribute(node, "start", 0), get_attribute(node, "end")
        shape = shape[start:end]
    known = [size for size in shape if size is not None]
    if len(known) < len(shape):
        return None
    if node.op_type == "Shape":
        return np.array(known, dtype=np.int64)
    count = prod(known)
    return np.asarray(count, dtype=np.int64) if count < 1 << 63 else None


def _run(node: NodeProto, opset: int, values: Mapping[str, np.ndarray]) -> list:
    from onnx.reference import ReferenceEvaluator

    graph = GraphProto(name="fold")
    graph.node.append(node)
    graph.input.extend(helper.make_tensor_value_info(n, 1, None) for n in values)
    graph.output.extend(helper.make_tensor_value_info(n, 1, None) for n in node.output if n)
    model = ModelProto(ir_version=8, graph=graph, opset_import=[helper.make_opsetid("", opset)])
    try:
        results = iter(ReferenceEvaluator(model).run(None, dict(values)))
    except Exception:  # whatever the evaluator cannot do is simply not a known constant
        return []
    return [next(results) if name else None for name in node.output]
