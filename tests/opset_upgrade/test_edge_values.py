"""Values at the edges of what an operator takes: converted models give there what the operators give."""

import numpy as np
import onnxruntime
import pytest
from onnx import ModelProto, TensorProto, checker, helper, numpy_helper, parser, shape_inference

from zoosmith.opset_upgrade import OpsetError, convert, convert_version
from zoosmith.validation import runner_for

EDGES = np.array(
    [0, -0.0, 1, -1, 0.5, -0.5, 2, -2, 88.9, -88.9, 89.2, 100, 1e6, -1e6, 1e15, -1e15, 3e38, -3e38, np.inf, -np.inf],
    np.float32,
)


def run_all(model: ModelProto, **values: np.ndarray) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return [np.asarray(result) for result in session.run(None, values)]


def run(model: ModelProto, **values: np.ndarray) -> np.ndarray:
    return run_all(model, **values)[0]


def one_node(operator: str, elem_type: int, inputs: str, opset: int, **attributes: object) -> ModelProto:
    ports = [helper.make_tensor_value_info(name, elem_type, ["n"]) for name in [*inputs, "y"]]
    graph = helper.make_graph(
        [helper.make_node(operator, list(inputs), ["y"], **attributes)], "g", ports[:-1], ports[-1:]
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


@pytest.mark.parametrize("operator", ["Acosh", "Asinh", "Atanh", "Cosh", "Sinh"])
def test_functions_of_hyperbolas_keep_their_domain_and_range(operator: str) -> None:
    model = one_node(operator, TensorProto.FLOAT, "x", 13)
    with np.errstate(all="ignore"):
        expected = getattr(np, "arc" + operator[1:].lower() if operator[0] == "A" else operator.lower())(EDGES)
    for checked in (model, convert_version(model, 8)):
        np.testing.assert_allclose(run(checked, x=EDGES), expected, rtol=3e-6)


@pytest.mark.parametrize("direction", ["LEFT", "RIGHT"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "uint64"])
@pytest.mark.parametrize("target", [17, 9])
def test_a_shift_by_all_bits_or_more_leaves_none(direction: str, dtype: str, target: int) -> None:
    elem_type = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    bits = np.iinfo(dtype).bits
    steps = np.arange(bits + 6).astype(dtype)
    data = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, len(steps), dtype=dtype, endpoint=True)
    model = convert_version(one_node("BitShift", elem_type, "xs", 28, direction=direction), target)
    shifted = [int(x) << int(s) if direction == "LEFT" else int(x) >> int(s) for x, s in zip(data, steps, strict=True)]
    assert run(model, x=data, s=steps).tolist() == [value % 2**bits for value in shifted]


@pytest.mark.parametrize("operator", ["Max", "Min"])
@pytest.mark.parametrize("target", [11, 7])
def test_the_largest_numbers_of_uint64_are_compared(operator: str, target: int) -> None:
    a, b = np.array([2**64 - 1, 0, 2**63, 7], np.uint64), np.array([0, 2**64 - 1, 2**63 - 1, 7], np.uint64)
    model = convert_version(one_node(operator, TensorProto.UINT64, "ab", 13), target)
    assert run(model, a=a, b=b).tolist() == [
        (max if operator == "Max" else min)(pair) for pair in zip(a, b, strict=True)
    ]


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "uint8"])
@pytest.mark.parametrize(("bias", "limit"), [(1.5, 1.5), (-2.75, 0.5), (2.0, -1.5), (3.0, 2.0)])
def test_integers_are_shrunk_by_fractions(dtype: str, bias: float, limit: float) -> None:
    data = np.arange(4, 20) if dtype == "uint8" else np.arange(-10, 10)
    elem_type = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    model = one_node("Shrink", elem_type, "x", 13, bias=bias, lambd=limit)
    expected = np.where(data < -limit, data + bias, np.where(data > limit, data - bias, 0)).astype(dtype)
    for checked in (model, convert_version(model, 8)):
        assert run(checked, x=data.astype(dtype)).tolist() == expected.tolist()


