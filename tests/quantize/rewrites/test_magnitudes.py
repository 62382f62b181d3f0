"""Magnitudes of a Fourier transform."""

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from tests.quantize.samples.sound_nets import fourier
from zoosmith.optimize import fold_to_ir, to_proto
from zoosmith.quantize.calibration import calibrate
from zoosmith.quantize.rewrites.equalized_channels import equalize_channels
from zoosmith.quantize.rewrites.magnitudes import Magnitudes
from zoosmith.quantize.rewrites.signal_convolutions import SignalConvolutions
from zoosmith.validation import OnnxRuntimeRunner

WIDTH, STEP = 64, 16
BINS = WIDTH // 2
EVERY = 2**31 - 1


def transform_net(
    opset: int = 13, first: int = 0, bins: tuple[int, int] = (BINS, 2 * BINS), squares: str = "Pow", bias: bool = False
) -> ModelProto:
    """The magnitudes of a transform, and a convolution of them; frames before `first` are left out."""
    net: list[onnx.NodeProto] = []
    constants = {
        "kernels": fourier(WIDTH),
        "two": np.float32(2),
        "w": np.random.default_rng(1).normal(size=(4, BINS, 1)).astype(np.float32),
        "bias": np.linspace(0, 1, 2 * BINS, dtype=np.float32),
    }

    def cut(source: str, start: int, end: int, axis: int) -> str:
        name = f"{source}_{axis}_{start}"
        for part, value in (("start", start), ("end", end), ("axis", axis)):
            constants[f"{name}_{part}"] = np.array([value])
        net.append(
            helper.make_node("Slice", [source, *(f"{name}_{part}" for part in ("start", "end", "axis"))], [name])
        )
        return name

    net.append(helper.make_node("Conv", ["x", "kernels", *(["bias"] if bias else [])], ["t"], strides=[STEP]))
    halves = [cut(cut("t", start, end, 1), first, EVERY, 2) for start, end in ((0, BINS), bins)]
    given = [[half, "two"] if squares == "Pow" else [half, half] for half in halves]
    net.extend(helper.make_node(squares, each, [f"square{index}"]) for index, each in enumerate(given))
    net.append(helper.make_node("Add", ["square0", "square1"], ["energy"]))
    net.append(helper.make_node("Sqrt", ["energy"], ["magnitude"]))
    net.append(helper.make_node("Conv", ["magnitude", "w"], ["y"]))
    read = {name for node in net for name in node.input}
    graph = helper.make_graph(
        net,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1, "length"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 4, "frames"])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items() if name in read],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def rewritten(model: ModelProto) -> ModelProto:
    result = fold_to_ir(model)
    SignalConvolutions()(result)
    Magnitudes()(result)
    return to_proto(result)


def operators(model: ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


def signal(length: int) -> dict[str, np.ndarray]:
    return {"x": np.random.default_rng(length).normal(size=(2, 1, length)).astype(np.float32)}


@pytest.mark.parametrize("opset", [11, 13, 18])
@pytest.mark.parametrize(("first", "squares"), [(0, "Pow"), (1, "Mul"), (2, "Pow")])
def test_they_are_one_reduction_of_the_two_halves(opset: int, first: int, squares: str) -> None:
    model = transform_net(opset, first, squares=squares)
    found = rewritten(model)
    onnx.checker.check_model(found, full_check=True)
    cut = ["Slice"] if first else []
    assert operators(found) == ["Unsqueeze", *cut, "Conv", "Reshape", "ReduceL2", "Conv"]
    for length in (200, 333):
        first_result, second = (OnnxRuntimeRunner(each).run(signal(length))["y"] for each in (model, found))
        np.testing.assert_allclose(second, first_result, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("bins", [(1, BINS + 1), (BINS - 1, 2 * BINS - 1)])
def test_other_parts_of_the_channels_stay(bins: tuple[int, int]) -> None:
    assert "ReduceL2" not in operators(rewritten(transform_net(bins=bins)))


@pytest.mark.parametrize("bias", [False, True])
def test_quiet_frequencies_are_made_as_large_as_loud_ones(bias: bool) -> None:
    model = fold_to_ir(transform_net(bias=bias))
    SignalConvolutions()(model)
    Magnitudes()(model)
    # a slow wave, of which the other frequencies are a small part
    time = np.arange(400)
    samples = [
        {"x": (np.sin(time / 8 + seed) + 0.01 * np.random.default_rng(seed).normal(size=400))[None, None]}
        for seed in range(4)
    ]
    samples = [{"x": each["x"].astype(np.float32)} for each in samples]
    exact = to_proto(model)
    names = [
        name for node in exact.graph.node for name in node.output if node.op_type in ("Conv", "Reshape", "ReduceL2")
    ]
    ranges = calibrate(exact, samples, tensors=names)
    values = OnnxRuntimeRunner(with_outputs(exact, names)).run(samples[0])
    found = equalize_channels(model, {name: values[name].shape for name in names}, ranges)
    scaled = to_proto(model)
    before, after = (each["magnitude"].high for each in (ranges, found))
    assert after.max() / np.median(after) < before.max() / np.median(before) / 3
    for sample in samples:
        first, second = (OnnxRuntimeRunner(each).run(sample)["y"] for each in (exact, scaled))
        np.testing.assert_allclose(second, first, rtol=1e-3, atol=1e-3)
    measured = calibrate(scaled, samples, tensors=names)
    for name in names:
        for part in ("low", "high", "mean", "deviation"):
            np.testing.assert_allclose(getattr(found[name], part), getattr(measured[name], part), rtol=1e-3, atol=1e-4)


def with_outputs(model: ModelProto, names: list[str]) -> ModelProto:
    result = ModelProto()
    result.CopyFrom(model)
    present = {value.name for value in result.graph.output}
    result.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in present)
    return result
