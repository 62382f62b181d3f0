"""Resize with coordinates that opset 10 lacks, against the evaluator of the standard."""

from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import checker, helper, numpy_helper, parser
from onnx.reference import ReferenceEvaluator

from tests.opset_upgrade.node_cases import assert_same
from tests.opset_upgrade.nodes import Constant, node_model, run
from zoosmith.opset_upgrade import OpsetError, convert, convert_version

IMAGE = np.random.RandomState(0).standard_normal((1, 2, 4, 6)).astype(np.float32)
SCALES = [[1, 1, 2, 3], [1, 1, 0.5, 1.5], [1, 1, 2.5, 1], [1, 1, 1.25, 0.75]]
SIZES = [[1, 2, 7, 5], [1, 2, 3, 12], [1, 2, 4, 1]]


def _same(target: int, scales: Any, sizes: Any, **attributes: Any) -> None:
    inputs = [
        None,
        None if scales is None else Constant(scales, np.float32),
        None if sizes is None else Constant(sizes),
    ]
    model, feeds = node_model("Resize", 19, IMAGE, *inputs, **attributes)
    expected = ReferenceEvaluator(model).run(None, feeds)[0]
    converted = convert_version(model, target)
    checker.check_model(converted, full_check=True)
    assert_same(expected, run(converted, feeds)["y0"], rtol=1e-4)


@pytest.mark.parametrize("mode", ["linear", "cubic"])
@pytest.mark.parametrize("how", ["half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners"])
@pytest.mark.parametrize(("scales", "sizes"), [*((s, None) for s in SCALES), *((None, s) for s in SIZES)])
def test_weights_are_those_of_the_coordinates(mode: str, how: str, scales: Any, sizes: Any) -> None:
    try:
        _same(10, scales, sizes, mode=mode, coordinate_transformation_mode=how)
    except OpsetError:
        # one element, or an end that is not whole, for which readings of the text differ
        assert (how == "pytorch_half_pixel" and sizes == SIZES[2]) or (how == "align_corners" and scales == SCALES[3])


@pytest.mark.parametrize("slope", [-0.5, -0.75])
@pytest.mark.parametrize("outside", [0, 1])
@pytest.mark.parametrize("target", [10, 9, 7])
def test_the_cubic_kernel_has_its_slope_and_keeps_to_what_is_inside(slope: float, outside: int, target: int) -> None:
    _same(target, SCALES[0], None, mode="cubic", cubic_coeff_a=slope, exclude_outside=outside)


@pytest.mark.parametrize("nearest", ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])
@pytest.mark.parametrize("how", ["half_pixel", "asymmetric", "align_corners"])
@pytest.mark.parametrize("sizes", SIZES)
def test_the_nearest_element_is_the_one_that_the_mode_prefers(nearest: str, how: str, sizes: list[int]) -> None:
    _same(10, None, sizes, mode="nearest", nearest_mode=nearest, coordinate_transformation_mode=how)


def test_an_infinity_stays_where_nothing_else_weighs_it() -> None:
    values = np.array([[1, np.inf, 2, 3]], np.float32)
    model, feeds = node_model("Resize", 19, values, None, Constant([1, 1.5], np.float32), mode="linear",
                              coordinate_transformation_mode="align_corners")  # fmt: skip
    result = run(convert_version(model, 10), feeds)["y0"]
    assert not np.isnan(result).any()
    np.testing.assert_allclose(result[0, [0, 5]], [1, 3])


def test_scales_between_which_rounding_would_choose_are_refused() -> None:
    model, _ = node_model("Resize", 19, np.zeros((1, 5), np.float32), None, Constant([1, 0.6], np.float32),
                          mode="nearest", nearest_mode="floor")  # fmt: skip
    with pytest.raises(OpsetError, match="rounding would decide"):
        convert_version(model, 10)


def test_scales_that_only_the_run_names_are_not_guessed_from_the_sizes() -> None:
    scales = np.array([1, 1, 2, 2.4], np.float32)
    model, feeds = node_model("Resize", 19, IMAGE, None, scales, mode="nearest")
    lowered = convert_version(model, 10)
    assert_same(run(model, feeds)["y0"], run(lowered, feeds)["y0"])


# what ONNX Runtime 1.2, 1.6 and the newest compute at opset 10, and onnx 1.5's own test data holds
SHRINKING_AT_10 = [
    [1, 1, 0.6, 0.6],
    [1, 1, 0.3, 0.7],
    [1, 1, 1.5, 0.6],
    [1, 1, 0.4, 2.5],
    [1, 1, 1, 0.9],
    [1, 1, 2, 0.5],
]


def _elements_at_10(size: int, scale: float) -> np.ndarray:
    """Indices along an axis: rounded up where the scale is below 1."""
    places = np.arange(int(np.floor(np.float32(size) * np.float32(scale))), dtype=np.float32) / np.float32(scale)
    return np.minimum((np.ceil if scale < 1 else np.floor)(places), size - 1).astype(int)


