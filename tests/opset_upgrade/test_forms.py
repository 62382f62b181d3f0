"""Decompositions have few nodes, in forms that ONNX Runtime fuses: what a model costs at an older opset."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import ModelProto, checker, parser

from tests.opset_upgrade.node_cases import assert_same
from tests.opset_upgrade.nodes import OLD_ONNX_RUNTIME, Constant, node_model, run
from zoosmith.onnx_model.traversal import all_nodes
from zoosmith.opset_upgrade import OpsetError, convert_version

DATA = np.random.RandomState(0).standard_normal((2, 3, 4)).astype(np.float32)
WEIGHT = Constant(np.linspace(0.5, 2, 4), np.float32)


def counted(model: ModelProto) -> Counter[str]:
    """How many nodes of each operator the model has, in subgraphs too; constants are not counted."""
    return Counter(node.op_type for node in all_nodes(model.graph) if node.op_type != "Constant")


def optimized(model: ModelProto, folder: Path) -> Counter[str]:
    """How many nodes of each operator ONNX Runtime runs."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return counted(onnx.load(options.optimized_model_filepath))


def lowered(target: int, operator: str, opset: int, *inputs: Any, **attributes: Any) -> ModelProto:
    """A model of one node at the target; it computes what it did."""
    model, feeds = node_model(operator, opset, *inputs, **attributes)
    converted = convert_version(model, target)
    for name, expected in run(model, feeds).items():
        assert_same(expected, run(converted, feeds)[name])
    return converted


@pytest.mark.parametrize("target", [16, 13, 9, 7])
def test_a_layer_normalization_is_one_again_in_onnx_runtime(target: int, tmp_path: Path) -> None:
    model = lowered(target, "LayerNormalization", 17, DATA, WEIGHT, Constant(np.arange(4), np.float32))
    assert counted(model) == {"ReduceMean": 2, "Sub": 1, "Pow": 1, "Add": 2, "Sqrt": 1, "Div": 1, "Mul": 1}
    assert optimized(model, tmp_path) == {"LayerNormalization": 1}


def test_a_normalization_by_the_root_mean_square_is_one_again_in_onnx_runtime(tmp_path: Path) -> None:
    model = lowered(17, "RMSNormalization", 23, DATA, WEIGHT)
    assert counted(model) == {"Pow": 1, "ReduceMean": 1, "Add": 1, "Sqrt": 1, "Div": 1, "Mul": 1}
    assert optimized(model, tmp_path) == {"SimplifiedLayerNormalization": 1}


def test_normalizations_of_half_precision_compute_in_single_precision() -> None:
    half = Constant(np.linspace(0.5, 2, 4), np.float16)
    model = lowered(13, "LayerNormalization", 17, DATA.astype(np.float16), half)
    assert counted(model)["Cast"] == 2


@pytest.mark.parametrize("target", [13, 9])
def test_ranks_that_old_inference_loses_are_stated_so_that_onnx_runtime_fuses_on(target: int, tmp_path: Path) -> None:
    model = parser.parse_model("""<ir_version: 8, opset_import: ["": 17]> g (float[N, 3, 4] x, float[4] s) => (y) {
      two = Constant <value_ints = [0, 1]> ()
      last = Constant <value_ints = [4]> ()
      shape = Shape (x)
      sizes = Gather (shape, two)
      wanted = Concat <axis = 0> (sizes, last)
      same = Reshape (x, wanted)
      y = LayerNormalization (same, s) }""")
    model.graph.output[0].type.tensor_type.elem_type = 1
    converted = convert_version(model, target)
    stated = {value.name: value.type.tensor_type.shape.dim for value in converted.graph.value_info}
    assert [size.dim_value for size in stated["same"]] == [0, 3, 4]
    assert optimized(converted, tmp_path)["LayerNormalization"] == 1


HEADS = np.random.RandomState(1).standard_normal((2, 4, 3, 8)).astype(np.float32)
PAST = HEADS[:, :, :2]


@pytest.mark.parametrize(
    ("inputs", "attributes", "added"),
    [
        ((), {}, {}),
        ((), {"is_causal": 1}, {"Add": 1}),  # a constant, since the lengths are fixed
        ((), {"softcap": 2.0}, {"Div": 1, "Tanh": 1, "Mul": 1}),
        ((Constant(np.tri(3), bool),), {}, {"Add": 1}),  # no row of it hides all keys
        (
            (np.tri(3, dtype=bool),),
            {},
            {"Where": 2, "Add": 1, "ReduceMax": 1, "Less": 1},
        ),
    ],
)
def test_an_attention_has_no_nodes_for_what_it_leaves_out(
    inputs: tuple[Any, ...], attributes: dict[str, Any], added: dict[str, int]
) -> None:
    model = lowered(22, "Attention", 23, HEADS, HEADS / 2, HEADS / 3, *inputs, **attributes)
    assert counted(model) == Counter({"Mul": 1, "Transpose": 1, "MatMul": 2, "Softmax": 1}) + Counter(added)


