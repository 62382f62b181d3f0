"""A model that was read in place is simplified as one in memory; weights that nothing folds stay in the file."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from zoosmith.onnx_model.in_place import has_spans, span_of
from zoosmith.onnx_model.loading import load_in_place, load_model
from zoosmith.onnx_model.saving import save_model
from zoosmith.optimize import optimize

SIZE = 160
RANDOM = np.random.default_rng(0)


def weight(name: str, *shape: int) -> TensorProto:
    return numpy_helper.from_array(RANDOM.standard_normal(shape, np.float32), name)


def saved(folder: Path, nodes: list[onnx.NodeProto], weights: list[TensorProto], *, ir: int = 8) -> Path:
    """A file with these nodes between x and y, two images of SIZE channels."""
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, SIZE, 4, 4]) for name in "xy"]
    inputs = [helper.make_tensor_value_info(t.name, t.data_type, t.dims) for t in weights] if ir < 4 else []
    graph = helper.make_graph(nodes, "g", [ports[0], *inputs], ports[1:], weights)
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=ir), folder / "model.onnx"
    )
    return folder / "model.onnx"


def conv(source: str, kernel: str, result: str) -> onnx.NodeProto:
    return helper.make_node("Conv", [source, kernel], [result])


def in_file(model: onnx.ModelProto) -> set[str]:
    return {tensor.name for tensor in model.graph.initializer if span_of(tensor) is not None}


def assert_same_bytes(path: Path, folder: Path) -> onnx.ModelProto:
    """Simplify the file in place and in memory; returns what came of the first."""
    found = optimize(load_in_place(path))
    save_model(found, folder / "out.onnx")
    assert (folder / "out.onnx").read_bytes() == optimize(load_model(path)).SerializeToString(deterministic=True)
    return found


@pytest.mark.parametrize("ir", [3, 8])
def test_a_weight_that_nothing_changes_stays_in_the_file(tmp_path: Path, ir: int) -> None:
    nodes = [conv("x", "w", "a"), helper.make_node("Dropout", ["a"], ["y"])]
    found = assert_same_bytes(saved(tmp_path, nodes, [weight("w", SIZE, SIZE, 1, 1)], ir=ir), tmp_path)
    assert in_file(found) == {"w"}


def test_a_weight_that_becomes_part_of_a_constant_is_folded(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Transpose", ["t"], ["u"], perm=[1, 0, 2, 3]),
        helper.make_node("Neg", ["u"], ["w"]),
        conv("x", "w", "a"),
        conv("a", "v", "y"),
    ]
    weights = [weight("t", SIZE, SIZE, 1, 1), weight("v", SIZE, SIZE, 1, 1)]
    found = assert_same_bytes(saved(tmp_path, nodes, weights), tmp_path)
    assert in_file(found) == {"v"} and [node.op_type for node in found.graph.node] == ["Conv", "Conv"]


def test_a_batch_normalization_goes_into_the_weight_before_it(tmp_path: Path) -> None:
    norm = [weight(name, SIZE) for name in ("scale", "bias", "mean")]
    variance = numpy_helper.from_array(np.ones(SIZE, np.float32), "var")
    nodes = [
        conv("x", "w", "a"),
        helper.make_node("BatchNormalization", ["a", "scale", "bias", "mean", "var"], ["b"]),
        helper.make_node("Relu", ["b"], ["c"]),
        conv("c", "v", "y"),
    ]
    weights = [weight("w", SIZE, SIZE, 1, 1), weight("v", SIZE, SIZE, 1, 1), *norm, variance]
    found = assert_same_bytes(saved(tmp_path, nodes, weights), tmp_path)
    assert in_file(found) == {"v"} and [node.op_type for node in found.graph.node] == ["Conv", "Relu", "Conv"]


def test_a_weight_that_a_subgraph_reads_is_loaded(tmp_path: Path) -> None:
    def branch(*nodes: onnx.NodeProto) -> onnx.GraphProto:
        return helper.make_graph(
            list(nodes), "b", [], [helper.make_tensor_value_info("r", TensorProto.FLOAT, [2, SIZE, 4, 4])]
        )

    nodes = [
        helper.make_node("ReduceSum", ["x"], ["sum"], keepdims=0),
        helper.make_node("Cast", ["sum"], ["flag"], to=TensorProto.BOOL),
        helper.make_node(
            "If",
            ["flag"],
            ["y"],
            then_branch=branch(conv("x", "w", "r")),
            else_branch=branch(helper.make_node("Neg", ["x"], ["r"])),
        ),
    ]
    found = assert_same_bytes(saved(tmp_path, nodes, [weight("w", SIZE, SIZE, 1, 1)]), tmp_path)
    assert not has_spans(found)


def test_the_model_is_left_as_it_was(tmp_path: Path) -> None:
    model = load_in_place(saved(tmp_path, [conv("x", "w", "y")], [weight("w", SIZE, SIZE, 1, 1)]))
    before = model.SerializeToString(deterministic=True)
    optimize(model)
    assert model.SerializeToString(deterministic=True) == before
