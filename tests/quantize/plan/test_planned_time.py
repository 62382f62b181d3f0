"""What a plan takes by the table of costs is what the minimum cut adds up."""

from tests.optimize.nets import Net, dense_block
from zoosmith.optimize import to_proto
from zoosmith.quantize import quantize_within
from zoosmith.quantize.plan.costs import conversion_cost, step_cost
from zoosmith.quantize.plan.partition import units
from zoosmith.quantize.plan.planned_time import PlannedTime, planned_time
from zoosmith.quantize.plan.planning import integer_nodes, tensor_shapes
from zoosmith.quantize.quantizer import prepare
from zoosmith.quantize.samples.reading import random_samples


def test_a_plan_is_the_cheapest_of_those_that_leave_one_step_more_in_float() -> None:
    model = dense_block()
    prepared = prepare(model)
    shapes = tensor_shapes(prepared, to_proto(prepared), random_samples(model, 1))
    chosen = integer_nodes(prepared, shapes)
    best = planned_time(prepared, shapes, chosen)
    assert chosen and best.saved > 0
    for name in chosen:
        assert planned_time(prepared, shapes, chosen - {name}).planned >= best.planned - 0.01


def test_one_layer_takes_its_time_and_that_of_both_conversions() -> None:
    net = Net([1, 64, 14, 14])
    model = net.model(net.conv("data", 64, 64))
    prepared = prepare(model)
    shapes = tensor_shapes(prepared, to_proto(prepared), random_samples(model, 1))
    [step] = [step for step in units(prepared) if step.form]
    in_float, in_integers = step_cost(step, shapes)
    to_integer, to_float = conversion_cost((1, 64, 14, 14))
    found = planned_time(prepared, shapes, {step.name})
    assert abs(found.float_model - in_float) < 1e-9
    assert abs(found.planned - (in_integers + to_integer + to_float)) < 1e-9


def test_nothing_in_integers_saves_nothing() -> None:
    assert PlannedTime(5.0, 5.0).saved == PlannedTime().saved == 0
    assert (PlannedTime(5.0, 4.0) + PlannedTime(5.0, 2.0)).saved == 0.4


def test_a_limited_model_states_the_time_of_its_plan() -> None:
    model = dense_block()
    assert 0 < quantize_within(model, random_samples(model, 2)).time.saved < 1
