"""Shape inference finds what onnx finds, and spends no memory on vectors that are only stated."""

import resource
from collections.abc import Iterator
from pathlib import Path

import onnx
import pytest

from tests.attacks.model_building import INT64, constant, model, node, value
from zoosmith.onnx_model.shape_inference import INFERENCE_ERRORS, has_long_vectors, infer_shapes

_HUGE = 2**40


@pytest.fixture(autouse=True)
def limited_memory() -> Iterator[None]:
    statm = Path("/proc/self/statm")
    if not statm.exists():
        pytest.skip("without /proc this system does not tell how much memory the test may add")
    before = resource.getrlimit(resource.RLIMIT_AS)
    taken = int(statm.read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + (1 << 30), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def shapes(made: onnx.ModelProto) -> dict[str, list[int | str]]:
    return {
        each.name: [dim.dim_param or dim.dim_value for dim in each.type.tensor_type.shape.dim]
        for each in (*made.graph.value_info, *made.graph.output)
    }


def test_values_of_shapes_are_followed() -> None:
    nodes = [node("Shape", ["x"], ["s"]), node("ConstantOfShape", ["s"], ["c"]), node("Relu", ["c"])]
    assert shapes(infer_shapes(model(nodes, [value("x", [2, 3])])))["c"] == [2, 3]


def test_a_stated_vector_of_any_length_keeps_it_and_hands_it_on() -> None:
    nodes = [node("Mul", ["x", "x"], ["m"]), node("Relu", ["m"])]
    given = model(nodes, [value("x", [_HUGE])], [value("y", None)])
    found = infer_shapes(given)
    assert shapes(found) == {"m": [_HUGE], "y": [_HUGE]}
    assert given.graph.input[0] == found.graph.input[0]
    assert has_long_vectors(found)


def test_a_vector_in_between_that_a_number_makes_long_is_not_followed() -> None:
    nodes = [node("ConstantOfShape", ["n"], ["c"]), node("Mul", ["c", "c"])]
    made = model(nodes, outputs=[value("y", None)], weights=[constant("n", [_HUGE])])
    assert shapes(infer_shapes(made))["y"] == [_HUGE]


def test_a_length_that_is_a_rank_does_not_become_dimensions() -> None:
    made = model([node("Expand", ["x", "s"])], [value("x"), value("s", [_HUGE], INT64)], [value("y", None)])
    assert not infer_shapes(made).graph.output[0].type.tensor_type.HasField("shape")


def test_contradictions_are_raised_where_they_are_asked_for() -> None:
    made = model([node("Relu")], [value("x", [2])], [value("y", [3])])
    with pytest.raises(onnx.shape_inference.InferenceError):
        infer_shapes(made, strict_mode=True, check_type=True)


@pytest.mark.parametrize("inputs", [["", "x"], [""], []])
@pytest.mark.parametrize("strict", [False, True])
def test_a_node_without_an_input_that_it_requires_is_refused_before_onnx_sees_it(
    inputs: list[str], strict: bool
) -> None:
    matched = [node("RegexFullMatch", inputs, pattern="a")]
    made = model(
        matched, [value("x", [2], onnx.TensorProto.STRING)], [value("y", [2], onnx.TensorProto.BOOL)], opset=20
    )
    with pytest.raises(INFERENCE_ERRORS, match="leaves out its input 0"):
        infer_shapes(made, strict_mode=strict)
