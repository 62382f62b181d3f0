"""Indices, axes and bounds that are computed at run time, below the opset whose operator takes them so."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from onnx import ModelProto, checker, helper

from tests.opset_upgrade.node_cases import assert_same
from tests.opset_upgrade.nodes import node_model, run
from zoosmith.onnx_model.ports import required_inputs
from zoosmith.opset_upgrade import OpsetError, convert, convert_version
from zoosmith.validation.running.choice import runner_for
from zoosmith.validation.running.reference import ReferenceRunner

_FEW = settings(max_examples=25, deadline=None)
_REDUCE = {"add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}


def _model(
    operator: str, opset: int, inputs: Sequence[np.ndarray], shape: Sequence[int], **attributes: Any
) -> ModelProto:
    names = [f"x{index}" for index in range(len(inputs))]
    kind = helper.np_dtype_to_tensor_dtype
    graph = helper.make_graph(
        [helper.make_node(operator, names, ["y"], **attributes)],
        operator,
        [helper.make_tensor_value_info(n, kind(a.dtype), a.shape) for n, a in zip(names, inputs, strict=True)],
        [helper.make_tensor_value_info("y", kind(inputs[0].dtype), shape)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def _lowered(model: ModelProto, target: int, inputs: Sequence[np.ndarray]) -> Any:
    converted = convert_version(model, target)
    checker.check_model(converted, full_check=True)
    feeds = dict(zip((value.name for value in required_inputs(converted.graph)), inputs, strict=True))
    try:
        return next(iter(runner_for(converted).run(feeds).values()))
    except Exception:  # no kernel for the type
        return next(iter(ReferenceRunner(converted).run(feeds).values()))


@given(st.sampled_from(sorted(_REDUCE)), st.sampled_from(["float32", "int32", "int64"]), st.data())
@_FEW
def test_scattered_elements_are_reduced_with_what_is_there(reduction: str, dtype: str, data: st.DataObject) -> None:
    shape = data.draw(array_shapes(min_dims=1, max_dims=3, max_side=4))
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    count = [data.draw(st.integers(1, size)) for size in shape]
    size = shape[axis]
    indices = data.draw(arrays(np.int64, count, elements=st.integers(-size, size - 1)))
    numbers = st.integers(-9, 9) if dtype != "float32" else st.integers(-9, 9) | st.just(np.inf)
    values = data.draw(arrays(dtype, shape, elements=st.integers(-9, 9)))
    updates = data.draw(arrays(dtype, count, elements=numbers))
    expected = values.copy()
    place = list(np.indices(count))
    place[axis] = indices % size
    with np.errstate(invalid="ignore"):
        _REDUCE[reduction].at(expected, tuple(place), updates)
    inputs = [values, indices, updates]
    for target in (17, 15, 11):
        lowered = _lowered(_model("ScatterElements", 18, inputs, shape, axis=axis, reduction=reduction), target, inputs)
        assert_same(expected, lowered)


@given(st.sampled_from(sorted(_REDUCE)), st.data())
@_FEW
def test_scattered_slices_are_reduced_with_what_is_there(reduction: str, data: st.DataObject) -> None:
    shape = data.draw(array_shapes(min_dims=1, max_dims=3, max_side=4))
    depth = data.draw(st.integers(1, len(shape)))
    count = data.draw(st.integers(1, 5))
    columns = [data.draw(arrays(np.int64, (count,), elements=st.integers(-n, n - 1))) for n in shape[:depth]]
    values = data.draw(arrays(np.float32, shape, elements=st.integers(-9, 9)))
    updates = data.draw(arrays(np.float32, (count, *shape[depth:]), elements=st.integers(-9, 9)))
    expected = values.copy()
    _REDUCE[reduction].at(expected, tuple(columns), updates)
    inputs = [values, np.stack(columns, -1), updates]
    for target in (17, 15, 11):
        assert_same(expected, _lowered(_model("ScatterND", 18, inputs, shape, reduction=reduction), target, inputs))


def test_a_table_of_updates_that_would_fill_the_memory_is_refused() -> None:
    values, indices = np.zeros(1 << 14, np.float32), np.zeros(1 << 14, np.int64)
    model = _model("ScatterElements", 18, [values, indices, values], values.shape, reduction="max")
    with pytest.raises(OpsetError, match="too large"):
        convert_version(model, 17)


@pytest.mark.parametrize("operator", ["ReduceMax", "ReduceSumSquare", "ReduceL1", "ReduceSum"])
@pytest.mark.parametrize("axes", [[1], [-1], [0, 2], [-1, -2], [3, 1]])
@pytest.mark.parametrize("keepdims", [0, 1])
def test_a_reduction_over_axes_computed_at_run_time(operator: str, axes: list[int], keepdims: int) -> None:
    values = np.random.RandomState(0).standard_normal((2, 2, 2, 1)).astype(np.float32)
    inner = {"ReduceSumSquare": np.square, "ReduceL1": np.abs}.get(operator, np.asarray)(values)
    expected = (np.max if operator == "ReduceMax" else np.sum)(inner, axis=tuple(axes), keepdims=bool(keepdims))
    inputs = [values, np.array(axes, np.int64)]
    model = _model(operator, 18, inputs, expected.shape, keepdims=keepdims)
    for target in (17, 12, 8, 6, 3):
        assert_same(expected, _lowered(model, target, inputs))


def test_empty_data_is_reduced_over_axes_computed_at_run_time_or_refused() -> None:
    inputs = [np.zeros((5, 0, 1), np.float32), np.array([0])]
    model = _model("ReduceL2", 18, inputs, (0, 1), keepdims=0)
    for axis, dim in enumerate(model.graph.output[0].type.tensor_type.shape.dim):
        dim.dim_param = f"y{axis}"
    assert _lowered(model, 13, inputs).shape == (0, 1)
    with pytest.raises(OpsetError, match=r"axes .* are computed at run time, and its data is empty"):
        convert_version(model, 12)
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "rows"
    with pytest.raises(OpsetError, match="empty tensors"):
        convert(model, 12, exact=True)
    [caveat] = convert(model, 12).caveats
    assert caveat.kind == "empty tensors"


@given(st.data(), st.booleans(), st.booleans())
@_FEW
def test_a_slice_whose_bounds_are_computed_at_run_time(data: st.DataObject, with_axes: bool, with_steps: bool) -> None:
    shape = data.draw(array_shapes(min_dims=1, max_dims=3, max_side=5))
    count = data.draw(st.integers(1, len(shape)))
    axes = data.draw(st.permutations(range(len(shape))))[:count] if with_axes else list(range(count))
    signs = data.draw(st.lists(st.booleans(), min_size=count, max_size=count))
    bound = st.integers(-7, 7) | st.sampled_from([np.iinfo(np.int64).min, np.iinfo(np.int64).max])
    starts = [data.draw(bound) for _ in axes]
    ends = [data.draw(bound) for _ in axes]
    steps = [data.draw(st.integers(1, 3)) * (-1 if with_steps and sign else 1) for sign in signs]
    steps = steps if with_steps else [1] * count
    taken = [np.arange(size) for size in shape]
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        taken[axis] = _sliced(shape[axis], start, end, step)
    values = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    expected = values[np.ix_(*taken)]
    named = [axis - len(shape) if sign else axis for axis, sign in zip(axes, signs, strict=True)]
    inputs = [values, np.array(starts), np.array(ends)]
    if with_axes or with_steps:
        inputs.append(np.array(named))
    if with_steps:
        inputs.append(np.array(steps))
    model = _model("Slice", 13, inputs, expected.shape)
    for target in (9, 7, 6, 3):
        assert_same(expected, _lowered(model, target, inputs))


def _sliced(size: int, start: int, end: int, step: int) -> np.ndarray:
    """Indices of an axis, one by one, as the operator's text clamps the bounds."""
    start, end = (bound + size if bound < 0 else bound for bound in (start, end))
    start = min(max(start, 0), size if step > 0 else size - 1)
    end = min(max(end, 0 if step > 0 else -1), size)
    taken, place = [], start
    while place < end if step > 0 else place > end:
        taken.append(place)
        place += step
    return np.array(taken, np.int64)