@pytest.mark.skipif(OLD_ONNX_RUNTIME, reason="ONNX Runtime 1.23 gives the heads that share a key in another order")
def test_heads_that_share_a_key_are_gathered_and_a_single_key_broadcasts() -> None:
    two = lowered(22, "Attention", 23, HEADS, HEADS[:, :2], HEADS[:, :2])
    assert counted(two) == {"Gather": 2, "Mul": 1, "Transpose": 1, "MatMul": 2, "Softmax": 1}
    one = lowered(22, "Attention", 23, HEADS, HEADS[:, :1], HEADS[:, :1])
    assert counted(one) == {"Mul": 1, "Transpose": 1, "MatMul": 2, "Softmax": 1}


@pytest.mark.parametrize("target", [22, 13, 9, 7])
def test_lengths_of_an_attention_may_be_free(target: int) -> None:
    inputs = [HEADS, HEADS / 2, HEADS / 3, None, PAST, PAST]
    model, feeds = node_model("Attention", 23, *inputs, outputs=3, is_causal=1)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[2].dim_param = f"length of {value.name}"
    converted = convert_version(model, target)
    for name, expected in run(model, feeds).items():
        assert_same(expected, run(converted, feeds)[name])


def test_a_mask_of_more_keys_than_there_are_is_refused() -> None:
    # ONNX Runtime reads its beginning; by the operator's text it has to broadcast
    keys = HEADS.shape[2]
    model, _ = node_model("Attention", 25, HEADS, HEADS, HEADS, np.zeros((keys, keys), np.float32))
    model.graph.input[3].type.tensor_type.shape.dim[1].dim_value = keys + 3
    with pytest.raises(OpsetError, match="is of 6 keys, and there are 3"):
        convert_version(model, 22)


@pytest.mark.parametrize("dtype", [bool, np.float32])
@pytest.mark.parametrize("past", [True, False])
@pytest.mark.parametrize("free", [True, False])
def test_a_mask_of_fewer_keys_than_there_are_hides_the_rest(free: bool, past: bool, dtype: Any) -> None:
    mask = np.ones((HEADS.shape[2], 1), dtype)
    inputs = [HEADS, HEADS, HEADS, mask, *([PAST, PAST] if past else [])]
    model, feeds = node_model("Attention", 25, *inputs, outputs=3 if past else 1)
    if free:
        for value in (*model.graph.input, *model.graph.output):
            for axis, dim in enumerate(value.type.tensor_type.shape.dim):
                dim.dim_param = f"{value.name}_{axis}"
    for target in (23, 22, 13):
        for name, expected in run(model, feeds).items():
            assert_same(expected, run(convert_version(model, target), feeds)[name])


def test_products_of_an_attention_that_are_an_output_have_an_open_number_of_keys() -> None:
    inputs = [HEADS, HEADS, HEADS, None, PAST, PAST]
    model, feeds = node_model("Attention", 24, *inputs, outputs=4)
    model.graph.output[3].type.tensor_type.ClearField("shape")
    converted = convert_version(model, 23)
    assert not converted.graph.output[3].type.tensor_type.shape.dim[-1].dim_value
    for name, expected in run(model, feeds).items():
        assert_same(expected, run(converted, feeds)[name])


def test_a_query_whose_keys_are_all_hidden_gives_zeros() -> None:
    mask = np.array([[1, 0, 1], [0, 0, 0], [1, 1, 1]], dtype=bool)
    for given in (mask, Constant(mask, bool)):
        model, feeds = node_model("Attention", 23, HEADS, HEADS, HEADS, given)
        for target in (22, 13, 9):
            result = run(convert_version(model, target), feeds)["y0"]
            assert not result[:, :, 1].any()
            assert result[:, :, [0, 2]].all()


@pytest.mark.parametrize(("approximate", "fused"), [("none", "Gelu"), ("tanh", "FastGelu")])
def test_a_gelu_is_one_again_in_onnx_runtime(approximate: str, fused: str, tmp_path: Path) -> None:
    lowered(13, "Gelu", 20, DATA, approximate=approximate)
    model = parser.parse_model(f"""<ir_version: 9, opset_import: ["": 20]> g (float[N, 4] x) => (float[N, 4] y) {{
      a = Gelu <approximate = "{approximate}"> (x)
      y = Neg (a) }}""")
    assert optimized(convert_version(model, 13), tmp_path) == {fused: 1, "Neg": 1}


def test_a_mask_that_is_true_everywhere_is_no_mask() -> None:
    model = parser.parse_model("""<ir_version: 11, opset_import: ["": 23]>
    g (float[N, 4, L, 8] x, int64[4] sizes) => (float[N, 4, L, 8] y)
    <bool[1] true = {1}> {
      mask = Expand (true, sizes)
      y = Attention (x, x, x, mask) }""")
    assert not {"Where", "ReduceMax", "Add"} & set(counted(convert_version(model, 13)))


