"""An affine and a Relu between integer convolutions become one Max for runtimes that have it, and round nothing."""

from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.optimize.nets import Net
from zoosmith.onnx_model.constants import Array
from zoosmith.optimize import to_ir
from zoosmith.optimize.channel_affine import ChannelAffine
from zoosmith.quantize import quantize, quantize_within
from zoosmith.quantize.report import summarize
from zoosmith.quantize.runtime_kernels import UINT8_MAX, has_release
from zoosmith.quantize.samples.reading import random_samples
from zoosmith.quantize.similarity import CosineLoss
from zoosmith.quantize.target import Target
from zoosmith.quantize.writing.quantization_parameters import LEVELS, QuantizationParameters
from zoosmith.quantize.writing.thresholds import thresholds
from zoosmith.validation.runtimes import target_for

NEW, OLD = (Target(every_layer=True, runtime=target_for(f"onnxruntime=={version}")) for version in ("1.24", "1.23"))
runs_max = pytest.mark.skipif(
    not has_release(onnxruntime.__version__, UINT8_MAX), reason="this ONNX Runtime has no Max of uint8"
)


def six(low: float, high: float) -> st.SearchStrategy[list[float]]:
    return st.lists(st.floats(low, high), min_size=6, max_size=6)


@given(
    slope=st.lists(st.sampled_from([0.0, 1e-9, -1e-9]) | st.floats(-4.0, 4.0), min_size=6, max_size=6),
    shift=six(-30.0, 30.0),
    scale=six(1e-3, 0.2),
    zero_point=st.lists(st.integers(-300, 500), min_size=6, max_size=6),
    alike=st.booleans(),
)
def test_every_number_is_read_within_a_quarter_of_a_step_of_the_affine_and_its_relu(
    slope: list[float], shift: list[float], scale: list[float], zero_point: list[int], alike: bool
) -> None:
    entering = QuantizationParameters(*(np.array(part[: 1 if alike else 6], float) for part in (scale, zero_point)))
    affine = ChannelAffine(to_ir(Net([1]).model()).graph.inputs[0], np.array(slope), np.array(shift))
    found = thresholds(affine, entering)
    numbers = np.arange(LEVELS + 1)[:, None]
    exact = np.maximum(affine.scale * entering.scale * (numbers - entering.zero_point) + affine.shift, 0)
    given_back = found.scale * (np.clip(numbers, found.lowest, found.highest) - found.zero_point)
    # a channel that hardly changes beside its shift may stand for a constant
    assert (
        np.abs(given_back - exact) <= 0.251 * np.abs(affine.scale) * entering.scale + 1e-3 * np.abs(affine.shift)
    ).all()
    assert found.nominal_scale > 0
    assert np.isfinite(found.zero_point).all()


def rectified(
    *,
    slopes: Array | None = None,
    kernel: int = 1,
    pads: int = 0,
    readers: int = 1,
    opset: int = 12,
    seen: bool = False,
    width: int | str = 12,
) -> onnx.ModelProto:
    """Two convolutions that meet in a Concat, an affine and a Relu of it, and convolutions that read that.

    Args:
        slopes: of the affine; None for no affine.
        kernel: of the convolutions behind it.
        pads: of them.
        readers: how many there are.
        opset: of the model.
        seen: whether the Relu is an output, too.
        width: of the input.
    """
    net = Net([1, 3, 12, width], opset=opset)
    parts = [net.add("Softplus", net.conv("data", 3, 8, 3, bias=True)) for _ in range(2)]
    parts = [net.conv(part, 8, 8) for part in parts]
    x = net.add("Concat", *parts, axis=1)
    if slopes is not None:
        shift, mean = (net.stream.randn(16) * 0.3 for _ in range(2))
        parameters = (slopes, shift, mean, np.linspace(0.5, 2, 16))
        x = net.add("BatchNormalization", x, *[net.constant(np.float32(value)) for value in parameters])
    x = net.add("Relu", x, name="rectified")
    made = [net.conv(x, 16, 8, kernel, bias=True, pads=[pads] * 4) for _ in range(readers)]
    return net.model(*made, *(["rectified"] if seen else []))


POSITIVE = np.linspace(0.3, 1.5, 16)


def operators(model: onnx.ModelProto, target: Target = NEW) -> Counter[str]:
    result = quantize(model, random_samples(model, 8), target=target)
    onnx.checker.check_model(result, full_check=True)
    return Counter(node.op_type for node in result.graph.node)


