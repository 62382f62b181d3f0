"""Model-local functions: they have no initializers, and before opset 9 no Constant of integers."""

import numpy as np
import onnxruntime
import pytest
from onnx import ModelProto, checker, parser
from onnx.reference import ReferenceEvaluator

from zoosmith.opset_upgrade import OpsetError, convert_version
from zoosmith.validation import runner_for

X = np.arange(6, dtype=np.float32).reshape(2, 3)


def calling(body: str) -> ModelProto:
    """A model that calls one function of one input `a` and one result `r`."""
    return parser.parse_model(f"""<ir_version: 9, opset_import: ["": 13, "my": 1]>
      g (float[2, 3] x) => (float[n] y) {{ y = my.f (x) }}
      <domain: "my", opset_import: ["": 13]> f (a) => (r) {{ {body} }}""")


@pytest.mark.parametrize("target", [9, 8, 7])
@pytest.mark.parametrize(
    "body",
    [
        "q = Mul (a, a)  ax = Constant <value = int64[1] {1}> ()  r = ReduceSum <keepdims = 0> (q, ax)",
        "s = Constant <value = int64[1] {-1}> ()  r = Reshape (a, s)",
        "s = Constant <value_ints = [6]> ()  r = Reshape (a, s)",
        "i = Constant <value = int32[2] {1, 0}> ()  g = Gather (a, i)  n = Constant <value_ints = [6]> ()"
        "  r = Reshape (g, n)",
        "c = Constant <value = bool {1}> ()  n = Constant <value_ints = [6]> ()"
        "  r = If (c) <then_branch = t () => (p) { p = Reshape (a, n) }, else_branch = e () => (q) { q = Relu (a) }>",
    ],
)
def test_integer_constants_of_a_function_are_stated_in_it(body: str, target: int) -> None:
    model = calling(body)
    converted = convert_version(model, target)
    checker.check_model(converted)
    result = onnxruntime.InferenceSession(converted.SerializeToString()).run(None, {"x": X})[0]
    np.testing.assert_array_equal(result, ReferenceEvaluator(model).run(None, {"x": X})[0])


def test_a_constant_that_becomes_an_attribute_leaves_nothing_behind() -> None:
    body = "ax = Constant <value = int64[1] {1}> ()  r = ReduceSum <keepdims = 0> (a, ax)"
    assert [node.op_type for node in convert_version(calling(body), 8).functions[0].node] == ["ReduceSum"]


def test_an_integer_that_a_double_does_not_hold_is_refused_by_the_name_of_the_function() -> None:
    body = "i = Constant <value = int64[1] {9223372036854775807}> ()  k = Cast <to = 1> (i)  r = Add (a, k)"
    with pytest.raises(OpsetError, match="function 'f': a constant of int64 cannot be stated in a function there"):
        convert_version(calling(body), 8)


NESTED = """<ir_version: 9, opset_import: ["": 17, "l": 1]>
    g (float[2,3] x) => (float[2,3] y) { y = l.outer <k = 0.3> (x) }
    <opset_import: ["": 17, "l": 1], domain: "l">
    outer <k> (x) => (y) { z = Neg (x) y = l.inner <slope: float = @k> (z) }
    <opset_import: ["": 17], domain: "l">
    inner <slope> (x) => (y) { y = LeakyRelu <alpha: float = @slope> (x) }"""


@pytest.mark.parametrize("turned", [False, True])
def test_a_function_that_another_one_calls_knows_the_types_of_its_inputs(turned: bool) -> None:
    model = parser.parse_model(NESTED)
    if turned:
        model.functions.reverse()
    x = np.float32([[1, -2, 3], [-4, 5, -6]])
    expected = runner_for(model).run({"x": x})["y"]
    for target in (15, 8):
        converted = convert_version(model, target)
        checker.check_model(converted, full_check=True)
        np.testing.assert_array_equal(runner_for(converted).run({"x": x})["y"], expected)


def test_functions_that_call_each_other_are_refused() -> None:
    model = parser.parse_model(
        NESTED.replace("y = LeakyRelu <alpha: float = @slope> (x)", "y = l.outer <k = 0.1> (x) ")
    )
    model.functions[1].node.add(op_type="LeakyRelu", input=["x"], output=["unread"])
    with pytest.raises(OpsetError, match="the type of 'x' is not known"):
        convert_version(model, 13)
