"""Graphs inside of nodes: what stands in branches and loops is quantized as any other model."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from zoosmith.execution import Progress
from zoosmith.onnx_model.traversal import all_nodes
from zoosmith.quantize import QuantizeError, quantize, quantize_within, subgraphs
from zoosmith.quantize.similarity import cosine, run
from zoosmith.quantize.target import Target

FLOAT, WHOLE = TensorProto.FLOAT, Target(every_layer=True)
Sample = dict[str, np.ndarray]


def port(name: str, *shape: int | str, elem_type: int = FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, elem_type, shape)


def constant(name: str, value: Any, dtype: type = np.float32) -> onnx.TensorProto:
    return numpy_helper.from_array(np.asarray(value, dtype), name)


def weights(name: str, *shape: int) -> onnx.TensorProto:
    stream = np.random.default_rng(len(name))
    return constant(name, stream.normal(size=shape) * np.prod(shape[1:]) ** -0.5)


def convolutions(source: str, output: str, prefix: str) -> list[NodeProto]:
    return [
        helper.make_node("Conv", [source, f"{prefix}a"], ["hidden"], pads=[1, 1], strides=[2]),
        helper.make_node("Relu", ["hidden"], ["positive"]),
        helper.make_node("Conv", ["positive", f"{prefix}b"], [output], pads=[1, 1]),
    ]


def weights_of(prefix: str) -> list[onnx.TensorProto]:
    return [weights(f"{prefix}a", 16, 4, 3), weights(f"{prefix}b", 4, 16, 3)]


def branch(name: str, nodes: list[NodeProto], constants: list[onnx.TensorProto] | None = None) -> GraphProto:
    output = nodes[-1].output[0]
    return helper.make_graph(nodes, name, [], [port(output, "n", 4, "half")], constants or [])


def two_rates(*, inside: bool = True, before: bool = False) -> ModelProto:
    """Convolutions in both branches of an If on an integer; their weights stand there, or outside."""
    source = "scaled" if before else "x"
    branches = {
        f"{name}_branch": branch(
            name, convolutions(source, f"{name}_y", f"{name}_"), weights_of(f"{name}_") if inside else []
        )
        for name in ("then", "else")
    }
    nodes = [helper.make_node("Equal", ["rate", "usual"], ["is_usual"])]
    outside = [constant("usual", 16000, np.int64), *([] if inside else [*weights_of("then_"), *weights_of("else_")])]
    if before:
        nodes.append(helper.make_node("Conv", ["x", "w"], ["scaled"], pads=[1, 1]))
        outside.append(weights("w", 4, 4, 3))
    nodes.append(helper.make_node("If", ["is_usual"], ["y"], name="rates", **branches))
    inputs = [port("x", "n", 4, "length"), port("rate", elem_type=TensorProto.INT64)]
    graph = helper.make_graph(nodes, "g", inputs, [port("y", "n", 4, "half")], outside)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def samples(count: int, *rates: int) -> list[Sample]:
    stream = np.random.default_rng(0)
    return [
        {"x": stream.normal(size=(1, 4, 64)).astype(np.float32), "rate": np.array(rates[number % len(rates)])}
        for number in range(count)
    ]


def kinds(graph: GraphProto) -> list[str]:
    return [node.op_type for node in graph.node]


def branches_of(model: ModelProto) -> dict[str, GraphProto]:
    [node] = [node for node in model.graph.node if node.op_type == "If"]
    return {each.name: each.g for each in node.attribute}


def assert_alike(exact: ModelProto, found: ModelProto, cases: list[Sample], least: float = 0.999) -> None:
    onnx.checker.check_model(found, full_check=True)
    alike = cosine(run(exact, cases), run(found, cases))
    assert alike is not None and alike > least


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("inside", [False, True])
def test_layers_of_both_branches_become_integer_wherever_their_weights_stand(inside: bool, before: bool) -> None:
    model = two_rates(inside=inside, before=before)
    found = quantize(model, samples(8, 16000, 8000), target=WHOLE)
    for graph in branches_of(found).values():
        assert kinds(graph).count("QLinearConv") == 2
        assert "Conv" not in kinds(graph)
    assert ("QLinearConv" in kinds(found.graph)) == before
    floats = [tensor for tensor in found.graph.initializer if tensor.data_type == FLOAT and tensor.dims]
    assert not [tensor.name for tensor in floats if len(tensor.dims) > 1]
    assert_alike(model, found, samples(4, 16000, 8000))


def test_the_same_bytes_come_of_samples_that_are_kept_and_of_those_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for kept in (subgraphs._KEPT, 0):
        monkeypatch.setattr(subgraphs, "_KEPT", kept)
        found = quantize(two_rates(), samples(4, 16000, 8000), target=WHOLE)
        made.append(found.SerializeToString(deterministic=True))
    assert made[0] == made[1]


class Notes(Progress):
    """Keeps what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.notes: list[str] = []

    def on_note(self, text: str) -> None:
        self.notes.append(text)


