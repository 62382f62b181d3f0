"""What a row is held to before it is published."""

from collections.abc import Sequence
from typing import Any

import onnx
from onnx import ModelProto

from zoosmith.recipes.densenet121 import Row
from zoosmith.report import Check
from zoosmith.validation import Comparison

# of the outputs of an integer row with those of the source net: a mean error of about 5 % of their standard deviation
LEAST_COSINE = 0.999
# what is older runs in the reference evaluator
OLDEST_OF_ONNX_RUNTIME = 7


def check_file(row: Row, content: bytes, model: ModelProto) -> list[Check]:
    """Check what a row's file says of itself; `model` is `content` parsed."""
    opset = max((entry.version for entry in model.opset_import if not entry.domain), default=0)
    checks = [Check("declared opset", opset, row.opset, opset == row.opset), _valid(content)]
    if row.size is not None:
        checks.append(Check("size in bytes", len(content), row.size, len(content) == row.size))
    return checks


def check_exact(comparisons: Sequence[Comparison]) -> list[Check]:
    """Return the checks of a row that computes what the source net computes, one pair for each data set in order."""
    return [
        check
        for index, found in enumerate(comparisons)
        for check in (
            Check(f"data set {index}: error", _figures(found), _limits(found), found.passed),
            Check(f"data set {index}: same top-1", bool(found.same_top1), True, bool(found.same_top1)),
        )
    ]


def check_integer(comparisons: Sequence[Comparison]) -> list[Check]:
    """Return the checks of an integer row, one for each data set: it is held to the cosine.

    Top-1 is a figure only, since the outputs for random pictures lie close together.
    """
    limit = {"cosine": LEAST_COSINE}
    return [
        Check(
            f"data set {index}: error",
            {**_figures(found), "same_top1": found.same_top1},
            limit,
            found.cosine is not None and found.cosine >= LEAST_COSINE,
        )
        for index, found in enumerate(comparisons)
    ]


def _figures(found: Comparison) -> dict[str, Any]:
    names = ("max_abs", "max_rel", "max_scaled", "cosine", "reason")
    return {name: getattr(found, name) for name in names}


def _limits(found: Comparison) -> dict[str, Any]:
    return {name: getattr(found.outputs[0], name) for name in ("rtol", "atol", "scale")}


def _valid(content: bytes) -> Check:
    name, limit = "onnx.checker with full_check", "valid"
    try:
        onnx.checker.check_model(content, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        return Check(name, str(error).strip().partition("\n")[0], limit, False)
    return Check(name, limit, limit, True)
