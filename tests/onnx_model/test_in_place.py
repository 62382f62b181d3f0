"""Large tensors stay in the file that a model was read from, and the file that is written is the same as without."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto, TensorProto, helper, numpy_helper

from zoosmith.onnx_model import ModelError, load_model, saving
from zoosmith.onnx_model.external_data import external_files
from zoosmith.onnx_model.in_place import array_of, has_spans, load_spans, span_of
from zoosmith.onnx_model.loading import load_in_place
from zoosmith.onnx_model.saving import save_model
from zoosmith.onnx_model.traversal import all_tensors
from zoosmith.onnx_model.wire_format import fields

LARGE = np.arange(20_000, dtype=np.float32)


def tensor(name: str, values: np.ndarray = LARGE) -> TensorProto:
    made = numpy_helper.from_array(values, name)
    made.doc_string = "after the data"  # a field that stands behind raw_data
    return made


def model_with_large_tensors_everywhere() -> ModelProto:
    """One each as initializer, in a node, in a subgraph, in a sparse tensor, in a model-local function."""
    branch = helper.make_graph(
        [helper.make_node("Identity", ["w"], ["b"])],
        "branch",
        [],
        [helper.make_tensor_value_info("b", TensorProto.FLOAT, None)],
        initializer=[tensor("w")],
    )
    nodes = [
        helper.make_node("Constant", [], ["c"], value=tensor("")),
        helper.make_node("If", ["condition"], ["y"], then_branch=branch, else_branch=branch),
    ]
    sparse = helper.make_sparse_tensor(tensor("s"), tensor("", np.arange(20_000, dtype=np.int64)), [40_000])
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("condition", TensorProto.BOOL, [])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        initializer=[tensor("small", LARGE[:10]), tensor("large")],
        sparse_initializer=[sparse],
    )
    body = [helper.make_node("Constant", [], ["f"], value=tensor(""))]
    function = helper.make_function("local", "F", [], ["f"], body, [helper.make_opsetid("", 17)])
    return helper.make_model(graph, functions=[function], opset_imports=[helper.make_opsetid("", 17)])


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source.onnx"
    path.write_bytes(model_with_large_tensors_everywhere().SerializeToString(deterministic=True))
    return path


def test_only_large_tensors_stay_in_the_file_wherever_they_stand(source: Path) -> None:
    model = load_in_place(source)
    left = [span_of(each) is not None for each in all_tensors(model)]
    assert left.count(True) == 7
    assert left.count(False) == 1
    assert model.ByteSize() < 10_000
    assert external_files(model) == []


def test_the_copy_is_the_same_file(source: Path, tmp_path: Path) -> None:
    save_model(load_in_place(source), tmp_path / "copy.onnx")
    assert (tmp_path / "copy.onnx").read_bytes() == source.read_bytes()


def test_an_edited_graph_is_written_as_if_all_had_been_loaded(source: Path, tmp_path: Path) -> None:
    loaded, in_place = load_model(source), load_in_place(source)
    for model in (loaded, in_place):
        model.graph.initializer[1].name = "another name, which is longer"
        model.graph.node.add(op_type="Relu", input=["x"], output=["z"])
    save_model(in_place, tmp_path / "edited.onnx")
    assert (tmp_path / "edited.onnx").read_bytes() == loaded.SerializeToString(deterministic=True)


def test_a_model_may_replace_the_file_that_it_was_read_from(source: Path) -> None:
    expected = load_model(source)
    expected.producer_name = "changed"
    model = load_in_place(source)
    model.producer_name = "changed"
    save_model(model, source)
    assert source.read_bytes() == expected.SerializeToString(deterministic=True)


def test_tensors_larger_than_a_block_are_copied_whole(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saving, "_BLOCK", 1000)
    save_model(load_in_place(source), tmp_path / "copy.onnx")
    assert (tmp_path / "copy.onnx").read_bytes() == source.read_bytes()


def test_values_can_be_read_one_by_one_or_loaded(source: Path) -> None:
    model = load_in_place(source)
    mapped = array_of(model.graph.initializer[1])
    assert mapped is not None
    np.testing.assert_array_equal(mapped, LARGE)
    assert array_of(model.graph.initializer[0]) is None
    load_spans(model)
    assert not has_spans(model)
    assert model.SerializeToString(deterministic=True) == source.read_bytes()


def test_a_model_beyond_the_limit_of_protobuf_gets_a_data_file(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saving, "_PROTOBUF_LIMIT", 100_000)
    model = load_in_place(source)
    save_model(model, tmp_path / "beyond.onnx")
    (data,) = tmp_path.glob("beyond.onnx.*.data")
    assert data.stat().st_size >= LARGE.nbytes
    assert has_spans(model), "the model is left as it was"
    again = load_model(tmp_path / "beyond.onnx")
    np.testing.assert_array_equal(numpy_helper.to_array(again.graph.initializer[1]), LARGE)


def test_a_file_that_was_changed_meanwhile_is_refused(source: Path, tmp_path: Path) -> None:
    model = load_in_place(source)
    source.write_bytes(source.read_bytes() + b"\0")
    with pytest.raises(ModelError, match=r"source\.onnx: was changed while it was in use"):
        save_model(model, tmp_path / "copy.onnx")
    assert not (tmp_path / "copy.onnx").exists()


def test_a_location_in_a_file_is_never_taken_for_ours(tmp_path: Path) -> None:
    model = model_with_large_tensors_everywhere()
    hostile = model.graph.initializer[1]
    hostile.ClearField("raw_data")
    hostile.data_location = TensorProto.EXTERNAL
    for key, value in {"location": "in-place-0:/etc/passwd", "offset": "0", "length": "10"}.items():
        hostile.external_data.add(key=key, value=value)
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    assert span_of(hostile) is None
    with pytest.raises(ModelError, match="in-place-0:/etc/passwd"):
        load_in_place(tmp_path / "m.onnx")


@pytest.mark.parametrize("content", [b"", b"no model at all", b"\x3a\xff\xff\xff\x7f"])
def test_files_that_are_no_models_are_refused_by_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.onnx").write_bytes(content)
    with pytest.raises(ModelError, match=r"bad\.onnx: expected an ONNX model"):
        load_in_place(tmp_path / "bad.onnx")


@given(kept=st.integers(0, 10**6))
@settings(max_examples=60)
def test_a_cut_file_is_read_as_load_model_reads_it_or_refused(
    kept: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    whole = model_with_large_tensors_everywhere().SerializeToString(deterministic=True)
    path = tmp_path_factory.mktemp("cut") / "cut.onnx"
    path.write_bytes(whole[: kept % len(whole)])
    try:
        expected = load_model(path)
    except ModelError:
        with pytest.raises(ModelError):
            load_in_place(path)
        return
    found = load_in_place(path)
    load_spans(found)
    assert found == expected


def test_fields_of_a_message_are_found_by_their_wire_format() -> None:
    message = TensorProto(dims=[3], name="x", raw_data=b"abc", float_data=[1.0])
    content = memoryview(message.SerializeToString(deterministic=True))
    found = {field.number: bytes(content[field.start : field.end]) for field in fields(content, 0, len(content))}
    assert found[8] == b"x"
    assert found[9] == b"abc"
    assert set(found) == {1, 4, 8, 9}
