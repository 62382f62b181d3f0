"""Models that draw random numbers: two runs of one differ, so nothing can be held against it."""

from onnx import ModelProto, NodeProto, TensorProto, numpy_helper

from zoosmith.onnx_model.constants import constant_tensor
from zoosmith.onnx_model.opsets import is_standard
from zoosmith.onnx_model.traversal import all_graphs, all_nodes
from zoosmith.validation.errors import ValidationError

_DRAWING = ("Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike")
# an input by which Dropout works as in training
_TRAINING_MODE = 2


def refuse_random(model: ModelProto) -> None:
    """Raise ValidationError where operators of a model draw random numbers."""
    off = {tensor.name for graph in all_graphs(model) for tensor in graph.initializer if _is_false(tensor)}
    nodes = list(all_nodes(model))
    off |= {node.output[0] for node in nodes if (value := constant_tensor(node)) is not None and _is_false(value)}
    drawing = sorted({node.op_type for node in nodes if _draws(node, off)})
    if drawing:
        raise ValidationError(f"it draws random numbers ({', '.join(drawing)}), so two runs differ")


def _draws(node: NodeProto, off: set[str]) -> bool:
    if is_standard(node, *_DRAWING):
        return True
    training = node.input[_TRAINING_MODE] if len(node.input) > _TRAINING_MODE else ""
    return is_standard(node, "Dropout") and bool(training) and training not in off


def _is_false(tensor: TensorProto) -> bool:
    return tensor.data_type == TensorProto.BOOL and not numpy_helper.to_array(tensor).any()
