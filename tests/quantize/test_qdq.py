"""The QDQ form: float operators of dequantized values, by the plan of the integer form, and as close."""

from collections import Counter

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from tests.optimize.nets import Net, dense_block, residual
from zoosmith.quantize import QuantizeError, quantize
from zoosmith.quantize.report import summarize
from zoosmith.quantize.samples.reading import random_samples
from zoosmith.quantize.target import Target
from zoosmith.validation import runner_for


def in_qdq(model: onnx.ModelProto, target: Target | None = None) -> onnx.ModelProto:
    result = quantize(model, random_samples(model, 20), target=target or Target("qdq"))
    onnx.checker.check_model(result, full_check=True)
    return result


def initializers(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


@pytest.mark.parametrize("opset", [10, 12, 13, 17])
def test_convolutions_and_products_stand_in_qdq_form_and_stay_close(opset: int) -> None:
    model = residual(opset=opset)
    result = in_qdq(model)
    counts = Counter(node.op_type for node in result.graph.node)
    assert (counts["Conv"], counts["MatMul"], counts["QLinearConv"], counts["MatMulInteger"]) == (3, 2, 0, 0)
    assert summarize(model, result, random_samples(model, 8, seed=1000)).error < 0.06


def test_a_dense_block_with_one_scale_for_all_channels_of_a_tensor_stays_close() -> None:
    model = dense_block()
    assert summarize(model, in_qdq(model), random_samples(model, 8, seed=1000)).error < 0.12


@pytest.mark.parametrize(("opset", "scales"), [(12, 1), (13, 8)])
def test_weights_have_a_scale_per_output_channel_from_opset_13_on(opset: int, scales: int) -> None:
    net = Net([1, 3, 8, 8], opset=opset)
    result = in_qdq(net.model(net.conv("data", 3, 8, 3)))
    values = initializers(result)
    [weights] = [node for node in result.graph.node if node.op_type == "DequantizeLinear" and node.input[0] in values][
        :1
    ]
    assert values[weights.input[0]].dtype == np.int8
    assert values[weights.input[1]].size == scales


def test_a_product_of_three_axes_is_encoded_on_both_sides() -> None:
    net = Net([1, 5, 16], opset=13)
    model = net.model(net.add("Softmax", net.add("MatMul", "data", net.normal(16, 8, spread=0.3)), axis=-1))
    result = in_qdq(model)
    assert Counter(node.op_type for node in result.graph.node) == {
        **{"QuantizeLinear": 2, "DequantizeLinear": 3, "MatMul": 1, "Softmax": 1}
    }
    assert summarize(model, result, random_samples(model, 4, seed=9)).error < 0.03


def test_int8_activations_are_int8_everywhere() -> None:
    model = dense_block()
    result = in_qdq(model, Target("qdq", signed=True))
    values = initializers(result)
    zero_points = {values[node.input[2]].dtype for node in result.graph.node if node.op_type == "QuantizeLinear"}
    assert zero_points == {np.dtype(np.int8)}
    assert TensorProto.UINT8 not in {tensor.data_type for tensor in result.graph.initializer}
    assert summarize(model, result, random_samples(model, 8, seed=1000)).error < 0.12


@pytest.mark.parametrize("opset", [20, 21])
def test_int8_activations_load_where_they_are_moved_in_float(opset: int) -> None:
    net = Net([1, 5, 16], opset=opset)
    product = net.add("MatMul", "data", net.normal(16, 12, spread=0.3))
    halves = net.add("Reshape", product, net.constant(np.array([5, 2, 6])))
    turned = net.add("Transpose", halves, perm=[1, 0, 2])
    model = net.model(
        net.add("MatMul", net.add("Softmax", turned, axis=-1), net.add("Transpose", halves, perm=[1, 2, 0]))
    )
    result = in_qdq(model, Target("qdq", signed=True))
    assert summarize(model, result, random_samples(model, 8, seed=1000)).error < 0.06


def test_symmetric_zero_points_stand_in_the_middle() -> None:
    model = dense_block()
    for signed, middle in ((False, 128), (True, 0)):
        result = in_qdq(model, Target("qdq", symmetric=True, signed=signed))
        values = initializers(result)
        found = {int(values[node.input[2]]) for node in result.graph.node if node.op_type == "QuantizeLinear"}
        assert found == {middle}
        assert summarize(model, result, random_samples(model, 8, seed=1000)).error < 0.15


def test_a_reduced_range_keeps_weights_within_seven_bits() -> None:
    model = residual(opset=13)
    result = in_qdq(model, Target("qdq", reduce_range=True))
    weights = [value for value in initializers(result).values() if value.dtype == np.int8 and value.ndim > 1]
    assert len(weights) == 5
    assert max(np.abs(value.astype(int)).max() for value in weights) <= 63
    assert summarize(model, result, random_samples(model, 8, seed=1000)).error < 0.15


def test_the_same_input_gives_the_same_bytes() -> None:
    first, second = (in_qdq(residual(opset=13)).SerializeToString(deterministic=True) for _ in range(2))
    assert first == second


def test_options_of_qdq_are_refused_for_the_integer_form() -> None:
    with pytest.raises(QuantizeError, match="need the format qdq"):
        Target(signed=True)
    with pytest.raises(QuantizeError, match="expected one of integer, qdq"):
        Target("other")


@pytest.mark.parametrize("opset", [12, 13])
@pytest.mark.parametrize("reduce_range", [False, True])
def test_a_bias_far_larger_than_the_products_fits_its_int32(opset: int, reduce_range: bool) -> None:
    net = Net([1, 3, 8, 8], opset=opset)
    weights = net.constant(net.stream.randn(4, 3, 1, 1).astype(np.float32) * np.float32(1e-9))
    model = net.model(net.add("Conv", "data", weights, net.constant(np.float32([0.5, -0.5, 2.0, 0.0]))))
    samples = random_samples(model, 8)
    result = in_qdq(model, Target("qdq", reduce_range=reduce_range))
    wanted, found = (runner_for(each).run(samples[0])["t0"] for each in (model, result))
    np.testing.assert_allclose(found, wanted, atol=0.02)


@pytest.mark.parametrize(
    ("outputs", "attributes"),
    [
        (4, {"strides": [3, 2]}),
        (4, {"pads": [1, 0, 2, 1]}),
        (4, {"auto_pad": "SAME_UPPER", "strides": [2, 2]}),
        (8, {}),
        (4, {}),
    ],
)
def test_a_convolution_of_one_weight_a_channel_keeps_its_shape_at_opset_12(
    outputs: int, attributes: dict[str, object]
) -> None:
    net = Net([1, 4, 9, 7])
    weights = net.normal(outputs, 1, 1, 1)
    model = net.model(net.add("Conv", "data", weights, net.normal(outputs), group=4, **attributes))
    samples = random_samples(model, 8)
    wanted, found = (runner_for(each).run(samples[0])["t0"] for each in (model, in_qdq(model)))
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, atol=0.15)


