"""What is no valid model is refused before a library works on it, which might end in any way."""

import onnx
from onnx import ModelProto, helper

from zoosmith.onnx_model.errors import first_line
from zoosmith.onnx_model.opsets import DEFAULT_DOMAINS
from zoosmith.onnx_model.shape_inference import has_long_vectors, infer_shapes
from zoosmith.onnx_model.traversal import all_nodes
from zoosmith.optimize.errors import OptimizeError

# small ones may say what shapes are
_LARGE = 1 << 10


def valid(model: ModelProto) -> ModelProto:
    """Refuse a model that contradicts itself: onnx-simplifier divides by a stride of 0, onnx-ir logs tracebacks.

    Args:
        model: left as it was. Outputs need not state a shape.

    Returns:
        The model; where it states shapes that are not those of its operators, a copy with the latter, by which runtimes
        go: PaddlePaddle's exporter states outputs as scalars.

    Raises:
        OptimizeError: the model is not valid.
    """
    light = _without_weights(model)
    _state_axes(light)
    try:
        inferred = infer_shapes(light, strict_mode=True)
    except Exception as error:  # its C++ core raises errors without a common base
        try:
            _drop_shapes(light)
            inferred = infer_shapes(light, strict_mode=True)
        except Exception:
            raise _invalid(error) from error
        copy = ModelProto()
        copy.CopyFrom(model)
        _drop_shapes(copy)
        for output, found in zip(copy.graph.output, inferred.graph.output, strict=True):
            output.type.CopyFrom(found.type)
        model = copy
    _check(inferred)
    return model


def _check(inferred: ModelProto) -> None:
    try:
        for value in inferred.graph.output:
            if value.type.HasField("tensor_type"):
                # the checker wants one there, whatever it says
                value.type.tensor_type.shape.SetInParent()
        onnx.checker.check_model(inferred)
    except Exception as error:  # its C++ core raises errors without a common base
        raise _invalid(error) from error
    if has_long_vectors(inferred):
        raise OptimizeError("the model has vectors of too many elements: libraries would write down each of them")


def _types_unknown(error: Exception) -> bool:
    """Whether all that strict inference misses are types, as behind operators of which onnx infers none (Scaler)."""
    missed = [line for line in str(error).splitlines() if "(op_type:" in line]
    return bool(missed) and all("expected to have type but instead is null" in line for line in missed)


def _invalid(error: Exception) -> OptimizeError:
    if _types_unknown(error):
        return OptimizeError(f"onnx knows no type for what an operator reads: {first_line(error)}")
    return OptimizeError(f"the model is not valid: {first_line(error)}")


def _drop_shapes(model: ModelProto) -> None:
    """Let the outputs of a model state no shapes, and its inner values nothing."""
    del model.graph.value_info[:]
    for value in model.graph.output:
        if value.type.HasField("tensor_type"):
            value.type.tensor_type.ClearField("shape")


def _state_axes(model: ModelProto) -> None:
    """State the default `axes` of MeanVarianceNormalization: onnx's inference (1.23) does not know them."""
    for node in all_nodes(model):
        if node.op_type == "MeanVarianceNormalization" and node.domain in DEFAULT_DOMAINS and not node.attribute:
            node.attribute.append(helper.make_attribute("axes", [0, 2, 3]))


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
