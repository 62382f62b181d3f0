"""Islands of integers stand where the table of costs says that they pay as a whole."""

import numpy as np
import onnx_ir as ir
import pytest
from onnx import TensorProto, numpy_helper

from tests.optimize.nets import Net
from zoosmith.optimize import to_proto
from zoosmith.optimize.values import name_of, new_node
from zoosmith.quantize import quantize
from zoosmith.quantize.integer_forms import FORMS
from zoosmith.quantize.plan.costs import COSTS, kind_of
from zoosmith.quantize.plan.partition import Step
from zoosmith.quantize.plan.planning import integer_nodes, tensor_shapes
from zoosmith.quantize.quantizer import prepare
from zoosmith.quantize.samples.reading import random_samples
from zoosmith.quantize.target import Target
from zoosmith.validation import OnnxRuntimeRunner

INT8 = TensorProto.INT8


def chosen(net: Net, output: str, **options: object) -> set[str]:
    """The operators that become integer, by the names of what they make."""
    model = net.model(output)
    prepared = prepare(model)
    shapes = tensor_shapes(prepared, to_proto(prepared), random_samples(model, 1))
    return integer_nodes(prepared, shapes, **options)  # type: ignore[arg-type]


def test_large_convolutions_are_integer_with_what_stands_between_them() -> None:
    net = Net([1, 64, 28, 28])
    x = net.conv("data", 64, 64, 3, name="first")
    y = net.add("Add", net.conv(x, 64, 64, 3, name="second", pads=[1, 1, 1, 1]), x, name="sum")
    net.conv(y, 64, 64, 3, name="third")
    assert chosen(net, "third") == {"first", "second", "sum", "third"}


def test_small_convolutions_stay_in_float() -> None:
    net = Net([1, 8, 6, 6])
    x = net.add("Relu", net.conv("data", 8, 8, name="first"))
    assert chosen(net, net.conv(x, 8, 8, name="second")) == set()


def test_an_operator_that_is_faster_in_float_is_integer_between_large_ones_where_conversions_cost_more() -> None:
    net = Net([1, 64, 28, 28], opset=14)
    x = net.conv("data", 64, 64, 3, name="first")
    x = net.add("HardSwish", x, name="swish")
    names = chosen(net, net.conv(x, 64, 64, 3, name="second"))
    assert len(names) == 4  # HardSwish is HardSigmoid and Mul


def test_depthwise_convolutions_between_float_operators_stay_in_float() -> None:
    net = Net([1, 32, 28, 28])
    x = net.add("Erf", "data")
    weights = net.normal(32, 1, 3, 3)
    x = net.add("Conv", x, weights, name="depthwise", group=32)
    assert chosen(net, net.add("Erf", x)) == set()


@pytest.mark.parametrize(("rows", "integer"), [(1, {"product"}), (4, set())])
def test_a_small_product_is_integer_for_one_row_which_float_kernels_are_slow_for(rows: int, integer: set[str]) -> None:
    net = Net([1, rows, 128])
    assert chosen(net, net.add("MatMul", "data", net.normal(128, 512), name="product")) == integer


def test_every_layer_is_integer_where_that_is_asked_for() -> None:
    net = Net([1, 8, 6, 6])
    x = net.add("Erf", net.conv("data", 8, 8, name="first"))
    assert chosen(net, net.conv(x, 8, 8, name="second"), target=Target(every_layer=True)) == {"first", "second"}


def test_what_is_kept_in_float_stays_there_with_what_does_not_pay_without_it() -> None:
    net = Net([1, 64, 28, 28])
    x = net.conv("data", 64, 64, 3, name="first")
    x = net.add("Add", x, x, name="sum")
    net.conv(x, 64, 64, 3, name="second")
    assert chosen(net, "second") == {"first", "sum", "second"}
    assert chosen(net, "second", keep_float=("first",)) == {"second"}
    assert chosen(net, "second", keep_float=("first", "second")) == set()


def test_a_layer_of_no_elements_stays_in_float() -> None:
    net = Net([1, 16, 64], opset=13)
    first, second = net.normal(64, 64), net.normal(64, 64)
    rows = [net.constant(np.array([value], np.int64)) for value in (20, 30, 1)]
    empty = net.add("MatMul", net.add("Slice", "data", *rows), first)
    model = prepare(net.model(net.add("MatMul", "data", second), empty))
    shapes = tensor_shapes(model, to_proto(model), random_samples(to_proto(model), 1))
    kept = {name_of(node.outputs[0]) for node in model.graph if node.op_type == "MatMul"}
    kept -= integer_nodes(model, shapes, target=Target(every_layer=True))
    assert kept == {empty}
    assert quantize(to_proto(model), random_samples(to_proto(model), 1), target=Target(every_layer=True))


def test_a_layer_that_stays_in_float_keeps_its_weights_as_int8() -> None:
    net = Net([1, 8, 6, 6])
    model = net.model(net.conv(net.add("Relu", net.conv("data", 8, 8, 3)), 8, 8))
    result = quantize(model, random_samples(model, 2))
    # the 64 weights of the other one are too few
    assert [node.op_type for node in result.graph.node] == ["Cast", "Mul", "Conv", "Relu", "Conv"]
    assert [numpy_helper.to_array(tensor).size for tensor in result.graph.initializer if tensor.data_type == INT8] == [
        8 * 8 * 9
    ]


@pytest.mark.parametrize("op_type", sorted({op_type for op_type, _ in FORMS.entries()} - {"Conv", "Gemm", "MatMul"}))
def test_every_operator_with_an_integer_form_has_costs(op_type: str) -> None:
    values = [ir.Value(name=name) for name in "abc"]
    step = Step(new_node(op_type, [values[0]], values[1]), values[1])
    assert kind_of(step, (1, 4, 8, 8), (1, 4, 8, 8)) in COSTS


def test_the_same_choice_is_made_each_time() -> None:
    net = Net([1, 64, 14, 14])
    x = "data"
    for index in range(6):
        x = net.add("Relu" if index % 2 else "Erf", net.conv(x, 64, 64))
    assert len({frozenset(chosen(net, x)) for _ in range(3)}) == 1


def test_a_model_in_float_computes_nearly_the_same() -> None:
    net = Net([1, 8, 6, 6])
    model = net.model(net.conv(net.add("Relu", net.conv("data", 8, 8, 3)), 8, 8))
    result = quantize(model, random_samples(model, 2))
    [sample] = random_samples(model, 1, seed=9)
    [exact], [found] = (OnnxRuntimeRunner(each).run(sample).values() for each in (model, result))
    assert 0 < np.abs(exact - found).max() < 0.02 * exact.std() + 0.02
