"""Quantized models are integer, standard, close, and the same integers on every machine."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from tests.optimize.nets import Net, dense_block, operators, residual
from tests.quantize.all_integer import all_integer
from zoosmith.onnx_model import load_model, save_model
from zoosmith.onnx_model.errors import ModelError
from zoosmith.onnx_model.mapped import load_mapped
from zoosmith.quantize import QuantizeError, quantize, quantize_within
from zoosmith.quantize.report import summarize
from zoosmith.quantize.samples.reading import random_samples
from zoosmith.quantize.target import Target
from zoosmith.validation import OnnxRuntimeRunner, ReferenceRunner

# small nets are as fast in float
EVERY_LAYER = Target(every_layer=True)
BORDERS = ("QuantizeLinear", "DequantizeLinear")


def quantized(model: onnx.ModelProto, count: int = 20, method: str = "minmax") -> onnx.ModelProto:
    result = quantize(model, random_samples(model, count), method=method, target=EVERY_LAYER)
    onnx.checker.check_model(result, full_check=True)
    assert {entry.domain for entry in result.opset_import} == {entry.domain for entry in model.opset_import}
    return result


def test_a_dense_block_is_integer_from_end_to_end() -> None:
    model = dense_block()
    result = quantized(model)
    counts = operators(result)
    assert counts == {
        **{"QuantizeLinear": 2, "DequantizeLinear": 2, "SpaceToDepth": 1, "MaxPool": 1, "Concat": 2},
        "GlobalAveragePool": 1,  # in QDQ form, one of uint8 in ONNX Runtime
        "QLinearConv": 7 + 3 + 1,  # convolutions, affines, a pooling
    }
    assert [node.op_type for node in result.graph.node[:2]] == ["SpaceToDepth", "QuantizeLinear"]
    assert result.graph.node[-1].op_type == "DequantizeLinear"
    assert summarize(model, result, random_samples(model, 8, seed=1000)).error < 0.03


@pytest.mark.parametrize("shared", [False, True])
def test_a_classifier_reads_the_pooled_image_as_it_is(shared: bool) -> None:
    net = Net([1, 16, 12, 12])
    x = net.add("GlobalAveragePool", net.add("Relu", net.conv("data", 16, 32, 3)))
    flat = net.add("Flatten", x)
    logits = net.add("Gemm", flat, net.normal(10, 32, spread=0.1), net.normal(10), transB=1)
    # another reader needs the row
    model = net.model(net.add("Concat", flat, logits, axis=1) if shared else logits)
    result = quantized(model)
    counts = operators(result)
    assert (counts["Flatten"], counts["Unsqueeze"], counts["Squeeze"]) == ((1, 1, 1) if shared else (0, 0, 1))
    assert summarize(model, result, random_samples(model, 8, seed=1000)).error < 0.03


@pytest.mark.parametrize("method", ["percentile", "entropy"])
def test_other_calibration_methods_stay_close(method: str) -> None:
    model = dense_block()
    assert summarize(model, quantized(model, method=method), random_samples(model, 8, seed=1000)).error < 0.1


def test_onnxs_reference_computes_the_same_integers() -> None:
    model = quantized(dense_block())
    step = numpy_helper.to_array(next(t for t in model.graph.initializer if t.name == model.graph.node[-1].input[1]))
    # the reference has DequantizeLinear from opset 19 on, which takes what opset 12's does
    newer = onnx.ModelProto()
    newer.CopyFrom(model)
    newer.opset_import[0].version = 19
    for sample in random_samples(model, 3, seed=50):
        [ours] = OnnxRuntimeRunner(model).run(sample).values()
        [reference] = ReferenceRunner(newer).run(sample).values()
        # the reference rounds ties and its float scales in another order: one step at the most
        assert np.max(np.abs(ours - reference)) <= 1.01 * step


def test_weights_in_the_file_cannot_saturate_int16() -> None:
    model = quantized(dense_block())
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    checked = 0
    for node in model.graph.node:
        if node.op_type == "QLinearConv" and tensors[node.input[3]].shape[1] > 1:
            weights = np.moveaxis(tensors[node.input[3]], 1, -1).astype(np.int64)
            flat = weights.reshape(len(weights), -1)
            assert np.abs(flat[:, 0:-1:2] + flat[:, 1::2]).max() * 255 <= 32767
            checked += 1
    assert checked == 7


def test_the_same_input_gives_the_same_bytes() -> None:
    first, second = (quantized(dense_block()).SerializeToString(deterministic=True) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("opset", [10, 11, 12, 13, 17])
def test_what_has_no_integer_form_stays_in_float(opset: int) -> None:
    model = residual(opset=opset)
    result = quantized(model)
    counts = operators(result)
    assert (counts["QLinearConv"], counts["MatMulInteger"]) == (3, 2)
    # one Add in QDQ form, which ONNX Runtime makes one of integers, and the bias of the Gemm
    assert (counts["Conv"], counts["Gemm"], counts["MatMul"], counts["Add"], counts["Softmax"]) == (0, 0, 0, 2, 1)
    assert summarize(model, result, random_samples(model, 8, seed=1000)).error < 0.03


def test_a_batch_other_than_the_calibrated_runs() -> None:
    result = quantized(residual())
    [output] = OnnxRuntimeRunner(result).run({"data": np.zeros((5, 3, 16, 16), np.float32)}).values()
    assert output.shape == (5, 10)


def test_channels_of_very_different_size_keep_their_precision_behind_a_concat() -> None:
    net = Net([1, 3, 16, 16])
    parts = []
    for size in (1.0, 1000.0):
        weights = net.normal(8, 3, 3, 3, spread=size)
        parts.append(net.add("Conv", "data", weights))
    x = net.add("Concat", *parts, axis=1)
    scale = np.repeat([1.0, 0.001], 8).astype(np.float32).reshape(1, 16, 1, 1)
    x = net.add("Relu", net.add("Add", net.add("Mul", x, net.constant(scale)), net.normal(16, 1, 1)))
    model = net.model(net.conv(x, 16, 4))
    result = quantized(model)
    assert set(operators(result)) == {*BORDERS, "QLinearConv", "Concat"}
    # one step for all channels would leave the small ones less than one step
    assert summarize(model, result, random_samples(model, 8, seed=1000)).error < 0.02


def test_a_tensor_that_is_also_an_output_is_given_in_float() -> None:
    net = Net([1, 3, 8, 8])
    x = net.add("Relu", net.conv("data", 3, 4, 3))
    model = net.model(x, net.conv(x, 4, 4))
    result = quantized(model)
    assert set(OnnxRuntimeRunner(result).run(random_samples(model, 1)[0])) == {
        value.name for value in model.graph.output
    }
    assert summarize(model, result, random_samples(model, 4, seed=9)).error < 0.03


def test_clip_bounds_join_the_convolution() -> None:
    net = Net([1, 3, 8, 8])
    x = net.conv("data", 3, 4, 3)
    six = [net.constant(np.array(bound, np.float32)) for bound in (0, 0.2)]
    model = net.model(net.conv(net.add("Clip", x, *six), 4, 4))
    result = quantized(model)
    assert set(operators(result)) == {*BORDERS, "QLinearConv"}
    assert summarize(model, result, random_samples(model, 4, seed=9)).error < 0.03


def test_dead_channels_are_no_obstacle() -> None:
    net = Net([1, 3, 8, 8])
    weights = np.random.RandomState(0).randn(4, 3, 3, 3).astype(np.float32)
    weights[1:3] = 0
    x = net.add("Conv", "data", net.constant(weights))
    model = net.model(net.add("Relu", net.batch_normalization(x, 4)))
    assert summarize(model, quantized(model), random_samples(model, 4, seed=9)).error < 0.03


def refused(model: onnx.ModelProto, message: str) -> None:
    with pytest.raises(QuantizeError, match=message) as caught:
        quantize(model, random_samples(model, 2), target=EVERY_LAYER)
    assert "\n" not in str(caught.value)


def test_a_quantized_model_is_refused() -> None:
    refused(quantized(dense_block()), "already quantized: it holds")


def test_opset_9_is_refused() -> None:
    net = Net([1, 3, 8, 8], opset=9)
    refused(net.model(net.conv("data", 3, 4)), "opset 9, expected 10 or later")


def test_nan_weights_are_refused_by_name() -> None:
    net = Net([1, 3, 8, 8])
    name = net.constant(np.full((4, 3, 1, 1), np.nan, np.float32), "kernel")
    refused(net.model(net.add("Conv", "data", name)), "initializer kernel: holds NaN")


def test_infinite_weights_are_refused_by_name() -> None:
    net = Net([1, 3, 8, 8])
    name = net.constant(np.full((4, 3, 1, 1), np.inf, np.float32), "kernel")
    refused(net.model(net.add("Conv", "data", name)), "initializer kernel: holds NaN or infinity")


@pytest.mark.parametrize(("shape", "axis"), [((1, 1, 6, 6), 3), ((1, 4, 1, 1), 1)])
def test_a_mask_of_minus_infinity_stays_in_float(shape: tuple[int, ...], axis: int) -> None:
    net = Net([1, 3, 8, 8])
    mask = np.zeros(shape, np.float32)
    mask.reshape(-1)[0] = -np.inf
    x = net.conv(net.add("Relu", net.conv("data", 3, 4, 3)), 4, 4)
    model = net.model(net.add("Softmax", net.add("Add", x, net.constant(mask)), axis=axis))
    result = quantized(model)
    assert operators(result)["QLinearConv"] == 2
    sample = random_samples(model, 1, seed=9)[0]
    [exact], [found] = (OnnxRuntimeRunner(each).run(sample).values() for each in (model, result))
    np.testing.assert_allclose(found, exact, atol=0.05)
    assert (exact == 0).any() and np.array_equal(found == 0, exact == 0)


@pytest.mark.parametrize("form", ["integer", "qdq"])
def test_a_max_pool_of_what_was_padded_with_minus_infinity_stays_in_float(form: str) -> None:
    net = Net([1, 3, 8, 8], opset=17)
    padding, lowest = net.constant(np.array([0, 0, 1, 1, 0, 0, 1, 1])), net.constant(np.array(-np.inf, np.float32))
    x = net.add("Pad", net.conv("data", 3, 8), padding, lowest)
    model = net.model(net.conv(net.add("MaxPool", x, kernel_shape=[3, 3]), 8, 8))
    samples = random_samples(model, 20)
    result = quantize(model, samples, target=Target(form, every_layer=True))
    [exact], [found] = (OnnxRuntimeRunner(each).run(samples[0]).values() for each in (model, result))
    assert np.abs(found - exact).max() < 0.05 * np.abs(exact).max()


@pytest.mark.parametrize("axes", [1, 3])
@pytest.mark.parametrize("group", [1, 6])
def test_convolutions_of_one_and_three_axes_are_integer(axes: int, group: int) -> None:
    net = Net([1, 6, *[9] * axes])
    x = "data"
    for _ in range(2):
        kernel = net.normal(6, 6 // group, *[3] * axes, spread=(6 // group * 3**axes) ** -0.5)
        x = net.add("Conv", x, kernel, net.normal(6), group=group, pads=[1] * 2 * axes, strides=[2] * axes)
        x = net.add("Relu", x)
    model = net.model(x)
    result = quantized(model)
    assert operators(result) == {"QuantizeLinear": 1, "QLinearConv": 2, "DequantizeLinear": 1}
    assert summarize(model, result, random_samples(model, 8, seed=1000)).error < 0.03


def test_nan_activations_are_refused_by_name() -> None:
    net = Net([1, 3, 8, 8])
    model = net.model(net.conv(net.add("Log", "data", name="logs"), 3, 4))
    refused(model, "tensor logs: NaN or infinite")


def test_a_model_without_weights_is_refused() -> None:
    net = Net([1, 3, 8, 8])
    refused(net.model(net.add("Relu", "data")), "nothing to quantize")


def test_arguments_of_another_kind_are_named() -> None:
    model = dense_block()
    samples = random_samples(model, 2)
    stacked = {name: np.stack([sample[name] for sample in samples]) for name in samples[0]}
    for given, kind in ((stacked, "dict"), ([*stacked.values()], "ndarray"), ((each for each in samples), "generator")):
        with pytest.raises(TypeError, match=f"expected a sequence of arrays by input name.* found {kind}"):
            quantize(model, given)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="expected a ModelProto, not bytes"):
        quantize(model.SerializeToString(), samples)  # type: ignore[arg-type]


def test_an_opset_import_is_needed() -> None:
    model = helper.make_model(dense_block().graph)
    del model.opset_import[:]
    with pytest.raises(ModelError, match="imports no ONNX opset"):
        quantize(model, [{}])


def test_quantizing_does_not_load_the_simplifier_whose_versions_give_other_bytes(tmp_path: Path) -> None:
    net = Net([1, 3, 8, 8])
    onnx.save(net.model(net.conv("data", 3, 4, 3)), tmp_path / "m.onnx")
    script = (
        "import sys, onnx\nfrom zoosmith.quantize import quantize\n"
        "from zoosmith.quantize.samples.reading import random_samples\n"
        "model = onnx.load(sys.argv[1]); quantize(model, random_samples(model, 1)); assert 'onnxsim' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "m.onnx")], check=True)


def test_a_tensor_whose_data_was_not_loaded_is_refused() -> None:
    net = Net([1, 3, 8, 8])
    model = net.model(net.conv("data", 3, 4, 3))
    model.graph.initializer[0].data_location = onnx.TensorProto.EXTERNAL
    refused(model, "its data lies in a file; load the model with its data")


def test_sizes_that_a_model_computes_are_folded_before_it_is_quantized() -> None:
    net = Net([1, 3, 8, 8])
    x = net.conv("data", 3, 4, 3)
    batch = net.add("Gather", net.add("Shape", x), net.constant(np.array([0], np.int64)), axis=0)
    flat = net.add("Reshape", x, net.add("Concat", batch, net.constant(np.array([-1], np.int64)), axis=0))
    result = quantized(net.model(flat))
    assert not operators(result).keys() & {"Shape", "Gather", "Concat"}


def test_operators_of_com_microsoft_are_written_where_they_are_allowed() -> None:
    model = residual(opset=13)
    result = quantize(model, random_samples(model, 20), target=Target(contrib=True, every_layer=True))
    assert {node.op_type for node in result.graph.node if node.domain} == {"MatMulIntegerToFloat"}
    assert {entry.domain: entry.version for entry in result.opset_import} == {"": 13, "com.microsoft": 1}
    assert summarize(model, result, random_samples(model, 8, seed=1000)).error < 0.03


@pytest.mark.parametrize("opset", [13, 14])
def test_a_hard_swish_that_an_exporter_spelled_out_becomes_two_operators_that_runtimes_join(opset: int) -> None:
    net = Net([1, 8, 6, 6], opset=opset)
    x = net.conv("data", 8, 8, 3, bias=True)
    three, six, zero = (net.constant(np.array(number, np.float32)) for number in (3, 6, 0))
    product = net.add("Mul", x, net.add("Clip", net.add("Add", x, three), zero, six))
    model = net.model(net.conv(net.add("Div", product, six), 8, 8))
    result = quantize(model, random_samples(model, 2))
    assert [node.op_type for node in result.graph.node if node.op_type not in ("Cast", "Conv")] == [
        *("Mul", "HardSigmoid", "Mul")  # the first is of the stored weights
    ]
    assert summarize(model, result, random_samples(model, 8, seed=1000)).error < 0.03


def test_a_branch_that_passes_a_value_on_is_no_obstacle() -> None:
    net = Net([1, 3, 8, 8])
    x = net.conv("data", 3, 4, 3)
    branches = [
        helper.make_graph(
            [helper.make_node("Identity", [x], [f"{name}_out"])],
            name,
            [],
            [helper.make_tensor_value_info(f"{name}_out", onnx.TensorProto.FLOAT, None)],
        )
        for name in ("then", "else")
    ]
    chosen = net.constant(np.array(True))
    y = net.add("If", chosen, then_branch=branches[0], else_branch=branches[1])
    model = net.model(net.add("Identity", y))
    result = quantized(model)
    assert operators(result)["QLinearConv"] == 1


@pytest.mark.parametrize("op_type", ["Mul", "Add", "Sub"])
def test_an_affine_whose_constant_stands_first_reads_the_other_input(op_type: str) -> None:
    net = Net([1, 3, 8, 8])
    affine = net.add(op_type, net.normal(3, 1, 1), net.add("Tanh", "data"))
    # another reader, so that it is not folded into the convolution
    model = net.model(net.conv(affine, 3, 4), net.add("Neg", affine))
    samples = random_samples(model, 8)
    result = all_integer(model, samples).integer
    assert operators(result) == {**{"Tanh": 1, "Neg": 1, "QuantizeLinear": 1, "QLinearConv": 2, "DequantizeLinear": 2}}
    assert summarize(model, result, samples).error < 0.05


def test_what_is_chosen_by_constant_indices_stays_integer() -> None:
    net = Net([1, 4, 8, 8])
    x = net.conv("data", 4, 8)
    x = net.add("Gather", x, net.constant(np.array([0, 3, 5])), axis=2)
    model = net.model(net.conv(x, 8, 4))
    result = quantized(model)
    assert operators(result) == {"QuantizeLinear": 1, "QLinearConv": 2, "Gather": 1, "DequantizeLinear": 1}
    assert summarize(model, result, random_samples(model, 8, seed=1000)).error < 0.03


def test_channels_that_are_moved_behind_a_concat_keep_its_scale() -> None:
    net = Net([1, 3, 8, 10])
    x = net.add("Concat", net.conv("data", 3, 4), net.conv("data", 3, 4), axis=1)
    # the axis of 10 values becomes that of the channels
    x = net.conv(net.add("Transpose", x, perm=[0, 3, 2, 1]), 10, 4)
    model = net.model(x)
    result = quantized(model)
    assert operators(result) == {
        "QuantizeLinear": 1,
        "QLinearConv": 3,
        "Concat": 1,
        "Transpose": 1,
        "DequantizeLinear": 1,
    }
    assert summarize(model, result, random_samples(model, 4, seed=100)).error < 0.05


@pytest.mark.parametrize("external", [False, True])
@pytest.mark.parametrize("kept", [0, 1])
def test_weights_that_stay_in_a_file_give_the_same_bytes(external: bool, kept: int, tmp_path: Path) -> None:
    net = Net([5, 160], opset=17)
    x = net.add("Relu", net.add("MatMul", "data", net.normal(160, 192, spread=0.1)))
    x = net.add("Gemm", x, net.normal(128, 192, spread=0.1), net.normal(128), transB=1)
    x = net.add("Gemm", net.add("Relu", x), net.normal(144, 128, spread=0.1), transB=1, alpha=0.5)
    model, path = net.model(net.add("MatMul", x, net.normal(144, 128, spread=0.1))), tmp_path / "model.onnx"
    onnx.save(model, path, save_as_external_data=external, size_threshold=0, location="data")
    samples = random_samples(model, 4)
    target = Target(every_layer=True)
    found = [quantize_within(each, samples, target=target, keep=kept) for each in (load_model(path), load_mapped(path))]
    for number, each in enumerate(found):
        save_model(each.model, tmp_path / f"{number}.onnx")
    assert len(found[0].kept) == kept
    assert (tmp_path / "0.onnx").read_bytes() == (tmp_path / "1.onnx").read_bytes()