@pytest.mark.parametrize("ratio", [-0.2, 1.0, 0.3])
def test_a_ratio_that_inference_does_not_read_may_be_any(ratio: float) -> None:
    model = one_node("Dropout", TensorProto.FLOAT, "x", 10, ratio=ratio)
    assert run(convert_version(model, 12), x=EDGES).tolist() == run(model, x=EDGES).tolist() == EDGES.tolist()


def test_axes_that_the_data_lacks_are_refused() -> None:
    with pytest.raises(OpsetError, match=r"axes=\[0, 2, 3\] of 1"):
        convert_version(one_node("MeanVarianceNormalization", TensorProto.FLOAT, "x", 10), 8)


def test_batches_of_data_and_indices_that_differ_are_refused() -> None:
    model = parser.parse_model("""<ir_version: 8, opset_import: ["": 13]>
        g (float[1,4,5] x, int64[2,1] i) => (float[2,5] y) { y = GatherND <batch_dims = 1> (x, i) }""")
    with pytest.raises(OpsetError, match=r"differ in the first 1 axes: \(1,\) and \(2,\)"):
        convert_version(model, 11)


def test_affine_grid_in_a_function_takes_a_constant_size() -> None:
    model = parser.parse_model(
        """<ir_version: 9, opset_import: ["": 20, "my": 1]> g (float[N, 2, 3] theta) => (float[N, H, W, 2] y)
        <int64[4] size = {2, 3, 5, 6}> { y = my.grid (theta, size) }
        <domain: "my", opset_import: ["": 20]>
        grid (theta, size) => (y) { y = AffineGrid <align_corners = 1> (theta, size) }"""
    )
    theta = np.random.default_rng(0).standard_normal((2, 2, 3)).astype(np.float32)
    for target in (19, 12):
        np.testing.assert_allclose(run(convert_version(model, target), theta=theta), run(model, theta=theta), atol=1e-6)


@pytest.mark.parametrize("operator", ["AveragePool", "MaxPool"])
def test_a_pool_without_padding_that_rounds_up_may_say_so_as_valid(operator: str) -> None:
    model = parser.parse_model(
        f"""<ir_version: 8, opset_import: ["": 22]> g (float[1, 2, 6, 5] x) => (float[1, 2, 3, 3] y) {{
        y = {operator} <kernel_shape = [2, 2], strides = [2, 2], auto_pad = "VALID", ceil_mode = 1> (x) }}"""
    )
    x = np.random.default_rng(0).standard_normal((1, 2, 6, 5)).astype(np.float32)
    for target in (11, 9):
        np.testing.assert_allclose(run(convert_version(model, target), x=x), run(model, x=x), atol=1e-6)


def test_a_pool_whose_last_window_lies_in_the_padding_is_refused_where_runtimes_refuse_it() -> None:
    model = parser.parse_model(
        """<ir_version: 8, opset_import: ["": 11]> g (float[1, 2, 5, 8] x) => (float[1, 2, h, w] y) {
        y = AveragePool <kernel_shape = [1, 4], strides = [3, 1], pads = [0, 2, 0, 0], ceil_mode = 1> (x) }"""
    )
    with pytest.raises(OpsetError, match="the last window that ceil_mode=1 makes lies in the padding"):
        convert_version(model, 9)


