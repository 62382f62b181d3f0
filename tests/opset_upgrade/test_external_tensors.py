"""Tensors in files beside the model, wherever a tensor can stand: initializers, attributes, branches, functions."""

from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, checker, numpy_helper, parser
from onnx.external_data_helper import set_external_data
from onnx.reference import ReferenceEvaluator

from zoosmith.onnx_model.errors import ModelError
from zoosmith.onnx_model.external_data import external_files, load_small_tensors
from zoosmith.onnx_model.loading import load_model
from zoosmith.onnx_model.saving import save_model
from zoosmith.onnx_model.traversal import all_tensors
from zoosmith.opset_upgrade import OpsetError, convert_version

TEXT = """<ir_version: 9, opset_import: ["": 18, "my": 1]>
  g (float[2, 3] x, bool c) => (float[n] y) <int64[1] six = {6}> {
    a = Reshape (x, six)
    z = If (c) <
      then_branch = t () => (p) { k = Constant <value = int64[1] {-1}> ()  p = Reshape (a, k) },
      else_branch = e () => (q) { q = Identity (a) }>
    w = my.f (z)
    ones = ConstantOfShape <value = float[1] {2.}> (six)
    y = Add (w, ones) }
  <domain: "my", opset_import: ["": 18]> f (a) => (r) {
    q = Mul (a, a)  ax = Constant <value = int64[1] {0}> ()  r = ReduceSum <keepdims = 1> (q, ax) }"""
FEEDS = {"x": np.arange(6, dtype=np.float32).reshape(2, 3), "c": np.array(True)}


def moved_out(folder: Path) -> Path:
    """The model with the data of every tensor in one file beside it."""
    model, data = parser.parse_model(TEXT), b""
    for index, tensor in enumerate(all_tensors(model)):
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor), tensor.name or f"t{index}"))
        size = len(tensor.raw_data)
        set_external_data(tensor, "weights.bin", len(data), size)
        data += tensor.raw_data
        tensor.ClearField("raw_data")
    (folder / "weights.bin").write_bytes(data)
    save_model(model, folder / "model.onnx")
    return folder / "model.onnx"


@pytest.mark.parametrize("target", [19, 17, 12, 9])
def test_small_tensors_are_loaded_wherever_they_stand_and_tell_what_a_rule_must_know(
    target: int, tmp_path: Path
) -> None:
    model = load_model(moved_out(tmp_path), external_data=False)
    assert external_files(model) == ["weights.bin"]
    load_small_tensors(model, tmp_path)
    assert external_files(model) == []
    converted = convert_version(model, target)
    checker.check_model(converted)
    expected = ReferenceEvaluator(parser.parse_model(TEXT)).run(None, FEEDS)
    np.testing.assert_array_equal(ReferenceEvaluator(converted).run(None, FEEDS)[0], expected[0])


def test_tensors_that_are_not_loaded_are_kept_as_they_are(tmp_path: Path) -> None:
    model = load_model(moved_out(tmp_path), external_data=False)
    converted = convert_version(model, 19)
    assert list(all_tensors(converted)) == list(all_tensors(model))


def test_a_file_of_that_name_in_the_current_folder_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_model(moved_out(tmp_path), external_data=False)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    Path("weights.bin").write_bytes(bytes(64))
    with pytest.raises(OpsetError, match=r"not known|computed at run time|in a file beside the model"):
        convert_version(model, 8)


def squeezed(folder: Path) -> ModelProto:
    """A Squeeze whose axes lie in a file beside the model, not loaded."""
    model = parser.parse_model(
        """<ir_version: 8, opset_import: ["": 13]>
        g (float[2, 1, 3] x) => (float[n, m] y) <int64[1] axes = {1}> { y = Squeeze (x, axes) }"""
    )
    axes = model.graph.initializer[0]
    axes.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(axes), "axes"))
    (folder / "axes.bin").write_bytes(axes.raw_data)
    set_external_data(axes, "axes.bin", 0, len(axes.raw_data))
    axes.ClearField("raw_data")
    return model


def test_what_a_rule_must_know_is_loaded_from_the_folder(tmp_path: Path) -> None:
    model = squeezed(tmp_path)
    before = model.SerializeToString(deterministic=True)
    converted = convert_version(model, 11, folder=tmp_path)
    x = np.ones((2, 1, 3), np.float32)
    assert ReferenceEvaluator(converted).run(None, {"x": x})[0].shape == (2, 3)
    assert model.SerializeToString(deterministic=True) == before


def test_without_the_folder_the_refusal_names_the_tensor_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(OpsetError, match=r"'axes' in a file beside the model: load it first, or give `folder`"):
        convert_version(squeezed(tmp_path), 11)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    model: ModelProto = load_model(moved_out(tmp_path), external_data=False)
    (tmp_path / "weights.bin").unlink()
    with pytest.raises(ModelError, match=r"external data at 'weights\.bin': No such file"):
        load_small_tensors(model, tmp_path)