@runs_max
@pytest.mark.parametrize(("kernel", "readers"), [(1, 1), (1, 3), (3, 1)])
def test_a_max_is_as_exact_as_the_depthwise_convolution(kernel: int, readers: int) -> None:
    model = rectified(slopes=POSITIVE, kernel=kernel, readers=readers)
    samples, others = random_samples(model, 8), random_samples(model, 8, seed=1000)
    old, new = (quantize(model, samples, target=target) for target in (OLD, NEW))
    counts = [Counter(node.op_type for node in each.graph.node) for each in (old, new)]
    assert (counts[0]["Max"], counts[1]["Max"]) == (0, 1)
    assert counts[0]["QLinearConv"] == counts[1]["QLinearConv"] + 1
    errors = [summarize(model, each, others).error for each in (old, new)]
    assert errors[1] < max(1.2 * errors[0], 0.01)
    onnx.checker.check_model(new, full_check=True)


@runs_max
@pytest.mark.parametrize(("slopes", "written"), [(-POSITIVE, ["Min"]), (np.linspace(-0.7, 1.5, 16), ["Max", "Min"])])
def test_channels_that_fall_are_cut_off_by_a_min(slopes: Array, written: list[str]) -> None:
    model = rectified(slopes=slopes, kernel=3)
    samples, others = random_samples(model, 8), random_samples(model, 8, seed=1000)
    old, new = (quantize(model, samples, target=target) for target in (OLD, NEW))
    assert [node.op_type for node in new.graph.node if node.op_type in ("Max", "Min")] == written
    errors = [summarize(model, each, others).error for each in (old, new)]
    assert errors[1] < max(1.2 * errors[0], 0.01)


def test_a_channel_without_slope_and_one_that_never_passes_are_read_as_what_they_are() -> None:
    slopes = POSITIVE.copy()
    slopes[[2, 5]] = 0.0, 1e-7
    assert operators(rectified(slopes=slopes))["Max"] == 1


@pytest.mark.parametrize(
    "model",
    [
        rectified(slopes=POSITIVE, kernel=3, pads=1),
        rectified(slopes=POSITIVE, seen=True),
        rectified(slopes=POSITIVE, opset=11),
    ],
    ids=["padding, which is zero", "an output", "opset 11, whose Max takes no uint8"],
)
def test_what_a_max_cannot_say_stays_a_convolution(model: onnx.ModelProto) -> None:
    assert operators(model)["Max"] == 0
    assert operators(model) == operators(model, OLD)


def test_a_relu_of_one_scale_is_a_clip_whatever_reads_it() -> None:
    net = Net([1, 3, 12, 12])
    x = net.conv(net.add("Softplus", net.conv("data", 3, 8, 3)), 8, 8)
    model = net.model(net.conv(net.add("Relu", x), 8, 8, 3, pads=[1] * 4), net.add("Neg", x), net.conv(x, 8, 8))
    assert operators(model)["Clip"] == 1
    assert operators(model, OLD)["Clip"] == 0


@pytest.mark.parametrize(("width", "rows"), [(12, 1), ("W", 0)])
def test_thresholds_of_a_row_of_known_width_are_made_when_the_file_is_loaded(width: int | str, rows: int) -> None:
    model = rectified(slopes=POSITIVE, width=width)
    samples = [{"data": np.random.RandomState(seed).randn(1, 3, 12, 12).astype(np.float32)} for seed in range(4)]
    result = quantize(model, samples, target=NEW)
    counts = Counter(node.op_type for node in result.graph.node)
    assert (counts["Max"], counts["Expand"]) == (1, rows)
    constants = {tensor.name for tensor in result.graph.initializer}
    assert all(set(node.input) <= constants for node in result.graph.node if node.op_type == "Expand")


def test_older_runtimes_and_the_qdq_form_have_the_same_files_as_without_a_runtime() -> None:
    model = rectified(slopes=POSITIVE)
    samples = random_samples(model, 8)
    for form in ("integer", "qdq"):
        plain = quantize(model, samples, target=Target(form, every_layer=True))
        version = "1.23" if form == "integer" else "1.32"
        given_runtime = Target(form, every_layer=True, runtime=target_for(f"onnxruntime=={version}"))
        assert quantize(model, samples, target=given_runtime).SerializeToString() == plain.SerializeToString()


@runs_max
def test_a_limit_that_the_fastest_file_misses_is_kept() -> None:
    model = rectified(slopes=POSITIVE, readers=2)
    samples, others = random_samples(model, 8), random_samples(model, 8, seed=1000)
    loss = CosineLoss(model, others)
    fastest = quantize_within(model, samples, loss, 1.0, target=NEW)
    found = quantize_within(model, samples, loss, 0.7 * fastest.drop, target=NEW)
    assert "Max" in {node.op_type for node in fastest.model.graph.node}
    assert found.met