def test_a_branch_that_no_sample_comes_to_stays_in_float_and_this_is_said() -> None:
    model, progress = two_rates(), Notes()
    found = quantize(model, samples(4, 16000), target=WHOLE, progress=progress)
    assert kinds(branches_of(found)["else_branch"]) == ["Conv", "Relu", "Conv"]
    assert "QLinearConv" in kinds(branches_of(found)["then_branch"])
    assert progress.notes == ["else_branch of If rates stays in float: no sample comes to it"]
    assert_alike(model, found, samples(4, 16000, 8000))


def test_the_qdq_form_is_written_in_branches_as_well() -> None:
    model = two_rates()
    found = quantize(model, samples(4, 16000, 8000), target=Target("qdq"))
    assert all("DequantizeLinear" in kinds(graph) for graph in branches_of(found).values())
    assert_alike(model, found, samples(4, 16000, 8000))


def test_the_limit_is_that_of_the_whole_model() -> None:
    model, cases = two_rates(before=True), samples(8, 16000, 8000)
    exact = run(model, cases)
    seen = []

    def drop_of(found: ModelProto) -> float:
        seen.append(found)
        return 1 - (cosine(exact, run(found, cases)) or 0.0)

    found = quantize_within(model, cases, drop_of, 0.01, target=WHOLE)
    assert found.met and found.drop == drop_of(found.model)
    assert all({value.name for value in each.graph.input} == {"x", "rate"} for each in seen)
    assert len({layer.name for layer in found.layers}) >= 3


def test_branches_inside_of_branches_are_reached() -> None:
    model = two_rates()
    graph = model.graph.node[-1].attribute[0].g
    inner = GraphProto()
    inner.CopyFrom(graph)
    other = branch("zero", [helper.make_node("Neg", [""], ["zero_y"])])
    other.node[0].input[0] = "x_half"
    nodes = [
        helper.make_node("AveragePool", ["x"], ["x_half"], kernel_shape=[2], strides=[2]),
        helper.make_node("ReduceMax", ["x_half"], ["most"], keepdims=0),
        helper.make_node("Greater", ["most", "none"], ["any"]),
        helper.make_node("If", ["any"], ["deep"], then_branch=inner, else_branch=other),
    ]
    outer = branch("outer", nodes, [constant("none", 0.0)])
    graph.CopyFrom(outer)
    found = quantize(model, samples(8, 16000, 8000), target=WHOLE)
    assert [node.op_type for node in all_nodes(found)].count("QLinearConv") == 4
    assert_alike(model, found, samples(4, 16000, 8000))


