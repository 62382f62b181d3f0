"""Values whose sizes, or even whose rank, only the run tells, on the way to opsets whose operators want them fixed."""

from collections.abc import Sequence
from math import erf
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays, mutually_broadcastable_shapes
from onnx import ModelProto, NodeProto, TensorProto, checker, helper, numpy_helper

from tests.opset_upgrade.nodes import OLD_ONNX_RUNTIME
from zoosmith.opset_upgrade import Conversion, OpsetError, convert
from zoosmith.validation.running.choice import runner_for

_FEW = settings(max_examples=30, deadline=None)
# ONNX Runtime 1.23 repeats no tensor without dimensions
_SHAPES: Any = {"min_dims": 1 if OLD_ONNX_RUNTIME else 0, "max_dims": 3, "max_side": 3}
_BELOW_9 = (8, 7)
_NUMBERS = ["float32", "float64", "float16", "int64", "int32", "uint8", "int8", "bool"]


def _free(shape: Sequence[int], name: str) -> list[str]:
    return [f"{name}_{axis}" for axis in range(len(shape))]


def _model(
    nodes: Sequence[NodeProto],
    opset: int,
    feeds: dict[str, np.ndarray],
    ranks: Sequence[int],
    constants: dict[str, Any] | None = None,
    kind: int | None = None,
    outputs: Sequence[str] = ("y",),
) -> ModelProto:
    """Nodes from inputs of free sizes to outputs of those ranks."""
    ports = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), _free(array.shape, name))
        for name, array in feeds.items()
    ]
    results = [
        helper.make_tensor_value_info(name, kind or ports[0].type.tensor_type.elem_type, [None] * rank)
        for name, rank in zip(outputs, ranks, strict=True)
    ]
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()]
    graph = helper.make_graph(nodes, "g", ports, results, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def _lowered(model: ModelProto, target: int, feeds: dict[str, np.ndarray]) -> tuple[dict[str, Any], Conversion]:
    conversion = convert(model, target)
    checker.check_model(conversion.model, full_check=True)
    return runner_for(conversion.model).run(feeds), conversion


def _one_node(operator: str, inputs: Sequence[str], **attributes: Any) -> list[NodeProto]:
    return [helper.make_node(operator, inputs, ["y"], name="node", **attributes)]


def _values(data: st.DataObject, dtype: str, shape: Sequence[int]) -> np.ndarray:
    if dtype == "bool":
        return data.draw(arrays(np.bool_, shape))
    numbers: st.SearchStrategy[Any] = st.integers(0, 100)
    if dtype.startswith("float"):
        numbers |= st.sampled_from([np.nan, np.inf, -np.inf, -0.0, 0.5])
    return data.draw(arrays(dtype, shape, elements=numbers))


# -- Where


@given(st.sampled_from(_NUMBERS), mutually_broadcastable_shapes(num_shapes=3, max_dims=3, max_side=3), st.data())
@_FEW
def test_where_leaves_no_trace_of_what_is_not_chosen(dtype: str, shapes: Any, data: st.DataObject) -> None:
    feeds = {
        "condition": data.draw(arrays(np.bool_, shapes.input_shapes[0])),
        "yes": _values(data, dtype, shapes.input_shapes[1]),
        "no": _values(data, dtype, shapes.input_shapes[2]),
    }
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    model = _model(_one_node("Where", list(feeds)), 16, feeds, [len(shapes.result_shape)], kind=kind)
    for target in _BELOW_9:
        results, conversion = _lowered(model, target, feeds)
        np.testing.assert_array_equal(results["y"], np.where(*feeds.values()), strict=True)
        assert not conversion.caveats


@pytest.mark.parametrize("dtype", ["float32", "int64", "str"])
def test_where_between_two_constants_is_looked_up(dtype: str) -> None:
    feeds = {"condition": np.array([[True, False], [False, True]])}
    if dtype == "str":
        constants = {"yes": np.array("a", dtype=object), "no": np.array("b", dtype=object)}
    else:
        constants = {"yes": np.array(0, dtype), "no": np.array(-np.inf if dtype == "float32" else -7, dtype)}
    kind = {"float32": TensorProto.FLOAT, "int64": TensorProto.INT64, "str": TensorProto.STRING}[dtype]
    model = _model(_one_node("Where", ["condition", "yes", "no"]), 16, feeds, [2], constants, kind)
    results, conversion = _lowered(model, 7, feeds)
    assert results["y"].tolist() == np.where(feeds["condition"], constants["yes"], constants["no"]).tolist()
    assert {node.op_type for node in conversion.model.graph.node} <= {"Cast", "Constant", "Gather"}


# -- Expand and ConstantOfShape


@given(st.sampled_from(_NUMBERS), mutually_broadcastable_shapes(num_shapes=2, **_SHAPES), st.data())
@_FEW
def test_expand_takes_a_shape_that_is_computed(dtype: str, shapes: Any, data: st.DataObject) -> None:
    given_shape, wanted = shapes.input_shapes
    feeds = {"x": _values(data, dtype, given_shape), "shape": np.array(wanted, np.int64)}
    model = _model(_one_node("Expand", ["x", "shape"]), 13, feeds, [len(shapes.result_shape)])
    expected = np.broadcast_to(feeds["x"], shapes.result_shape)
    np.testing.assert_array_equal(_lowered(model, 7, feeds)[0]["y"], expected, strict=True)
    model.graph.input[1].type.tensor_type.shape.dim[0].dim_value = len(wanted)
    results, conversion = _lowered(model, 7, feeds)
    np.testing.assert_array_equal(results["y"], expected, strict=True)
    assert not conversion.caveats


@pytest.mark.parametrize("sizes", [(2, 3), (0, 3), (1,)])
@pytest.mark.parametrize("value", [np.float32([2.5]), np.int64([7]), np.float32([np.nan]), np.bool_([True])])
def test_a_constant_of_a_shape_that_is_computed(sizes: tuple[int, ...], value: np.ndarray) -> None:
    feeds = {"x": np.zeros(sizes, np.float32)}
    tensor = numpy_helper.from_array(value)
    nodes = [helper.make_node("Shape", ["x"], ["s"]), helper.make_node("ConstantOfShape", ["s"], ["y"], value=tensor)]
    model = _model(nodes, 13, feeds, [len(sizes)], kind=tensor.data_type)
    for target in _BELOW_9:
        np.testing.assert_array_equal(_lowered(model, target, feeds)[0]["y"], np.full(sizes, value), strict=True)


# -- Range


@given(st.sampled_from(["int64", "int32", "int16", "float32", "float64"]), st.data())
@_FEW
def test_a_range_has_the_length_that_the_run_tells(dtype: str, data: st.DataObject) -> None:
    start, limit = (data.draw(st.integers(-20, 20)) for _ in range(2))
    step = data.draw(st.integers(1, 7)) * data.draw(st.sampled_from([-1, 1]))
    known = data.draw(st.sets(st.sampled_from(["start", "step"])))
    numbers = {name: np.array(n, dtype) for name, n in (("start", start), ("limit", limit), ("step", step))}
    feeds = {name: number for name, number in numbers.items() if name not in known}
    model = _model(_one_node("Range", list(numbers)), 13, feeds, [1], {name: numbers[name] for name in known})
    for target in (10, 9, 8, 7):
        expected = np.arange(start, limit, step).astype(dtype)
        np.testing.assert_array_equal(_lowered(model, target, feeds)[0]["y"], expected, strict=True)


@pytest.mark.parametrize("length", [0, 1, 2, 3, 1023, 1024, 1025, 100_000])
def test_counting_is_exact_for_any_length(length: int) -> None:
    feeds = {"limit": np.array(length)}
    model = _model(_one_node("Range", ["zero", "limit", "one"]), 13, feeds, [1], {"zero": 0, "one": 1})
    np.testing.assert_array_equal(_lowered(model, 7, feeds)[0]["y"], np.arange(length), strict=True)


# -- Erf


@pytest.mark.parametrize(("dtype", "error"), [("float32", 3e-7), ("float64", 1e-7), ("float16", 5e-4)])
def test_erf_is_approximated_and_says_so(dtype: str, error: float) -> None:
    corners = [0, -0.0, 1e-30, 4, -4, 1e4, np.inf, -np.inf, np.nan]
    feeds = {"x": np.concatenate([np.linspace(-6, 6, 4001), corners]).astype(dtype)}
    model = _model(_one_node("Erf", ["x"]), 13, feeds, [1])
    for target in _BELOW_9:
        results, conversion = _lowered(model, target, feeds)
        expected = [erf(number) for number in feeds["x"]]
        np.testing.assert_allclose(results["y"], expected, rtol=0, atol=error)
        assert [caveat.kind for caveat in conversion.caveats] == ["approximate"]
        with pytest.raises(OpsetError, match=r"'node' \(Erf\).*error of at most 3e-7"):
            convert(model, target, exact=True)


def test_erf_of_integers_is_refused() -> None:
    model = _model(_one_node("Erf", ["x"]), 13, {"x": np.array([1])}, [1])
    with pytest.raises(OpsetError, match=r"tensor\(int64\)"):
        convert(model, 8)


# -- Resize below 10


@pytest.mark.parametrize("mode", ["nearest", "linear"])
@pytest.mark.parametrize("scales", [[1, 1, 2, 2], [1, 1, 3, 1.5], [1, 1, 1, 1]])
@pytest.mark.parametrize("opset", [10, 11, 13])
def test_resize_that_only_enlarges_is_upsample(mode: str, scales: list[float], opset: int) -> None:
    feeds = {"x": np.random.RandomState(0).standard_normal((2, 3, 4, 5)).astype(np.float32)}
    how = {"coordinate_transformation_mode": "asymmetric"}
    how |= {"nearest_mode": "floor"} if mode == "nearest" else {}
    inputs = ["x", "scales"] if opset == 10 else ["x", "none", "scales"]
    attributes = {"mode": mode} if opset == 10 else {"mode": mode, **how}
    constants = {"scales": np.float32(scales), "none": np.zeros(0, np.float32)}
    model = _model(_one_node("Resize", inputs, **attributes), opset, feeds, [4], constants)
    expected = runner_for(model).run(feeds)["y"]
    for target in (9, 8, 7):
        results, conversion = _lowered(model, target, feeds)
        np.testing.assert_array_equal(results["y"], expected, strict=True)
        assert "Upsample" in [node.op_type for node in conversion.model.graph.node]


@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_resize_to_sizes_is_upsample_where_the_shapes_are_fixed(mode: str) -> None:
    feeds = {"x": np.random.RandomState(0).standard_normal((1, 2, 3, 4)).astype(np.float32)}
    how = {"mode": mode, "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    constants = {"sizes": [1, 2, 6, 8], "none": np.zeros(0, np.float32)}
    model = _model(_one_node("Resize", ["x", "none", "none", "sizes"], **how), 11, feeds, [4], constants)
    for axis, size in enumerate((1, 2, 3, 4)):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = size
    results, conversion = _lowered(model, 7, feeds)
    np.testing.assert_allclose(results["y"], runner_for(model).run(feeds)["y"], rtol=1e-6)
    assert [node.op_type for node in conversion.model.graph.node] == ["Upsample"]


@pytest.mark.parametrize("scales", [[1, 1, 0.7, 1], [1, 1, 0.5, 0.25], [1, 1, 0.5, 2]])
def test_resize_that_drops_elements_picks_them_where_the_shape_is_fixed(scales: list[float]) -> None:
    feeds = {"x": np.random.RandomState(0).standard_normal((1, 2, 8, 8)).astype(np.float32)}
    model = _model(_one_node("Resize", ["x", "s"]), 10, feeds, [4], {"s": np.float32(scales)})
    with pytest.raises(OpsetError, match="is not fixed"):
        convert(model, 9)
    for axis, size in enumerate(feeds["x"].shape):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = size
    np.testing.assert_array_equal(_lowered(model, 7, feeds)[0]["y"], runner_for(model).run(feeds)["y"])


def test_resize_that_drops_elements_and_repeats_others_is_refused() -> None:
    feeds = {"x": np.zeros((1, 1, 5, 5), np.float32)}
    model = _model(_one_node("Resize", ["x", "s"]), 10, feeds, [4], {"s": np.float32([1, 1, 0.6, 2])})
    with pytest.raises(OpsetError, match=r"scales=.* shrink one axis and enlarge another"):
        convert(model, 9)


def test_resize_by_scales_that_are_computed_names_them() -> None:
    feeds = {"x": np.zeros((1, 1, 5, 5), np.float32), "s": np.float32([1, 1, 2, 2])}
    with pytest.raises(OpsetError, match=r"its scales \('s'\) are computed at run time"):
        convert(_model(_one_node("Resize", ["x", "s"]), 10, feeds, [4]), 9)


# -- a rank that is not known


_DATA = np.random.RandomState(0).standard_normal((2, 1, 3, 4)).astype(np.float32)
_UNKNOWN_RANK = {
    **{f"Unsqueeze {a}": ("Unsqueeze", 11, {}, {"axes": a}) for a in ([-1], [-2], [-1, -3], [-3, -4])},
    "Unsqueeze by input": ("Unsqueeze", 13, {"a": [-1]}, {}),
    **{
        f"{name} {axes} {keep}": (name, 11, {}, {"axes": axes, "keepdims": keep})
        for name in ("ReduceMean", "ReduceSum")
        for axes in ([-1], [-2], [-1, -3])
        for keep in (0, 1)
    },
    "ReduceMax by input": ("ReduceMax", 18, {"a": [-1]}, {"keepdims": 0}),
    "Softmax": ("Softmax", 13, {}, {"axis": -1}),
    "Softmax not at the end": ("Softmax", 13, {}, {"axis": -2}),
    "Softmax over two axes": ("Softmax", 11, {}, {"axis": -2}),
    "ArgMax": ("ArgMax", 11, {}, {"axis": -2, "keepdims": 0}),
    "Gather one": ("Gather", 11, {"i": 1}, {"axis": -2}),
    "Gather many": ("Gather", 11, {"i": [[2, 0]]}, {"axis": -1}),
    "Slice": ("Slice", 11, {"s": [1], "e": [3], "a": [-2]}, {}),
    "Concat": ("Concat", 11, {}, {"axis": -1}),
    "Flatten": ("Flatten", 11, {}, {"axis": -2}),
    "LayerNormalization": ("LayerNormalization", 17, {"w": np.float32([1, 2, 3, 4])}, {}),
}


@pytest.mark.parametrize("case", _UNKNOWN_RANK)
def test_axes_are_counted_from_the_end_of_a_rank_that_the_run_tells(case: str) -> None:
    operator, opset, constants, attributes = _UNKNOWN_RANK[case]
    names = ["z", "z"] if operator == "Concat" else ["z", *constants]
    nodes = [helper.make_node("Reshape", ["x", "shape"], ["z"]), *_one_node(operator, names, **attributes)]
    nodes.append(helper.make_node("Shape", ["y"], ["sizes"]))
    nodes.append(helper.make_node("Reshape", ["y", "flat"], ["values"]))
    if operator == "ArgMax":
        nodes[-1].input[0] = "numbers"
        nodes.insert(-1, helper.make_node("Cast", ["y"], ["numbers"], to=TensorProto.FLOAT))
    feeds = {"x": _DATA, "shape": np.array([2, 3, 4])}
    model = _model(nodes, opset, feeds, [1], {**constants, "flat": [-1]}, outputs=["values"])
    model.graph.output.append(helper.make_tensor_value_info("sizes", TensorProto.INT64, [None]))
    for target in (10, 8, 7):
        for shape in ([2, 3, 4], [2, 1, 3, 4]):
            feeds["shape"] = np.array(shape)
            expected, (results, conversion) = runner_for(model).run(feeds), _lowered(model, target, feeds)
            np.testing.assert_array_equal(results["sizes"], expected["sizes"])
            np.testing.assert_allclose(results["values"], expected["values"], rtol=1e-5, atol=1e-6)
    assert bool(conversion.caveats) is (case not in ("Unsqueeze [-1]", "Unsqueeze by input"))


# -- element-wise operators of many inputs


@pytest.mark.parametrize("operator", ["Sum", "Mean"])
def test_sums_of_free_sizes_are_taken_one_by_one(operator: str) -> None:
    feeds = {"a": _DATA, "b": _DATA[:1, :, :, :1], "c": _DATA[0, 0]}
    model = _model(_one_node(operator, list(feeds)), 13, feeds, [4])
    expected = runner_for(model).run(feeds)["y"]
    np.testing.assert_allclose(_lowered(model, 7, feeds)[0]["y"], expected, rtol=1e-6)


# -- Flatten of a type that older versions do not take


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_a_flattened_tensor_of_integers_has_its_rows(axis: int) -> None:
    feeds = {"x": np.arange(24).reshape(2, 3, 4)}
    model = _model(_one_node("Flatten", ["x"], axis=axis), 13, feeds, [2])
    expected = runner_for(model).run(feeds)["y"]
    np.testing.assert_array_equal(_lowered(model, 8, feeds)[0]["y"], expected, strict=True)


# -- pools that round up, and pixels shuffled


@pytest.mark.parametrize("operator", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize(
    ("kernel", "stride", "pads"), [(2, 2, (0, 0)), (3, 2, (1, 1)), (3, 2, (0, 0)), (5, 3, (2, 1)), (3, 3, (0, 0))]
)
@pytest.mark.parametrize("opset", [12, 22])
def test_pools_round_up_whatever_the_size(
    operator: str, kernel: int, stride: int, pads: tuple[int, int], opset: int
) -> None:
    how = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [pads[0]] * 2 + [pads[1]] * 2}
    images = {"x": np.zeros((1, 2, 8, 8), np.float32)}
    model = _model(_one_node(operator, ["x"], ceil_mode=1, **how), opset, images, [4])
    for size in range(5, 12):
        images["x"] = np.random.RandomState(size).standard_normal((2, 2, size, size + 1)).astype(np.float32) - 3
        expected = runner_for(model).run(images)["y"]
        np.testing.assert_allclose(_lowered(model, 7, images)[0]["y"], expected, rtol=1e-5, atol=1e-6)


def test_a_window_that_could_lie_in_the_padding_needs_a_fixed_size() -> None:
    how = {"kernel_shape": [2, 2], "strides": [2, 2], "pads": [1, 1, 1, 1], "ceil_mode": 1}
    model = _model(_one_node("MaxPool", ["x"], **how), 12, {"x": np.zeros((1, 2, 8, 8), np.float32)}, [4])
    with pytest.raises(OpsetError, match=r"size 2 of 'x' is not fixed, .*`fix_sizes` x_0=N, `fix_sizes` x_1=N"):
        convert(model, 9)


@pytest.mark.parametrize("mode", ["CRD", "DCR"])
def test_pixels_are_shuffled_whatever_the_size_of_the_image(mode: str) -> None:
    feeds = {"x": np.random.RandomState(0).standard_normal((2, 12, 3, 4)).astype(np.float32)}
    model = _model(_one_node("DepthToSpace", ["x"], blocksize=2, mode=mode), 13, feeds, [4])
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 12
    for target in (10, 7):
        results, _ = _lowered(model, target, feeds)
        np.testing.assert_array_equal(results["y"], runner_for(model).run(feeds)["y"])


def test_the_size_of_the_batch_is_no_matter_to_a_pool() -> None:
    how = {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1, "count_include_pad": 1, "pads": [0, 0, 1, 1]}
    feeds = {"x": np.random.RandomState(0).standard_normal((2, 2, 7, 7)).astype(np.float32)}
    model = _model(_one_node("AveragePool", ["x"], **how), 12, feeds, [4])
    for axis in (2, 3):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = 7
    expected = runner_for(model).run(feeds)["y"]
    np.testing.assert_allclose(_lowered(model, 7, feeds)[0]["y"], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("axis", [-1, 0])
def test_the_number_of_the_largest_may_be_computed(axis: int) -> None:
    feeds = {"x": np.random.RandomState(0).standard_normal((5, 4)).astype(np.float32), "k": np.array([2])}
    nodes = [helper.make_node("TopK", ["x", "k"], ["y", "places"], axis=axis)]
    model = _model(nodes, 13, feeds, [2])
    model.graph.output.append(helper.make_tensor_value_info("places", TensorProto.INT64, [None, None]))
    model.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = feeds["x"].shape[axis]
    for target in (9, 7):
        for count in (1, 3, 4):
            feeds["k"] = np.array([count])
            expected, (results, _) = runner_for(model).run(feeds), _lowered(model, target, feeds)
            for name in ("y", "places"):
                np.testing.assert_array_equal(results[name], expected[name])


# -- Einsum


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("bsd,hde->bhse", [(2, 5, 8), (4, 8, 2)]),
        ("bhse,hed->bsd", [(2, 4, 5, 3), (4, 3, 8)]),
        ("bhij,bhje->bhie", [(2, 3, 4, 5), (2, 3, 5, 6)]),
        ("abc,cd,de->abe", [(2, 3, 4), (4, 5), (5, 6)]),
        ("...ij,...jk->...ik", [(2, 3, 4), (2, 4, 5)]),
        ("ab,cd->abcd", [(2, 3), (4, 5)]),
        ("abcd->dca", [(2, 3, 4, 5)]),
    ],
)
def test_sums_of_products_need_no_fixed_sizes(equation: str, shapes: list[tuple[int, ...]]) -> None:
    feeds = {
        f"x{number}": np.random.RandomState(number).standard_normal(shape).astype(np.float32)
        for number, shape in enumerate(shapes)
    }
    expected = np.einsum(equation, *feeds.values())
    model = _model(_one_node("Einsum", list(feeds), equation=equation), 12, feeds, [expected.ndim])
    for target in (11, 7):
        np.testing.assert_allclose(_lowered(model, target, feeds)[0]["y"], expected, rtol=1e-4, atol=1e-5)


# -- STFT


@pytest.mark.parametrize("windowed", [True, False])
@pytest.mark.parametrize("onesided", [0, 1])
def test_frames_are_as_many_as_the_signal_has(windowed: bool, onesided: int) -> None:
    feeds = {"x": np.zeros((1, 50, 1), np.float32)}
    window = {"w": np.hanning(16).astype(np.float32)} if windowed else {}
    inputs = ["x", "step", "w" if windowed else "", "length"]
    nodes = _one_node("STFT", inputs, onesided=onesided)
    model = _model(nodes, 17, feeds, [4], {"step": 4, "length": 16, **window})
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 1
    for batch, size in ((1, 16), (2, 50), (3, 51)):
        feeds["x"] = np.random.RandomState(size).standard_normal((batch, size, 1)).astype(np.float32)
        expected = runner_for(model).run(feeds)["y"]
        for target in (16, 9, 7):
            np.testing.assert_allclose(_lowered(model, target, feeds)[0]["y"], expected, rtol=1e-4, atol=1e-4)
