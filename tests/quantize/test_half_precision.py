"""Models in float16 and bfloat16: smaller, close to the original, with the same inputs and outputs."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.optimize.nets import Net, dense_block
from zoosmith.onnx_model.traversal import all_graphs
from zoosmith.quantize import QuantizeError
from zoosmith.quantize.half_precision import to_half
from zoosmith.quantize.samples.reading import random_samples
from zoosmith.quantize.writing.float16_writer import Float16Writer
from zoosmith.validation import runner_for


def largest_error(model: onnx.ModelProto, half: onnx.ModelProto) -> float:
    """Over the standard deviation of the output."""
    onnx.checker.check_model(half, full_check=True)
    before, after = runner_for(model), runner_for(half)
    worst = 0.0
    for sample in random_samples(model, 3, seed=50):
        for name, value in before.run(sample).items():
            found = after.run(sample)[name]
            assert found.dtype == value.dtype
            worst = max(worst, float(np.abs(found - value).max() / np.std(value)))
    return worst


def types_of_weights(model: onnx.ModelProto) -> set[int]:
    return {tensor.data_type for tensor in model.graph.initializer if np.prod(tensor.dims) > 1}


def test_float16_halves_the_file_and_keeps_inputs_and_outputs_in_float32() -> None:
    model = dense_block()
    half = to_half(model, random_samples(model, 3), "float16")
    assert half.model.ByteSize() < 0.6 * model.ByteSize()
    assert types_of_weights(half.model) <= {TensorProto.FLOAT16, TensorProto.INT64}
    assert [node.op_type for node in half.model.graph.node].count("Cast") == 2
    assert half.kept == ()
    assert largest_error(model, half.model) < 0.01
    assert all(layer.snr_db is None or layer.snr_db > 40 for layer in half.layers)


def test_what_float16_cannot_hold_stays_in_float32() -> None:
    net = Net([1, 4, 8, 8])
    x = net.conv("data", 4, 4, bias=True)
    big = net.add("Mul", x, net.constant(np.float32([1e6]).reshape(1, 1, 1, 1)), name="big")
    x = net.add("Div", big, net.constant(np.float32([3e6]).reshape(1, 1, 1, 1)), name="small")
    model = net.model(net.conv(x, 4, 2))
    half = to_half(model, random_samples(model, 3), "float16")
    assert {"big", "small"} <= set(half.kept)
    assert largest_error(model, half.model) < 0.01
    kept = {name for node in half.model.graph.node if node.op_type == "Conv" for name in node.input}
    assert any(name.endswith("_float16") for name in kept)


def test_a_difference_of_near_numbers_stays_in_float32() -> None:
    net = Net([1, 4, 8, 8])
    large = net.constant(np.float32([2000]).reshape(1, 1, 1, 1))
    shifted = net.add("Add", "data", large, name="shifted")
    model = net.model(net.add("Mul", net.add("Sub", shifted, large, name="back"), large))
    half = to_half(model, random_samples(model, 3), "float16")
    assert "back" in half.kept
    # its input too was rounded, so the whole path stays
    assert largest_error(model, half.model) < 0.02


def test_operators_without_float16_and_subgraphs_read_float32() -> None:
    then, other = (
        helper.make_graph([helper.make_node(op, ["hidden"], ["r"])], op, [], [helper.make_empty_tensor_value_info("r")])
        for op in ("Relu", "Neg")
    )
    weights = np.random.RandomState(0).randn(6, 6).astype(np.float32)
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["hidden"]),
        helper.make_node("ReduceSum", ["hidden"], ["sum"], keepdims=0),
        helper.make_node("Greater", ["sum", "zero"], ["positive"]),
        helper.make_node("If", ["positive"], ["y"], then_branch=then, else_branch=other),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [3, 6])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [3, 6])],
        [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(np.float32(0), "zero")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    half = to_half(model, random_samples(model, 3), "float16")
    assert types_of_weights(half.model) == {TensorProto.FLOAT16}
    assert largest_error(model, half.model) < 0.01


@pytest.mark.parametrize("operator", ["ScatterElements", "ScatterND", "MeanVarianceNormalization"])
def test_what_onnx_runtime_does_not_run_in_float16_stays_in_float32(operator: str) -> None:
    net = Net([1, 4, 8, 8], opset=16)
    x = net.conv("data", 4, 4, bias=True)
    if operator == "ScatterElements":
        index = net.constant(np.full((1, 1, 8, 8), 2))
        x = net.add(operator, x, index, net.normal(1, 1, 8, 8), axis=1, reduction="add", name="found")
    elif operator == "ScatterND":
        x = net.add(operator, x, net.constant(np.int64([[0, 3]])), net.normal(1, 8, 8), reduction="mul", name="found")
    else:
        x = net.add(operator, x, axes=[0, 2, 3], name="found")
    model = net.model(net.conv(x, 4, 2))
    half = to_half(model, random_samples(model, 3), "float16").model
    assert [node.output[0] for node in half.graph.node if node.op_type == operator] == ["found"]
    assert sum(tensor.data_type == TensorProto.FLOAT16 for tensor in half.graph.initializer) == 3
    assert largest_error(model, half) < 0.01


def test_an_output_whose_type_no_input_states_stays_in_float32() -> None:
    kind = "LinearAttention"
    if not onnx.defs.has(kind):
        pytest.skip(f"this onnx has no {kind}")
    opset = onnx.defs.get_schema(kind).since_version
    ports = {name: helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, 8]) for name in "qkvy"}
    node = helper.make_node(kind, ["q", "k", "v"], ["y", "state"], q_num_heads=2, kv_num_heads=2, update_rule="linear")
    state = helper.make_empty_tensor_value_info("state")
    graph = helper.make_graph([node], "g", [ports[name] for name in "qkv"], [ports["y"], state])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    assert Float16Writer(onnx.shape_inference.infer_shapes(model), ()).made == {}


def test_bfloat16_keeps_the_weights_only() -> None:
    net = Net([1, 3, 8, 8], opset=13)
    model = net.model(net.conv(net.add("Relu", net.conv("data", 3, 64, 3, bias=True)), 64, 8, 3))
    half = to_half(model, random_samples(model, 1), "bfloat16")
    assert types_of_weights(half.model) == {TensorProto.BFLOAT16}
    assert half.model.ByteSize() < 0.6 * model.ByteSize()
    assert largest_error(model, half.model) < 0.05


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_an_output_that_is_stated_as_a_scalar_is_no_obstacle(kind: str) -> None:
    net = Net([1, 4, 8, 8], opset=13)
    model = net.model(net.add("Relu", net.conv("data", 4, 8)))
    model.graph.output[0].type.tensor_type.shape.Clear()
    model.graph.output[0].type.tensor_type.shape.SetInParent()
    made = to_half(model, random_samples(model, 2), kind).model
    onnx.checker.check_model(made, full_check=True)
    assert len(made.graph.output[0].type.tensor_type.shape.dim) == 4


def branched(*, steps: bool = False) -> onnx.ModelProto:
    """A branch with weights of its own and of the outer graph, or a loop of three steps."""
    stream = np.random.RandomState(0)

    def weights(name: str) -> onnx.TensorProto:
        return numpy_helper.from_array((stream.randn(32, 32) / 6).astype(np.float32), name)

    def body(name: str, inputs: list[onnx.ValueInfoProto], source: str) -> onnx.GraphProto:
        nodes = [
            helper.make_node("MatMul", [source, f"{name}_w"], [f"{name}_a"]),
            helper.make_node("Tanh", [f"{name}_a"], [f"{name}_b"]),
            helper.make_node("MatMul", [f"{name}_b", "shared"], [f"{name}_y"]),
        ]
        outputs = [helper.make_tensor_value_info(f"{name}_y", TensorProto.FLOAT, [4, 32])]
        if inputs:
            nodes.append(helper.make_node("Identity", ["go"], ["again"]))
            outputs.insert(0, helper.make_tensor_value_info("again", TensorProto.BOOL, []))
        return helper.make_graph(nodes, name, inputs, outputs, [weights(f"{name}_w")])

    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [4, 32])
    nodes = [
        helper.make_node("ReduceSum", ["x"], ["sum"], keepdims=0),
        helper.make_node("Less", ["sum", "sum_limit"], ["positive"]),
        helper.make_node("If", ["positive"], ["y"], then_branch=body("t", [], "x"), else_branch=body("e", [], "x")),
    ]
    if steps:
        own = [("i", TensorProto.INT64, []), ("go", TensorProto.BOOL, []), ("carried", TensorProto.FLOAT, [4, 32])]
        inputs = [helper.make_tensor_value_info(*each) for each in own]
        nodes = [helper.make_node("Loop", ["three", "", "x"], ["y"], body=body("t", inputs, "carried"))]
    constants = [
        weights("shared"),
        numpy_helper.from_array(np.float32(1e6), "sum_limit"),
        numpy_helper.from_array(np.int64(3), "three"),
    ]
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [4, 32])
    graph = helper.make_graph(nodes, "net", [x], [y], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize("steps", [False, True])
def test_values_in_branches_and_loops_are_float16(steps: bool) -> None:
    model = branched(steps=steps)
    half = to_half(model, random_samples(model, 3), "float16")
    [inner] = [graph for graph in all_graphs(half.model) if graph.name == "t"]
    assert {tensor.data_type for tensor in inner.initializer} == {TensorProto.FLOAT16}
    assert [layer.op_type for layer in half.layers][:3] == ["MatMul", "Tanh", "MatMul"]
    assert largest_error(model, half.model) < 0.01


def test_a_branch_that_no_sample_comes_to_stays_in_float32() -> None:
    model = branched()
    half = to_half(model, random_samples(model, 3), "float16")
    types = {tensor.name: tensor.data_type for graph in all_graphs(half.model) for tensor in graph.initializer}
    assert types["e_w"] == TensorProto.FLOAT


@pytest.mark.parametrize("steps", [False, True])
def test_weights_in_branches_and_loops_are_bfloat16(steps: bool) -> None:
    model = branched(steps=steps)
    half = to_half(model, random_samples(model, 3), "bfloat16")
    assert half.model.ByteSize() < 0.65 * model.ByteSize()
    assert largest_error(model, half.model) < 0.1


def test_functions_are_halved() -> None:
    function = helper.make_function(
        "local",
        "Twice",
        ["x", "w"],
        ["y"],
        [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("MatMul", ["h", "w"], ["y"])],
        [helper.make_opsetid("", 17)],
    )
    weights = (np.random.RandomState(0).randn(16, 16) / 4).astype(np.float32)
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [3, 16]) for name in "xy")
    node = helper.make_node("Twice", ["x", "w"], ["y"], domain="local")
    graph = helper.make_graph([node], "net", [x], [y], [numpy_helper.from_array(weights, "w")])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8, functions=[function])
    half = to_half(model, random_samples(model, 2), "float16")
    assert types_of_weights(half.model) == {TensorProto.FLOAT16}
    assert largest_error(model, half.model) < 0.01


def test_what_a_value_in_float32_was_made_of_stays_too_where_its_rounding_shows() -> None:
    # squares of small numbers have no digits in float16, which a logarithm shows
    net = Net([1, 4, 8, 8], opset=13)
    small = net.add("Mul", net.conv("data", 4, 4), net.constant(np.float32(1e-4)), name="little")
    power = net.add("Add", net.add("Mul", small, small, name="power"), net.constant(np.float32(1e-12)), name="moved")
    model = net.model(net.conv(net.add("Log", power, name="log"), 4, 4))
    half = to_half(model, random_samples(model, 3), "float16")
    assert {"power", "moved", "log"} <= set(half.kept)
    assert largest_error(model, half.model) < 0.05


def test_a_mask_of_the_lowest_number_of_float32_stays_finite_in_bfloat16() -> None:
    net = Net([1, 4, 4], opset=13)
    mask = np.triu(np.full((4, 4), np.finfo(np.float32).min), 1)
    # where nothing is masked, the mask is taken 0 times: infinity would make NaN of it
    none = net.add("Mul", "data", net.constant(np.array(0, np.float32)))
    masked = net.add("Mul", net.constant(mask), none)
    model = net.model(net.add("MatMul", net.add("Add", "data", masked), net.normal(4, 4)))
    half = to_half(model, random_samples(model, 2), "bfloat16")
    assert types_of_weights(half.model) == {TensorProto.BFLOAT16, TensorProto.FLOAT}
    assert largest_error(model, half.model) < 0.05


def test_more_stays_in_float32_where_the_model_is_not_accepted() -> None:
    model = dense_block()
    samples = random_samples(model, 2)
    usual = to_half(model, samples, "float16")
    whole = model.ByteSize()

    def accepted(found: onnx.ModelProto) -> bool:
        return found.ByteSize() > 0.7 * whole

    found = to_half(model, samples, "float16", accepted=accepted)
    assert accepted(found.model)
    assert found.model.ByteSize() < 0.9 * whole
    assert len(found.kept) > len(usual.kept)
    assert largest_error(model, found.model) < 0.01


def test_weights_alone_are_float16_where_no_rounded_value_is_accepted() -> None:
    model = dense_block()
    computing = {"Conv", "Gemm", "MatMul", "Relu", "MaxPool", "Concat", "AveragePool", "BatchNormalization"}

    def accepted(found: onnx.ModelProto) -> bool:
        inferred = onnx.shape_inference.infer_shapes(found).graph
        halves = {
            value.name for value in inferred.value_info if value.type.tensor_type.elem_type == TensorProto.FLOAT16
        }
        return not any(halves & set(node.output) for node in inferred.node if node.op_type in computing)

    found = to_half(model, random_samples(model, 2), "float16", accepted=accepted)
    assert accepted(found.model)
    assert found.model.ByteSize() < 0.6 * model.ByteSize()
    assert TensorProto.FLOAT16 in types_of_weights(found.model)
    assert largest_error(model, found.model) < 0.01


def test_a_last_part_in_float32_is_found_where_a_first_one_does_not_help() -> None:
    net = Net([1, 8, 8, 8], opset=13)
    x = net.conv("data", 8, 64)
    for _ in range(6):
        x = net.add("Relu", net.conv(x, 64, 64))
    model = net.model(net.conv(x, 64, 64))
    last = model.graph.node[-1].output[0]

    def accepted(found: onnx.ModelProto) -> bool:
        [maker] = [node for node in found.graph.node if last in node.output]
        return maker.op_type == "Conv"

    found = to_half(model, random_samples(model, 2), "float16", accepted=accepted)
    assert accepted(found.model)
    assert found.model.ByteSize() < 0.75 * model.ByteSize()


def test_a_model_of_which_nothing_can_be_halved_is_what_was_refused_first() -> None:
    model = dense_block()
    refused: list[int] = []

    def accepted(found: onnx.ModelProto) -> bool:
        refused.append(found.ByteSize())
        return False

    found = to_half(model, random_samples(model, 2), "float16", accepted=accepted)
    assert found.model.ByteSize() in refused
    assert len(refused) < 40


def test_bfloat16_below_opset_13_is_refused() -> None:
    model = dense_block()
    with pytest.raises(QuantizeError, match="opset 12, expected 13 or later, where Cast takes bfloat16"):
        to_half(model, random_samples(model, 1), "bfloat16")


def test_the_same_model_gives_the_same_bytes() -> None:
    model = dense_block()
    samples = random_samples(model, 2)
    first, second = (to_half(model, samples, "float16").model.SerializeToString() for _ in range(2))
    assert first == second
