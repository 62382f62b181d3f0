"""What is no valid model is refused before a library works on it, which might end in any way."""

import onnx
from onnx import ModelProto, helper

from zoosmith.onnx_model.errors import first_line
from zoosmith.onnx_model.shape_inference import has_long_vectors, infer_shapes
from zoosmith.optimize.errors import OptimizeError

# small ones may say what shapes are
_LARGE = 1 << 10


def refuse_invalid(model: ModelProto) -> None:
    """Refuse a model that contradicts itself: onnx-simplifier divides by a stride of 0, onnx-ir logs tracebacks.

    Args:
        model: left as it was. Outputs need not state a shape.

    Raises:
        OptimizeError: the model is not valid.
    """
    try:
        inferred = infer_shapes(_without_weights(model), strict_mode=True)
        for value in inferred.graph.output:
            if value.type.HasField("tensor_type"):
                # the checker wants one there, whatever it says
                value.type.tensor_type.shape.SetInParent()
        onnx.checker.check_model(inferred)
    except Exception as error:  # its C++ core raises errors without a common base
        raise OptimizeError(f"the model is not valid: {first_line(error)}") from error
    if has_long_vectors(inferred):
        raise OptimizeError("the model has vectors of too many elements: libraries would write down each of them")


def _without_weights(model: ModelProto) -> ModelProto:
    """A copy of a model with inputs in the place of its large weights."""
    copy = ModelProto()
    copy.CopyFrom(model)
    large = [tensor for tensor in model.graph.initializer if tensor.ByteSize() > _LARGE or tensor.external_data]
    names = {tensor.name for tensor in large}
    kept = [tensor for tensor in model.graph.initializer if tensor.name not in names]
    del copy.graph.initializer[:]
    copy.graph.initializer.extend(kept)
    given = {value.name for value in model.graph.input}
    copy.graph.input.extend(
        helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
        for tensor in large
        if tensor.name not in given
    )
    return copy
