"""The identity of a sequence below 14, which brought it."""

from typing import Any

import numpy as np
import pytest
from onnx import checker, parser
from onnx.reference import ReferenceEvaluator

from zoosmith.opset_upgrade import OpsetError, convert_version

SEQUENCES = [
    ("float", [np.float32([1, 2]), np.float32([3])]),
    ("float", []),
    ("string", [np.array(["a", "b"], dtype=object)]),
    ("bool", [np.array([True])]),
]


@pytest.mark.parametrize(("kind", "tensors"), SEQUENCES)
@pytest.mark.parametrize("target", [13, 12, 11])
def test_a_sequence_is_the_same_after_one_more_tensor_came_and_went(kind: str, tensors: list[Any], target: int) -> None:
    text = f"g (seq({kind}[n]) x) => (seq({kind}[n]) y) {{ y = Identity (x) }}"
    converted = convert_version(parser.parse_model(f'<ir_version: 8, opset_import: ["": 14]> {text}'), target)
    checker.check_model(converted, full_check=True)
    assert "Identity" not in {node.op_type for node in converted.graph.node}
    found = ReferenceEvaluator(converted).run(None, {"x": tensors})[0]
    assert len(found) == len(tensors)
    for one, other in zip(tensors, found, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("kind", "opset", "target", "reason"),
    [
        ("seq(float[n])", 14, 10, "it would take SequenceInsert"),
        ("optional(float[n])", 16, 14, r"is optional\(tensor\(float\)\), which it does not take there"),
    ],
)
def test_what_has_no_such_form_is_refused(kind: str, opset: int, target: int, reason: str) -> None:
    text = f"g ({kind} x) => ({kind} y) {{ y = Identity (x) }}"
    with pytest.raises(OpsetError, match=reason):
        convert_version(parser.parse_model(f'<ir_version: 8, opset_import: ["": {opset}]> {text}'), target)
