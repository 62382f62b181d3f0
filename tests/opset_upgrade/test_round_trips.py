"""Down and up again gives an equivalent model, whatever the shapes and axes."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import ModelProto, checker, helper, numpy_helper

from zoosmith.opset_upgrade import convert_version
from zoosmith.validation.running.choice import runner_for
from zoosmith.validation.verification.comparison import compare

SHAPES = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple)
BRIEF = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)


def numbers(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.RandomState(len(shape)).uniform(-2, 2, shape).astype(np.float32)


def one_node(
    operator: str, opset: int, arrays: list[np.ndarray], constants: list[np.ndarray], **how: Any
) -> ModelProto:
    names = [f"x{index}" for index in range(len(arrays) + len(constants))]
    inputs = [helper.make_tensor_value_info(n, 1, list(a.shape)) for n, a in zip(names, arrays, strict=False)]
    tensors = [numpy_helper.from_array(c, n) for n, c in zip(names[len(arrays) :], constants, strict=True)]
    outputs = [helper.make_tensor_value_info("y", 1, None)]
    graph = helper.make_graph([helper.make_node(operator, names, ["y"], **how)], "g", inputs, outputs, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def check(model: ModelProto, arrays: list[np.ndarray], *targets: int) -> None:
    feeds = {f"x{index}": array for index, array in enumerate(arrays)}
    expected = runner_for(model).run(feeds)
    for target in targets:
        there = convert_version(model, target)
        back = convert_version(there, model.opset_import[0].version)
        for converted in (there, back):
            with_shape = ModelProto()
            with_shape.CopyFrom(converted)
            shape = helper.make_tensor_type_proto(1, list(expected["y"].shape)).tensor_type.shape
            with_shape.graph.output[0].type.tensor_type.shape.CopyFrom(shape)
            checker.check_model(with_shape, full_check=True)
            comparison = compare(expected, runner_for(converted).run(feeds))
            assert comparison.passed, f"opset {target}: {comparison}"


@st.composite
def shape_and_axis(draw: st.DrawFn) -> tuple[tuple[int, ...], int]:
    shape = draw(SHAPES)
    return shape, draw(st.integers(-len(shape), len(shape) - 1))


@BRIEF
@given(shape_and_axis(), st.sampled_from(["Softmax", "LogSoftmax", "Hardmax"]))
def test_softmax_over_any_axis(drawn: tuple[tuple[int, ...], int], operator: str) -> None:
    shape, axis = drawn
    check(one_node(operator, 13, [numbers(shape)], [], axis=axis), [numbers(shape)], 12, 10, 7, 21)


@BRIEF
@given(shape_and_axis(), st.sampled_from(["Softmax", "LogSoftmax", "Hardmax"]))
def test_softmax_over_all_axes_from_one_on(drawn: tuple[tuple[int, ...], int], operator: str) -> None:
    shape, axis = drawn
    check(one_node(operator, 11, [numbers(shape)], [], axis=axis), [numbers(shape)], 13, 21, 9, 7)


@BRIEF
@given(
    shape_and_axis(),
    st.sampled_from(["ReduceSum", "ReduceMean", "ReduceMax", "ReduceL2", "ReduceLogSumExp", "ReduceSumSquare"]),
    st.booleans(),
)
def test_reductions_keep_their_values_down_and_up(
    drawn: tuple[tuple[int, ...], int], operator: str, keep: bool
) -> None:
    shape, axis = drawn
    constants = [np.array([axis], dtype=np.int64)]
    check(one_node(operator, 18, [numbers(shape)], constants, keepdims=int(keep)), [numbers(shape)], 17, 12, 10, 7, 21)


@st.composite
def shapes_that_broadcast(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...]]:
    wide = draw(SHAPES)
    cut = draw(st.integers(0, len(wide)))
    narrow = tuple(1 if draw(st.booleans()) else size for size in wide[cut:])
    return (wide, narrow) if draw(st.booleans()) else (narrow, wide)


@BRIEF
@given(shapes_that_broadcast(), st.sampled_from(["Add", "Mul", "Sub", "Div", "Pow"]))
def test_broadcasting_down_to_the_limited_one_and_back(
    shapes: tuple[tuple[int, ...], tuple[int, ...]], operator: str
) -> None:
    arrays = [np.asarray(np.abs(numbers(shape)) + 1, np.float32) for shape in shapes]
    check(one_node(operator, 13, arrays, []), arrays, 7, 6, 3)


@st.composite
def slices(draw: st.DrawFn) -> tuple[tuple[int, ...], list[tuple[int, int, int, int]]]:
    shape = draw(SHAPES)
    axes = draw(st.lists(st.integers(0, len(shape) - 1), min_size=1, unique=True))
    bound = st.integers(-6, 6) | st.sampled_from([-(2**31) - 5, 2**31 + 5])
    step = st.sampled_from([1, 1, 2, -1, -2])
    return shape, [
        (draw(bound), draw(bound), axis - draw(st.sampled_from([0, len(shape)])), draw(step)) for axis in axes
    ]


@BRIEF
@given(slices())
def test_slices_keep_their_values_down(drawn: tuple[tuple[int, ...], list[tuple[int, int, int, int]]]) -> None:
    shape, cuts = drawn
    columns = [np.array(column, dtype=np.int64) for column in zip(*cuts, strict=True)]
    check(one_node("Slice", 13, [numbers(shape)], columns), [numbers(shape)], 11, 9, 7)


@BRIEF
@given(shape_and_axis(), st.sampled_from(["constant", "edge", "wrap"]), st.integers(0, 3), st.integers(0, 3))
def test_pads_keep_their_values_down_and_up(
    drawn: tuple[tuple[int, ...], int], mode: str, begin: int, end: int
) -> None:
    shape, axis = drawn
    if mode == "wrap":  # ONNX Runtime reads beyond a tensor that is shorter than what is wrapped around it
        begin, end = min(begin, shape[axis]), min(end, shape[axis])
    constants = [
        np.array([begin, end], dtype=np.int64),
        np.array(0.5, dtype=np.float32),
        np.array([axis], dtype=np.int64),
    ]
    check(one_node("Pad", 19, [numbers(shape)], constants, mode=mode), [numbers(shape)], 18, 13, 10, 7, 21)


@BRIEF
@given(
    st.sampled_from(["MaxPool", "AveragePool", "LpPool"]),
    st.integers(4, 7),
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(1, 2),
    st.booleans(),
    st.data(),
)
def test_pools_keep_their_values_down(
    operator: str, size: int, kernel: int, stride: int, dilation: int, ceil: bool, data: st.DataObject
) -> None:
    reach = dilation * (kernel - 1) + 1
    if reach > size:
        return
    pads = data.draw(st.tuples(*[st.integers(0, kernel - 1)] * 2))
    how: dict[str, Any] = {"kernel_shape": [kernel], "strides": [stride], "dilations": [dilation], "pads": list(pads)}
    how["ceil_mode"] = int(ceil)
    if operator == "AveragePool":
        how["count_include_pad"] = int(data.draw(st.booleans()))
    array = numbers((1, 2, size))
    model = one_node(operator, 22, [array], [], **how)
    windows = size + sum(pads) - reach
    count = (-(-windows // stride) if ceil else windows // stride) + 1
    if ceil and (count - 1) * stride >= size + pads[0]:
        count -= 1
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", 1, [1, 2, count]))
    try:
        checker.check_model(model, full_check=True)
    except Exception:
        pytest.fail("the test's own arithmetic of sizes is wrong")
    check(model, [array], 21, 18, 11, 9, 7)