def test_the_summary_counts_layers_of_encoded_weights() -> None:
    model = residual(opset=13)
    samples = random_samples(model, 8)
    summary = summarize(model, quantize(model, samples, target=Target("qdq")), samples, Target("qdq"))
    assert (summary.encoded, summary.convolutions) == (5, 0)
    assert "5 layers between QuantizeLinear and DequantizeLinear" in str(summary)


def joined_and_scaled(opset: int = 12) -> onnx.ModelProto:
    """Two convolutions that meet in a Concat, which a factor for each channel alone reads."""
    net = Net([1, 3, 16, 16], opset=opset)
    joined = net.add("Concat", net.conv("data", 3, 8), net.conv("data", 3, 8), axis=1)
    factors = net.constant(np.linspace(0.5, 2, 16, dtype=np.float32).reshape(16, 1, 1))
    return net.model(net.conv(net.add("Relu", net.add("Mul", joined, factors)), 16, 8))


def test_a_concat_that_an_affine_alone_reads_has_no_conversions_behind_it() -> None:
    model = joined_and_scaled()
    result = in_qdq(model)
    [concat] = [node for node in result.graph.node if node.op_type == "Concat"]
    assert [node.op_type for node in result.graph.node if concat.output[0] in node.input] == ["Mul"]
    assert summarize(model, result, random_samples(model, 8, seed=1000)).error < 0.06


def test_the_first_convolution_stays_as_it_is() -> None:
    net = Net([1, 3, 32, 32])
    model = net.model(net.conv("data", 3, 16, 7, strides=[2, 2], pads=[3, 3, 3, 3]))
    assert "SpaceToDepth" in {node.op_type for node in quantize(model, random_samples(model, 2)).graph.node}
    assert "SpaceToDepth" not in {node.op_type for node in in_qdq(model).graph.node}


def test_integers_are_made_an_output_before_other_nodes_read_them() -> None:
    net = Net([1, 3, 8, 8], opset=13)
    inner = net.conv("data", 3, 8, name="inner")
    result = in_qdq(net.model(inner, net.conv(inner, 8, 4, name="outer")))
    [quantized] = [node.input[0] for node in result.graph.node if "inner" in node.output]
    assert next(node.output[0] for node in result.graph.node if quantized in node.input) == "inner"


def test_a_net_that_ends_in_a_row_of_scores_loads_and_is_close() -> None:
    net = Net([1, 3, 8, 8])
    pooled = net.add("Flatten", net.add("GlobalAveragePool", net.conv("data", 3, 8, 3)))
    model = net.model(net.add("Gemm", pooled, net.normal(8, 4), net.normal(4)))
    found = quantize(model, random_samples(model, 4), target=Target("qdq"))
    assert summarize(model, found, random_samples(model, 4, seed=1)).error < 0.05
