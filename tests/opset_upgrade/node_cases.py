"""onnx's own backend node tests, by operator: models with inputs and the outputs that the operator's text asks for."""

from collections import defaultdict
from functools import cache
from typing import Any

import numpy as np
from onnx import TensorProto, numpy_helper


@cache
def cases_by_operator() -> dict[str, list[Any]]:
    """The test cases whose model uses an operator of the default domain, the smallest models first."""
    from onnx.backend.test.case.node import collect_testcases

    found: dict[str, list[Any]] = defaultdict(list)
    with np.errstate(all="ignore"):
        cases: list[Any] = collect_testcases()
    for case in cases:
        if any(entry.domain not in ("", "ai.onnx") for entry in case.model.opset_import):
            continue
        for operator in {node.op_type for node in case.model.graph.node}:
            found[operator].append(case)
    for group in found.values():
        group.sort(key=lambda case: (len(case.model.graph.node), case.model.ByteSize(), case.name))
    return dict(found)


def data(values: list[Any]) -> list[Any]:
    """Arrays of what a test case holds."""
    return [numpy_helper.to_array(value) if isinstance(value, TensorProto) else value for value in values]


def assert_same(expected: Any, actual: Any, *, rtol: float = 1e-3, atol: float = 1e-5) -> None:
    """Same type, shape and values, within the tolerance that the backend tests use."""
    if isinstance(expected, list):
        assert len(expected) == len(actual)
        for one, other in zip(expected, actual, strict=True):
            assert_same(one, other, rtol=rtol, atol=atol)
        return
    expected, actual = np.asarray(expected), np.asarray(actual)
    assert expected.shape == actual.shape
    assert expected.dtype == actual.dtype
    if expected.dtype.kind in "OUS":
        assert (expected.astype(str) == actual.astype(str)).all()
        return
    wide = np.complex128 if expected.dtype.kind == "c" else np.float64
    np.testing.assert_allclose(actual.astype(wide), expected.astype(wide), rtol=rtol, atol=atol)