@pytest.mark.parametrize("scales", SHRINKING_AT_10)
@pytest.mark.parametrize("shape", [[1, 2, 4, 6], ["n", "c", "h", "w"]])
@pytest.mark.parametrize("given", ["in the model", "at run time"])
def test_the_nearest_of_opset_10_is_rounded_as_runtimes_round_it(scales: list[float], shape: Any, given: str) -> None:
    ports = [helper.make_tensor_value_info("x", 1, shape)]
    tensors, feeds = [numpy_helper.from_array(np.float32(scales), "s")], {"x": IMAGE}
    if given == "at run time":
        ports.append(helper.make_tensor_value_info("s", 1, [4]))
        feeds["s"] = numpy_helper.to_array(tensors.pop())
    node = helper.make_node("Resize", ["x", "s"], ["y"], mode="nearest")
    graph = helper.make_graph([node], "g", ports, [helper.make_tensor_value_info("y", 1, None)], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 10)], ir_version=5)
    rows, columns = (_elements_at_10(size, scale) for size, scale in zip(IMAGE.shape[2:], scales[2:], strict=True))
    expected = IMAGE[:, :, rows][..., columns]
    for converted in (model, convert_version(model, 11), convert_version(model, 18)):
        session = onnxruntime.InferenceSession(converted.SerializeToString())
        np.testing.assert_array_equal(session.run(None, feeds)[0], expected)


def test_what_is_rounded_up_everywhere_stays_a_resize_at_10() -> None:
    how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "ceil"}
    scales = Constant([1, 1, 0.3, 0.7], np.float32)
    model, feeds = node_model("Resize", 11, IMAGE, Constant([], np.float32), scales, **how)
    converted = convert_version(model, 10)
    assert [node.op_type for node in converted.graph.node if node.op_type != "Constant"] == ["Resize"]
    assert_same(run(model, feeds)["y0"], run(converted, feeds)["y0"])


@pytest.mark.parametrize("policy", ["not_larger", "not_smaller"])
@pytest.mark.parametrize(("sizes", "axes"), [([8, 9], [2, 3]), ([1, 2, 8, 12], None), ([2, 12], [2, 3])])
@pytest.mark.parametrize("target", [17, 13, 11])
def test_one_scale_for_all_axes_is_the_one_that_the_policy_chooses(
    policy: str, sizes: list[int], axes: list[int] | None, target: int
) -> None:
    how: dict[str, Any] = {"mode": "nearest", "keep_aspect_ratio_policy": policy}
    if axes is not None:
        how["axes"] = axes
    model, feeds = node_model("Resize", 18, IMAGE, None, None, Constant(sizes), **how)
    expected = onnxruntime.InferenceSession(model.SerializeToString()).run(None, feeds)[0]
    converted = convert_version(model, target)
    checker.check_model(converted, full_check=True)
    np.testing.assert_array_equal(
        onnxruntime.InferenceSession(converted.SerializeToString()).run(None, feeds)[0], expected
    )


@pytest.mark.parametrize(
    ("mode", "axes", "sizes"),
    [("nearest", None, [1, 2, 2, 6]), ("nearest", [2, 3], [3, 6]), ("linear", [2, 3], [3, 6])],
)
def test_a_size_that_the_policy_rounds_up_is_the_size(mode: str, axes: Any, sizes: list[int]) -> None:
    how = {"axes": axes} if axes else {}
    model, feeds = node_model("Resize", 18, IMAGE, None, None, Constant(sizes), mode=mode,
                              keep_aspect_ratio_policy="not_larger", **how)  # fmt: skip
    converted = convert_version(model, 17)
    checker.check_model(converted, full_check=True)
    expected = onnxruntime.InferenceSession(model.SerializeToString()).run(None, feeds)[0]
    assert_same(expected, run(converted, feeds)["y0"], rtol=1e-4)


@pytest.mark.parametrize("mode", ["linear", "cubic"])
@pytest.mark.parametrize("how", ["half_pixel", "asymmetric", "pytorch_half_pixel", "half_pixel_symmetric"])
@pytest.mark.parametrize(("scales", "sizes"), [([1, 1, 0.5, 0.7], None), (None, SIZES[0]), (None, [1, 2, 2, 9])])
@pytest.mark.parametrize("target", [17, 10, 7])
def test_antialias_sums_over_what_a_shrunk_element_covers(
    mode: str, how: str, scales: Any, sizes: Any, target: int
) -> None:
    _same(target, scales, sizes, mode=mode, coordinate_transformation_mode=how, antialias=1)