@pytest.mark.parametrize("ports", ["float[B, 3, 4, 8] q, float[B, 3, T, 8] k, float[B, 3, T, 8] v", None])
def test_the_number_of_keys_that_attention_saw_is_not_guessed(ports: str | None) -> None:
    # onnx's inference states 0 keys, or those without the past ones
    ports = ports or "float[B, 3, 4, 8] q, float[B, 3, 6, 8] k, float[B, 3, 6, 8] v"
    model = parser.parse_model(
        f"""<ir_version: 10, opset_import: ["": 23]>
        g ({ports}, float[4, K] mask, float[B, 3, P, 8] pk, float[B, 3, P, 8] pv)
        => (float[B, 3, 4, 8] y, float[a, b, c, d] p) {{
          y, ok, ov, qk = Attention (q, k, v, mask, pk, pv)
          p = Softmax (qk) }}"""
    )
    model.graph.output[1].type.tensor_type.ClearField("shape")
    converted = convert_version(model, 15)
    assert not any(dim.dim_value for dim in converted.graph.output[1].type.tensor_type.shape.dim[3:])
    values = {
        name: np.random.default_rng(1).standard_normal((2, 3, n, 8)).astype(np.float32)
        for name, n in {"q": 4, "k": 6, "v": 6, "pk": 12, "pv": 12}.items()
    }
    values["mask"] = np.zeros((4, 18), np.float32)
    np.testing.assert_allclose(run(converted, **values), run(model, **values), atol=1e-5)


@pytest.mark.parametrize("alpha", [-2.0, 0.0])
def test_a_celu_whose_text_and_definition_differ_is_refused(alpha: float) -> None:
    model = one_node("Celu", TensorProto.FLOAT, "x", 12, alpha=alpha)
    with pytest.raises(OpsetError, match=f"alpha={alpha:g}, for which its text and its definition"):
        convert_version(model, 11)


def test_regions_of_no_columns_are_refused() -> None:
    model = parser.parse_model(
        """<ir_version: 8, opset_import: ["": 16]> g (float[1, 1, 3, 3] x, float[1, 4] r, int64[1] b)
        => (float[1, 1, 5, 0] y) { y = RoiAlign <output_height = 5, output_width = 0, sampling_ratio = 2> (x, r, b) }"""
    )
    with pytest.raises(OpsetError, match="its regions are of no rows or no columns"):
        convert_version(model, 13)


def test_a_pool_of_no_power_is_refused_where_its_root_is_needed() -> None:
    model = parser.parse_model(
        """<ir_version: 8, opset_import: ["": 18]> g (float[1, 1, 4, 4] x) => (float[1, 1, 2, 2] y) {
        y = LpPool <p = 0, kernel_shape = [2, 2], dilations = [2, 2]> (x) }"""
    )
    with pytest.raises(OpsetError, match="p=0, of which there is no root"):
        convert_version(model, 12)


def test_data_of_zeros_is_quantized_with_scale_1() -> None:
    model = parser.parse_model(
        """<ir_version: 8, opset_import: ["": 13]> g (float[N] x) => (uint8[N] y, float s, uint8 z) {
        y, s, z = DynamicQuantizeLinear (x) }"""
    )
    for target in (10, 7):
        converted = convert_version(model, target)
        for x in ([0, 0, 0], [-1, 0, 2.5], [3, 4, 5]):
            for result, expected in zip(
                run_all(converted, x=np.float32(x)), run_all(model, x=np.float32(x)), strict=True
            ):
                np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("axes", [[0, 2], [0, 3], [1, 3], [-4, -1], [-1, 1]])
@pytest.mark.parametrize("operator", ["ReduceSum", "ReduceMax", "ReduceL2"])
def test_axes_of_size_1_do_not_hide_which_axes_are_reduced(operator: str, axes: list[int]) -> None:
    model = parser.parse_model(
        f"""<ir_version: 8, opset_import: ["": 18]> g (float[2, 2, 1, 1] x, int64[2] axes) => (float[2, 1] y) {{
        y = {operator} <keepdims = 0> (x, axes) }}"""
    )
    values = {"x": np.arange(1, 5, dtype=np.float32).reshape(2, 2, 1, 1), "axes": np.array(axes)}
    np.testing.assert_allclose(run(convert_version(model, 12), **values), run(model, **values), rtol=1e-6)


