"""The float model, simplified and folded."""

import onnx
import onnx_ir as ir
from onnx_ir.passes.common import CheckerPass, RemoveUnusedNodesPass

from zoosmith.onnx_model.errors import first_line
from zoosmith.optimize.annotations import keep_annotations
from zoosmith.optimize.errors import OptimizeError
from zoosmith.optimize.ir_model import infer_shapes, to_ir, to_proto
from zoosmith.optimize.passes.branches import InlineBranches, inline_decided
from zoosmith.optimize.passes.constants import FoldConstants
from zoosmith.optimize.passes.dropout import RemoveDropout
from zoosmith.optimize.passes.identities import RemoveIdentities
from zoosmith.optimize.passes.merging import MergeAffines
from zoosmith.optimize.passes.pooling import PoolBeforeConvolution
from zoosmith.optimize.passes.unit_axes import MergeUnitAxes
from zoosmith.optimize.passes.weights import FoldIntoNextConvolution, FoldIntoPreviousOperator
from zoosmith.optimize.simplification import simplify
from zoosmith.optimize.validity import valid
from zoosmith.optimize.values import opset

OLDEST_OPSET = 7

PASSES: tuple[ir.passes.InPlacePass, ...] = (
    RemoveDropout(),
    FoldConstants(),
    MergeUnitAxes(),
    MergeAffines(),
    PoolBeforeConvolution(),
    FoldIntoPreviousOperator(),
    FoldIntoNextConvolution(),
)
"""What `fold` runs, in this order: each says whether it changed the model."""


def optimize(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model that computes the same with fewer nodes; float32 results differ only in rounding.

    onnx-simplifier folds constants and drops dead nodes, then `fold` does its work.

    Args:
        model: opset 7 or later; it is left as it was. Inputs that have an initializer are taken as fixed.

    Returns:
        The optimized model, of the same opset, with the metadata and training information of what stays.

    Raises:
        ModelError: the model imports no opset of ONNX's own operators.
        OptimizeError: the model is older, onnx-simplifier gives up or makes an invalid model, or training information
            is of weights that become part of others.
    """
    result = to_proto(optimize_to_ir(model))
    keep_annotations(model, result)
    return result


def optimize_to_ir(model: onnx.ModelProto) -> ir.Model:
    """Do as `optimize`, and return the result in the form that further passes work on.

    Args:
        model: as for `optimize`.

    Returns:
        An onnx-ir model, as `to_ir` makes it.

    Raises:
        ModelError: as `optimize` does.
        OptimizeError: as `optimize` does.
    """
    result = to_ir(simplify(model))
    _check(result, "onnx-simplifier makes an invalid model")
    fold(result)
    return result


def fold_to_ir(model: onnx.ModelProto) -> ir.Model:
    """Compute what is constant in a model, check it, drop dead nodes and `fold` it; the bytes depend on no simplifier.

    Args:
        model: as for `optimize`.

    Returns:
        An onnx-ir model, as `to_ir` makes it.

    Raises:
        ModelError: as `optimize` does.
        OptimizeError: the model is older than opset 7, or not valid.
    """
    result = to_ir(valid(model))
    _fold_constants(result)
    while InlineBranches(_fold_constants)(result).modified:
        _fold_constants(result)
    _check(result, "it is not valid")
    RemoveUnusedNodesPass()(result)
    RemoveIdentities()(result)
    fold(result)
    return result


def _fold_constants(model: ir.Model) -> None:
    """Compute what is constant, and inline the branches that a constant decides for, until nothing changes."""
    while any([FoldConstants()(model).modified, inline_decided(model)]):
        infer_shapes(model)


def _check(model: ir.Model, what: str) -> None:
    unknown = [value for value in model.graph.outputs if value.shape is None and isinstance(value.type, ir.TensorType)]
    for value in unknown:
        # the checker wants one there, whatever it says; shape inference would contradict it
        value.shape = ir.Shape(())
    try:
        CheckerPass(full_check=not unknown)(model)
    except Exception as error:  # of the checker or of shape inference
        raise OptimizeError(f"{what}: {first_line(error)}") from error
    finally:
        for value in unknown:
            value.shape = None


def fold(model: ir.Model) -> bool:
    """Fold what stands around convolutions into them, in place.

    BatchNormalization, Mul, Add, Sub and Div by per-channel constants become one affine: inside the convolution (or
    Gemm) before it where nothing else reads that, inside the one after it where that pads nothing, else one
    BatchNormalization of mean 0 and variance 1. An average pooling after a 1 x 1 convolution moves before it, where
    the convolution has fewer positions to compute. Other types than float32 are left as they are.

    Args:
        model: as `to_ir` gives it, opset 7 or later.

    Returns:
        Whether anything changed.

    Raises:
        OptimizeError: below opset 7, operators broadcast by attributes and BatchNormalization may train.
    """
    if opset(model) < OLDEST_OPSET:
        raise OptimizeError(f"opset {opset(model)}, expected {OLDEST_OPSET} or later: convert the model first")
    return ir.passes.Sequential(*PASSES)(model).modified
