"""Converted nodes in ONNX Runtime itself, where it computes or has a kernel for less than the standard's text says."""

from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import ModelProto, parser

from tests.opset_upgrade.nodes import Constant, node_model
from zoosmith.opset_upgrade import convert_version

RANDOM = np.random.RandomState(0)
PECULIAR = np.array([[1, np.nan, np.inf], [-np.inf, 2, 0]])


def in_onnxruntime(model: ModelProto, feeds: dict[str, np.ndarray]) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model.SerializeToString(), options).run(None, feeds)[0]


@pytest.mark.parametrize("align", [0, 1])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("target", [19, 15])
def test_a_cubic_grid_sample_reads_what_onnxruntime_reads_beyond_the_border(
    padding: str, align: int, target: int
) -> None:
    image = RANDOM.standard_normal((1, 2, 5, 4)).astype(np.float32)
    grid = RANDOM.uniform(-2.6, 2.6, (1, 9, 9, 2)).astype(np.float32)
    model, feeds = node_model("GridSample", 20, image, grid, mode="cubic", padding_mode=padding, align_corners=align)
    expected = in_onnxruntime(model, feeds)
    np.testing.assert_allclose(in_onnxruntime(convert_version(model, target), feeds), expected, atol=1e-5)


@pytest.mark.parametrize(("operator", "function"), [("Max", np.maximum), ("Min", np.minimum)])
def test_extremes_of_doubles_have_a_kernel_below_8(operator: str, function: Any) -> None:
    row = np.array([0.0, 1, np.nan])
    model, feeds = node_model(operator, 13, PECULIAR, row)
    np.testing.assert_array_equal(in_onnxruntime(convert_version(model, 7), feeds), function(PECULIAR, row))


@pytest.mark.parametrize("upper", [0, 1])
@pytest.mark.parametrize("target", [13, 11, 9])
def test_a_triangle_of_bools_needs_no_where_of_bools(target: int, upper: int) -> None:
    square = RANDOM.randint(0, 2, (4, 4)).astype(bool)
    model, feeds = node_model("Trilu", 14, square, upper=upper)
    expected = (np.triu if upper else np.tril)(square)
    np.testing.assert_array_equal(in_onnxruntime(convert_version(model, target), feeds), expected)


def test_one_hot_of_bools_needs_no_where_of_bools() -> None:
    places = np.array([2, 0, -1])
    model = parser.parse_model("""<ir_version: 6, opset_import: ["": 11]> g (int64[3] i, bool[2] v) => (bool[3, 4] y) {
      d = Constant <value = int64 {4}> ()
      y = OneHot (i, d, v) }""")
    result = in_onnxruntime(convert_version(model, 8), {"i": places, "v": np.array([False, True])})
    np.testing.assert_array_equal(result, np.eye(4, dtype=bool)[places])


def test_slices_by_bounds_of_the_run_have_kernels_at_7() -> None:
    model, feeds = node_model("Slice", 13, PECULIAR, np.array([1]), np.array([9]), Constant([1]))
    np.testing.assert_array_equal(in_onnxruntime(convert_version(model, 7), feeds), PECULIAR[:, 1:9])