@pytest.mark.parametrize("operator", ["ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMean"])
@pytest.mark.parametrize("elem_type", ["int32", "int64"])
def test_integers_are_rounded_once_whatever_axes_a_run_names(operator: str, elem_type: str) -> None:
    model = parser.parse_model(
        f"""<ir_version: 8, opset_import: ["": 18]> g ({elem_type}[N, M] x, int64[2] axes) => ({elem_type}[p] y) {{
        y = {operator} <keepdims = 0> (x, axes) }}"""
    )
    model.graph.output[0].type.tensor_type.shape.ClearField("dim")
    x = np.array([[3, 5, 2], [7, 1, 7]], elem_type)
    exact = {
        "ReduceL2": np.sqrt((x**2).sum()),
        "ReduceLogSum": np.log(x.sum()),
        "ReduceLogSumExp": np.log(np.exp(x.astype(float)).sum()),
        "ReduceMean": x.mean(),
    }
    for target in (13, 9):
        assert run(convert_version(model, target), x=x, axes=np.array([1, 0])) == int(exact[operator])


@pytest.mark.parametrize("axes", ["-1, 0", "2, 0"])
def test_axes_to_squeeze_are_in_order_where_old_inference_takes_that_for_granted(axes: str) -> None:
    model = parser.parse_model(
        f"""<ir_version: 8, opset_import: ["": 13]> g (float[1, 2, 1] x) => (float[2] y) {{
        axes = Constant <value = int64[2] {{{axes}}}> ()
        y = Squeeze (x, axes) }}"""
    )
    checker.check_model(convert_version(model, 7), full_check=True)


def test_no_elements_of_top_k_are_refused_where_k_is_an_attribute() -> None:
    model = parser.parse_model(
        """<ir_version: 8, opset_import: ["": 13]> g (float[3] x) => (float[0] y, int64[0] i) {
        k = Constant <value = int64[1] {0}> ()
        y, i = TopK (x, k) }"""
    )
    with pytest.raises(OpsetError, match="k=0 does not exist there"):
        convert_version(model, 9)


@pytest.mark.parametrize("mode", ["linear", "nearest"])
def test_a_place_that_is_no_number_changes_no_other_place(mode: str) -> None:
    model = parser.parse_model(
        f"""<ir_version: 8, opset_import: ["": 20]>
        g (float[1, 2, 5, 6] x, float[1, 3, 4, 2] grid) => (float[1, 2, 3, 4] y) {{
          y = GridSample <mode = "{mode}"> (x, grid) }}"""
    )
    draw = np.random.default_rng(0)
    x = draw.standard_normal((1, 2, 5, 6)).astype(np.float32)
    grid = draw.uniform(-1.5, 1.5, (1, 3, 4, 2)).astype(np.float32)
    grid[0, 0, 0, 0] = np.nan
    result, expected = run(convert_version(model, 15), x=x, grid=grid), run(model, x=x, grid=grid)
    np.testing.assert_allclose(result[:, :, 1:], expected[:, :, 1:], atol=1e-6)


@pytest.mark.parametrize("limits", ["low, high", "low", "''"])
def test_doubles_are_clipped_by_limits_of_double_precision(limits: str) -> None:
    model = one_node("Clip", TensorProto.DOUBLE, "x", 13)
    model.graph.node[0].input.extend(limits.replace("''", "").split(", "))
    for name, limit in (("low", 0.1), ("high", 1.1)):
        model.graph.initializer.append(numpy_helper.from_array(np.float64(limit), name))
    x = np.array([-1, 0.1, 0.5, 1.1, 1.2, 1e300])
    for target in (11, 9, 7):
        assert run(convert_version(model, target), x=x).tolist() == run(model, x=x).tolist()


