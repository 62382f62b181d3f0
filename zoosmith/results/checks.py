"""What a row is held to before it is published."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from onnx import ModelProto

from zoosmith.onnx_model.checking import check_file
from zoosmith.onnx_model.errors import InvalidModelError
from zoosmith.onnx_model.opsets import default_opset
from zoosmith.quantize.samples.statistics import MEAN_LIMIT, VARIANCE_LIMIT, SampleDistance
from zoosmith.recipes.rows import Row
from zoosmith.results.report import Check
from zoosmith.validation import Comparison

# of the outputs of an integer row with those of the source net: a mean error of about 5 % of their standard deviation
LEAST_COSINE = 0.999


def check_row_file(row: Row, path: Path, model: ModelProto, *, size: int | None) -> list[Check]:
    """Check what a row's file says of itself.

    Args:
        row: what the file must be.
        path: of the file.
        model: its structure.
        size: that it must have in bytes; None where nothing fixes it.

    Returns:
        The checks of its opset, of its validity and, where it is fixed, of its size.
    """
    opset = default_opset(model)
    checks = [Check("declared opset", opset, row.opset, opset == row.opset), _valid(path, model)]
    if size is not None:
        found = path.stat().st_size
        checks.append(Check("size in bytes", found, size, found == size))
    return checks


def check_exact(comparisons: Sequence[Comparison], *, classifies: bool) -> list[Check]:
    """Check the outputs of a row that computes what the source computes.

    Args:
        comparisons: of the outputs with the source's, one for each data set.
        classifies: whether the best class must be the same too.

    Returns:
        One check for each data set, or two, in order.
    """
    checks: list[Check] = []
    for index, found in enumerate(comparisons):
        checks.append(Check(f"data set {index}: error", _figures(found), _limits(found), found.passed))
        if classifies:
            same = bool(found.same_top1)
            checks.append(Check(f"data set {index}: same top-1", same, True, same))
    return checks


def check_integer(comparisons: Sequence[Comparison]) -> list[Check]:
    """Check the outputs of an integer row, which is held to the cosine.

    Top-1 is a figure only, since the best classes of made-up inputs may lie close together.

    Args:
        comparisons: of the outputs with the source's, one for each data set.

    Returns:
        One check for each data set, in order.
    """
    checks = []
    for index, found in enumerate(comparisons):
        passed = found.cosine is not None and found.cosine >= LEAST_COSINE
        # single elements are not held to a limit here: how many are beyond that of exact rows is no reason
        reason = None if passed else f"cosine {found.cosine}, expected at least {LEAST_COSINE}"
        figures = {**_figures(found), "reason": reason, "same_top1": found.same_top1}
        checks.append(Check(f"data set {index}: error", figures, {"cosine": LEAST_COSINE}, passed))
    return checks


def check_calibration(distance: SampleDistance | None) -> list[Check]:
    """Check that an integer row was calibrated on samples like the training data.

    Args:
        distance: of the samples from that; None where the model does not tell.

    Returns:
        One check, or none.
    """
    if distance is None:
        return []
    limit = {"mean": MEAN_LIMIT, "variance": VARIANCE_LIMIT}
    return [Check("calibration samples like the training data", asdict(distance), limit, not distance.far)]


def _figures(found: Comparison) -> dict[str, Any]:
    names = ("max_abs", "max_rel", "max_scaled", "cosine", "reason")
    return {name: getattr(found, name) for name in names}


def _limits(found: Comparison) -> dict[str, Any]:
    limits = {each.name: {name: getattr(each, name) for name in ("rtol", "atol", "scale")} for each in found.outputs}
    return limits if len(limits) > 1 else next(iter(limits.values()))


def _valid(path: Path, model: ModelProto) -> Check:
    name, limit = "onnx.checker with full_check", "valid"
    try:
        check_file(path, model)
    except InvalidModelError as error:
        return Check(name, str(error), limit, False)
    return Check(name, limit, limit, True)