def test_a_transpose_does_not_keep_a_layer_normalization_from_being_fused(tmp_path: Path) -> None:
    model = parser.parse_model("""<ir_version: 8, opset_import: ["": 17]> g (float[N, 4, L] x, float[4] s) => (y) {
      t = Transpose <perm = [0, 2, 1]> (x)
      y = LayerNormalization (t, s) }""")
    model.graph.output[0].type.tensor_type.elem_type = 1
    assert optimized(convert_version(model, 13), tmp_path)["LayerNormalization"] == 1


@pytest.mark.parametrize(("target", "compares"), [(13, 1), (9, 1), (7, 2)])
def test_a_triangle_of_a_free_square_counts_once(target: int, compares: int) -> None:
    # at 7 one more comparison tells whether the numbers are few
    model = parser.parse_model("""<ir_version: 8, opset_import: ["": 17]> g (float[L, L] x) => (float[L, L] y) {
      y = Trilu <upper = 0> (x) }""")
    found = counted(convert_version(model, target))
    assert found["Greater"] + found["Less"] == compares
    assert found["Shape"] == 1


def test_slices_to_a_computed_end_are_compressed() -> None:
    model = parser.parse_model("""<ir_version: 8, opset_import: ["": 17]> g (float[N, L] x) => (float[1, M] y)
    <float[1, 9] table = {0, 1, 2, 3, 4, 5, 6, 7, 8}, int64[1] zero = {0}, int64[1] one = {1}> {
      shape = Shape (x)
      length = Gather (shape, one)
      y = Slice (table, zero, length, one) }""")
    converted = convert_version(model, 9)
    assert counted(converted) == {"Shape": 1, "Gather": 1, "Less": 1, "Compress": 1}
    for length in (1, 4, 12):
        feeds = {"x": np.zeros((2, length), np.float32)}
        assert_same(run(model, feeds)["y"], run(converted, feeds)["y"])


def test_halves_of_a_fixed_axis_are_constants_though_other_sizes_are_free() -> None:
    model = parser.parse_model("""<ir_version: 8, opset_import: ["": 17]> g (float[N, 8] x) => (float[N, 4] y)
    <int64[1] zero = {0}, int64[1] one = {1}, int64[1] two = {2}> {
      shape = Shape (x)
      size = Gather (shape, one)
      half = Div (size, two)
      y = Slice (x, zero, half, one) }""")
    assert "Slice" in counted(convert_version(model, 9))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rounding_is_exact_next_to_every_tie_in_ten_nodes(dtype: Any) -> None:
    ties = np.concatenate([np.arange(-9, 9) + 0.5, [2.0**22 + 0.5, 2.0**22 - 0.5, 0, np.inf, -np.inf]]).astype(dtype)
    values = np.concatenate([ties, np.nextafter(ties, dtype(-np.inf)), np.nextafter(ties, dtype(np.inf))])
    model, feeds = node_model("Round", 11, values)
    converted = convert_version(model, 9)
    if dtype is np.float32:  # old runtimes lack Floor of doubles, for which other nodes stand in
        assert sum(counted(converted).values()) <= 10
    np.testing.assert_array_equal(run(converted, feeds)["y0"], np.round(values))


def test_a_linear_resize_to_computed_sizes_is_an_upsample_where_it_enlarges() -> None:
    model = parser.parse_model("""<ir_version: 8, opset_import: ["": 17]>
    g (float[N, 2, H, W] x, int64[4] sizes) => (float[N, 2, P, Q] y)
    <int64[2] first = {0, 1}, int64[2] last = {2, 3}> {
      shape = Shape (x)
      outer = Gather (shape, first)
      image = Gather (sizes, last)
      all = Concat <axis = 0> (outer, image)
      y = Resize <mode = "linear", coordinate_transformation_mode = "align_corners"> (x, , , all) }""")
    for target in (9, 10):
        converted = convert_version(model, target)
        checker.check_model(converted, full_check=True)
        found = counted(converted)
        assert found["Min"] <= 4
        assert found["If"] == 1
        # more, the same, fewer and many elements, and from a single one
        for before, after in (
            ((5, 4), (9, 11)),
            ((3, 3), (3, 3)),
            ((7, 6), (3, 9)),
            ((2, 3), (300, 4)),
            ((1, 4), (6, 8)),
        ):
            image = np.random.RandomState(0).rand(2, 2, *before).astype(np.float32)
            feeds = {"x": image, "sizes": np.array([2, 2, *after])}
            assert_same(run(model, feeds)["y"], run(converted, feeds)["y"], atol=1e-6)


@pytest.mark.parametrize("length", [0, 1, 2, 511, 512, 513, 1023, 5000])
def test_numbers_are_counted_one_by_one_while_they_are_few_and_by_doubling_from_there(length: int) -> None:
    model = parser.parse_model("""<ir_version: 8, opset_import: ["": 17]> g (int64[1] n) => (int64[N] y)
    <int64 zero = {0}, int64 one = {1}> {
      count = Squeeze (n)
      y = Range (zero, count, one) }""")
    converted = convert_version(model, 7)
    assert {"If", "RNN", "Loop"} <= set(counted(converted))
    assert_same(np.arange(length), run(converted, {"n": np.array([length])})["y"])
