"""If below opset 11, where both branches come to one shape, in ONNX Runtime."""

import numpy as np
import onnxruntime
import pytest
from onnx import ModelProto, checker, parser

from zoosmith.opset_upgrade import convert_version

X = np.arange(6, dtype=np.float32).reshape(2, 3, 1)


def if_model(then: str, otherwise: str, shape: str = "2, 3, 1") -> ModelProto:
    """The sum over what an If takes of x."""
    return parser.parse_model(f"""<ir_version: 6, opset_import: ["": 11]>
      g (bool c, float[{shape}] x) => (float y) {{
        z = If (c) <then_branch = t () => (p) {{ p = {then} }}, else_branch = e () => (q) {{ q = {otherwise} }}>
        y = ReduceSum <keepdims = 0> (z) }}""")


def sums(model: ModelProto, x: np.ndarray = X) -> list[float]:
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return [float(session.run(None, {"c": np.array(c), "x": x})[0]) for c in (True, False)]


@pytest.mark.parametrize("shape", ["2, 3, 1", "n, 3, 1", "n, c, w"])
@pytest.mark.parametrize("target", [10, 9, 8, 7])
@pytest.mark.parametrize(
    ("then", "otherwise"),
    [
        ("Squeeze <axes = [2]> (x)", "Identity (x)"),
        ("Identity (x)", "ReduceMax <keepdims = 0> (x)"),
        ("ReduceMax <axes = [1]> (x)", "Relu (x)"),
    ],
)
def test_branches_of_different_shapes_load(target: int, then: str, otherwise: str, shape: str) -> None:
    model = if_model(then, otherwise, shape)
    converted = convert_version(model, target)
    checker.check_model(converted, full_check=True)
    assert sums(converted) == sums(model)


def test_empty_values_keep_their_shape() -> None:
    converted = convert_version(if_model("Squeeze <axes = [2]> (x)", "Identity (x)", "n, 3, 1"), 9)
    assert sums(converted, X[:0]) == [0, 0]


def test_branches_of_one_shape_stay_as_they_are() -> None:
    model = if_model("Relu (x)", "Identity (x)")
    assert convert_version(model, 10).graph.node[0] == model.graph.node[0]