@pytest.mark.parametrize("indices", ["", "<int64[6] i = {0, 3, -1, -4, -5, 4}>"])
def test_one_hot_counts_from_the_end_where_the_operator_does_not(indices: str) -> None:
    model = parser.parse_model(
        f"""<ir_version: 8, opset_import: ["": 13]> g (float[2] v{"" if indices else ", int64[6] i"}) => (float[6, 4] y)
        {indices or ""} {{
          d = Constant <value = int64 {{4}}> ()
          y = OneHot (i, d, v) }}"""
    )
    values = {"v": np.float32([0, 1])} | ({} if indices else {"i": np.array([0, 3, -1, -4, -5, 4])})
    for target in (10, 9, 7):
        converted = convert_version(model, target)
        checker.check_model(converted, full_check=True)
        np.testing.assert_array_equal(run(converted, **values), run(model, **values))
        if target > 7:  # as the operator of 9 is defined, for which an index below 0 names no element
            added = [node.op_type for node in converted.graph.node if node.op_type in ("Add", "Less")]
            assert bool(added) == (not indices)


@pytest.mark.parametrize("elem_type", [TensorProto.INT64, TensorProto.UINT64])
def test_bits_of_64_bit_integers_are_refused_where_arithmetic_is_of_floats(elem_type: int) -> None:
    model = one_node("BitwiseAnd", elem_type, "xs", 18)
    assert convert_version(model, 7)
    with pytest.raises(OpsetError, match="does not hold all of 64 bits"):
        convert_version(model, 5)


def test_bits_of_32_bit_integers_are_right_in_arithmetic_of_floats() -> None:
    x, s = np.int32([-2, -1, 5, 2**31 - 1, -(2**31)]), np.int32([2, -7, 6, -1, 2**30])
    model = one_node("BitwiseAnd", TensorProto.INT32, "xs", 18)
    for port in (*model.graph.input, *model.graph.output):
        port.type.tensor_type.shape.dim[0].dim_value = len(x)
    assert runner_for(convert_version(model, 5)).run({"x": x, "s": s})["y"].tolist() == (x & s).tolist()


@pytest.mark.parametrize("target", [11, 9, 7])
def test_the_celu_of_a_scalar_is_a_scalar(target: int) -> None:
    model = parser.parse_model(
        """<ir_version: 8, opset_import: ["": 13]> g (float x) => (float y) { y = Celu <alpha = 2.0> (x) }"""
    )
    x = np.array(-0.5, np.float32)
    found, expected = run(convert_version(model, target), x=x), run(model, x=x)
    assert np.shape(found) == np.shape(expected) == ()
    np.testing.assert_allclose(found, expected)


def ceiled_pool(operator: str, kernel: int, stride: int) -> ModelProto:
    return parser.parse_model(
        f"""<ir_version: 8, opset_import: ["": 14]> g (float[n, 1, h, w] x) => (float[n, 1, a, b] y) {{
          y = {operator} <kernel_shape = [{kernel}, {kernel}], strides = [{stride}, {stride}], ceil_mode = 1> (x) }}"""
    )


@pytest.mark.parametrize("operator", ["AveragePool", "MaxPool"])
def test_a_pool_that_rounds_up_may_differ_for_images_smaller_than_its_window(operator: str) -> None:
    model = ceiled_pool(operator, 3, 2)
    (caveat,) = convert(model, 9).caveats
    assert (caveat.kind, caveat.operator) == ("empty tensors", operator)
    assert caveat.reason == "ceil_mode=1 of an image that is smaller than the window, whose sizes are not fixed"
    with pytest.raises(OpsetError, match="smaller than the window"):
        convert(model, 9, exact=True)
    # no image is smaller than a window of one element, or than one that the image is known to fill
    assert not convert(ceiled_pool(operator, 1, 1), 9, exact=True).caveats
    for axis, size in ((2, 3), (3, 8)):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = size
    assert not convert(model, 9, exact=True).caveats