@pytest.mark.parametrize("mode", ["linear", "cubic"])
@pytest.mark.parametrize("how", ["half_pixel", "asymmetric", "half_pixel_symmetric"])
@pytest.mark.parametrize("outside", [0, 1])
@pytest.mark.parametrize("given", [{2: np.float32([1, 1, 0.5, 0.7])}, {3: np.array([1, 2, 3, 12])}])
def test_antialias_with_scales_or_sizes_of_the_run(mode: str, how: str, outside: int, given: Any) -> None:
    inputs = [given.get(index) for index in (1, 2, 3)]
    how_much: dict[str, Any] = {"mode": mode, "coordinate_transformation_mode": how, "antialias": 1}
    model, feeds = node_model("Resize", 19, IMAGE, *inputs, **how_much, exclude_outside=outside * (mode == "cubic"))
    expected = ReferenceEvaluator(model).run(None, feeds)[0]
    for target in (17, 10, 7):
        assert_same(expected, run(convert_version(model, target), feeds)["y0"], rtol=1e-4)


def test_antialias_of_some_axes_leaves_out_what_lies_outside() -> None:
    _same(17, [0.5, 0.4], None, mode="cubic", antialias=1, exclude_outside=1, axes=[3, 2])


@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize("scales", [[1, 1, 0.6, 0.7], [1, 1, 1.3, 2], [1, 1, 0.5, 1.5]])
@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize("target", [18, 13, 10])
def test_half_pixels_are_symmetric_below_19(mode: str, scales: list[float], given: bool, target: int) -> None:
    how = "half_pixel_symmetric"
    if given:
        _same(target, scales, None, mode=mode, coordinate_transformation_mode=how)
        return
    model, feeds = node_model("Resize", 19, IMAGE, None, np.array(scales, np.float32), mode=mode,
                              coordinate_transformation_mode=how)  # fmt: skip
    expected = ReferenceEvaluator(model).run(None, feeds)[0]
    assert_same(expected, run(convert_version(model, target), feeds)["y0"], rtol=1e-4)


def test_symmetric_half_pixels_of_whole_sizes_stay_one_node() -> None:
    model, _ = node_model("Resize", 19, IMAGE, None, Constant(SCALES[1], np.float32), mode="linear",
                          coordinate_transformation_mode="half_pixel_symmetric")  # fmt: skip
    assert [node.op_type for node in convert_version(model, 18).graph.node] == ["Resize"]


@pytest.mark.parametrize("policy", ["not_larger", "not_smaller"])
@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize("sizes", [[3, 5], [9, 7], [4, 6]])
@pytest.mark.parametrize("target", [17, 10, 7])
def test_sizes_of_the_run_limit_one_scale_for_all_axes(policy: str, mode: str, sizes: list[int], target: int) -> None:
    model, feeds = node_model("Resize", 19, IMAGE, None, None, np.array(sizes), mode=mode, axes=[2, 3],
                              keep_aspect_ratio_policy=policy)  # fmt: skip
    expected = ReferenceEvaluator(model).run(None, feeds)[0]
    assert_same(expected, run(convert_version(model, target), feeds)["y0"], rtol=1e-4)


@pytest.mark.parametrize("mode", ["linear", "cubic"])
def test_corners_are_aligned_by_scales_of_the_run_and_that_is_said(mode: str) -> None:
    scales = np.array([1, 1, 2, 1.5], np.float32)
    model, feeds = node_model("Resize", 19, IMAGE, None, scales, mode=mode,
                              coordinate_transformation_mode="align_corners")  # fmt: skip
    expected = ReferenceEvaluator(model).run(None, feeds)[0]
    for target in (10, 7):
        conversion = convert(model, target)
        assert [caveat.kind for caveat in conversion.caveats] == ["approximate"]
        assert_same(expected, run(conversion.model, feeds)["y0"], rtol=1e-4)
    with pytest.raises(OpsetError, match="no exact way is known"):
        convert(model, 10, exact=True)


@pytest.mark.parametrize("mode", ["nearest", "linear"])
@pytest.mark.parametrize("target", [8, 7])
def test_an_upsample_takes_scales_of_the_run_below_9(mode: str, target: int) -> None:
    model, feeds = node_model("Upsample", 9, IMAGE, np.array([1, 1, 2, 1.5], np.float32), mode=mode)
    assert_same(run(model, feeds)["y0"], run(convert_version(model, target), feeds)["y0"], rtol=1e-4)


@pytest.mark.parametrize("target", [10, 9, 7])
def test_a_resize_without_scales_and_sizes_is_refused(target: int) -> None:
    model = parser.parse_model("""<ir_version: 7, opset_import: ["": 13]> g (float[1, 1, 4] x) => (float[1, 1, 4] y)
      <float[0] none = {}> { y = Resize (x, , none) }""")
    with pytest.raises(OpsetError, match="it has neither scales nor sizes"):
        convert_version(model, target)
