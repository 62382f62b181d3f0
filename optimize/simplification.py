"""onnx-simplifier: constants folded, dead nodes out."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import onnx

from zoosmith.onnx_model.errors import first_line
from zoosmith.onnx_model.opsets import required_opset
from zoosmith.optimize.errors import OptimizeError
from zoosmith.optimize.validity import valid
from zoosmith.optimize.weights_in_files import put_weights_back, with_inputs_for_weights

# passes of onnx-simplifier whose operators are not ONNX's own
_OTHER_DOMAINS = ("fuse_attention", "fuse_gqa", "fuse_rope", "fuse_rms_norm", "fuse_matmul_integer_to_float")


def simplify(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return what onnx-simplifier makes of a model; it is not checked, which `optimize` does.

    Of a model that was read in place, the weights that nothing folds stay in the file.

    Args:
        model: any valid model; it is left as it was.

    Returns:
        The same function, with the metadata of `model`.

    Raises:
        ModelError: the model imports no opset of ONNX's own operators.
        OptimizeError: the model is not valid, or onnx-simplifier gives up.
    """
    import onnxsim

    required_opset(model)
    given, weights = with_inputs_for_weights(model)
    given = valid(given)
    try:
        with _unprinted():
            result, _ = onnxsim.simplify(given, check_n=0, skipped_optimizers=list(_OTHER_DOMAINS))
    except Exception as error:
        # the simplifier raises whatever its C++ side does
        raise OptimizeError(f"onnx-simplifier cannot take the model: {first_line(error)}") from error
    simplified: onnx.ModelProto = result
    put_weights_back(simplified.graph, weights, {value.name for value in model.graph.input})
    # newer simplifiers note their own settings there: the file would depend on their version
    simplified.ClearField("metadata_props")
    simplified.metadata_props.extend(model.metadata_props)
    return simplified


@contextmanager
def _unprinted() -> Iterator[None]:
    """Drop what is printed: the simplifier and its C++ print of operators that they do not know, with tracebacks."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    kept = {number: os.dup(number) for number in (1, 2)}
    nothing = os.open(os.devnull, os.O_WRONLY)
    try:
        for number in kept:
            os.dup2(nothing, number)
        yield
        sys.stdout.flush()
    finally:
        for number, copy in kept.items():
            os.dup2(copy, number)
            os.close(copy)
        os.close(nothing)
