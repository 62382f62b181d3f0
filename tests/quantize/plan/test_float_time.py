"""What a float model takes counts every operator, and what ONNX Runtime makes slow of them."""

import numpy as np
import onnx
import pytest

from tests.optimize.nets import Net
from zoosmith.quantize import quantize_within
from zoosmith.quantize.plan.costs import COSTS
from zoosmith.quantize.plan.float_time import dropped_time, float_time, other_time
from zoosmith.quantize.plan.partition import units
from zoosmith.quantize.quantizer import fold
from zoosmith.quantize.samples.reading import random_samples


def time_of(model: onnx.ModelProto, shapes: dict[str, tuple[int, ...]] | None = None) -> float:
    return float_time(units(fold(model)), shapes or {})


def test_a_product_of_two_activations_takes_as_long_as_one_by_weights() -> None:
    net = Net([1, 128, 64], opset=13)
    model = net.model(net.add("MatMul", "data", net.add("Transpose", "data", perm=[0, 2, 1])))
    product = COSTS["product"][0].microseconds(128 * 128, 128 * 128 * 64)
    assert product < time_of(model) < product + 5


def test_sizes_that_the_model_leaves_open_follow_from_those_that_were_seen() -> None:
    net = Net(["batch", "length", 64], opset=13)
    model = net.model(net.add("Softmax", net.add("Tanh", "data", name="seen"), axis=-1))
    assert time_of(model, {"seen": (1, 1000, 64)}) > time_of(model, {"seen": (1, 10, 64)}) + 10


def normalized(op_type: str) -> onnx.ModelProto:
    net = Net([1, 128, 768], opset=17)
    added = net.add(op_type, net.add("Tanh", "data"), "data")
    return net.model(net.add("LayerNormalization", added, net.normal(768), net.normal(768)))


def test_an_add_before_a_normalization_is_slow_in_float_and_not_in_an_integer_file() -> None:
    slow, usual = time_of(normalized("Add")), time_of(normalized("Sum"))
    assert slow > usual + 200
    steps = units(fold(normalized("Add")))
    assert abs(other_time([step for step in steps if step.form is None], {}) - usual) < 10


@pytest.mark.parametrize("op_type", ["Reshape", "Unsqueeze"])
def test_what_only_names_other_sizes_takes_a_call(op_type: str) -> None:
    net = Net([1, 512, 512], opset=13)
    shape = net.constant(np.array([512, 512] if op_type == "Reshape" else [0], np.int64))
    assert 0 < time_of(net.model(net.add(op_type, net.add("Tanh", "data"), shape))) < 60


def test_what_is_done_before_layers_are_planned_counts_as_saved() -> None:
    net = Net([1, 32, 56, 56], opset=13)
    x = net.conv("data", 32, 32)
    three, six, zero = (net.constant(np.array(number, np.float32)) for number in (3, 6, 0))
    x = net.add("Div", net.add("Mul", x, net.add("Clip", net.add("Add", x, three), zero, six)), six)
    model = net.model(net.conv(x, 32, 32))
    time = quantize_within(model, random_samples(model, 2), keep=1).time
    assert time.saved > 0.04


def test_an_operator_on_sizes_takes_a_call_before_and_after() -> None:
    net = Net(["batch", "length", 64], opset=13)
    first, last = net.constant(np.array([0], np.int64)), net.constant(np.array([1], np.int64))
    sizes = net.add("Slice", net.add("Shape", "data"), first, last)
    steps = units(fold(net.model(net.add("Expand", "data", net.add("Concat", sizes, last, last, axis=0)))))
    slices = [step for step in steps if step.node.op_type == "Slice"]
    assert len(slices) == 1
    assert float_time(slices, {}) == other_time(slices, {}) < 0.6


@pytest.mark.parametrize(("sizes", "joined"), [([1, "length", 768], True), ([1, None, 768], False)])
def test_an_add_joins_a_normalization_where_its_sizes_are_known(sizes: list[int | str | None], joined: bool) -> None:
    net = Net(sizes, opset=17)
    added = net.add("Add", net.add("Tanh", "data", name="seen"), "data", name="sum")
    model = net.model(net.add("LayerNormalization", added, net.normal(768), net.normal(768)))
    shapes = {name: (1, 128, 768) for name in ("data", "seen", "sum")}
    assert (time_of(model, shapes) > 200) == joined


def test_attention_in_one_operator_takes_about_as_long_as_its_parts() -> None:
    whole, parts = (Net([1, 4, 1024, 8], opset=23) for _ in range(2))
    one = whole.model(whole.add("Attention", *(whole.add(op_type, "data") for op_type in ("Abs", "Neg", "Tanh"))))
    query, key, value = (parts.add(op_type, "data") for op_type in ("Abs", "Neg", "Tanh"))
    scores = parts.add("MatMul", query, parts.add("Transpose", key, perm=[0, 1, 3, 2]))
    several = parts.model(parts.add("MatMul", parts.add("Softmax", scores, axis=-1), value))
    assert 0.5 < time_of(one) / time_of(several) < 2


def test_operators_on_sizes_that_folding_drops_count_as_saved() -> None:
    net = Net([1, "length", 64], opset=13)
    x, axes = "data", net.constant(np.array([0], np.int64))
    for _ in range(4):
        x = net.add("Squeeze", net.add("Unsqueeze", net.add("Tanh", x), axes), axes)
    model = net.model(x)
    assert dropped_time(model, fold(model)) == 4


def test_sizes_that_are_fixed_cost_nothing_before_they_are_folded() -> None:
    net = Net([1, 16, 64], opset=13)
    first, last = net.constant(np.array([0], np.int64)), net.constant(np.array([2], np.int64))
    sizes = net.add("Slice", net.add("Shape", "data"), first, last)
    model = net.model(
        net.add("Reshape", "data", net.add("Concat", sizes, net.constant(np.array([-1], np.int64)), axis=0))
    )
    assert dropped_time(model, fold(model)) == 0
