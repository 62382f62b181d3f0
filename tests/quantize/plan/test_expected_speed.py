"""An integer model that is not faster than the float one is not written without saying so."""

import numpy as np

from tests.optimize.nets import Net, dense_block
from zoosmith.quantize import quantize, quantize_within
from zoosmith.quantize.plan.expected_speed import slow_plan, slow_reason
from zoosmith.quantize.plan.planned_time import PlannedTime
from zoosmith.quantize.samples.reading import random_samples
from zoosmith.quantize.target import Target


def reason(net: Net, output: str, form: str = "integer") -> str | None:
    model = net.model(output)
    return slow_reason(quantize(model, random_samples(model, 2), target=Target(form, every_layer=True)))


def test_small_layers_are_named() -> None:
    model = dense_block()
    found = slow_reason(quantize(model, random_samples(model, 2), target=Target(every_layer=True)))
    assert found is not None and found.endswith("weights each): expect no speed-up") and "layers are small" in found


def test_large_layers_in_integers_are_nothing_to_speak_of() -> None:
    for form in ("integer", "qdq"):
        net = Net([1, 64, 8, 8], opset=13)
        assert reason(net, net.conv("data", 64, 128), form) is None


def test_operators_that_stay_alone_in_qdq_form_are_named() -> None:
    found = {}
    for op_type in ("PRelu", "LeakyRelu"):
        net = Net([1, 64, 8, 8], opset=13)
        x = "data"
        for _ in range(3):
            x = net.conv(x, 64, 64, 3)
            x = net.add(op_type, x, *([net.normal(64, 1, 1)] if op_type == "PRelu" else []))
        found[op_type] = reason(net, net.conv(x, 64, 64), "qdq")
    assert found["LeakyRelu"] is None
    assert (
        found["PRelu"] is not None
        and "between DequantizeLinear and QuantizeLinear behind them (PRelu): expect no speed-up" in found["PRelu"]
    )


def test_a_model_of_which_most_weights_stay_in_float_says_so() -> None:
    net = Net([1, 64, 8, 8])
    x = net.conv("data", 64, 128)
    kernel = net.constant(np.ones((128, 128, 1, 1), np.float32))
    found = reason(net, net.add("ConvTranspose", x, kernel))
    assert found == "the model stays mostly float: expect no speed-up"


def test_a_plan_that_saves_next_to_nothing_says_so() -> None:
    found = slow_plan(PlannedTime(100.0, 99.5))
    assert found == "most layers are as fast in float, the file saves 0.5 % of the time: expect no speed-up"
    assert slow_plan(PlannedTime(100.0, 95.0)) is None


def test_layers_that_the_table_of_costs_leaves_in_float_are_named() -> None:
    net = Net([1, 32, 6, 6])
    model = net.model(net.conv("data", 32, 32))
    assert "expect no speed-up" in str(slow_plan(quantize_within(model, random_samples(model, 2)).time))


def test_small_layers_that_pay_by_the_table_of_costs_are_nothing_to_speak_of() -> None:
    model = dense_block()
    assert slow_plan(quantize_within(model, random_samples(model, 2)).time) is None