@pytest.mark.parametrize(
    ("opset", "target", "node"),
    [
        (24, 17, "AveragePool <kernel_shape = [2, 3], dilations = [2, 2]>"),
        (18, 17, "LpPool <kernel_shape = [3, 2], dilations = [2, 2]>"),
        (14, 9, "MaxPool <kernel_shape = [5, 2], ceil_mode = 1>"),
    ],
)
def test_a_window_larger_than_the_image_is_refused(opset: int, target: int, node: str) -> None:
    model = parser.parse_model(
        f"""<ir_version: 8, opset_import: ["": {opset}]> g (float[1, 1, 4, 4] x) => (float[1, 1, a, b] y) {{
          y = {node} (x) }}"""
    )
    inferred = shape_inference.infer_shapes(model)
    with pytest.raises(OpsetError, match=r"its window reaches over 5 elements, and its image has 4 with the padding"):
        convert_version(inferred, target)


def test_a_constant_that_the_evaluator_makes_of_another_shape_than_inference_is_not_taken() -> None:
    model = parser.parse_model(
        f"""<ir_version: 8, opset_import: ["": 18]> g () => (float[1, 1, 1, 2] y)
        <float[1, 1, 4, 4] x = {{{", ".join(["1"] * 16)}}}> {{
          y = LpPool <kernel_shape = [3, 2], dilations = [2, 2], strides = [2, 1]> (x) }}"""
    )
    with pytest.raises(OpsetError, match="its window reaches over 5 elements"):
        convert_version(model, 17)


def test_aligned_corners_of_one_element_have_no_place() -> None:
    for size, reason in (("<int64[5] size = {1, 1, 1, 2, 2}>", "no place for one element"), ("", "computed")):
        given = ", int64[5] size" if not size else ""
        model = parser.parse_model(
            f"""<ir_version: 8, opset_import: ["": 20]>
            g (float[1, 3, 4] theta{given}) => (float[a, b, c, d, 3] y) {size} {{
              y = AffineGrid <align_corners = 1> (theta, size) }}"""
        )
        with pytest.raises(OpsetError, match=reason):
            convert(model, 18, exact=True)


def test_a_resize_that_crops_needs_its_region() -> None:
    model = parser.parse_model(
        """<ir_version: 8, opset_import: ["": 13]> g (float[1, 1, 4, 4] x) => (float[1, 1, 3, 3] y)
        <int64[4] size = {1, 1, 3, 3}> {
          y = Resize <mode = "nearest", coordinate_transformation_mode = "tf_crop_and_resize"> (x, "", "", size) }"""
    )
    with pytest.raises(OpsetError, match="its region is missing, which tf_crop_and_resize reads"):
        convert_version(model, 12)


@pytest.mark.parametrize(("opset", "kind"), [(7, "float"), (10, "bool")])
def test_the_mask_of_a_dropout_that_drops_nothing_has_no_meaning_below_12(opset: int, kind: str) -> None:
    model = parser.parse_model(
        f"""<ir_version: 8, opset_import: ["": {opset}]> g (float[3] x) => (float[3] y, {kind}[3] z) {{
          y, z = Dropout (x) }}"""
    )
    assert convert_version(model, 11)
    with pytest.raises(OpsetError, match="its mask is all true since 12"):
        convert_version(model, 12)
    del model.graph.output[1:]
    assert run(convert_version(model, 12), x=np.float32([1, 2, 3])).tolist() == [1, 2, 3]


@pytest.mark.parametrize(("x", "heads"), [("2, 2, 3, 5", 0), ("2, 3, 10", 2)])
def test_heads_of_an_odd_number_of_values_are_not_rotated(x: str, heads: int) -> None:
    model = parser.parse_model(
        f"""<ir_version: 10, opset_import: ["": 24]>
        g (float[{x}] x, float[2, 3, 2] c, float[2, 3, 2] s) => (float[{x}] y) {{
          y = RotaryEmbedding <num_heads = {heads}> (x, c, s) }}"""
    )
    with pytest.raises(OpsetError, match="its heads are of 5 values, an odd number"):
        convert_version(model, 17)