def loop(op_type: str) -> ModelProto:
    """A state that goes through a matrix product in each run, three times."""
    step = [
        helper.make_node("MatMul", ["state", "w"], ["product"]),
        helper.make_node("Tanh", ["product"], ["next"]),
    ]
    state, constants = port("state", 8, 16), [weights("w", 16, 16)]
    if op_type == "Loop":
        inputs = [port("i", elem_type=TensorProto.INT64), port("go_in", elem_type=TensorProto.BOOL), state]
        step.append(helper.make_node("Identity", ["go_in"], ["go_out"]))
        outputs = [port("go_out", elem_type=TensorProto.BOOL), port("next", 8, 16)]
        body = helper.make_graph(step, "body", inputs, outputs)
        node = helper.make_node("Loop", ["times", "go", "x"], ["y"], name="steps", body=body)
        constants += [constant("times", 3, np.int64), constant("go", True, bool)]
    else:
        step.append(helper.make_node("Add", ["next", "part"], ["sum"]))
        body = helper.make_graph(step, "body", [state, port("part", 8, 16)], [port("sum", 8, 16)])
        node = helper.make_node("Scan", ["x", "parts"], ["y"], name="steps", body=body, num_scan_inputs=1)
        constants.append(weights("parts", 3, 8, 16))
    graph = helper.make_graph([node], "g", [port("x", 8, 16)], [port("y", 8, 16)], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


@pytest.mark.parametrize("op_type", ["Loop", "Scan"])
def test_the_body_of_a_loop_is_quantized_on_what_it_reads_in_each_run(op_type: str) -> None:
    model = loop(op_type)
    stream = np.random.default_rng(0)
    cases = [{"x": stream.normal(size=(8, 16)).astype(np.float32)} for _ in range(6)]
    found = quantize(model, cases, target=WHOLE)
    [node] = found.graph.node
    assert len(node.output) == 1
    assert "MatMulInteger" in kinds(node.attribute[0].g)
    assert_alike(model, found, cases)


def test_functions_of_the_model_are_put_in_place() -> None:
    nodes = convolutions("x", "y", "w_")
    function = helper.make_function("own", "Encoder", ["x", "w_a", "w_b"], ["y"], nodes, [helper.make_opsetid("", 13)])
    graph = helper.make_graph(
        [helper.make_node("Encoder", ["x", "w_a", "w_b"], ["y"], domain="own")],
        "g",
        [port("x", "n", 4, "length")],
        [port("y", "n", 4, "half")],
        weights_of("w_"),
    )
    opsets = [helper.make_opsetid("", 13), helper.make_opsetid("own", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8, functions=[function])
    cases = [{"x": each["x"]} for each in samples(4, 1)]
    found = quantize(model, cases, target=WHOLE)
    assert kinds(found.graph).count("QLinearConv") == 2
    assert_alike(model, found, cases)


def without_weights() -> ModelProto:
    model = two_rates()
    for each in model.graph.node[-1].attribute:
        if each.HasField("g"):
            name = each.g.output[0].name
            nodes = [helper.make_node("AveragePool", ["x"], [name], kernel_shape=[2], strides=[2])]
            each.g.CopyFrom(branch("pool", nodes))
    return model


def quantized_branch() -> ModelProto:
    return quantize(two_rates(), samples(4, 16000, 8000), target=WHOLE)


@pytest.mark.parametrize(
    ("make", "reason"),
    [(without_weights, "nothing to quantize"), (quantized_branch, "already quantized: it holds")],
)
def test_what_cannot_be_quantized_is_refused_in_one_line(make: Callable[[], ModelProto], reason: str) -> None:
    with pytest.raises(QuantizeError, match=reason) as refused:
        quantize(make(), samples(4, 16000, 8000))
    assert "\n" not in str(refused.value)


def test_layers_to_keep_in_float_are_counted_over_all_graphs() -> None:
    model, given = two_rates(before=True), samples(8, 16000, 8000)
    every = quantize_within(model, given, target=WHOLE, rank=True).layers
    assert len(every) == 5
    for count in (1, 3):
        found = quantize_within(model, given, target=WHOLE, keep=count)
        assert len(found.kept) == count and len(found.layers) == 5 - count
    costs = sorted((layer.alone_db, layer.name) for layer in every if layer.alone_db is not None)
    assert sorted(layer.name for layer in found.layers) == sorted(name for _, name in costs[3:])
    with pytest.raises(QuantizeError, match="5 layers to keep in float of 5 in all; expected at most 4"):
        quantize_within(model, given, target=WHOLE, keep=5)
