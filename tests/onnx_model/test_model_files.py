from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from tests.zoosmith.small_models import scaling_model
from zoosmith.onnx_model import saving
from zoosmith.onnx_model.errors import ZoosmithError
from zoosmith.onnx_model.external_data import external_files
from zoosmith.onnx_model.loading import load_model
from zoosmith.onnx_model.saving import save_model


@pytest.fixture
def model() -> onnx.ModelProto:
    return scaling_model(np.arange(512, dtype=np.float32))


def test_a_saved_model_loads_back_equal(model: onnx.ModelProto, tmp_path: Path) -> None:
    save_model(model, tmp_path / "scale.onnx")
    assert load_model(tmp_path / "scale.onnx") == model


@pytest.mark.parametrize("fields", [{}, {"doc_string": "d" * 300, "domain": "x", "model_version": 3}])
def test_large_tensors_are_written_as_protobuf_writes_them(fields: dict[str, Any], tmp_path: Path) -> None:
    random = np.random.RandomState(0)
    tensors = [numpy_helper.from_array(random.rand(n).astype(np.float32), f"w{n}") for n in (0, 1, 30, 2_500_000, 7000)]
    add = helper.make_node("Add", ["x", "w1"], ["y"], doc_string="a node")
    x, y = (helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in "xy")
    graph = helper.make_graph([add], "graph", [x], [y], tensors, doc_string="a graph", value_info=[y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], **fields)
    model.metadata_props.add(key="k", value="v")
    save_model(model, tmp_path / "large.onnx")
    assert (tmp_path / "large.onnx").read_bytes() == model.SerializeToString(deterministic=True)


def test_fields_of_a_later_onnx_are_kept_beside_large_tensors(tmp_path: Path) -> None:
    large = numpy_helper.from_array(np.ones(2_500_000, np.float32), "w")
    model = helper.make_model(helper.make_graph([], "graph", [], [], [large]))
    model.MergeFromString(b"\x98\x7d\x01")
    save_model(model, tmp_path / "later.onnx")
    assert (tmp_path / "later.onnx").read_bytes() == model.SerializeToString(deterministic=True)
    assert b"\x98\x7d\x01" in (tmp_path / "later.onnx").read_bytes()


def test_a_model_at_the_limit_of_protobuf_is_one_file(
    model: onnx.ModelProto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # sizes of messages are signed numbers of 32 bits
    assert np.iinfo(np.int32).max == saving._PROTOBUF_LIMIT
    for limit, files in ((model.ByteSize(), 1), (model.ByteSize() - 1, 2)):
        monkeypatch.setattr(saving, "_PROTOBUF_LIMIT", limit)
        folder = tmp_path / str(limit)
        save_model(model, folder / "scale.onnx")
        assert len(list(folder.iterdir())) == files


def test_a_model_too_large_for_protobuf_keeps_its_tensors_beside_it(
    model: onnx.ModelProto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saving, "_PROTOBUF_LIMIT", 1000)
    before = model.SerializeToString()
    save_model(model, tmp_path / "scale.onnx")
    assert model.SerializeToString() == before
    assert (tmp_path / "scale.onnx").stat().st_size < 1000
    (data,) = tmp_path.glob("scale.onnx.*.data")
    assert external_files(load_model(tmp_path / "scale.onnx", external_data=False)) == [data.name]
    loaded = load_model(tmp_path / "scale.onnx")
    np.testing.assert_array_equal(numpy_helper.to_array(loaded.graph.initializer[0]), np.arange(512, dtype=np.float32))


def test_missing_external_data_is_named(
    model: onnx.ModelProto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saving, "_PROTOBUF_LIMIT", 1000)
    save_model(model, tmp_path / "scale.onnx")
    next(tmp_path.glob("scale.onnx.*.data")).unlink()
    with pytest.raises(ZoosmithError, match=r"scale\.onnx: its external data .*scale\.onnx\..*\.data"):
        load_model(tmp_path / "scale.onnx")


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x03"], ids=["empty", "text", "no graph"])
def test_what_is_no_model_is_refused_by_name(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "file.onnx").write_bytes(content)
    with pytest.raises(ZoosmithError, match=r"file\.onnx: expected an ONNX model"):
        load_model(tmp_path / "file.onnx")


def test_a_truncated_model_is_refused_by_name(model: onnx.ModelProto, tmp_path: Path) -> None:
    (tmp_path / "file.onnx").write_bytes(model.SerializeToString()[:-100])
    with pytest.raises(ZoosmithError, match=r"file\.onnx: expected an ONNX model, found .* truncated"):
        load_model(tmp_path / "file.onnx")


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ZoosmithError, match=r"none\.onnx: cannot be read: No such file"):
        load_model(tmp_path / "none.onnx")