@pytest.mark.parametrize(
    ("mode", "pads"),
    [
        *product(["constant", "edge", "reflect", "wrap"], [[0, 1, 2, 0, 2, 1], [1, 0, 0, 1, 0, 0]]),
        *product(["constant", "edge", "reflect"], [[0, -1, 2, 1, 0, -1]]),
    ],
)
def test_a_pad_whose_pads_are_computed_at_run_time(mode: str, pads: list[int]) -> None:
    values = np.random.RandomState(0).standard_normal((2, 3, 4)).astype(np.float32)
    kept = values[:, max(0, -pads[1]) :, : 4 + min(0, pads[5])]
    widths = [(max(pads[axis], 0), max(pads[axis + 3], 0)) for axis in range(3)]
    fill = np.array(0.5, np.float32)
    expected = np.pad(kept, widths, mode, **({"constant_values": 0.5} if mode == "constant" else {}))
    inputs = [values, np.array(pads), *([fill] if mode == "constant" else [])]
    for target in (18, 10, 8, 7):
        if target < 18 or mode == "wrap":
            assert_same(expected, _lowered(_model("Pad", 19, inputs, expected.shape, mode=mode), target, inputs))


def test_axes_computed_at_run_time_are_refused_where_no_rank_is_known() -> None:
    values = np.zeros((2, 3), np.float32)
    model = _model("Slice", 13, [values, np.array([0]), np.array([1]), np.array([0])], (1, 3))
    model.graph.output[0].type.tensor_type.shape.dim[0].dim_param = "rows"
    with pytest.raises(OpsetError, match=r"axes .* is computed at run time"):
        convert_version(model, 9)


