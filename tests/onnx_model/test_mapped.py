"""Large weights stay in the file of their model, or in one beside it, and count as if they were in the message."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from zoosmith.onnx_model import ModelError, load_model, save_model
from zoosmith.onnx_model.external_data import external_tensors
from zoosmith.onnx_model.in_place import has_spans, span_of
from zoosmith.onnx_model.mapped import content_of, load_mapped, loaded, size_in_bytes, values_of, with_external_data

WEIGHTS = np.arange(40_000, dtype=np.float32).reshape(200, 200)


def model() -> onnx.ModelProto:
    """Weights, a long vector and a large tensor in a node."""
    nodes = [
        helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(WEIGHTS, "")),
        helper.make_node("MatMul", ["x", "w"], ["y"]),
        helper.make_node("Add", ["y", "c"], ["z"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [200, 200])],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, [200, 200])],
        [numpy_helper.from_array(WEIGHTS, "w"), numpy_helper.from_array(WEIGHTS.reshape(-1), "vector")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.fixture(params=["in the model", "in a file beside it"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "model.onnx"
    if request.param == "in the model":
        save_model(model(), path)
    else:
        onnx.save(model(), path, save_as_external_data=True, location="data", size_threshold=0, convert_attribute=True)
    return path


def test_weights_stay_in_their_file_and_all_else_is_loaded(path: Path) -> None:
    found = load_mapped(path)
    weights, vector = found.graph.initializer
    assert span_of(weights) is not None and span_of(vector) is None
    np.testing.assert_array_equal(values_of(weights), WEIGHTS)
    np.testing.assert_array_equal(values_of(vector), WEIGHTS.reshape(-1))
    np.testing.assert_array_equal(numpy_helper.to_array(found.graph.node[0].attribute[0].t), WEIGHTS)


def test_all_of_it_can_be_loaded(path: Path) -> None:
    found = loaded(load_mapped(path))
    assert not has_spans(found)
    assert found == load_model(path)
    assert loaded(found) is found


def test_size_and_content_are_those_of_the_whole_model(path: Path) -> None:
    whole, found = load_model(path), load_mapped(path)
    assert size_in_bytes(found) == size_in_bytes(whole) == whole.ByteSize()
    assert b"".join(content_of(found)) == b"".join(content_of(whole)) == whole.SerializeToString(deterministic=True)


def test_the_model_can_state_where_its_weights_lie(path: Path) -> None:
    stated, folder = with_external_data(load_mapped(path))
    [tensor] = external_tensors(stated)
    entries = {entry.key: entry.value for entry in tensor.external_data}
    content = (folder / entries["location"]).read_bytes()
    start = int(entries["offset"])
    assert content[start : start + int(entries["length"])] == WEIGHTS.tobytes()


def test_a_file_that_was_changed_is_refused(path: Path) -> None:
    found = load_mapped(path)
    span = span_of(found.graph.initializer[0])
    assert span is not None
    with open(span.path, "ab") as file:
        file.write(b"\n")
    for ask in (with_external_data, lambda model: list(content_of(model))):
        with pytest.raises(ModelError, match="was changed while it was in use"):
            ask(found)
