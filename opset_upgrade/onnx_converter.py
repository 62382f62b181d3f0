"""The converter of the onnx package, called one way."""

import onnx.version_converter
from onnx import ModelProto

from zoosmith.onnx_model.shape_inference import refuse_incomplete
from zoosmith.opset_upgrade.errors import OpsetError


def convert_by_onnx(model: ModelProto, target: int) -> ModelProto:
    """Convert a model with `onnx.version_converter.convert_version`.

    Args:
        model: the model; it is left as it is.
        target: the opset of the default domain.

    Returns:
        A new model; of tensors in external files it has the names alone.

    Raises:
        OpsetError: the converter fails, or would read memory that is not its own: a required input is missing.
    """
    try:
        refuse_incomplete(model)
        return onnx.version_converter.convert_version(model, target)
    except Exception as error:  # its C++ core raises RuntimeError, ValueError and types of its own
        reason = str(error).strip().split("\n", 1)[0].rpartition("failed: ")[2].removeprefix("Warning: ")
        raise OpsetError(f"onnx's converter failed: {reason}") from error