@pytest.mark.parametrize("size", [6, 7, 4, 1])
@pytest.mark.parametrize("axis", [1, -1])
def test_an_axis_of_free_size_is_split_into_parts_of_one_size(size: int, axis: int) -> None:
    values = np.arange(2 * size, dtype=np.float32).reshape(2, size)
    each = -(-size // 3)
    parts = [values[:, number * each : (number + 1) * each] for number in range(3)]
    kind = helper.np_dtype_to_tensor_dtype(values.dtype)
    names = [f"y{number}" for number in range(3)]
    graph = helper.make_graph(
        [helper.make_node("Split", ["x"], names, axis=axis, num_outputs=3)],
        "split",
        [helper.make_tensor_value_info("x", kind, [2, "size"])],
        [helper.make_tensor_value_info(name, kind, [2, None]) for name in names],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    for target in (17, 13, 11):
        converted = convert_version(model, target)
        checker.check_model(converted, full_check=True)
        assert_same(parts, list(runner_for(converted).run({"x": values}).values()))


def test_a_tensor_of_unknown_rank_is_split_along_an_axis_from_either_end() -> None:
    values = np.arange(14, dtype=np.float32).reshape(2, 7)
    for axis in (1, -1):
        nodes = [
            helper.make_node("Reshape", ["x", "shape"], ["r"]),
            helper.make_node("Split", ["r"], ["y0", "y1"], axis=axis, num_outputs=2),
        ]
        stated = [helper.make_tensor_value_info("x", 1, [14]), helper.make_tensor_value_info("shape", 7, ["rank"])]
        results = [helper.make_tensor_value_info(name, 1, [2, None]) for name in ("y0", "y1")]
        graph = helper.make_graph(nodes, "split", stated, results)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
        for target in (17, 11):
            converted = convert_version(model, target)
            checker.check_model(converted, full_check=True)
            found = runner_for(converted).run({"x": values.ravel(), "shape": np.array([2, 7])})
            assert_same([values[:, :4], values[:, 4:]], list(found.values()))


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_indices_of_32_bits_are_widened_and_others_are_not(dtype: type[np.integer]) -> None:
    data = np.arange(12, dtype=np.float32).reshape(3, 4)
    indices = np.array([[0, -1, 2, -3], [1, 1, -2, 0]], dtype)
    model, feeds = node_model("GatherElements", 11, data, indices, axis=0)
    converted = convert_version(model, 10)
    casts = [node for node in converted.graph.node if node.op_type == "Cast" and "x1" in node.input]
    assert len(casts) == (dtype is np.int32)
    np.testing.assert_array_equal(run(converted, feeds)["y0"], np.take_along_axis(data, indices.astype(np.int64), 0))
