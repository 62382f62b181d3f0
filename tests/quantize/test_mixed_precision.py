"""Layers that cost most stay in float, as few as the limit needs."""

from functools import partial

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from tests.optimize.nets import Net
from tests.progress import Recording
from zoosmith.quantize import QuantizeError, quantize_within
from zoosmith.quantize.samples.reading import random_samples
from zoosmith.quantize.similarity import CosineLoss
from zoosmith.quantize.target import Target

# small nets are as fast in float
within = partial(quantize_within, target=Target(every_layer=True))


def fragile() -> onnx.ModelProto:
    """Three convolutions; the second one's input has one huge value beside the small ones that matter."""
    net = Net([1, 3, 8, 8])
    x = net.conv("data", 3, 8, bias=True)
    huge = np.zeros((1, 8, 1, 1), np.float32)
    huge[0, 0] = 3000
    x = net.add("Tanh", x)
    x = net.add("Add", x, net.constant(huge))
    weights = np.random.RandomState(3).randn(8, 8, 1, 1).astype(np.float32)
    weights[:, 0] = 0
    x = net.add("Tanh", net.add("Conv", x, net.constant(weights), name="fragile"))
    return net.model(net.conv(x, 8, 4, 3, bias=True))


def integer_convolutions(model: onnx.ModelProto) -> int:
    return sum(node.op_type == "QLinearConv" for node in model.graph.node)


def error_of(model: onnx.ModelProto) -> "np.floating | float":
    from zoosmith.quantize.report import summarize

    return summarize(fragile(), model, random_samples(fragile(), 8, seed=100)).error


def test_only_the_fragile_layer_stays_in_float() -> None:
    model = fragile()
    limited = within(model, random_samples(model, 10), lambda found: float(error_of(found)), 0.05)
    assert limited.met
    assert limited.kept == ("fragile",)
    assert integer_convolutions(limited.model) == 2
    onnx.checker.check_model(limited.model, full_check=True)


def test_nothing_stays_where_the_limit_is_wide() -> None:
    model = fragile()
    limited = within(model, random_samples(model, 10), lambda found: 0.0, 0.05)
    assert (limited.met, limited.kept, integer_convolutions(limited.model)) == (True, (), 3)


def test_an_impossible_limit_gives_the_best_and_says_so() -> None:
    model = fragile()
    tried = []

    def drop_of(found: onnx.ModelProto) -> float:
        tried.append(integer_convolutions(found))
        return 0.1 * tried[-1]

    limited = within(model, random_samples(model, 10), drop_of, 0.05)
    assert not limited.met
    assert limited.drop == pytest.approx(0.1 * min(tried))
    assert (tried[0], min(tried)) == (3, 1)


def side_by_side(count: int) -> onnx.ModelProto:
    """Convolutions whose outputs are added, each smaller than the one before."""
    net = Net([1, 4, 8, 8])
    total = "data"
    for index in range(count):
        made = net.add("Erf", net.conv(net.add("Tanh", "data"), 4, 4, bias=True, name=f"conv{index}"))
        total = net.add("Add", total, net.add("Mul", made, net.constant(np.float32(2.0**-index))))
    return net.model(total)


def test_the_lowest_price_is_found_that_keeps_the_limit() -> None:
    model = side_by_side(6)
    limited = within(model, random_samples(model, 4), lambda found: float(integer_convolutions(found) > 2), 0.5)
    assert limited.met
    assert {f"conv{index}" for index in range(4)} <= set(limited.kept)
    assert integer_convolutions(limited.model) == 2


def test_layers_are_listed_with_their_ratio_range_and_clipped_share() -> None:
    model = fragile()
    found = within(model, random_samples(model, 10), rank=True)
    layers = {layer.name: layer for layer in found.layers}
    assert [layer.op_type for layer in found.layers if layer.op_type == "Conv"] == ["Conv"] * 3
    assert all(layer.snr_db is not None and layer.minimum < layer.maximum for layer in found.layers)
    assert all(layer.clipped == 0 for layer in found.layers)  # minmax holds the samples that it has seen
    fragile_db, *others = sorted(
        layer.alone_db for layer in found.layers if layer.op_type == "Conv" and layer.alone_db is not None
    )
    assert layers["fragile"].alone_db == fragile_db
    assert min(others) > fragile_db + 10


def test_so_many_of_the_worst_stay_in_float() -> None:
    model = fragile()
    found = within(model, random_samples(model, 10), keep=1)
    assert found.kept == ("fragile",)
    assert integer_convolutions(found.model) == 2
    assert "fragile" not in {layer.name for layer in found.layers}


def test_what_stays_in_float_is_measured_once() -> None:
    model, seen = fragile(), Recording()
    within(model, random_samples(model, 10), keep=1, rank=True, progress=seen)
    assert [told[1] for told in seen.told if told[0] == "begin"] == ["calibrating", "measuring sensitivity"]


def test_a_limit_keeps_more_than_those_in_any_case() -> None:
    model = fragile()
    found = within(model, random_samples(model, 10), lambda found: float(integer_convolutions(found) > 1), 0.5, keep=1)
    assert (found.met, len(found.kept)) == (True, 2)


def test_keeping_every_layer_in_float_is_refused() -> None:
    model = fragile()
    with pytest.raises(QuantizeError, match=r"3 layers to keep in float of 3 in all; expected at most 2"):
        within(model, random_samples(model, 2), keep=3)


def test_weights_are_rounded_by_what_they_multiply_before_a_layer_stays_in_float() -> None:
    net = Net([1, 64, 6, 6])
    weights = net.stream.randn(16, 64, 1, 1).astype(np.float32)
    # a large weight of a quiet channel: the steps are coarse for all others
    weights[:, 0] = 30
    model = net.model(net.add("Conv", "data", net.constant(weights), net.constant(np.ones(16, np.float32))))
    stream = np.random.RandomState(5)
    samples = []
    for _ in range(24):
        # channels that are nearly alike: the errors of their weights add up
        case = stream.randn(1, 1, 6, 6) + 0.05 * stream.randn(1, 64, 6, 6)
        case[:, 0] *= 0.05
        samples.append({"data": case.astype(np.float32)})
    drop = CosineLoss(model, samples[16:])
    fastest = within(model, samples[:16], drop, 1.0)
    limited = within(model, samples[:16], drop, 0.5 * fastest.drop)
    assert limited.met
    assert limited.kept == ()
    first, second = (
        next(
            numpy_helper.to_array(each) for each in found.model.graph.initializer if each.data_type == TensorProto.INT8
        )
        for found in (fastest, limited)
    )
    assert first.shape == second.shape
    assert (first != second).any()


def test_a_layer_whose_zeros_are_divided_by_stays_in_float() -> None:
    net = Net([1, 4, 6, 6])
    short = net.conv("data", 4, 8, name="short")
    direction = net.add("Div", short, net.add("ReduceL2", short, axes=[1]))
    model = net.model(net.add("Add", direction, net.conv("data", 4, 8, name="long")))
    # beside values of 1, those of the second sample are less than half a step of uint8, so 0 / 0 is taken there
    samples = [{"data": each["data"] * size} for size, each in zip((1, 1e-3), random_samples(model, 2), strict=True)]
    loss = CosineLoss(model, samples)
    limited = within(model, samples, loss, 0.01)
    assert loss(within(model, samples).model) == 1
    assert (limited.met, limited.kept) == (True, ("short",))
