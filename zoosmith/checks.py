"""What a row is held to before it is published."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx
from onnx import ModelProto

from validation import Comparison, compare, runner_for
from zoosmith.datasets import DataSet
from zoosmith.recipes.densenet121 import Row
from zoosmith.report import Check

# what is older runs in the reference evaluator
OLDEST_OF_ONNX_RUNTIME = 7


def check_file(row: Row, content: bytes, model: ModelProto) -> list[Check]:
    """Check what a row's file says of itself; `model` is `content` parsed."""
    opset = max((entry.version for entry in model.opset_import if not entry.domain), default=0)
    checks = [Check("declared opset", opset, row.opset, opset == row.opset), _valid(content)]
    if row.size is not None:
        checks.append(Check("size in bytes", len(content), row.size, len(content) == row.size))
    return checks


def run_sets(path: Path, sets: Sequence[DataSet]) -> list[Comparison]:
    """Run a row on the data sets and compare with their outputs.

    ONNX Runtime runs what is not too old for it, on one thread, so that no figure depends on the number of threads; the
    reference evaluator with the legacy operators runs the rest.
    """
    runner = runner_for(path, threads=1)
    return [compare(data.outputs, runner.run(data.inputs)) for data in sets]


def check_sets(comparisons: Sequence[Comparison]) -> list[Check]:
    """Return the checks of the comparisons with the data sets, in their order."""
    return [check for index, found in enumerate(comparisons) for check in _check_set(index, found)]


def _valid(content: bytes) -> Check:
    name, limit = "onnx.checker with full_check", "valid"
    try:
        onnx.checker.check_model(content, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        return Check(name, str(error).strip().partition("\n")[0], limit, False)
    return Check(name, limit, limit, True)


def _check_set(index: int, found: Comparison) -> list[Check]:
    figure: dict[str, Any] = {
        "max_abs": found.max_abs,
        "max_rel": found.max_rel,
        "max_scaled": found.max_scaled,
        "cosine": found.cosine,
        "reason": found.reason,
    }
    limit = {"rtol": found.outputs[0].rtol, "atol": found.outputs[0].atol, "scale": found.outputs[0].scale}
    return [
        Check(f"data set {index}: error", figure, limit, found.passed),
        Check(f"data set {index}: same top-1", bool(found.same_top1), True, bool(found.same_top1)),
    ]
