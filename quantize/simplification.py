"""onnx-simplifier: constants folded, dead nodes out."""

import onnx

from zoosmith.quantize.errors import QuantizeError
from zoosmith.quantize.folding import fold


def simplify(model: onnx.ModelProto) -> onnx.ModelProto:
    """What onnx-simplifier makes of the model. Raises QuantizeError where it gives up or makes an invalid model."""
    import onnxsim

    try:
        result, _ = onnxsim.simplify(model, check_n=0)
        onnx.checker.check_model(result, full_check=True)
    except Exception as error:
        # the simplifier raises whatever its C++ side does
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise QuantizeError(f"onnx-simplifier cannot take the model: {reason}") from error
    simplified: onnx.ModelProto = result
    # newer simplifiers note their own settings there: the file would depend on their version
    simplified.ClearField("metadata_props")
    simplified.metadata_props.extend(model.metadata_props)
    return simplified


def optimize(model: onnx.ModelProto) -> onnx.ModelProto:
    """The float model, simplified and folded: the same function with fewer nodes, float32 rounding apart.

    Parameters that are graph inputs, too, become initializers alone. Raises QuantizeError as `simplify` does.
    """
    return fold(simplify(model))
